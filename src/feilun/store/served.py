"""The history of what served under each model's name."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from feilun.store.tables import Served, now_ms

Reason = Literal[
    "first", "turn", "rollback",
    "canary", "canary_passed", "canary_promoted", "canary_worse", "canary_withdrawn",
]  # fmt: skip
"""``canary``: the release answers a share beside the one of the row before. How that ended: it took over by the votes or by
somebody's decision; or the other one serves alone again, by the votes or by somebody's decision."""

_UNCHANGED = ("canary", "canary_worse", "canary_withdrawn")
"""Rows after which most conversations are answered by the release that answered them before."""


def note_served(
    session: Session,
    model: str,
    release_id: str,
    release: dict[str, Any],
    *,
    reason: Reason,
    turn: str | None = None,
) -> Served:
    """Record that a release serves from now on. Said again of the one that serves already, it is the same row."""
    last = serving_now(session, model)
    if (
        last is not None
        and last.release_id == release_id
        and (last.reason == "canary") == (reason == "canary")
    ):
        return last
    row = Served(
        model=model, release_id=release_id, release=release, reason=reason, turn=turn, since_ms=now_ms()
    )
    session.add(row)
    session.flush()
    return row


def serving_now(session: Session, model: str) -> Served | None:
    """The newest row of a model, or None; while a canary is running it is the canary's."""
    return session.scalar(select(Served).where(Served.model == model).order_by(Served.seq.desc()).limit(1))


def history(session: Session, model: str | None = None) -> list[Served]:
    """All rows, oldest first."""
    query = select(Served).order_by(Served.seq)
    return list(session.scalars(query if model is None else query.where(Served.model == model)))


def line(session: Session, model: str) -> list[Served]:
    """What the present release of a model came of: the rows of those that served before it, oldest first, itself last.

    What was rolled back is not in it, nor a canary that never took over.
    """
    rows: list[Served] = []
    for row in history(session, model):
        if row.reason == "rollback":
            while rows and rows[-1].release_id != row.release_id:
                rows.pop()
        elif row.reason not in _UNCHANGED:
            rows.append(row)
    return rows
