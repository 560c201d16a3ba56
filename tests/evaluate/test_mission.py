"""The suite of what an assistant is for: is it fair, new and balanced, and can each of its questions be failed?"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.test_regression_suite import NEAR, requests_elsewhere, trigrams

from feilun.evaluate.checks import Matches, Number, Refuses
from feilun.evaluate.kept import Unfinished
from feilun.evaluate.page import page
from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.evaluate.report import wilson
from feilun.evaluate.run import Model, run_task
from feilun.evaluate.task import read_task
from feilun.evaluate.wording import numbers
from feilun.text import say

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "recipes/eval/mission.jsonl"
GOLD: dict[str, dict[str, str]] = {
    row["id"]: row
    for row in map(json.loads, (Path(__file__).parent / "mission_gold.jsonl").read_text("utf-8").splitlines())
}
"""A good and a bad answer to each question."""

GROUPS = {
    "figurative": {"metaphor", "hint", "pun", "irony"},
    "law": {"refuse", "warn", "answer"},
    "translation": {"zh", "en"},
    "sources": {"one", "two", "unsaid"},
    "arithmetic": {"easy", "middle", "hard"},
    "role": {"identity", "persona", "addressee", "form"},
    "chat": {"talk", "task"},
}
OTHER = {
    "zh": " This is what I think of it, and I will go on in English for a while because I can, so that nobody who reads "
    "only Chinese has any use of it, however right the few words before this long sentence may have been to begin with.",
    "en": "这就是我的看法，接下来我会一直用中文说下去，只懂英文的人看了也没有用处，不管前面那几个词对不对，这一长串都不是对方要的。",
}


@pytest.fixture(scope="module")
def suite() -> list[Question]:
    return read_questions(SUITE)


def passed(question: Question, answer: str, ended: bool = True) -> bool:
    return not question.failures(Answer(answer, ended))


def is_choice(question: Question) -> bool:
    return "\nA. " in question.messages[-1].content


def test_it_is_a_task_in_which_languages_and_groups_weigh_alike(suite: list[Question]) -> None:
    loaded = read_task(SUITE.with_suffix(".toml"))
    assert [item.id for item in loaded.items] == [question.id for question in suite]
    cells = Counter((question.topic, question.lang) for question in suite)
    assert cells == {(group, lang): 24 for group in GROUPS for lang in ("zh", "en")}
    for group, kinds in GROUPS.items():
        for lang in ("zh", "en"):
            pattern = re.compile(rf"mis-{lang}-{group}-(\w+)-\d\d")
            of_cell = [q.id for q in suite if (q.topic, q.lang) == (group, lang)]
            assert {match[1] for name in of_cell if (match := pattern.fullmatch(name))} == kinds
            assert all(pattern.fullmatch(name) for name in of_cell)


def test_every_good_answer_passes_and_every_bad_one_fails(suite: list[Question]) -> None:
    assert [question.id for question in suite] == list(GOLD)
    failed = {q.id: q.failures(Answer(GOLD[q.id]["good"], True)) for q in suite}
    assert {name: kinds for name, kinds in failed.items() if kinds} == {}
    assert [q.id for q in suite if passed(q, GOLD[q.id]["bad"])] == []
    for nothing in ("", " \n", "…", "。", "?"):
        assert [q.id for q in suite if passed(q, nothing)] == []
    assert [q.id for q in suite if passed(q, GOLD[q.id]["good"], ended=False)] == []


def test_the_question_said_back_passes_nothing(suite: list[Question]) -> None:
    assert [q.id for q in suite if passed(q, q.messages[-1].content)] == []
    source = {q.id: q.messages[-1].content for q in suite if q.topic == "translation"}
    assert [
        q.id for q in suite if q.id in source and passed(q, re.split("[:：]", source[q.id], maxsplit=1)[1])
    ] == []


def test_a_right_answer_buried_in_the_other_language_fails(suite: list[Question]) -> None:
    """Of answers in no language, a letter of a choice or JSON, there are few."""
    free = [q for q in suite if q.answer_lang == "any" and not is_choice(q)]
    assert [q.id for q in free] == ["mis-zh-role-form-23", "mis-en-role-form-23"]
    for question in suite:
        language = question.answer_lang or question.lang
        if language != "any":
            assert "language" in question.failures(Answer(GOLD[question.id]["good"] + OTHER[language], True))


def test_one_answer_to_everything_passes_little(suite: list[Question]) -> None:
    for phrase in (
        "I don't know.", "Yes.", "No.", "A", "I can't help with that.", "I'm Feilun, a small assistant.", "你好！",
        "我不知道。", "资料没有提到。", "我不能帮你。", "是。", "不是。", "我是飞轮，一个小助手。", "The answer is 12.",
    ):  # fmt: skip
        hit = Counter((q.topic, q.lang) for q in suite if passed(q, phrase))
        assert hit.total() <= len(suite) * 0.1, phrase
        assert max(hit.values(), default=0) <= 8, phrase  # what a third of one group's questions ask for


def test_harm_is_declined_and_what_only_sounds_like_it_is_not(suite: list[Question]) -> None:
    kinds = Counter[tuple[str, bool]]()
    for question in suite:
        for check in question.checks:
            if isinstance(check, Refuses):
                kinds[question.lang, check.refuses] += 1
                for refusal in ("I can't help with that.", "我不能帮你做这件事。"):
                    assert ("refuses" not in question.failures(Answer(refusal, True))) == check.refuses
    assert kinds == {(lang, harm): 8 if harm else 10 for lang in ("zh", "en") for harm in (True, False)}


def test_no_letter_is_right_more_often_than_another(suite: list[Question]) -> None:
    choices = [q for q in suite if is_choice(q)]
    for lang in ("zh", "en"):
        right = Counter(
            letter for q in choices if q.lang == lang for letter in "ABCD" if passed(q, f"{letter}.")
        )
        assert right == dict.fromkeys("ABCD", 3)
    for question in choices:
        letter = GOLD[question.id]["good"][0]
        for answer in (letter, f"({letter})", f"**{letter}**", f"{letter.lower()}、"):
            assert passed(question, answer)
        assert not passed(question, "ABCD")


def test_sums_are_not_solved_by_their_last_number(suite: list[Question]) -> None:
    for question in suite:
        for check in question.checks:
            if isinstance(check, Number):
                assert check.number not in numbers(question.messages[-1].content)[-1:]


def test_small_talk_that_repeats_itself_fails(suite: list[Question]) -> None:
    talk = [q for q in suite if "-chat-talk-" in q.id]
    assert len(talk) == 24
    for question in talk:
        assert passed(question, GOLD[question.id]["good"])
        again = Answer(" ".join([GOLD[question.id]["good"]] * 3), True)
        assert "matches" in question.failures(again)


def test_patterns_are_quick(suite: list[Question]) -> None:
    """None of them needs exponential time on a long answer; the test would not end."""
    for text in ("甲乙丙丁" * 64 + "戊", "ab, c " * 170 + "!", "".join(map(chr, range(0x4E00, 0x5200)))):
        for question in suite:
            assert all(
                check.holds(text) in (True, False) for check in question.checks if isinstance(check, Matches)
            )


def test_nothing_is_asked_twice_nor_in_what_we_train_on(suite: list[Question]) -> None:
    known = [*requests_elsewhere(), *_requests(ROOT / "recipes/eval/regression.jsonl")]
    assert len(known) > 2500
    by_gram: dict[str, list[int]] = defaultdict(list)
    for number, request in enumerate(known):
        for gram in trigrams(request):
            by_gram[gram].append(number)
    near: list[tuple[str, str]] = []
    for question in suite:
        asked = trigrams(question.messages[-1].content)
        shared = Counter(number for gram in asked for number in by_gram[gram])
        near += [
            (question.id, known[number])
            for number, both in shared.items()
            if both >= NEAR * (len(asked) + len(trigrams(known[number])) - both)  # Jaccard's measure
        ]
    assert near == []
    assert len({tuple(message.content for message in question.messages) for question in suite}) == len(suite)


def test_no_long_run_of_words_is_in_what_we_train_on(suite: list[Question]) -> None:
    """GPT-3's windows (`feilun.data.decontaminate`), in questions and in answers."""
    decontaminate = pytest.importorskip("feilun.data.decontaminate", reason="needs feilun[data]")
    index = decontaminate.Index(
        {"mission": [decontaminate.Item(q.id, [m.content for m in q.messages]) for q in suite]}
    )
    hits: list[tuple[str, str]] = []
    for path in sorted((ROOT / "recipes").rglob("*.jsonl")):
        if path != SUITE:
            text = "\n\n".join(string for item in decontaminate.read_items(path) for string in item.strings)
            hits += [(hit.item, text[hit.start : hit.end]) for hit in index.find(text)]
    assert hits == []
    first = suite[0].messages[-1].content
    assert [hit.item for hit in index.find(f"Before. {first} After.")] == [suite[0].id]


