"""Filling templates from rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.template import fill, texts_of, value_of
from feilun.text import FeilunError

ROW: dict[str, Any] = {
    "question": "Which?",
    "choices": ["red", "blue"],
    "meta": {"deep": [{"name": "x"}]},
    "ICD-10": "A00",
    "a.b": "dotted",
    "none": None,
    "n": 3,
    "学科": "数学",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{question}\n{choices:letters}", "Which?\nA. red\nB. blue"),
        ("{choices}", "red\nblue"),
        ("{choices.1} {meta.deep.0.name}", "blue x"),
        ("{ICD-10} {a.b} {n} {学科}[{none}]", "A00 dotted 3 数学[]"),
        ('{"json": {question}} {} { } {1} {x: 2}', '{"json": Which?} {} { } {1} {x: 2}'),
    ],
)
def test_fields_are_filled_in_and_other_braces_stay(template: str, text: str) -> None:
    assert fill(template, ROW) == text


def test_a_bare_field_keeps_its_value() -> None:
    assert value_of("{choices}", ROW) == ["red", "blue"]
    assert value_of("{meta}", ROW) == {"deep": [{"name": "x"}]}
    assert value_of(" {n}", ROW) == " 3"
    assert texts_of("{choices}", ROW) == ["red", "blue"]
    assert texts_of("{question}", ROW) == ["Which?"]
    assert texts_of("{none}", ROW) == []


@pytest.mark.parametrize("path", ["answer", "choices.2", "choices.x", "question.0", "meta.shallow"])
def test_a_field_that_is_not_there_is_named_with_those_that_are(path: str) -> None:
    with pytest.raises(FeilunError, match="no field {" + path + "}; there are: question, choices") as error:
        fill(f"{{{path}}}", ROW)
    assert error.value.code == "field_unknown"


@given(st.text())
def test_what_a_row_says_is_never_a_template_itself(text: str) -> None:
    assert fill("<{a}>", {"a": text}) == f"<{text}>"
