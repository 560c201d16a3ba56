"""Answering while the client is there: event streams, and work that ends when its client goes away.

Starlette's own streaming notices a lost client, depending on the server's ASGI version, only when it next
writes; a model reading a long prompt writes nothing for a minute. So both kinds of answer listen here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

R = TypeVar("R")

PING_EVERY = 15.0
"""Seconds of silence after which a comment is sent, so that nothing between here and the client hangs up."""


class ClientGone(Exception):
    """The client closed its connection; there is nobody to answer."""


async def until_gone(request: Request, work: Coroutine[Any, Any, R]) -> R:
    """Do ``work``, but cancel it and raise `ClientGone` as soon as the client is away."""
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        await _end(task)
        await _end(watch)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events from an iterator of whole events (bytes ending in a blank line).

    The iterator is closed, and so its generation stopped, as soon as the client is away.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self.status_code = 200
        self.background = None
        self._events = events
        self._spoke = asyncio.get_running_loop().time()
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        write = asyncio.create_task(self._write(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._ping(send))]
        try:
            await asyncio.wait({write, *others}, return_when=asyncio.FIRST_COMPLETED)
            if write.done():
                write.result()
        finally:
            for task in (write, *others):
                await _end(task)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with contextlib.suppress(OSError):  # the client went away while we wrote
            async with contextlib.aclosing(self._events):
                async for event in self._events:
                    self._spoke = asyncio.get_running_loop().time()
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ping(self, send: Send) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            if asyncio.get_running_loop().time() - self._spoke >= PING_EVERY:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})


async def _end(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
