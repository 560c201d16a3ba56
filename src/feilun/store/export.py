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


def conversation_ids(session: Session, user: str) -> list[str]:
    query = select(Conversation.id).where(Conversation.user == user, Conversation.deleted_ms.is_(None))
    return list(session.scalars(query.order_by(Conversation.created_ms, Conversation.id)))


def export_jsonl(session: Session, conversation_id: str, user: str) -> str:
    """One line for each branch of a conversation, the shown one first.

    ``messages`` is ready for training or any OpenAI client; ``feedback`` maps the index of an answer in it
    to the opinion of that answer; the other keys say where the line came from.
    """
    conversation, messages = get_conversation(session, conversation_id, user)
    opinions = opinions_in(session, conversation_id, user)
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
    return {"role": message.role, "content": message.extra.get("parts") or message.content, **extra}


def _branches(messages: list[Message], leaf_id: str | None) -> Iterator[list[Message]]:
    shown = path_to(messages, leaf_id)
    if shown:
        yield shown
    parents = {message.parent_id for message in messages}
    for leaf in messages:
        if leaf.id not in parents and leaf.id != shown[-1].id:
            yield path_to(messages, leaf.id)


def _line(conversation: Conversation, branch: list[Message], opinions: dict[str, Feedback]) -> dict[str, Any]:
    answers = [message for message in branch if message.role == "assistant"]
    system = answers[-1].params.get("system") if answers else None
    rows: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    feedback: dict[str, Any] = {}
    for message in branch:
        if message.id in opinions:
            feedback[str(len(rows))] = {name: getattr(opinions[message.id], name) for name in OPINION}
        rows.append(openai_message(message))
    return {
        "messages": rows,
        "feedback": feedback,
        "conversation_id": conversation.id,
        "title": conversation.title,
        "message_ids": [None] * (len(rows) - len(branch)) + [message.id for message in branch],
        "models": sorted({answer.model for answer in answers if answer.model}),
        "releases": sorted({answer.release for answer in answers if answer.release}),
        "created_ms": conversation.created_ms,
    }
