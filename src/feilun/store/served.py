"""The history of what served under each model's name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from feilun.store.tables import Served, now_ms


def note_served(
    session: Session,
    model: str,
    release_id: str,
    release: dict[str, Any],
    *,
    reason: str,
    turn: str | None = None,
) -> Served:
    """Record that a release serves from now on. Said again of the one that serves already, it is the same row."""
    last = serving_now(session, model)
    if last is not None and last.release_id == release_id:
        return last
    row = Served(
        model=model, release_id=release_id, release=release, reason=reason, turn=turn, since_ms=now_ms()
    )
    session.add(row)
    session.flush()
    return row


def serving_now(session: Session, model: str) -> Served | None:
    """The newest row of a model, or None."""
    return session.scalar(select(Served).where(Served.model == model).order_by(Served.seq.desc()).limit(1))


def history(session: Session, model: str | None = None) -> list[Served]:
    """All rows, oldest first."""
    query = select(Served).order_by(Served.seq)
    return list(session.scalars(query if model is None else query.where(Served.model == model)))
