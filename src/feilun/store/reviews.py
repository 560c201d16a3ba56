"""What people's opinions could teach, and what a reviewer said of each.

An item is one person's present opinion of one answer, with the conversation before it and the newest decision. A new
opinion of the same answer is a new item, about which nothing has been decided yet. Where somebody found a better answer
by asking again or in other words (`feilun.store.better`), the opinion says so, and the item suggests that answer.
Without any opinion there is no item: nobody is watched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from feilun.store.better import Tree
from feilun.store.served import history, line, serving_now
from feilun.store.tables import LOCAL_OWNER, Conversation, Feedback, Message, Review, new_id, now_ms
from feilun.text import FeilunError

Decision = Literal["accept", "reject"]
State = Literal["pending", "accepted", "rejected", "taken"]
"""``taken``: by a turn of the flywheel. What one took that was rolled back since counts as accepted again."""
Kind = Literal["correction", "choice", "edited question", "complaint", "praise"]
"""``choice``: of several answers to the question one was preferred; ``edited question``: the answer to another wording
of the question was."""

_MANY = 500
"""Values that one statement asks for."""


@dataclass(frozen=True, slots=True)
class Item:
    """An opinion that could teach something."""

    feedback: Feedback
    message: Message
    """The answer that is judged, or that a praised one replaced."""
    before: list[Message]
    """What was said before it, root first; the last is the question."""
    siblings: list[Message]
    """Other whole answers to the same question, those left out that the person praised as well."""
    review: Review | None
    better: Message | None = None
    """The answer that replaced it: to the same question, or to an edited one."""
    suggestion: str | None = None
    """What is good of that answer. It is learnt only if a reviewer says so, item by item."""
    times: int = 1
    """How often the question was asked, word for word and in the same place of a conversation."""
    free: bool = False
    """The turn that took it was rolled back, or its canary withdrawn: nothing that serves has learnt it."""

    @property
    def id(self) -> str:
        """Of the opinion."""
        return self.feedback.id

    @property
    def kind(self) -> Kind:
        if self.feedback.correction is not None:
            return "correction"
        if self.better is not None:
            return "choice" if self.better.parent_id == self.message.parent_id else "edited question"
        if self.feedback.rating == 1:
            return "choice" if self.rejected else "praise"
        return "complaint"

    @property
    def state(self) -> State:
        if self.review is None:
            return "pending"
        if self.review.decision == "reject":
            return "rejected"
        return "taken" if self.review.turn and not self.free else "accepted"

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
        praised = self.feedback.rating == 1 and self.better is None
        return self.message.content if praised else None

    @property
    def rejected(self) -> list[Message]:
        """The answers that the learnt one is better than: the judged one, or those that the praised one was preferred to."""
        if self.corrected or self.better is not None:
            return [self.message]
        if self.feedback.rating != 1:
            return []
        return self.siblings

    @property
    def corrected(self) -> bool:
        """Whether the answer was another one than what would be learnt."""
        return self.answer is not None and self.answer.strip() != self.message.content.strip()

    @property
    def thumb(self) -> bool | None:
        """Whether a thumb that stands alone says good. None: there is an answer that is better than the judged one, or that
        the judged one is better than; or nothing was answered."""
        alone = self.kind == "praise" or (self.kind == "complaint" and self.answer is None)
        if not alone or self.corrected or not self.message.content.strip():
            return None
        return self.feedback.rating == 1


def items(session: Session, *, state: State | None = None, turn: str | None = None) -> list[Item]:
    """All items, oldest first, or those in one state, or those that a turn took."""
    return [
        item
        for item in _items(session, Conversation.deleted_ms.is_(None))
        if state in (None, item.state) and (turn is None or (item.review and item.review.turn == turn))
    ]


def _items(session: Session, which: ColumnElement[bool]) -> list[Item]:
    """The items of the conversations that ``which`` holds of, oldest first."""
    newest = select(func.max(Feedback.seq)).group_by(Feedback.message_id, Feedback.user)
    query = (
        select(Feedback, Message, Conversation.user)
        .join(Message, Feedback.message_id == Message.id)
        .join(Conversation, Message.conversation_id == Conversation.id)
        .where(which, Feedback.seq.in_(newest))
        .where(or_(Feedback.rating.is_not(None), Feedback.correction.is_not(None)))
        .order_by(Feedback.seq)
    )
    rows = list(session.execute(query))
    opinions: dict[tuple[str, str], dict[str, Feedback]] = defaultdict(dict)
    for feedback, message, _ in rows:
        opinions[message.conversation_id, feedback.user][message.id] = feedback
    messages = _messages(session, {message.conversation_id for _, message, _ in rows})
    trees = {key: Tree(messages[key[0]], mine) for key, mine in opinions.items()}
    last = select(func.max(Review.seq)).group_by(Review.feedback_id)
    reviews = {row.feedback_id: row for row in session.scalars(select(Review).where(Review.seq.in_(last)))}
    undone = _undone(session) if any(review.turn for review in reviews.values()) else set[str]()
    found: list[Item] = []
    for feedback, message, owner in rows:
        tree = trees[message.conversation_id, feedback.user]
        item = _item(tree, feedback, message, reviews.get(feedback.id), asker=feedback.user == owner)
        if item.before and item.before[-1].role == "user":
            found.append(item)
    times = _times(session, {item.before[-1].path_hash for item in found})
    return [
        replace(
            item,
            times=times[item.before[-1].path_hash],
            free=item.review is not None and item.review.turn in undone,
        )
        for item in found
    ]


def _undone(session: Session) -> set[str]:
    """Turns whose releases have served and are no longer in the line of what serves, nor a canary that is running."""
    rows = history(session)
    found = {row.turn for row in rows if row.turn is not None}
    for model in {row.model for row in rows}:
        found -= {row.turn for row in line(session, model)}
        last = serving_now(session, model)
        if last is not None and last.reason == "canary":
            found -= {last.turn}
    return found


def _item(tree: Tree, feedback: Feedback, message: Message, review: Review | None, *, asker: bool) -> Item:
    """``asker``: whether it is the opinion of the person whose conversation it is, who alone asks again."""
    better: tuple[Message, str] | None = None
    siblings = tree.siblings(message)
    if asker and feedback.correction is None:
        if feedback.rating == -1:
            better = tree.replacement(message)
        elif not siblings and (earlier := tree.replaced(message)) is not None:
            better = message, message.content
            message, siblings = earlier, tree.siblings(earlier)
    return Item(feedback, message, tree.before(message), siblings, review, *(better or (None, None)))


def _messages(session: Session, conversations: Collection[str]) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = defaultdict(list)
    for some in _portions(conversations):
        for row in session.scalars(select(Message).where(Message.conversation_id.in_(some))):
            found[row.conversation_id].append(row)
    return found


def _times(session: Session, questions: Collection[str]) -> dict[str, int]:
    """How many messages have each of these hashes."""
    found: dict[str, int] = {}
    for some in _portions(questions):
        query = select(Message.path_hash, func.count()).where(Message.path_hash.in_(some))
        found |= {row[0]: row[1] for row in session.execute(query.group_by(Message.path_hash))}
    return found


def _portions(values: Collection[str]) -> Iterator[list[str]]:
    every = sorted(values)
    return (every[at : at + _MANY] for at in range(0, len(every), _MANY))


def decide(
    session: Session,
    feedback_id: str,
    decision: Decision,
    *,
    reviewer: str,
    question: str | None = None,
    answer: str | None = None,
    thumbs: bool = False,
) -> Review:
    """Record a decision. ``question`` and ``answer`` replace what would be learnt (None: leave it).

    Accepting an item that has nothing but a suggestion accepts that, as it reads now. ``thumbs``: a complaint may be
    accepted as it is, since turns learn from thumbs.

    Raises `FeilunError`: 404 for an opinion that is unknown or no longer the person's present one, 400 for accepting
    one that has no answer to learn.
    """
    here = select(Message.conversation_id).join(Feedback).where(Feedback.id == feedback_id)
    which = and_(Conversation.deleted_ms.is_(None), Conversation.id.in_(here))
    item = next((item for item in _items(session, which) if item.id == feedback_id), None)
    if item is None:
        raise FeilunError(
            f"There is no present feedback {feedback_id}.",
            f"没有编号为 {feedback_id} 的当前反馈。",
            status=404,
            code="feedback_not_found",
        )
    if decision == "accept" and answer is None and item.answer is None:
        answer = item.suggestion
    row = Review(
        id=new_id("rev"),
        feedback_id=feedback_id,
        decision=decision,
        question=question,
        answer=answer,
        reviewer=reviewer,
        created_ms=now_ms(),
    )
    decided = replace(item, review=row)
    learnable = bool((decided.answer or "").strip()) or (thumbs and decided.thumb is not None)
    if decision == "accept" and not learnable:
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


def take(
    session: Session,
    turn: str,
    *,
    per_user: int,
    least: int,
    teaches: Callable[[Item], bool] = lambda item: True,
) -> Taken:
    """Give the accepted items to ``turn`` (see `enough`). Asked again for the same turn it gives the same."""
    already = items(session, turn=turn)
    if already:
        return Taken(already, {})
    taken = enough(session, per_user=per_user, least=least, teaches=teaches)
    for item in taken.items:
        assert item.review is not None
        item.review.turn = turn
    session.flush()
    return taken


def enough(
    session: Session, *, per_user: int, least: int, teaches: Callable[[Item], bool] = lambda item: True
) -> Taken:
    """What a turn would take of the accepted items that teach it something: of each person but the local owner at most
    ``per_user``, oldest first.

    Raises `FeilunError` (409) if there are fewer than ``least``.
    """
    mine, capped = within_caps(filter(teaches, items(session, state="accepted")), per_user)
    if len(mine) < least:
        raise _too_few(mine, capped, least)
    return Taken(mine, capped)


def within_caps(accepted: Iterable[Item], per_user: int) -> tuple[list[Item], dict[str, int]]:
    """Those that a turn would take, of each person but the local owner at most ``per_user``; how many of whom are too many."""
    mine: list[Item] = []
    count: Counter[str] = Counter()
    for item in accepted:
        user = item.feedback.user
        count[user] += 1
        if user == LOCAL_OWNER or count[user] <= per_user:
            mine.append(item)
    return mine, {u: n - per_user for u, n in count.items() if u != LOCAL_OWNER and n > per_user}


def give_back(session: Session, turn: str) -> None:
    """Let the items that ``turn`` took wait for another one, accepted as they were: it was refused, and taught nothing."""
    for row in session.scalars(select(Review).where(Review.turn == turn)):
        row.turn = None
    session.flush()


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
