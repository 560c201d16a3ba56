"""The tables. Times are Unix milliseconds (``*_ms``), ids carry a prefix and sort by time."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

LOCAL_OWNER = "local"
"""The person at this machine: whose messages those are that name no ``user``."""

SCHEMA = "0002"
"""The newest revision in ``migrations/versions``."""

Status = Literal["generating", "complete", "stopped", "interrupted", "failed"]
"""``stopped``: the client went away or pressed stop; ``interrupted``: the process died while writing."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


_id_lock = threading.Lock()
_id_ns = 0


def new_id(prefix: str) -> str:
    """``<prefix>_<16 hex digits of Unix ns><8 random>``: unique, and sorts by time, strictly so within a process."""
    global _id_ns
    with _id_lock:
        _id_ns = max(_id_ns + 1, time.time_ns())
        return f"{prefix}_{_id_ns:016x}{secrets.token_hex(4)}"


def storable(text: str) -> str:
    """PostgreSQL cannot hold NUL characters, and SQLite does not find what follows one."""
    return text.replace("\0", "\ufffd")


class _Said(TypeDecorator[str]):
    """Text from people and models."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


_UNFINISHED = text("status = 'generating'")


class Base(DeclarativeBase):
    pass


class Conversation(Base):
    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user: Mapped[str] = mapped_column("owner", String(256))
    title: Mapped[str] = mapped_column(_Said)
    pinned: Mapped[bool] = mapped_column(default=False)
    leaf_id: Mapped[str | None] = mapped_column(String(40))
    """The message at the end of the branch that was shown or written last."""
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    deleted_ms: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("conversations_by_owner", "owner", "updated_ms", "id"),)


class Message(Base):
    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(String(40))
    """The message before it; several children of one parent are branches. Not a foreign key: rows come in bulk."""
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(_Said, default="")
    """The text, for people and for search."""
    extra: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What an OpenAI message has besides role and text: ``tool_calls``, ``tool_call_id``, ``name``; and ``error``."""
    path_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the path from the root to this message (see `conversations.path_hashes`): finds a history resent by a client."""
    status: Mapped[str] = mapped_column(String(16), default="complete")
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    model: Mapped[str | None] = mapped_column(String(256))
    release: Mapped[str | None] = mapped_column(String(80))
    """Id of the release (base + adapter + template + sampling) that wrote it."""
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """The request's own parameters, the system prompt among them."""
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("messages_by_conversation", "conversation_id", "created_ms"),
        Index("messages_by_path", "path_hash"),
        Index("messages_unfinished", "status", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
    )


class Feedback(Base):
    """Opinions, append-only: each row is one person's whole opinion of one message from then on."""

    __tablename__ = "feedback"

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    user: Mapped[str] = mapped_column("owner", String(256))
    rating: Mapped[int | None]
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    comment: Mapped[str | None] = mapped_column(_Said)
    correction: Mapped[str | None] = mapped_column(_Said)
    """The answer as it should have been: the gold of the flywheel."""
    idempotency_key: Mapped[str | None] = mapped_column(String(256))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    """Of the body that came with the key: the same key with another body is refused."""
    created_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key", name="feedback_idempotency"),
        Index("feedback_by_message", "message_id", "owner", "seq"),
    )


class Review(Base):
    """Decisions on what may be learnt, append-only: the newest about an opinion counts."""

    __tablename__ = "reviews"

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    feedback_id: Mapped[str] = mapped_column(ForeignKey("feedback.id", ondelete="CASCADE"))
    decision: Mapped[str] = mapped_column(String(16))
    """``accept`` or ``reject``."""
    question: Mapped[str | None] = mapped_column(_Said)
    """As the reviewer would have it; None: as it was asked."""
    answer: Mapped[str | None] = mapped_column(_Said)
    """As the reviewer would have it; None: the user's correction, or the answer that was praised."""
    reviewer: Mapped[str] = mapped_column(String(256))
    turn: Mapped[str | None] = mapped_column(String(80))
    """The turn of the flywheel that took it."""
    created_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("reviews_by_feedback", "feedback_id", "seq"),
        Index("reviews_by_turn", "turn"),
    )


class Served(Base):
    """Which release began to serve under a model's name, when and why; kept for ever."""

    __tablename__ = "served"

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    model: Mapped[str] = mapped_column(String(256))
    release_id: Mapped[str] = mapped_column(String(80))
    release: Mapped[dict[str, Any]] = mapped_column(JSON)
    """All of it, so that it can serve again."""
    reason: Mapped[str] = mapped_column(String(16))
    """See `feilun.store.served.Reason`."""
    turn: Mapped[str | None] = mapped_column(String(80))
    since_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("served_by_model", "model", "seq"),)
