"""Conversations: trees of messages, and the turns that make them grow.

A turn is what one request adds: the messages that are new, and an empty answer for each choice, all
committed before the model writes a word. How a request finds its place in the tree: `begin_turn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from sqlalchemy import bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from feilun.store.tables import Conversation, Message, Status, new_id, now_ms, storable
from feilun.text import FeilunError

ChatMessage = dict[str, Any]
"""A message in OpenAI's format."""

UNDO_MS = 24 * 3600 * 1000
"""How long a deleted conversation can be brought back."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What `begin_turn` stored."""

    conversation_id: str
    parent_id: str | None
    """The stored message that is being answered."""
    message_ids: list[str]
    """The answers' ids, one a choice: final from now on."""
    new: list[str]
    """Ids of all messages it added."""
    opened: bool
    """Whether it began the conversation."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a choice became, or has become so far."""

    message_id: str
    content: str
    status: Status
    finish_reason: str | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    usage: dict[str, Any] | None = None


def text_of(message: ChatMessage) -> str:
    """The text of an OpenAI message, whose content may be a string, a list of parts, or nothing."""
    content = message.get("content")
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "\n".join(str(part.get("text") or "") for part in parts if part.get("type") == "text")
    return str(content or "")


def extra_of(message: ChatMessage) -> dict[str, Any]:
    """What an OpenAI message holds besides role and text."""
    return {key: message[key] for key in ("tool_calls", "tool_call_id", "name") if message.get(key)}


def step_hash(parent: str, role: str, text: str, extra: dict[str, Any]) -> str:
    """Hash of a path one message longer than ``parent``'s. Outer white space does not count: clients trim it."""
    row = [
        parent,
        role,
        storable(text).strip(),
        {key: value for key, value in extra.items() if key != "error"},
    ]
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()


def path_hashes(messages: Iterable[ChatMessage], parent: str = "") -> list[str]:
    """For each message the hash of the path that ends in it, ``parent``'s before the first: equal hashes, equal histories."""
    hashes: list[str] = []
    for message in messages:
        parent = step_hash(parent, message["role"], text_of(message), extra_of(message))
        hashes.append(parent)
    return hashes


def begin_turn(
    session: Session,
    *,
    user: str,
    messages: Sequence[ChatMessage],
    choices: int = 1,
    conversation_id: str | None = None,
    parent_id: str | None = None,
    opening: str | None = None,
    model: str,
    release: str,
    params: dict[str, Any],
) -> Turn:
    """Store what is new in ``messages`` and an empty answer for each choice.

    OpenAI's clients resend the whole history. Its longest prefix that is stored already is continued,
    what follows becomes a branch there: so an edited question or a regenerated answer needs no call of
    its own. With ``conversation_id`` the prefix is looked for in that conversation alone; without it
    among all of the user's, and only a prefix with an answer in it counts, so that two chats that begin
    with the same greeting stay two. Leading system messages are parameters of the answer, not messages.

    ``parent_id`` says which stored message the new ones follow, whatever its text has become since the
    client read it: for an answer that was stopped, or branches that read the same.

    ``opening`` is the id of the conversation if this begins one (None: a new id).

    Raises `FeilunError`: 404 for a conversation that is not the user's, 400 for a ``parent_id`` that is not
    in it or deeper in the tree than ``messages`` is long.
    """
    now = now_ms()
    first = _leading_system(messages)
    system = "\n\n".join(text_of(message) for message in messages[:first])
    dialogue = messages[first:]
    conversation = _own(session, conversation_id, user) if conversation_id else None
    anchor, stored = _find_path(session, dialogue, user, conversation, parent_id)
    if conversation is None and anchor is not None:
        conversation = session.get_one(Conversation, anchor.conversation_id)
    opened = conversation is None
    if conversation is None:
        conversation = Conversation(
            id=opening or new_id("conv"),
            user=user,
            title=_title(dialogue),
            settings={},
            created_ms=now,
            updated_ms=now,
        )
        session.add(conversation)
        session.flush()

    parent = anchor.id if anchor else None
    new: list[str] = []
    hashes = path_hashes(dialogue[stored:], _hash_below(anchor))
    for message, path_hash in zip(dialogue[stored:], hashes, strict=True):
        row = Message(
            id=new_id("msg"),
            conversation_id=conversation.id,
            parent_id=parent,
            role=message["role"],
            content=text_of(message),
            extra=extra_of(message),
            path_hash=path_hash,
            created_ms=now,
        )
        session.add(row)
        new.append(row.id)
        parent = row.id
    answers = [
        Message(
            id=new_id("msg"),
            conversation_id=conversation.id,
            parent_id=parent,
            role="assistant",
            status="generating",
            path_hash="",
            model=model,
            release=release,
            params={**params, "system": system} if system else params,
            created_ms=now_ms(),
        )
        for _ in range(choices)
    ]
    session.add_all(answers)
    conversation.updated_ms = now
    conversation.leaf_id = answers[0].id
    ids = [answer.id for answer in answers]
    return Turn(conversation.id, parent, ids, new + ids, opened)


