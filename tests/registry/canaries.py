"""Canaries to test with."""

from __future__ import annotations

from typing import Any

from feilun.registry import SMALLEST, Canary


def canary(number: int = 1, **fields: Any) -> Canary:
    """Of the smallest model; the number makes it another release."""
    release = SMALLEST.model_copy(update={"context_length": 1000 + number})
    rules: dict[str, Any] = {"share": 0.25, "votes": 40, "per_user": 5, "alpha": 0.05, **fields}
    return Canary(release=release, turn=f"turn-{number}", since_ms=number, **rules)
