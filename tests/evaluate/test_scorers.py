"""Scorers: right, wrong, and what cannot be judged."""

from __future__ import annotations

from typing import Any

import pytest

from feilun.evaluate.item import Item
from feilun.evaluate.questions import Answer, Message, Question
from feilun.evaluate.scorers import Scorers


def item(*targets: str, asked: str = "Well?", **more: Any) -> Item:
    return Item(
        "i", more.pop("language", "en"), "", (Message(role="user", content=asked),), targets=targets, **more
    )


def value(
    name: str, options: dict[str, Any], question: Item, answer: str, *, ended: bool = True
) -> float | None:
    ((_, scorer),) = Scorers.model_validate({name: options}).single()
    return scorer.score(question, Answer(answer, ended)).value


@pytest.mark.parametrize(
    ("name", "options", "targets", "right", "wrong"),
    [
        ("exact", {}, ["The Eiffel Tower"], ["eiffel tower.", "Ｅiffel  Tower!"], ["Eiffel", "", "the tower eiffel"]),
        ("exact", {}, ["巴黎", "巴黎市"], ["巴黎。", "巴黎市"], ["巴 黎 人"]),
        ("exact", {}, ["+"], ["+", " + "], ["-", ""]),
        ("includes", {}, ["1949"], ["建于1949年", "It was 1949."], ["19490", "1949.5", "01949", "1,949"]),
        ("includes", {}, ["《红楼梦》"], ["是红楼梦。"], ["红楼"]),
        ("includes", {}, ["豌豆射手（Peashooter）"], ["豌豆射手", "a Peashooter"], ["Peashooters", "射手"]),
        ("number", {}, ["1,080"], ["So 3 + 2, hence 1080.0", "答：1,080 元"], ["1080 and then 3", "none", ""]),
        ("number", {"tolerance": 0.1}, ["3.14"], ["3.1"], ["3"]),
        ("regex", {"pattern": "^(?-i:YES)"}, [], ["well\nYES"], ["yes", "well YES"]),
        ("regex", {"pattern": r"answer: (\w+)"}, ["Rome"], ["Answer: rome"], ["answer: Romes", "Rome"]),
        ("ends", {}, [], ["x"], []),
        ("language", {}, [], ["Some English."], ["中文回答。", ""]),
    ],
)  # fmt: skip
def test_right_and_wrong(
    name: str, options: dict[str, Any], targets: list[str], right: list[str], wrong: list[str]
) -> None:
    for answer in right:
        assert value(name, options, item(*targets), answer) == 1, answer
    for answer in wrong:
        assert value(name, options, item(*targets), answer) == 0, answer


@pytest.mark.parametrize(
    ("name", "options", "question"),
    [
        ("exact", {}, item()),
        ("includes", {}, item()),
        ("includes", {}, item("Rome", asked="Is Rome in Italy?")),
        ("includes", {}, item("水")),
        ("number", {}, item("none")),
        ("choice", {}, item("A")),
        ("choice", {}, item("E", choices=("x", "y"))),
        ("regex", {"pattern": "(.)"}, item()),
        ("regex", {"pattern": "{p}"}, item("x", row={"p": "("})),
        ("chrf", {}, item()),
        ("json_schema", {"schema": "{s}"}, item(row={"s": "{"})),
        ("json_schema", {"schema": {"type": "nonsense"}}, item()),
        ("ifeval", {"ids": "{i}", "arguments": "{k}"}, item(row={"i": ["new:one"], "k": [{}]})),
        ("ifeval", {"ids": "{i}", "arguments": "{k}"}, item(row={"i": ["punctuation:no_comma"], "k": []})),
        ("ifeval", {"ids": "{i}", "arguments": "{k}"}, item(row={"i": ["punctuation:no_comma"], "k": [{"x": 1}]})),
        ("code", {"tests": "{t}"}, item(row={"t": " "})),
        ("language", {}, item(language="fr")),
        ("checks", {}, item()),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_not_zero(name: str, options: dict[str, Any], question: Item) -> None:
    assert value(name, options, question, "x") is None


def test_the_most_like_target_counts() -> None:
    for name in ("f1", "rouge_l", "chrf"):
        assert value(name, {}, item("一只猫", "两只狗在跑"), "两只狗在跑") == pytest.approx(1)
        assert 0 < (value(name, {}, item("一只猫", "两只狗"), "两只狗在跑") or 0) < 1


def test_an_answer_that_is_cut_off_does_not_end() -> None:
    assert value("ends", {}, item(), "x", ended=False) == 0


def test_choice() -> None:
    question = item("blue", choices=("red", "blue"))
    assert value("choice", {}, question, "The answer is B") == 1
    assert value("choice", {}, question, "red") == 0
    assert value("choice", {}, question, "neither") == 0
    assert value("choice", {}, item("b", choices=("red", "blue")), "B") == 1


def test_json_schema() -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    row = {"s": schema}
    for options, question in (({"schema": schema}, item()), ({"schema": "{s}"}, item(row=row))):
        for answer in ('{"n": 3}', '```json\n{"n": 3}\n```'):
            assert value("json_schema", options, question, answer) == 1
        for answer in ('{"n": "3"}', "{}", 'Here: {"n": 3}', ""):
            assert value("json_schema", options, question, answer) == 0


def test_ifeval_by_prompt_and_by_instruction() -> None:
    row = {
        "instruction_id_list": ["punctuation:no_comma", "keywords:existence"],
        "kwargs": [{}, {"keywords": ["sun"], "relation": None}],
    }
    assert value("ifeval", {}, item(row=row), "The sun") == 1
    assert value("ifeval", {}, item(row=row), "The moon") == 0
    assert value("ifeval", {"level": "instruction"}, item(row=row), "The moon") == 0.5


def test_code_runs_after_its_setup_and_before_its_tests() -> None:
    row = {"setup": "BASE = 1", "tests": ["assert add(1) == 2", "assert add(2) == 3"]}
    options = {"setup": "{setup}", "tests": "{tests}"}
    good = "Sure:\n```python\ndef add(n):\n    return n + BASE\n```\nDone."
    assert value("code", options, item(row=row), good) == 1
    assert (
        value("code", options, item(row=row), good.replace("def", "from __future__ import annotations\ndef"))
        == 1
    )
    assert value("code", options, item(row=row), good.replace("BASE", "2")) == 0
    assert value("code", options, item(row=row), "I cannot.") == 0
    assert value("code", options, item(row=row), "raise SystemExit(0)") == 0
    assert value("code", {"tests": "{setup}\nassert BASE == 2"}, item(row=row), "x = 1") == 0


def test_the_checks_of_a_question() -> None:
    question = Question.model_validate(
        {"id": "q", "lang": "en", "topic": "t", "messages": [{"role": "user", "content": "When?"}], "checks": [{"contains": ["9"]}]}
    )  # fmt: skip
    assert value("checks", {}, item(question=question), "At 9.") == 1
    assert value("checks", {}, item(question=question), "At 8.") == 0
    assert value("checks", {}, item(question=question), "At 9.", ended=False) == 0


def test_the_first_of_the_list_is_the_main_one() -> None:
    assert Scorers.model_validate({"ends": {}, "chrf": {}, "number": {}}).names() == [
        "number",
        "chrf",
        "ends",
    ]
