"""``/api/conversations``: reading, finding, changing and taking out what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, field_validator

from feilun.serve.context import Context, JsonRoute
from feilun.store import LOCAL_OWNER
from feilun.store import conversations as stored
from feilun.store.export import conversation_ids, export_jsonl, export_markdown
from feilun.store.feedback import OPINION, opinions_in
from feilun.store.tables import Conversation, Feedback, Message
from feilun.text import FeilunError, header_language

router = APIRouter(prefix="/api", route_class=JsonRoute, tags=["Console"])


class ConversationChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = (
        None
    )
    pinned: bool | None = None
    leaf_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    settings: dict[str, JsonValue] | None = None

    @field_validator("settings")
    @classmethod
    def _small(cls, settings: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if settings is not None and len(str(settings)) > 100_000:
            raise ValueError("too large")
        return settings


@router.get("/conversations", summary="List or search conversations")
async def list_conversations(
    services: Context,
    q: Annotated[str, Query(max_length=1000)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:
    """Pinned ones first, then the last changed; `q` is a substring of titles and messages, in any language."""
    page = await services.store.read(
        stored.list_conversations, LOCAL_OWNER, search=q.strip(), limit=limit, before=before
    )
    return {"data": [{**_summary(row), "snippet": snippet} for row, snippet in page.rows], "next": page.next}


@router.get("/conversations/{conversation_id}", summary="One conversation with all its branches")
async def get_conversation(conversation_id: str, services: Context) -> dict[str, Any]:
    row, messages = await services.store.read(stored.get_conversation, conversation_id, LOCAL_OWNER)
    opinions = await services.store.read(opinions_in, conversation_id, LOCAL_OWNER)
    return {
        **_summary(row),
        "leaf_id": row.leaf_id,
        "settings": row.settings,
        "messages": [_message(message, opinions.get(message.id)) for message in messages],
    }


@router.patch("/conversations/{conversation_id}", summary="Rename, pin, choose a branch, keep settings")
async def change_conversation(
    conversation_id: str, body: ConversationChanges, services: Context
) -> dict[str, Any]:
    changes = {name: value for name in body.model_fields_set if (value := getattr(body, name)) is not None}
    row = await services.store.write(stored.change_conversation, conversation_id, LOCAL_OWNER, changes)
    return {**_summary(row), "leaf_id": row.leaf_id, "settings": row.settings}


@router.delete("/conversations/{conversation_id}", status_code=204, summary="Delete")
async def delete_conversation(conversation_id: str, services: Context) -> None:
    """Can be undone for 24 hours by `restore`; then it is gone for good, feedback included."""
    await services.store.write(stored.delete_conversation, conversation_id, LOCAL_OWNER)


@router.post("/conversations/{conversation_id}/restore", summary="Undo a deletion")
async def restore_conversation(conversation_id: str, services: Context) -> dict[str, Any]:
    return _summary(await services.store.write(stored.restore_conversation, conversation_id, LOCAL_OWNER))


@router.get("/conversations/{conversation_id}/export", summary="Download one conversation")
async def export_conversation(
    request: Request, conversation_id: str, services: Context, format: Literal["jsonl", "markdown"] = "jsonl"
) -> Response:
    """`jsonl`: every branch in OpenAI's message format, with feedback. `markdown`: the shown branch, to read."""
    if format == "jsonl":
        text = await services.store.read(export_jsonl, conversation_id, LOCAL_OWNER)
        return _download(Response(text, media_type="application/jsonl"), f"{conversation_id}.jsonl")
    language = header_language(request.headers.get("accept-language"))
    text = await services.store.read(export_markdown, conversation_id, LOCAL_OWNER, language)
    return _download(Response(text, media_type="text/markdown"), f"{conversation_id}.md")


@router.get("/export", summary="Download everything")
async def export_all(services: Context) -> Response:
    """All conversations as JSONL in OpenAI's message format, with feedback."""
    ids = await services.store.read(conversation_ids, LOCAL_OWNER)

    async def lines() -> AsyncIterator[str]:
        for conversation_id, owner in ids:
            with suppress(FeilunError):  # deleted meanwhile
                yield await services.store.read(export_jsonl, conversation_id, owner)

    return _download(StreamingResponse(lines(), media_type="application/jsonl"), "feilun.jsonl")


def _download(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _summary(row: Conversation) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "title", "pinned", "created_ms", "updated_ms")}


def _message(row: Message, opinion: Feedback | None) -> dict[str, Any]:
    names = (
        "id",
        "parent_id",
        "role",
        "content",
        "status",
        "finish_reason",
        "model",
        "release",
        "params",
        "usage",
        "created_ms",
    )
    return {
        **{name: getattr(row, name) for name in names},
        "tool_calls": row.extra.get("tool_calls"),
        "tool_call_id": row.extra.get("tool_call_id"),
        "name": row.extra.get("name"),
        "error": row.extra.get("error"),
        "feedback": {name: getattr(opinion, name) for name in OPINION} if opinion else None,
    }
