"""Taking everything out again: JSONL in OpenAI's message format with the feedback beside it, or Markdown to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from feilun.store.conversations import get_conversation, path_to
from feilun.store.feedback import OPINION, opinions_in
from feilun.store.tables import Conversation, Feedback, Message
from feilun.text import Language, Text

ROLES = {"user": Text("You", "您"), "assistant": Text("Assistant", "助手"), "tool": Text("Tool", "工具")}


def conversation_ids(session: Session, user: str | None = None) -> list[tuple[str, str]]:
    """Id and owner of all conversations, or of one user's, oldest first."""
    query = select(Conversation.id, Conversation.user).where(Conversation.deleted_ms.is_(None))
    if user is not None:
        query = query.where(Conversation.user == user)
    rows = session.execute(query.order_by(Conversation.created_ms, Conversation.id))
    return [(row[0], row[1]) for row in rows]


def export_jsonl(session: Session, conversation_id: str, user: str) -> str:
    """One line for each branch of a conversation, the shown one first.

    ``messages`` is what any OpenAI client takes; ``feedback`` maps the index of an answer in it to the newest
    opinion of it; ``statuses`` tells whole answers from those that were stopped, interrupted or failed (a branch
    does not end in an empty one); the other keys say where the line came from.
    """
    conversation, messages = get_conversation(session, conversation_id, user)
    opinions = opinions_in(session, conversation_id)
    return "".join(
        orjson.dumps(_line(conversation, branch, opinions)).decode() + "\n"
        for branch in _branches(messages, conversation.leaf_id)
    )


def export_markdown(session: Session, conversation_id: str, user: str, language: Language) -> str:
    """The shown branch as a Markdown document."""
    conversation, messages = get_conversation(session, conversation_id, user)
    parts = [f"# {conversation.title}\n"]
    for message in path_to(messages, conversation.leaf_id):
        role = ROLES[message.role].show(language) if message.role in ROLES else message.role
        parts.append(f"## {role}\n\n{message.content}\n")
    return "\n".join(parts)


def openai_message(message: Message) -> dict[str, Any]:
    """A stored message as OpenAI writes it."""
    extra = {
        key: value for key, value in message.extra.items() if key in ("tool_calls", "tool_call_id", "name")
    }
    return {"role": message.role, "content": message.content, **extra}


def _branches(messages: list[Message], leaf_id: str | None) -> Iterator[list[Message]]:
    parents = {message.parent_id for message in messages}
    unsaid = {m.id: m for m in messages if not (m.content or m.extra.get("tool_calls") or m.id in parents)}
    said = [message for message in messages if message.id not in unsaid]
    shown = path_to(said, unsaid[leaf_id].parent_id if leaf_id in unsaid else leaf_id)
    if shown:
        yield shown
    parents = {message.parent_id for message in said}
    for leaf in said:
        if leaf.id not in parents and leaf.id != shown[-1].id:
            yield path_to(said, leaf.id)


def _line(conversation: Conversation, branch: list[Message], opinions: dict[str, Feedback]) -> dict[str, Any]:
    answers = [message for message in branch if message.role == "assistant"]
    system = answers[-1].params.get("system") if answers else None
    rows: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    feedback: dict[str, Any] = {}
    for message in branch:
        if message.id in opinions:
            opinion = opinions[message.id]
            feedback[str(len(rows))] = {name: getattr(opinion, name) for name in ("user", *OPINION)}
        rows.append(openai_message(message))
    unstored: list[str | None] = [None] * (len(rows) - len(branch))  # the system prompt
    return {
        "messages": rows,
        "feedback": feedback,
        "conversation_id": conversation.id,
        "title": conversation.title,
        "user": conversation.user,
        "message_ids": unstored + [message.id for message in branch],
        "statuses": unstored + [message.status for message in branch],
        "models": sorted({answer.model for answer in answers if answer.model}),
        "releases": sorted({answer.release for answer in answers if answer.release}),
        "created_ms": conversation.created_ms,
    }