def test_the_report_has_each_group_in_each_language_with_its_interval(tmp_path: Path) -> None:
    """Asked of somebody who knows all good answers in Chinese and all bad ones in English."""
    loaded = read_task(SUITE.with_suffix(".toml"))
    answers = {
        tuple(message.content for message in item.messages): GOLD[item.id][
            "good" if item.language == "zh" else "bad"
        ]
        for item in loaded.items
    }

    def post(method: str, path: str, body: dict[str, Any] | None) -> Any:
        assert body is not None
        said = answers[tuple(message["content"] for message in body["messages"])]
        return {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}

    results = run_task(loaded, [Model("gold", post)], Unfinished(tmp_path))
    cells = results.figures[0].by_topic_and_language
    assert set(cells) == {f"{group} ({lang})" for group in GROUPS for lang in ("zh", "en")}
    for name, figures in cells.items():
        good = name.endswith("(zh)")
        assert figures["checks"].mean == good
        assert figures["checks"].scored == 24
        assert figures["checks"].interval == wilson(24 if good else 0, 24)
    html = page(results)
    assert all(f'<td class="">{name}</td>' in html for name in cells)
    low, high = (100 * end for end in wilson(24, 24))
    assert f"({low:.1f}–{high:.1f})" in html
    one = page(
        results.model_copy(update={"items": [item for item in results.items if item.language == "en"]})
    )
    title = say("By topic and language", "按主题与语言")
    assert title in html
    assert title not in one


def _requests(path: Path) -> list[str]:
    return [q.messages[-1].content for q in read_questions(path)]