def conversation_of(
    session: Session, *, user: str, messages: Sequence[ChatMessage], parent_id: str | None = None
) -> str | None:
    """Id of the conversation that `begin_turn` would continue; None: it would begin one. Raises as that does."""
    dialogue = messages[_leading_system(messages) :]
    anchor, _ = _find_path(session, dialogue, user, None, parent_id)
    return anchor.conversation_id if anchor else None


def discard_turn(session: Session, turn: Turn) -> None:
    """Take a turn back that the engine refused before it began: the client has its text and an error, and may retry."""
    if turn.opened:
        session.execute(delete(Conversation).where(Conversation.id == turn.conversation_id))
        return
    session.execute(delete(Message).where(Message.id.in_(turn.new)))
    conversation = session.get(Conversation, turn.conversation_id)
    if conversation is not None and conversation.leaf_id in turn.message_ids:
        conversation.leaf_id = None if turn.parent_id in turn.new else turn.parent_id


def _leading_system(messages: Sequence[ChatMessage]) -> int:
    return next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))


def _find_path(
    session: Session,
    dialogue: Sequence[ChatMessage],
    user: str,
    conversation: Conversation | None,
    parent_id: str | None,
) -> tuple[Message | None, int]:
    """The stored message at which ``dialogue`` leaves the tree, and how many of its messages are stored."""
    if parent_id is not None:
        return _named_parent(session, parent_id, len(dialogue), user, conversation)
    hashes = path_hashes(dialogue)
    if not hashes:
        return None, 0
    query = select(Message).where(Message.path_hash.in_(hashes))
    if conversation is not None:
        query = query.where(Message.conversation_id == conversation.id)
        least = 1
    else:
        query = query.join(Conversation).where(Conversation.user == user, Conversation.deleted_ms.is_(None))
        least = next(
            (i + 1 for i, message in enumerate(dialogue) if message["role"] == "assistant"), len(dialogue) + 1
        )
    found = list(session.scalars(query))
    depth = {path_hash: i + 1 for i, path_hash in enumerate(hashes)}
    best = max(found, key=lambda message: (depth[message.path_hash], message.id), default=None)
    if best is None or depth[best.path_hash] < least:
        return None, 0
    return best, depth[best.path_hash]


def _named_parent(
    session: Session, parent_id: str, length: int, user: str, conversation: Conversation | None
) -> tuple[Message, int]:
    """The message ``parent_id`` and how many stand on its path, itself included."""
    anchor = session.get(Message, parent_id)
    mine = anchor is not None and (
        anchor.conversation_id == conversation.id
        if conversation is not None
        else _is_own(session.get(Conversation, anchor.conversation_id), user)
    )
    if anchor is not None and mine:
        rows = session.execute(
            select(Message.id, Message.parent_id).where(Message.conversation_id == anchor.conversation_id)
        )
        parents: dict[str, str | None] = {row.id: row.parent_id for row in rows}
        depth, at = 0, cast("str | None", anchor.id)
        while at is not None:
            depth, at = depth + 1, parents.get(at)
        if depth <= length:
            return anchor, depth
    raise FeilunError(
        f"metadata.parent_id {parent_id} is not a stored message on the path of these messages.",
        f"metadata.parent_id {parent_id} 不是这组消息路径上已保存的消息。",
        status=400,
        code="parent_not_on_path",
        param="metadata.parent_id",
    )


