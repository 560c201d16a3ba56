"""Checks of question files as a reward: training draws answers, and `feilun.evaluate.checks` says how good they are."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from feilun.evaluate.checks import Check, passes

_CHECKS = TypeAdapter(list[Check])


def share_of_checks(row: dict[str, Any], answer: str) -> float:
    """The share of a question's ``checks`` that the answer passes. ``row``: its line (`feilun.evaluate.questions`)."""
    checks = _CHECKS.validate_python(row["checks"])
    request = row["messages"][-1]["content"]
    return sum(passes(check, answer, request) for check in checks) / len(checks)
