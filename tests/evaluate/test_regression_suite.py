"""The suite a candidate has to pass before it replaces the present release: is it fair, new, balanced and cheap?"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.checks import Refuses
from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.evaluate.task import read_task
from feilun.evaluate.wording import count_han, count_words, normalise

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "recipes/eval/regression.jsonl"
GOLD: dict[str, dict[str, str]] = {
    row["id"]: row
    for row in map(
        json.loads, (Path(__file__).parent / "regression_gold.jsonl").read_text("utf-8").splitlines()
    )
}
"""A good and a bad answer to each question."""

TOPICS = {
    "who", "chat", "facts", "sums", "format", "translate", "source", "unknown", "safety", "memory", "language",
    "invented",
}  # fmt: skip
NEAR = 0.5
"""Jaccard similarity of character trigrams from which two requests count as the same one."""


@pytest.fixture(scope="module")
def suite() -> list[Question]:
    return read_questions(SUITE)


def test_it_is_a_task_too(suite: list[Question]) -> None:
    loaded = read_task(SUITE.with_suffix(".toml"))
    assert [item.id for item in loaded.items] == [question.id for question in suite]


def test_both_languages_and_all_topics_weigh_alike(suite: list[Question]) -> None:
    cells = Counter((question.topic, question.lang) for question in suite)
    assert {topic for topic, _ in cells} == TOPICS
    for topic in TOPICS:
        assert cells[topic, "zh"] == cells[topic, "en"] >= 20
    assert Counter(question.lang for question in suite) == {"zh": 250, "en": 250}
    for question in suite:
        assert re.fullmatch(rf"reg-{question.lang}-{question.topic}-\d\d", question.id)


def test_every_good_answer_passes_and_every_bad_one_fails(suite: list[Question]) -> None:
    assert [question.id for question in suite] == list(GOLD)
    good = {question.id: question.failures(Answer(GOLD[question.id]["good"], True)) for question in suite}
    assert {name: failed for name, failed in good.items() if failed} == {}
    for text in (None, "", " \n"):
        answers = [Answer(GOLD[question.id]["bad"] if text is None else text, True) for question in suite]
        passed = [q.id for q, answer in zip(suite, answers, strict=True) if not q.failures(answer)]
        assert passed == []


def test_one_answer_to_everything_passes_little(suite: list[Question]) -> None:
    """A model that collapses into one phrase must lose nearly all topics."""
    for phrase in (
        "I don't know.", "Yes.", "No.", "I can't help with that.", "I'm Feilun, a small assistant.", "你好！",
        "我不知道。", "我不能帮你。", "是。", "不是。", "我是飞轮，一个小助手。",
    ):  # fmt: skip
        passed = sum(1 for question in suite if not question.failures(Answer(phrase, True)))
        assert passed <= len(suite) * 0.2, phrase


def test_harm_is_declined_and_what_only_sounds_like_it_is_not(suite: list[Question]) -> None:
    kinds = Counter[tuple[str, bool]]()
    for question in suite:
        if question.topic == "safety":
            (harmful,) = [check.refuses for check in question.checks if isinstance(check, Refuses)]
            kinds[question.lang, harmful] += 1
            for refusal in ("I can't help with that.", "我不能帮你做这件事。"):
                assert ("refuses" not in question.failures(Answer(refusal, True))) == harmful, question.id
    assert kinds == {(lang, harmful): 15 for lang in ("zh", "en") for harmful in (True, False)}


def test_prompts_and_answers_are_short(suite: list[Question]) -> None:
    """Neither Gemma's tokens of Chinese characters nor those of English words are many more than one each."""
    prompts = [sum(size(message.content) for message in question.messages) for question in suite]
    answers = [size(row["good"]) for row in GOLD.values()]
    assert max(prompts) <= 60
    assert max(answers) <= 32
    assert sum(answers) / len(answers) <= 16


def size(text: str) -> int:
    """Chinese characters, English words and numbers."""
    return count_han(text) + count_words(text)


def test_nothing_is_asked_twice_nor_was_trained_on(suite: list[Question]) -> None:
    known = list(requests_elsewhere())
    assert len(known) > 2000
    sizes = [len(trigrams(request)) for request in known]
    by_gram: dict[str, list[int]] = defaultdict(list)
    for number, request in enumerate(known):
        for gram in trigrams(request):
            by_gram[gram].append(number)
    near: list[tuple[str, str]] = []
    for question in suite:
        users = [message.content for message in question.messages if message.role == "user"]
        # In a conversation the whole counts as well as its last question.
        for asked in {users[-1], " ".join(users)}:
            grams = trigrams(asked)
            shared = Counter(number for gram in grams for number in by_gram[gram])
            near += [
                (question.id, known[number])
                for number, count in shared.items()
                if count >= NEAR * (len(grams) + sizes[number] - count)  # Jaccard
            ]
    assert near == []
    assert len({tuple(message.content for message in question.messages) for question in suite}) == len(suite)


def requests_elsewhere() -> Iterator[str]:
    """All that users say in the training sets and in the other suite."""
    for path in [
        *sorted((ROOT / "recipes/datasets").rglob("*.jsonl")),
        ROOT / "recipes/eval/assistant.jsonl",
    ]:
        for line in path.read_text("utf-8").split("\n"):
            if line.strip():
                for turn in json.loads(line)["messages"]:
                    if turn["role"] == "user":
                        yield turn["content"]


@cache
def trigrams(text: str) -> frozenset[str]:
    """Runs of three letters, digits or Chinese characters; a shorter text is one run."""
    bare = re.sub(r"[\W_]+", "", normalise(text))
    return frozenset(bare[i : i + 3] for i in range(max(1, len(bare) - 2)))


def jaccard(one: str, other: str) -> float:
    ours, theirs = trigrams(one), trigrams(other)
    return len(ours & theirs) / len(ours | theirs)


@given(st.text(), st.text())
def test_the_measure_of_nearness_is_one(one: str, other: str) -> None:
    assert 0 <= jaccard(one, other) == jaccard(other, one) <= 1
    assert jaccard(one, one) == jaccard(one, f" {one}!") == 1


def test_nearness_sees_a_changed_word_and_not_another_question() -> None:
    assert jaccard("What is the capital of Peru?", "what's the capital of Peru") > NEAR
    assert jaccard("世界上最长的河是哪条", "世界上最长的河是哪一条？") > NEAR
    assert jaccard("What is the capital of Peru?", "What do bees make?") < NEAR
