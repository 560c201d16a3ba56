"""Forgetting what somebody said: for good, also from the database's free pages."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from feilun.store.database import Store
from feilun.store.tables import Conversation, Feedback, Message, Review
from feilun.text import FeilunError


@dataclass(frozen=True, slots=True)
class Whose:
    """What is to be forgotten: all that one user said, or one conversation."""

    user: str | None = None
    conversation: str | None = None

    def owns(self) -> ColumnElement[bool]:
        """Conversations that go, those among them that were deleted and can still be brought back."""
        if self.conversation is not None:
            return Conversation.id == self.conversation
        return Conversation.user == self.user

    def wrote(self) -> ColumnElement[bool]:
        """Reviews that hold the user's own words, about anybody's conversation."""
        edited = or_(Review.question.is_not(None), Review.answer.is_not(None))
        return and_(Review.reviewer == self.user, edited)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds of it."""

    conversations: int
    messages: int
    opinions: list[str]
    """Ids of the feedback whose words are, in part or whole, those that go: anybody's in a conversation that goes,
    and the user's own, also as a reviewer, in the conversations of others."""


def stored(session: Session, whose: Whose) -> Stored:
    """What there is to forget."""
    opinions = select(Feedback.id).join(Message).join(Conversation).order_by(Feedback.seq)
    mine = whose.owns()
    if whose.user is not None:
        edited = select(Review.feedback_id).where(whose.wrote())
        mine = or_(mine, Feedback.user == whose.user, Feedback.id.in_(edited))
    messages = select(func.count()).select_from(Message).join(Conversation).where(whose.owns())
    conversations = select(func.count()).select_from(Conversation).where(whose.owns())
    return Stored(
        session.scalar(conversations) or 0,
        session.scalar(messages) or 0,
        list(session.scalars(opinions.where(mine))),
    )


def words(session: Session, opinions: Sequence[str]) -> list[str]:
    """What stands in these opinions and the decisions about them."""
    found: list[str | None] = []
    for at in range(0, len(opinions), 500):
        some = opinions[at : at + 500]
        said = select(Feedback.comment, Feedback.correction).where(Feedback.id.in_(some))
        edited = select(Review.question, Review.answer).where(Review.feedback_id.in_(some))
        found += [text for query in (said, edited) for row in session.execute(query) for text in row]
    return [text for text in found if text]


def erase(session: Session, whose: Whose) -> None:
    """Delete its rows; what hangs on them (messages, opinions, decisions) goes with them."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA secure_delete=ON")  # what is freed is overwritten
    session.execute(delete(Conversation).where(whose.owns()))
    if whose.user is not None:
        session.execute(delete(Feedback).where(Feedback.user == whose.user))
        session.execute(delete(Review).where(whose.wrote()))


def compact(store: Store) -> None:
    """Rewrite the database without its free pages, where older versions of deleted texts may stand; a server may run.

    Raises `FeilunError` (503) if others kept it busy all the while, or the disk is full.
    """
    if store.engine.dialect.name == "postgresql":
        autocommit = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            connection.exec_driver_sql("VACUUM (FULL) conversations, messages, feedback, reviews")
        return
    # Below SQLAlchemy, which would begin a transaction: VACUUM takes none.
    with contextlib.closing(store.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute("VACUUM")
            row = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # the log holds the old pages
        except sqlite3.OperationalError as error:
            raise _not_compacted(str(error)) from error
        if row is None or row[0]:
            raise _not_compacted("database is busy")


def _not_compacted(reason: str) -> FeilunError:
    return FeilunError(
        f"The rows are deleted, but the database file could not be rewritten yet ({reason}): remains of them may stand in "
        "it. Run the same command again with --yes.",
        f"数据行已删除，但数据库文件暂时无法重写（{reason}），其中可能仍有残留。请加上 --yes 再次运行同一命令。",
        status=503,
        code="database_busy",
        retry_after=1,
    )