def save_answers(session: Session, answers: Sequence[Answer]) -> None:
    """Write the present state of answers; one commit serves them all. Rows that were deleted meanwhile are passed over."""
    growing = [
        {"row": answer.message_id, "text": answer.content}
        for answer in answers
        if answer.status == "generating"
    ]
    if growing:
        table = Message.__table__
        # A save may come late: what is finished stays as it is.
        still = (table.c.id == bindparam("row")) & (table.c.status == "generating")
        save = update(table).where(still).values(content=bindparam("text"))  # pyright: ignore[reportArgumentType]
        session.connection().execute(save, growing)
    for answer in answers:
        message = session.get(Message, answer.message_id) if answer.status != "generating" else None
        if message is not None:
            message.content = answer.content
            message.status = answer.status
            message.finish_reason = answer.finish_reason
            message.extra = answer.extra
            message.usage = answer.usage
            message.path_hash = _answer_hash(session, message)


def close_unfinished(session: Session) -> int:
    """Mark answers that no process writes any more as interrupted; their text stays. Returns how many."""
    unfinished = session.scalars(select(Message).where(Message.status == "generating")).all()
    for message in unfinished:
        message.status = "interrupted"
        message.path_hash = _answer_hash(session, message)
    purge_deleted(session)
    return len(unfinished)


def _answer_hash(session: Session, message: Message) -> str:
    parent = session.get(Message, message.parent_id) if message.parent_id else None
    return step_hash(_hash_below(parent), message.role, message.content, message.extra)


def _hash_below(message: Message | None) -> str:
    """What the hashes below ``message`` go on from. Below an answer that is still being written no history can be known
    yet: its id stands for it.
    """
    return (message.path_hash or message.id) if message else ""


def _title(dialogue: Sequence[ChatMessage]) -> str:
    text = next((text_of(message) for message in dialogue if message["role"] == "user"), "")
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _is_own(conversation: Conversation | None, user: str) -> bool:
    return conversation is not None and conversation.user == user and conversation.deleted_ms is None


