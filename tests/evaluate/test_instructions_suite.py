"""The instructions that a small model is measured by: can each be followed, and can each be failed?"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.datasets.test_smalltalk import asked_elsewhere

from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.evaluate.task import read_task
from feilun.train.pipeline.measure import follows, grade
from feilun.train.pipeline.replies import Reply

SUITE = Path(__file__).parents[2] / "recipes/eval/instructions.jsonl"
GOLD: dict[str, dict[str, str]] = {
    row["id"]: row
    for row in map(json.loads, Path(__file__).with_name("instructions_gold.jsonl").open(encoding="utf-8"))
}
"""A good and a bad answer to each."""


@pytest.fixture(scope="module")
def suite() -> list[Question]:
    return read_questions(SUITE)


def follows_with(question: Question, answer: str) -> bool:
    return follows(grade(question, Reply(ids=list(range(len(answer))), text=answer, ended=True)))


def test_it_is_a_task_in_which_the_languages_weigh_alike(suite: list[Question]) -> None:
    loaded = read_task(SUITE.with_suffix(".toml"))
    assert [item.id for item in loaded.items] == [question.id for question in suite] == list(GOLD)
    of = {lang: Counter(q.topic for q in suite if q.lang == lang) for lang in ("en", "zh")}
    assert of["en"] == of["zh"]
    assert of["en"].total() == 50


def test_every_good_answer_follows_and_every_bad_one_does_not(suite: list[Question]) -> None:
    assert {
        q.id: q.failures(Answer(GOLD[q.id]["good"], True))
        for q in suite
        if not follows_with(q, GOLD[q.id]["good"])
    } == {}
    assert [q.id for q in suite if q.failures(Answer(GOLD[q.id]["good"], True))] == []
    assert [q.id for q in suite if follows_with(q, GOLD[q.id]["bad"])] == []


def test_saying_it_back_or_the_same_to_everything_follows_little(suite: list[Question]) -> None:
    back = [q.id for q in suite if follows_with(q, q.messages[-1].content)]
    assert len(back) <= 5, back
    for phrase in (
        "Okay.",
        "Yes.",
        "No.",
        "好。",
        "好的！",
        "是的。",
        "不会。",
        "Sure! Here you go.",
        "我不知道。",
        "",
    ):
        assert sum(follows_with(q, phrase) for q in suite) <= 5, phrase


def test_how_it_is_said_is_another_matter(suite: list[Question]) -> None:
    """An answer that does not end, or repeats itself, may still do what was asked."""
    question = next(q for q in suite if q.topic == "word")
    again = " ".join([GOLD[question.id]["good"]] * 3)
    graded = grade(question, Reply(ids=list(range(9)), text=again, ended=False))
    assert {"ends", "repeats"} <= set(graded.failed)
    assert follows(graded)


def test_it_is_outside_of_all_our_data(suite: list[Question]) -> None:
    assert asked_elsewhere(suite) == []
