"""The history of what served, and the line of releases that one would go back through."""

from __future__ import annotations

import pytest

from feilun.store import Store
from feilun.store.served import Reason, history, line, note_served, serving_now


def note(store: Store, release: str, reason: Reason) -> None:
    with store.writing() as session:
        note_served(session, "m", release, {"name": "m"}, reason=reason)


REASONS: dict[str, Reason] = {
    "": "turn", "-": "rollback", "?": "canary", "!": "canary_passed", "+": "canary_promoted", "~": "canary_worse",
    "_": "canary_withdrawn",
}  # fmt: skip


def remember(store: Store, past: str) -> None:
    """``A ?B !B -A``: A served, B was its canary and took over, then A again."""
    for at, word in enumerate(past.split()):
        note(store, word[-1], "first" if at == 0 else REASONS[word[:-1]])


@pytest.mark.parametrize(
    ("past", "left"),
    [
        ("A B C", "A B C"),
        ("A B C -B", "A B"),
        ("A B -A D", "A D"),
        ("A ?B", "A"),
        ("A ?B !B", "A B"),
        ("A ?B +B ?C ~B", "A B"),
        ("A ?B _A ?C !C -A", "A"),
        ("A B ?C ~B -A", "A"),
    ],
)
def test_the_line_knows_what_took_over(store: Store, past: str, left: str) -> None:
    remember(store, past)
    with store.reading() as session:
        assert [row.release_id for row in line(session, "m")] == left.split()
        assert len(history(session, "m")) == len(past.split())
        assert line(session, "other") == []


def test_said_again_it_is_the_same_row_and_a_canary_another_one(store: Store) -> None:
    remember(store, "A")
    for reason in ("canary", "canary", "canary_passed", "canary_passed", "turn"):
        note(store, "B", reason)
    with store.reading() as session:
        assert [row.reason for row in history(session, "m")] == ["first", "canary", "canary_passed"]
        last = serving_now(session, "m")
        assert last is not None
        assert last.reason == "canary_passed"
