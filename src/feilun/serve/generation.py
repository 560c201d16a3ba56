"""One generation from request to stored answer: the part that chat and text completions share.

Order matters here: question committed, engine asked, words passed on and recorded, answer committed, last
event sent. So whatever a client has been told is on disk, and whoever goes away stops the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from feilun.registry import Release
from feilun.serve.context import Services
from feilun.serve.engines import Delta, Engine, Stream
from feilun.serve.recording import Recording
from feilun.store import LOCAL_OWNER, Status
from feilun.store.conversations import conversation_of
from feilun.store.tables import new_id
from feilun.text import FeilunError

Ask = Callable[[Engine], Stream]


class Generation:
    """A running generation. Made by `generate`."""

    def __init__(self, services: Services, endpoint: str, release: Release, recording: Recording) -> None:
        self.release = release
        self.recording = recording
        self.created = int(time.time())
        self.id = recording.turn.message_ids[0] if recording.turn else f"chatcmpl-{secrets.token_hex(12)}"
        self._services = services
        self._endpoint = endpoint
        self._begun = time.monotonic()
        self._first = True

    async def run(self, engine: Engine, ask: Ask) -> Stream:
        """Yield what the engine writes; when this ends, by itself or not, the answers are recorded as they are.

        After the last item the answers are on disk.
        """
        recorder, metrics, name = self._services.recorder, self._services.metrics, self.release.name
        metrics.running.inc()
        status: Status = "failed"
        why: str | None = None
        accepted = False
        try:
            async with contextlib.aclosing(ask(engine)) as stream:
                async for item in stream:
                    accepted = True
                    self.recording.add(item)
                    if self._first and isinstance(item, Delta) and item.content:
                        self._first = False
                        metrics.first_token.labels(name).observe(time.monotonic() - self._begun)
                    yield item
            await recorder.finish(self.recording, "complete")
            status = "complete"
        except FeilunError as error:
            why = error.text.en
            if not accepted:
                await recorder.discard(self.recording)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            status = "stopped"
            raise
        finally:
            recorder.finish(self.recording, status, why)
            metrics.running.dec()
            metrics.requests.labels(self._endpoint, name, status).inc()
            metrics.duration.labels(name).observe(time.monotonic() - self._begun)
            if self.recording.usage:
                metrics.tokens.labels(name, "prompt").inc(self.recording.usage.prompt_tokens)
                metrics.tokens.labels(name, "completion").inc(self.recording.usage.completion_tokens)


@contextlib.asynccontextmanager
async def generate(
    services: Services,
    endpoint: str,
    *,
    model: str | None,
    messages: Sequence[dict[str, Any]],
    choices: int,
    user: str | None,
    store: bool,
    params: dict[str, Any],
    ask: Ask,
    metadata: dict[str, str] | None = None,
) -> AsyncGenerator[tuple[Generation, Stream]]:
    """Commit the question and have it answered; the engine is kept while the block runs.

    Raises `FeilunError`: unknown model or conversation, engine that cannot be loaded, full disk.
    """
    user = user or LOCAL_OWNER
    conversation_id, parent_id = ((metadata or {}).get(key) for key in ("conversation_id", "parent_id"))
    opening = new_id("conv")

    async def conversation() -> str:
        """Which one this is, should a canary want to know: each conversation has one release from end to end."""
        if conversation_id or not store:
            return conversation_id or opening
        known = services.store.read(conversation_of, user=user, messages=messages, parent_id=parent_id)
        return await known or opening

    async with services.pool.lease(model, conversation) as (release, engine):
        recording = await services.recorder.begin(
            choices=choices,
            keep=store,
            user=user,
            messages=messages,
            conversation_id=conversation_id,
            parent_id=parent_id,
            opening=opening,
            model=release.name,
            release=release.id,
            params=params,
        )
        generation = Generation(services, endpoint, release, recording)
        try:
            async with contextlib.aclosing(generation.run(engine, ask)) as stream:
                yield generation, stream
        finally:
            # For a client that left before the first word was asked for.
            services.recorder.finish(recording, "stopped")
