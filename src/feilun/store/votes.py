"""Thumbs as votes on the releases that wrote the answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from feilun.store.tables import Feedback, Message


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's thumb on one answer."""

    release: str
    """Id of the release that wrote it."""
    good: bool
    user: str
    at_ms: int


def votes(session: Session, model: str, releases: Collection[str], since_ms: int) -> list[Vote]:
    """The votes on what these releases answered as ``model`` since then (Unix ms), in the order they came.

    One vote an answer: the first thumb, or correction without a thumb, which is one down. What somebody makes of it
    later does not change it, for a sequential test has already bet on it.
    """
    said = or_(Feedback.rating.is_not(None), Feedback.correction.is_not(None))
    first = select(func.min(Feedback.seq)).where(said, Feedback.created_ms >= since_ms)
    query = (
        select(Message.release, Feedback.rating, Feedback.user, Feedback.created_ms)
        .join(Message, Feedback.message_id == Message.id)
        .where(Message.model == model, Message.release.in_(releases), Message.created_ms >= since_ms)
        .where(Feedback.seq.in_(first.group_by(Feedback.message_id)))
        .order_by(Feedback.seq)
    )
    return [
        Vote(release or "", rating == 1, user, at) for release, rating, user, at in session.execute(query)
    ]
