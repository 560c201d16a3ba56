"""``POST /v1/completions``: text goes on, without a chat template."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from feilun.serve.context import Context, JsonRoute, OrjsonResponse, Services
from feilun.serve.engines import Delta, Usage
from feilun.serve.generation import Generation, generate
from feilun.serve.openai.protocol import CompletionRequest
from feilun.serve.openai.streaming import Running, frame, open_events
from feilun.serve.sse import EventStream, until_gone
from feilun.text import FeilunError, header_language

router = APIRouter(route_class=JsonRoute, tags=["OpenAI"])

KIND = "text_completion"


@router.post("/v1/completions", summary="Go on with a text")
async def create_completion(request: Request, body: CompletionRequest, services: Context) -> Response:
    """OpenAI's text completions. Each prompt and its continuations are stored as a conversation of their own."""
    if not body.stream:
        return OrjsonResponse(await until_gone(request, _whole(services, body)))
    if len(body.prompts) > 1:
        raise FeilunError(
            "prompt: a stream takes one prompt.",
            "prompt：流式输出只接受一个提示词。",
            status=400,
            code="invalid_value",
            param="prompt",
        )
    events = open_events(
        _begin(services, body, body.prompts[0]),
        KIND,
        _write,
        [Delta(0, body.prompts[0])] if body.echo else [],
        include_usage=body.include_usage,
        language=header_language(request.headers.get("accept-language")),
    )
    return EventStream(await until_gone(request, events))


def _begin(services: Services, body: CompletionRequest, prompt: str) -> Running:
    params = body.engine_params()
    return generate(
        services,
        "completion",
        model=body.model,
        messages=[{"role": "user", "content": prompt}],
        choices=body.choices,
        user=body.user,
        store=body.store is not False,
        params={**params, "raw": True},
        metadata=body.metadata,
        ask=lambda engine: engine.complete(prompt, params),
    )


async def _whole(services: Services, body: CompletionRequest) -> dict[str, Any]:
    async def one(prompt: str) -> Generation:
        async with _begin(services, body, prompt) as (generation, stream):
            async for _ in stream:
                pass
        return generation

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(prompt)) for prompt in body.prompts]
    except ExceptionGroup as errors:  # not except*: what that raises comes in a group again
        known = errors.subgroup(FeilunError)
        if known is None:
            raise
        raise known.exceptions[0] from None
    generations = [task.result() for task in tasks]
    choices: list[dict[str, Any]] = []
    prompt_tokens = completion_tokens = cached_tokens = 0
    for prompt, generation in zip(body.prompts, generations, strict=True):
        recording = generation.recording
        for choice, message_id in zip(recording.choices, recording.message_ids, strict=True):
            text = (prompt if body.echo else "") + choice.text
            finish, logprobs = choice.finish_reason or "stop", _legacy_logprobs(choice.logprobs)
            row = {
                "index": len(choices),
                "message_id": message_id,
                "text": text,
                "logprobs": logprobs,
                "finish_reason": finish,
            }
            choices.append(row)
        usage = recording.usage or Usage(0, 0)
        prompt_tokens += usage.prompt_tokens
        completion_tokens += usage.completion_tokens
        cached_tokens += usage.cached_tokens
    usage = Usage(prompt_tokens, completion_tokens, cached_tokens)
    return {**frame(generations[0], KIND), "choices": choices, "usage": usage.as_openai()}


def _write(delta: Delta) -> dict[str, Any]:
    return {"text": delta.content, "logprobs": _legacy_logprobs((delta.logprobs or {}).get("content") or [])}


def _legacy_logprobs(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Chat's log-probabilities in the shape of this older endpoint."""
    if not rows:
        return None
    offsets: list[int] = []
    at = 0
    for row in rows:
        offsets.append(at)
        at += len(row["token"])
    return {
        "tokens": [row["token"] for row in rows],
        "token_logprobs": [row["logprob"] for row in rows],
        "top_logprobs": [
            {top["token"]: top["logprob"] for top in row.get("top_logprobs") or ()} for row in rows
        ],
        "text_offset": offsets,
    }
