"""What people's opinions could teach, and what a reviewer said of each.

An item is one person's present opinion of one answer, with the conversation before it and the newest decision. A new
opinion of the same answer is a new item, about which nothing has been decided yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from feilun.store.tables import LOCAL_OWNER, Conversation, Feedback, Message, Review, new_id, now_ms
from feilun.text import FeilunError

Decision = Literal["accept", "reject"]
State = Literal["pending", "accepted", "rejected", "taken"]
"""``taken``: by a turn of the flywheel."""


@dataclass(frozen=True, slots=True)
class Item:
    """An opinion that could teach something."""

    feedback: Feedback
    message: Message
    """The answer."""
    before: list[Message]
    """What was said before it, root first; the last is the question."""
    siblings: list[Message]
    """Other answers to the same question."""
    review: Review | None

    @property
    def id(self) -> str:
        """Of the opinion."""
        return self.feedback.id

    @property
    def state(self) -> State:
        if self.review is None:
            return "pending"
        if self.review.decision == "reject":
            return "rejected"
        return "taken" if self.review.turn else "accepted"

    @property
    def asked(self) -> str:
        """The question in the user's words."""
        return self.before[-1].content if self.before else ""

    @property
    def question(self) -> str:
        """The question as it would be learnt."""
        edited = self.review.question if self.review else None
        return self.asked if edited is None else edited

    @property
    def answer(self) -> str | None:
        """The answer as it would be learnt: the reviewer's, the user's correction, or the one that was praised."""
        if self.review and self.review.answer is not None:
            return self.review.answer
        if self.feedback.correction is not None:
            return self.feedback.correction
        return self.message.content if self.feedback.rating == 1 else None

    @property
    def corrected(self) -> bool:
        """Whether the answer was another one than what would be learnt."""
        return self.answer is not None and self.answer.strip() != self.message.content.strip()


def items(session: Session, *, state: State | None = None, turn: str | None = None) -> list[Item]:
    """All items, oldest first, or those in one state, or those that a turn took."""
    newest = select(func.max(Feedback.seq)).group_by(Feedback.message_id, Feedback.user)
    query = (
        select(Feedback, Message)
        .join(Message, Feedback.message_id == Message.id)
        .join(Conversation)
        .where(Conversation.deleted_ms.is_(None), Feedback.seq.in_(newest))
        .where(or_(Feedback.rating.is_not(None), Feedback.correction.is_not(None)))
        .order_by(Feedback.seq)
    )
    last = select(func.max(Review.seq)).group_by(Review.feedback_id)
    reviews = {row.feedback_id: row for row in session.scalars(select(Review).where(Review.seq.in_(last)))}
    found: list[Item] = []
    trees: dict[str, dict[str, Message]] = {}
    for feedback, message in session.execute(query):
        tree = trees.get(message.conversation_id)
        if tree is None:
            rows = session.scalars(select(Message).where(Message.conversation_id == message.conversation_id))
            tree = trees[message.conversation_id] = {row.id: row for row in rows}
        before = _before(tree, message)
        if not before or before[-1].role != "user":
            continue
        siblings = [
            row for row in tree.values() if row.parent_id == message.parent_id and row.id != message.id
        ]
        item = Item(feedback, message, before, siblings, reviews.get(feedback.id))
        if state in (None, item.state) and (turn is None or (item.review and item.review.turn == turn)):
            found.append(item)
    return found


def _before(tree: dict[str, Message], message: Message) -> list[Message]:
    path: list[Message] = []
    at = tree.get(message.parent_id or "")
    while at is not None:
        path.append(at)
        at = tree.get(at.parent_id or "")
    return path[::-1]


def decide(
    session: Session,
    feedback_id: str,
    decision: Decision,
    *,
    reviewer: str,
    question: str | None = None,
    answer: str | None = None,
) -> Review:
    """Record a decision. ``question`` and ``answer`` replace what would be learnt (None: leave it).

    Raises `FeilunError`: 404 for an opinion that is unknown or no longer the person's present one, 400 for accepting
    one that has no answer to learn.
    """
    item = next((item for item in items(session) if item.id == feedback_id), None)
    if item is None:
        raise FeilunError(
            f"There is no present feedback {feedback_id}.",
            f"没有编号为 {feedback_id} 的当前反馈。",
            status=404,
            code="feedback_not_found",
        )
    row = Review(
        id=new_id("rev"),
        feedback_id=feedback_id,
        decision=decision,
        question=question,
        answer=answer,
        reviewer=reviewer,
        created_ms=now_ms(),
    )
    seen = Item(item.feedback, item.message, item.before, item.siblings, row)
    if decision == "accept" and not (seen.answer or "").strip():
        raise FeilunError(
            "There is no good answer to learn: write one (edit), or reject the item.",
            "没有可供学习的好回答：请编写一个（编辑），或拒绝该项。",
            status=400,
            code="nothing_to_learn",
        )
    session.add(row)
    session.flush()
    return row


@dataclass(frozen=True, slots=True)
class Taken:
    """What a turn took."""

    items: list[Item]
    capped: dict[str, int]
    """How many accepted items of whom are left for later turns, because one person may teach only so much in one."""


def take(session: Session, turn: str, *, per_user: int, least: int) -> Taken:
    """Give the accepted items to ``turn``: of each person but the local owner at most ``per_user``, oldest first.

    Asked again for the same turn it gives the same. Raises `FeilunError` (409), with nothing taken, if there are fewer
    than ``least``.
    """
    already = items(session, turn=turn)
    if already:
        return Taken(already, {})
    mine: list[Item] = []
    count: Counter[str] = Counter()
    for item in items(session, state="accepted"):
        user = item.feedback.user
        count[user] += 1
        if user == LOCAL_OWNER or count[user] <= per_user:
            mine.append(item)
    capped = {u: n - per_user for u, n in count.items() if u != LOCAL_OWNER and n > per_user}
    if len(mine) < least:
        raise _too_few(mine, capped, least)
    for item in mine:
        assert item.review is not None
        item.review.turn = turn
    session.flush()
    return Taken(mine, capped)


def _too_few(mine: Sequence[Item], capped: dict[str, int], least: int) -> FeilunError:
    left = sum(capped.values())
    kept = (
        f" ({left} more are held back: one person but the owner teaches only so much in a turn)"
        if left
        else ""
    )
    kept_zh = f"（另有 {left} 条因每人每轮上限而保留）" if left else ""
    return FeilunError(
        f"A turn needs {least} accepted items; there are {len(mine)}{kept}. Correct more answers, or review what waits.",
        f"一轮需要 {least} 条已接受的反馈，现有 {len(mine)} 条{kept_zh}。请更正更多回答，或审核待处理的反馈。",
        status=409,
        code="too_few_items",
    )
