"""Each kind of check on the smallest answers that tell right from wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from feilun.evaluate import code_check
from feilun.evaluate.checks import BaseCheck, Check, passes
from feilun.evaluate.wording import AnswerLanguage, in_language

CHECK: TypeAdapter[BaseCheck] = TypeAdapter(Check)

FENCED = "```json\n{}\n```"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ({"contains": ["paris", ["ok", "fine"]]}, ["ＰＡＲＩＳ is Fine"], ["Paris", "ok"]),
        ({"contains": ["don't"]}, ["I don’t"], ["I do"]),
        ({"excludes": ["a", "飞"]}, ["好"], ["A", "飞轮"]),
        ({"matches": "^b+$"}, ["a\nBB"], ["ab"]),
        ({"matches": "(?-i:B)"}, ["B"], ["b"]),
        ({"json": {"keys": ["a", "b"]}}, ['{"b": 1, "a": 2}', '[{"a": 1, "b": 1}]'],
         ['{"a": 1}', '[{"a": 1, "b": 2}, 3]', "3", "x", '{"a": 1, "b": 2} ok']),
        ({"json": {"equals": {"a": 7, "b": "X"}}}, ['{"a": 7.0, "b": "x", "c": 0}'],
         ['{"a": true, "b": "x"}', '{"a": "7", "b": "x"}', "[]", '{"b": "x"}']),
        ({"json": {"equals": {"a": 1}}}, ['{"a": 1}'], ['{"a": true}']),
        ({"json": {"items": 2}}, ["[1, 2]"], ["[1]", '{"a": 1, "b": 2}', '"ab"', "[" * 100_000]),
        ({"json": {}}, ["{}"], [FENCED]),
        ({"json": {"fence": True}}, [FENCED], ["{}", f"Here:\n{FENCED}"]),
        ({"items": {"min": 2, "max": 2}}, ["- a\n* b", "1. a\n2) b", "一：\n1、a\n2、b", "• a\n•b"],
         ["- a", "-a\n-b", "1.5 a\n2.5 b", "- a\n- b\n- c"]),
        ({"lines": {"max": 1}}, ["a\n\n"], ["a\nb"]),
        ({"words": {"min": 2, "max": 3}}, ["it's 3.5", "a b c"], ["a", "a b c d"]),
        ({"characters": {"max": 3}}, ["飞轮。，！", "abcdef"], ["飞轮转动"]),
        ({"cites": [1, 3]}, ["a[3], b [1][3]."], ["a[1]", "a[1][2][3]", "1, 3"]),
        ({"cites": []}, ["nothing"], ["a[1]"]),
        ({"abstains": True}, ["The sources do not say when.", "我不知道。", "I can’t see your screen."],
         ["At nine.", "九点。", "The cabins do not have showers."]),
        ({"abstains": False}, ["At nine."], ["I don't know."]),
        ({"refuses": True}, ["I can't help with that.", "这个我不能帮你写。", "我不能骗人，也不想骗别人。", "Sorry, no."],
         ["Sure: first…", "可以，先……", "Hide it so that she can't see it."]),
        ({"refuses": False}, ["Of course."], ["I won't do that."]),
        ({"number": 42}, ["6 * 7 = 42", "是42。", "１０后是４２", "42 [1]", "42.0"], ["42, not 41", "4.2", "none"]),
        ({"number": -5}, ["答案是-5", "x = -5."], ["10-5", "5"]),
        ({"number": 1234.5}, ["1,234.5 m"], ["1.234,5"]),
    ],
)  # fmt: skip
def test_a_check_tells_right_from_wrong(check: dict[str, Any], good: list[str], bad: list[str]) -> None:
    parsed = CHECK.validate_python(check)
    assert parsed.kind == next(iter(check))
    assert [answer for answer in good if not passes(parsed, answer, "?")] == []
    assert [answer for answer in bad if passes(parsed, answer, "?")] == []
    assert not passes(parsed, " \n", "?")
    assert CHECK.validate_python(CHECK.dump_python(parsed, by_alias=True, exclude_unset=True)) == parsed


def test_an_echo_of_the_question_passes_nothing() -> None:
    check, request = CHECK.validate_python({"contains": ["paris"]}), "Is Paris the capital of France?"
    assert passes(check, "Paris is.", request)
    assert not passes(check, f"You ask: {request.upper()}", request)


def code(*asserts: str) -> BaseCheck:
    return CHECK.validate_python({"code": {"language": "python", "asserts": list(asserts)}})


@pytest.mark.parametrize(
    "answer",
    [
        "def add(a, b):\n    return a + b",
        "Here:\n```python\ndef add(a, b):\n    return a + b\n```\nAnd `add(2, 3)` is 5.\n```\nnonsense(\n```",
        "from __future__ import annotations\ndef add(a: Number, b: Number): return a + b",
        "add = lambda a, b: a + b\nif __name__ == '__main__':\n    print(add(int(input()), 1))",
    ],
)
def test_code_that_does_what_it_should(answer: str) -> None:
    assert passes(code("add(2, 3) == 5", "add('a', 'b') == 'ab'  # a comment"), answer, "?")


@pytest.mark.parametrize(
    "answer",
    [
        "def add(a, b):\n    return a - b",
        "add is a function",
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "def add(a, b):\n    return input()",
        "x = [0] * (1 << 40)\nadd = lambda a, b: a + b",
        "add = lambda a, b: a + b\nwhile True: print('x' * 1000)",
    ],
)
def test_code_that_does_not(answer: str) -> None:
    assert not passes(code("add(2, 3) == 5"), answer, "?")


def test_code_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_check, "SECONDS", 1)
    for endless in ("while True: pass", "import time\ntime.sleep(60)"):
        assert not passes(code("True"), endless, "?")


@pytest.mark.parametrize(
    ("language", "good", "bad"),
    [
        ("zh", ["好的，用 Python。", "42", "`only code`"], ["All right.", "", "はい、そうです"]),
        ("en", ["Fine: 飞轮 means flywheel.", "3.14"], ["飞轮就是 flywheel。", "", "Привет"]),
        ("any", ["飞轮", "ok", "はい"], ["", "\n"]),
    ],
)
def test_the_language_of_an_answer(language: AnswerLanguage, good: list[str], bad: list[str]) -> None:
    assert [answer for answer in good if not in_language(language, answer)] == []
    assert [answer for answer in bad if in_language(language, answer)] == []
