"""Question files, our own 200 among them, and the run over one."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from feilun.evaluate.questions import Answer, Message, Question, ask_all, read_questions
from feilun.text import FeilunError

ROOT = Path(__file__).parents[2]
ASSISTANT = ROOT / "recipes/eval/assistant.jsonl"
GOLD: dict[str, dict[str, str]] = {
    row["id"]: row
    for row in map(
        json.loads, (Path(__file__).parent / "assistant_gold.jsonl").read_text("utf-8").splitlines()
    )
}
"""A good and a bad answer to each of our questions."""

RIGHT: dict[str, Any] = {
    "id": "a",
    "lang": "en",
    "topic": "t",
    "messages": [{"role": "user", "content": "Sources:\n[1] Hall: opens at 9.\n\nQuestion: when?"}],
    "checks": [{"contains": ["9"]}],
}


@pytest.fixture(scope="module")
def ours() -> list[Question]:
    return read_questions(ASSISTANT)


def test_ours_are_two_hundred_half_of_them_chinese(ours: list[Question]) -> None:
    assert Counter(question.lang for question in ours) == {"zh": 100, "en": 100}
    assert {question.id for question in ours} == GOLD.keys()
    for question in ours:
        assert re.fullmatch(rf"{question.topic}-{question.lang}-\d{{3}}", question.id)


def test_ours_are_in_none_of_the_training_sets(ours: list[Question]) -> None:
    asked = {question.messages[-1].content for question in ours}
    for path in sorted((ROOT / "recipes/datasets").rglob("*.jsonl")):
        for line in path.read_text("utf-8").split("\n"):
            if line.strip():
                turns = json.loads(line)["messages"]
                assert asked.isdisjoint(turn["content"] for turn in turns if turn["role"] == "user"), path


def test_every_good_answer_passes_and_every_bad_one_fails(ours: list[Question]) -> None:
    good = {question.id: question.failures(Answer(GOLD[question.id]["good"], True)) for question in ours}
    assert {name: failed for name, failed in good.items() if failed} == {}
    for what, text in (("bad", None), ("empty", ""), ("blank", " \n")):
        passed = [
            q.id for q in ours if not q.failures(Answer(GOLD[q.id]["bad"] if text is None else text, True))
        ]
        assert passed == [], what


def test_an_answer_that_is_cut_off_or_in_the_wrong_language_fails() -> None:
    question = Question.model_validate(RIGHT)
    assert question.failures(Answer("At 9.", True)) == []
    assert question.failures(Answer("At 9.", False)) == ["ends"]
    assert question.failures(Answer("上午 9 点开门。", True)) == ["language"]
    assert question.failures(Answer("", False)) == ["ends", "language", "contains"]
    assert question.kinds() == ["ends", "language", "contains"]
    chinese = Question.model_validate({**RIGHT, "answer_lang": "zh"})
    assert chinese.failures(Answer("上午 9 点开门。", True)) == []


def fault(path: Path, text: str | bytes) -> FeilunError:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FeilunError) as error:
        read_questions(path)
    assert error.value.code == "questions_invalid"
    assert str(path) in error.value.text.en
    assert str(path) in error.value.text.zh
    assert "\n" not in error.value.text.en
    return error.value


def message(role: str) -> dict[str, str]:
    return {"role": role, "content": "x"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"topicc": "t"}, "topicc: Extra"),
        ({"lang": "fr"}, "lang: Input should be 'zh' or 'en'"),
        ({"messages": []}, "messages: List should have at least 1"),
        ({"messages": [message("assistant")]}, "the last of the user, not: assistant"),
        ({"messages": [message("user"), message("system")]}, "not: user, system"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content: "),
        ({"checks": []}, "checks: List should have at least 1"),
        ({"checks": [{"contain": ["a"]}]}, "checks.0: a check is an object with one key, one of contains,"),
        (
            {"checks": [{"lines": {"min": 1}, "words": {"min": 1}}]},
            "checks.0: a check is an object with one key",
        ),
        ({"checks": [3]}, "checks.0: a check is an object with one key"),
        ({"checks": [{"contains": ["a", 3]}]}, "checks.0.contains.1: "),
        ({"checks": [{"contains": [[]]}]}, "checks.0.contains.0"),
        ({"checks": [{"number": "4"}]}, "checks.0.number: "),
        ({"checks": [{"json": {"kyes": []}}]}, "checks.0.json.kyes: Extra"),
        ({"checks": [{"words": {}}]}, "checks.0.words: give min, max or both"),
        ({"checks": [{"words": {"min": 2, "max": 1}}]}, "min 2 is above max 1"),
        ({"checks": [{"matches": "("}]}, "checks.0.matches: not a regular expression"),
        ({"checks": [{"cites": [1, 2]}]}, "cites [2], but no line"),
        ({"checks": [{"code": {"language": "rust", "asserts": ["1"]}}]}, "checks.0.code.language: "),
        ({"checks": [{"code": {"language": "python", "asserts": ["a ="]}}]}, "'a =' is not Python"),
        ({"checks": [{"code": {"language": "python", "asserts": ["a, b"]}}]}, "not one expression"),
    ],
)
def test_a_fault_is_told_with_its_line_and_key(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "q.jsonl"
    error = fault(path, f"{json.dumps(RIGHT)}\n\n{json.dumps({**RIGHT, 'id': 'b', **change})}\n")
    assert error.text.en.startswith(f"{path}:3: ")
    assert says in error.text.en
    assert error.text.zh.startswith(f"{path}:3：")
    assert error.text.zh.endswith("。")


def test_other_faults_of_files(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    assert "not valid JSON" in fault(path, "{").text.en
    assert "holds no questions" in fault(path, "\n").text.en
    assert "not UTF-8" in fault(path, b"\xff\xfe").text.en
    line = json.dumps(RIGHT)
    assert f"{path}:2: the id 'a' is there already" in fault(path, f"{line}\n{line}").text.en
    with pytest.raises(FeilunError, match="Cannot read"):
        read_questions(tmp_path / "none.jsonl")


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    said = [{"role": "user", "content": "one\u2028two\x85three"}]
    text = json.dumps({**RIGHT, "messages": said}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    (question,) = read_questions(path)
    assert question.messages[0].content == "one\u2028two\x85three"


def numbered(count: int) -> list[Question]:
    return [
        Question.model_validate({**RIGHT, "id": str(i), "messages": [{"role": "user", "content": str(i)}]})
        for i in range(count)
    ]


def test_so_many_are_asked_at_a_time_and_reported_in_order() -> None:
    together = threading.Barrier(4, timeout=20)  # breaks unless four are under way at once

    def ask(messages: Sequence[Message]) -> Answer:
        together.wait()
        return Answer(f"{messages[-1].content} of 9", messages[-1].content != "5")

    seen: list[str] = []
    report = ask_all(ask, numbered(8), concurrency=4, done=lambda graded: seen.append(graded.id))
    assert sorted(seen) == [answer.id for answer in report.answers] == [str(i) for i in range(8)]
    assert [answer.answer for answer in report.answers] == [f"{i} of 9" for i in range(8)]
    assert [answer.id for answer in report.answers if answer.failed] == ["5"]
    assert (report.all.passed, report.all.total) == (7, 8)


def test_a_server_that_fails_ends_the_run_and_the_question_is_named() -> None:
    asked: list[str] = []

    def ask(messages: Sequence[Message]) -> Answer:
        asked.append(messages[-1].content)
        if asked[-1] == "2":
            raise FeilunError("no memory", "内存不足", code="engine_error")
        return Answer("9", True)

    with pytest.raises(FeilunError) as error:
        ask_all(ask, numbered(50), concurrency=1)
    assert (error.value.text.en, error.value.text.zh) == ("2: no memory", "2：内存不足")
    assert error.value.code == "engine_error"
    assert len(asked) == 3
