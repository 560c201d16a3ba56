"""What chat and text completions have in common on the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import orjson

from feilun.serve.engines import Delta, Stream, Usage
from feilun.serve.errors import error_body
from feilun.serve.generation import Generation
from feilun.text import FeilunError, Language

Running = AbstractAsyncContextManager[tuple[Generation, Stream]]

_DONE = b"data: [DONE]\n\n"


def frame(generation: Generation, kind: str) -> dict[str, Any]:
    """What every chunk and every whole answer begins with."""
    turn = generation.recording.turn
    head: dict[str, Any] = {
        "id": generation.id,
        "object": kind,
        "created": generation.created,
        "model": generation.release.name,
        "system_fingerprint": generation.release.id,
    }
    return {**head, "conversation_id": turn.conversation_id} if turn else head


async def open_events(
    running: Running,
    kind: str,
    write: Callable[[Delta], dict[str, Any]],
    opening: Iterable[Delta],
    *,
    include_usage: bool,
    language: Language,
) -> AsyncGenerator[bytes, None]:
    """Server-sent events, opened once the engine has accepted the request: what it refuses is still an HTTP error.

    ``write`` makes of a delta what OpenAI's chunk says of it (without ``index`` and ``message_id``);
    ``opening`` are the deltas that come before the engine's own.
    """
    async with AsyncExitStack() as stack:
        generation, stream = await stack.enter_async_context(running)
        await anext(stream)
        kept = stack.pop_all()
    return _events(
        kept, generation, stream, kind, write, opening, include_usage=include_usage, language=language
    )


async def _events(
    stack: AsyncExitStack,
    generation: Generation,
    stream: Stream,
    kind: str,
    write: Callable[[Delta], dict[str, Any]],
    opening: Iterable[Delta],
    *,
    include_usage: bool,
    language: Language,
) -> AsyncGenerator[bytes, None]:
    recording = generation.recording
    head, ids = frame(generation, kind), recording.message_ids

    def event(delta: Delta, **extra: Any) -> bytes:
        choice = {
            "index": delta.index,
            "message_id": ids[delta.index],
            **write(delta),
            "finish_reason": delta.finish_reason,
        }
        return _data({**head, **extra, "choices": [choice]})

    async with stack:
        parent = {"parent_id": recording.turn.parent_id} if recording.turn else {}
        for delta in opening:
            yield event(delta, **parent)
        # The last word of each choice waits until the answer is on disk: who has read "stop" can rely on it.
        endings: list[bytes] = []
        try:
            async for item in stream:
                if isinstance(item, Usage) or item == Delta():
                    continue
                if item.finish_reason is None:
                    yield event(item)
                else:
                    endings.append(event(item))
        except FeilunError as error:
            yield _data(error_body(error, language)) + _DONE
            return
        if include_usage:
            usage = recording.usage.as_openai() if recording.usage else None
            endings.append(_data({**head, "choices": [], "usage": usage}))
        yield b"".join(endings) + _DONE


def _data(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