def _own(session: Session, conversation_id: str, user: str, *, even_deleted: bool = False) -> Conversation:
    conversation = session.get(Conversation, conversation_id)
    if (
        conversation is None
        or conversation.user != user
        or (conversation.deleted_ms is not None and not even_deleted)
    ):
        raise FeilunError(
            f"There is no conversation {conversation_id}.",
            f"没有编号为 {conversation_id} 的对话。",
            status=404,
            code="conversation_not_found",
            param="conversation_id",
        )
    return conversation


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list of conversations, each with the text that was found in it."""

    rows: list[tuple[Conversation, str | None]]
    next: str | None


def list_conversations(
    session: Session, user: str, *, search: str = "", limit: int = 50, before: str | None = None
) -> Page:
    """Conversations of a user, pinned ones first (on the first page), then by their last change.

    ``search`` is a substring, in any language, of the title or of a message. Raises `FeilunError` (400) for a bad cursor.
    """
    mine = select(Conversation).where(Conversation.user == user, Conversation.deleted_ms.is_(None))
    if search:
        pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        in_messages = select(Message.conversation_id).where(Message.content.ilike(pattern, escape="\\"))
        mine = mine.where(
            or_(Conversation.title.ilike(pattern, escape="\\"), Conversation.id.in_(in_messages))
        )
    else:
        pattern = ""
    order = (Conversation.updated_ms.desc(), Conversation.id.desc())
    rest = mine.where(Conversation.pinned.is_(False))
    if before:
        changed, _, last = before.partition("-")
        if not changed.isascii() or not changed.isdigit() or len(changed) > 16:
            raise FeilunError(
                "before: not a cursor of this list.", "before：不是此列表的游标。", status=400, param="before"
            )
        rest = rest.where(tuple_(Conversation.updated_ms, Conversation.id) < (int(changed), last))
    rows = list(session.scalars(rest.order_by(*order).limit(limit + 1)))
    following = f"{rows[limit - 1].updated_ms}-{rows[limit - 1].id}" if len(rows) > limit else None
    pinned = [] if before else list(session.scalars(mine.where(Conversation.pinned).order_by(*order)))
    shown = pinned + rows[:limit]
    snippets = _snippets(session, [row.id for row in shown], search, pattern) if search else {}
    return Page([(row, snippets.get(row.id)) for row in shown], following)


def _snippets(session: Session, ids: list[str], search: str, pattern: str) -> dict[str, str]:
    query = select(Message.conversation_id, Message.content).where(
        Message.conversation_id.in_(ids), Message.content.ilike(pattern, escape="\\")
    )
    found: dict[str, str] = {}
    for conversation_id, content in session.execute(query.order_by(Message.created_ms)):
        at = max(content.lower().find(search.lower()), 0)
        start, end = max(at - 24, 0), at + len(search) + 60
        cut = " ".join(content[start:end].split())
        found.setdefault(conversation_id, ("…" if start else "") + cut + ("…" if end < len(content) else ""))
    return found


def get_conversation(session: Session, conversation_id: str, user: str) -> tuple[Conversation, list[Message]]:
    """A conversation and all its messages, oldest first. Raises `FeilunError` (404)."""
    conversation = _own(session, conversation_id, user)
    messages = session.scalars(
        select(Message)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.created_ms, Message.id)
    )
    return conversation, list(messages)


def change_conversation(
    session: Session, conversation_id: str, user: str, changes: dict[str, Any]
) -> Conversation:
    """Set ``title``, ``pinned``, ``leaf_id`` or ``settings``. Raises `FeilunError` (404, 400 for a leaf of another tree)."""
    conversation = _own(session, conversation_id, user)
    leaf = changes.get("leaf_id")
    if leaf is not None:
        message = session.get(Message, leaf)
        if message is None or message.conversation_id != conversation_id:
            raise FeilunError(
                f"leaf_id: no message {leaf} in this conversation.",
                f"leaf_id：此对话中没有消息 {leaf}。",
                status=400,
                param="leaf_id",
            )
    for name, value in changes.items():
        setattr(conversation, name, value)
    return conversation


def delete_conversation(session: Session, conversation_id: str, user: str) -> None:
    """Delete; for `UNDO_MS` it can be restored, then its rows are gone for good. Raises `FeilunError` (404)."""
    _own(session, conversation_id, user).deleted_ms = now_ms()
    purge_deleted(session)


def restore_conversation(session: Session, conversation_id: str, user: str) -> Conversation:
    """Take a deletion back, if there was one. Raises `FeilunError` (404)."""
    conversation = _own(session, conversation_id, user, even_deleted=True)
    conversation.deleted_ms = None
    return conversation


def purge_deleted(session: Session) -> None:
    """Remove for good what was deleted longer than `UNDO_MS` ago."""
    session.execute(delete(Conversation).where(Conversation.deleted_ms < now_ms() - UNDO_MS))


def count_conversations(session: Session, user: str) -> int:
    query = (
        select(func.count())
        .select_from(Conversation)
        .where(Conversation.user == user, Conversation.deleted_ms.is_(None))
    )
    return session.scalar(query) or 0


def path_to(messages: Sequence[Message], leaf_id: str | None) -> list[Message]:
    """The branch that ends in ``leaf_id`` (or goes on below it, newest child first), root first."""
    by_id = {message.id: message for message in messages}
    children: dict[str | None, list[Message]] = {}
    for message in messages:
        children.setdefault(message.parent_id, []).append(message)
    at = by_id.get(leaf_id or "")
    if at is None:
        roots = children.get(None)
        if not roots:
            return []
        at = roots[-1]
    while children.get(at.id):
        at = children[at.id][-1]
    path: list[Message] = []
    step: Message | None = at
    while step is not None:
        path.append(step)
        step = by_id.get(step.parent_id or "")
    return path[::-1]
