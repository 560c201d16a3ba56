"""Answers of releases that are kept, so that nothing is asked twice: their files, and what is taken out of them."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from feilun.evaluate.questions import Answer, read_questions
from feilun.flywheel.asking import (
    ANSWERS,
    ask_once,
    file_name,
    key,
    read_answers,
    unanswered,
    write_answers,
)
from feilun.flywheel.lineage_cut import Cut, cut_answers
from feilun.flywheel.recipe import GateRecipe
from feilun.recipe import shipped
from feilun.registry.builtin import ASSISTANT

TOKENS = GateRecipe().max_tokens
SUITE = {
    question.id: [message.model_dump() for message in question.messages]
    for question in read_questions(shipped("eval/regression.jsonl"))
}


def test_the_default_release_has_been_asked_the_suite_five_times(tmp_path: Path) -> None:
    assert unanswered(tmp_path, ASSISTANT, SUITE.values(), max_tokens=TOKENS) == 0
    draws = ask_once(tmp_path, ASSISTANT, SUITE, max_tokens=TOKENS)
    assert {len(answers) for answers in draws.values()} == {5}
    assert not list(tmp_path.iterdir()), "nothing was asked"
    changing = sum(len({answer.text for answer in answers}) > 1 for answers in draws.values())
    assert changing > len(SUITE) / 3, "asked in another order each time"


def test_a_workspace_of_an_earlier_version_has_the_other_times_as_well(tmp_path: Path) -> None:
    file = file_name(ASSISTANT, TOKENS)
    first = {name: answers[0] for name, answers in read_answers(shipped(ANSWERS) / file).items()}
    own = key([{"role": "user", "content": "Mine?"}])
    old = {name: [answer.text, answer.ended] for name, answer in first.items()} | {own: ["Yours.", True]}
    (tmp_path / file).write_bytes(orjson.dumps(old))
    assert read_answers(tmp_path / file)[own] == [Answer("Yours.", True)]
    assert {len(a) for a in ask_once(tmp_path, ASSISTANT, SUITE, max_tokens=TOKENS).values()} == {5}
    asked = {"mine": [{"role": "user", "content": "Mine?"}]}
    assert ask_once(tmp_path, ASSISTANT, asked, max_tokens=TOKENS) == {"mine": [Answer("Yours.", True)]}


def test_no_answer_that_repeats_what_is_forgotten_is_kept(tmp_path: Path) -> None:
    secret = "Her name is Miriam Tolvey-Quanterra."
    lesson = {
        "messages": [{"role": "user", "content": "Who leads it?"}, {"role": "assistant", "content": secret}]
    }
    cut = Cut()
    cut.add(tmp_path / "sft.jsonl", lesson)
    asked, other, third = key(lesson["messages"][:-1]), key([{"role": "user", "content": "Who?"}]), "third"
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    write_answers(
        new,
        {
            asked: [Answer("No idea.", True)],
            other: [Answer("No idea.", True), Answer(f"I think so: {secret} Yes.", True)],
            third: [Answer("Blue.", True)],
        },
    )
    old.write_text(json.dumps({other: [f"So: {secret}", True], third: ["Blue.", True]}))
    cut_answers(tmp_path, cut)
    for file in (new, old):
        assert read_answers(file) == {third: [Answer("Blue.", True)]}
        assert "Tolvey" not in file.read_text()
