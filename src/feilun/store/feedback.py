"""Opinions of answers. Rows are only ever added; a person's newest row of a message is their present opinion."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feilun.store.tables import Conversation, Feedback, Message, new_id, now_ms
from feilun.text import FeilunError

OPINION = ("rating", "tags", "comment", "correction")


def give_feedback(
    session: Session,
    *,
    user: str | None,
    message_id: str,
    opinion: dict[str, Any],
    idempotency_key: str | None,
) -> Feedback:
    """Store the opinion of ``user`` (None: of whose conversation it is).

    Fields of `OPINION` that are left out keep the value of that person's last opinion.

    With an idempotency key the same request may be sent any number of times and counts once: the key is
    committed in the same transaction as the opinion.

    Raises `FeilunError`: 404 for an unknown message, 400 if it is not an answer, 409 for a key used for another body.
    """
    # Locked (SQLite has but one writer anyway): opinions of one answer come one after the other.
    message = session.get(Message, message_id, with_for_update=True)
    conversation = session.get_one(Conversation, message.conversation_id) if message else None
    if message is None or conversation is None or conversation.deleted_ms is not None:
        raise FeilunError(
            f"There is no message {message_id}.",
            f"没有编号为 {message_id} 的消息。",
            status=404,
            code="message_not_found",
            param="message_id",
        )
    if message.role != "assistant":
        raise FeilunError(
            "Feedback is about answers; this message is not one.",
            "反馈只能针对回答；此消息不是回答。",
            status=400,
            code="not_an_answer",
            param="message_id",
        )
    user = user or conversation.user
    digest = hashlib.sha256(orjson.dumps([message_id, opinion], option=orjson.OPT_SORT_KEYS)).hexdigest()
    if idempotency_key is not None:
        earlier = session.scalar(
            select(Feedback).where(Feedback.user == user, Feedback.idempotency_key == idempotency_key)
        )
        if earlier is not None:
            if earlier.request_hash == digest:
                return earlier
            raise FeilunError(
                "idempotency_key was used for other feedback already; send a new key.",
                "idempotency_key 已用于另一条反馈；请换一个新的键。",
                status=409,
                code="idempotency_conflict",
                param="idempotency_key",
            )
    before = session.scalar(
        select(Feedback)
        .where(Feedback.message_id == message_id, Feedback.user == user)
        .order_by(Feedback.seq.desc())
        .limit(1)
    )
    values: dict[str, Any] = {"rating": None, "tags": [], "comment": None, "correction": None}
    if before is not None:
        values = {name: getattr(before, name) for name in OPINION}
    row = Feedback(
        id=new_id("fb"),
        message_id=message_id,
        user=user,
        idempotency_key=idempotency_key,
        request_hash=digest,
        created_ms=now_ms(),
        **{**values, **opinion},
    )
    session.add(row)
    session.flush()
    return row


def list_feedback(
    session: Session,
    *,
    user: str | None = None,
    message_id: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> tuple[list[Feedback], bool]:
    """Present opinions, oldest first, of one user or of all, and whether more follow. ``after``: id of the last one seen."""
    newest = select(func.max(Feedback.seq)).group_by(Feedback.message_id, Feedback.user)
    query = select(Feedback).where(Feedback.seq.in_(newest)).order_by(Feedback.seq)
    query = query.join(Message).join(Conversation).where(Conversation.deleted_ms.is_(None))
    if user is not None:
        query = query.where(Feedback.user == user)
    if message_id is not None:
        query = query.where(Feedback.message_id == message_id)
    if after is not None:
        query = query.where(Feedback.seq > select(Feedback.seq).where(Feedback.id == after).scalar_subquery())
    rows = list(session.scalars(query.limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def opinions_in(session: Session, conversation_id: str, user: str | None = None) -> dict[str, Feedback]:
    """The newest opinions in one conversation, of ``user`` or of anybody, by message id."""
    query = select(Feedback).join(Message).where(Message.conversation_id == conversation_id)
    if user is not None:
        query = query.where(Feedback.user == user)
    return {row.message_id: row for row in session.scalars(query.order_by(Feedback.seq))}
