"""Templates: text with ``{field}`` in it, filled from a row of data.

``{a.b.0}`` goes into objects and lists; a list of texts becomes lines, and with ``{choices:letters}`` lines that begin
with A, B, C. Other braces are text, so that JSON can stand in a prompt as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from feilun.text import FeilunError

Row = Mapping[str, JsonValue]
"""One line of a data file."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What choices are called."""

_PLACE = re.compile(r"\{([^\W\d][\w.-]*)(:letters)?\}")


def fill(template: str, row: Row) -> str:
    """The template with the row's fields in their places. Raises `FeilunError` (``field_unknown``) for one it lacks."""
    return _PLACE.sub(lambda found: _text(_field(row, found[1]), letters=found[2] is not None), template)


def value_of(template: str, row: Row) -> JsonValue:
    """Of a template that is one ``{field}`` and nothing else the field's own value, else the filled text."""
    whole = _PLACE.fullmatch(template)
    return _field(row, whole[1]) if whole and not whole[2] else fill(template, row)


def texts_of(template: str, row: Row) -> list[str]:
    """What the template stands for as a list of texts; null is none, a text is one."""
    value = value_of(template, row)
    return [_text(each) for each in (value if isinstance(value, list) else [value]) if each is not None]


def lettered(choices: list[str]) -> str:
    """Lines that begin with A, B, C."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def _field(row: Row, path: str) -> JsonValue:
    value: JsonValue = row.get(path) if path in row else dict(row)
    for step in () if path in row else path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            known = ", ".join(row)
            raise FeilunError(
                f"no field {{{path}}}; there are: {known}",
                f"没有字段 {{{path}}}；可用的字段：{known}",
                code="field_unknown",
            )
    return value


def _text(value: JsonValue, *, letters: bool = False) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        lines = [_text(each) for each in value]
        return lettered(lines) if letters else "\n".join(lines)
    return "" if value is None else json.dumps(value, ensure_ascii=False)
