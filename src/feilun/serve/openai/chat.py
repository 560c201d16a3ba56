"""``POST /v1/chat/completions``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from feilun.serve.context import Context, JsonRoute, OrjsonResponse, Services
from feilun.serve.engines import Delta
from feilun.serve.generation import generate
from feilun.serve.openai.protocol import ChatCompletionRequest
from feilun.serve.openai.streaming import Running, frame, open_events
from feilun.serve.recording import Choice
from feilun.serve.sse import EventStream, until_gone
from feilun.text import header_language

router = APIRouter(route_class=JsonRoute, tags=["OpenAI"])


@router.post("/v1/chat/completions", summary="Answer a conversation")
async def create_chat_completion(
    request: Request, body: ChatCompletionRequest, services: Context
) -> Response:
    """OpenAI's chat completions. Question and answer are stored unless `store` is false; `id` is the id of the stored answer.

    `metadata.conversation_id` continues a stored conversation; without it the longest stored prefix of
    `messages` is continued, else a new conversation begins.
    """
    running = _begin(services, body)
    if not body.stream:
        return OrjsonResponse(await until_gone(request, _whole(running)))
    events = open_events(
        running,
        "chat.completion.chunk",
        _write,
        [Delta(index) for index in range(body.choices)],
        include_usage=body.include_usage,
        language=header_language(request.headers.get("accept-language")),
    )
    return EventStream(await until_gone(request, events))


def _begin(services: Services, body: ChatCompletionRequest) -> Running:
    messages, params = body.openai_messages(), body.engine_params()
    return generate(
        services,
        "chat",
        model=body.model,
        messages=messages,
        choices=body.choices,
        user=body.user,
        store=body.store is not False,
        params=params,
        metadata=body.metadata,
        ask=lambda engine: engine.chat(messages, params),
    )


async def _whole(running: Running) -> dict[str, Any]:
    async with running as (generation, stream):
        async for _ in stream:
            pass
    recording = generation.recording
    choices = [
        {
            "index": index,
            "message_id": message_id,
            "message": _message(choice),
            "logprobs": {"content": choice.logprobs, "refusal": None} if choice.logprobs else None,
            "finish_reason": choice.finish_reason or "stop",
        }
        for index, (choice, message_id) in enumerate(
            zip(recording.choices, recording.message_ids, strict=True)
        )
    ]
    answer = {**frame(generation, "chat.completion"), "choices": choices}
    if recording.turn is not None:
        answer["parent_id"] = recording.turn.parent_id
    if recording.usage is not None:
        answer["usage"] = recording.usage.as_openai()
    return answer


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
    if choice.tool_calls:
        message.update(content=choice.text or None, tool_calls=choice.tool_calls)
    return message


def _write(delta: Delta) -> dict[str, Any]:
    if delta == Delta(delta.index):
        return {"delta": {"role": "assistant", "content": ""}}
    piece: dict[str, Any] = {}
    if delta.content:
        piece["content"] = delta.content
    if delta.tool_calls:
        piece["tool_calls"] = delta.tool_calls
    return {"delta": piece, "logprobs": delta.logprobs} if delta.logprobs else {"delta": piece}
