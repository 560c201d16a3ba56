"""What the endpoints share: one `Services` for an application, and how bodies are read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from feilun.serve.engines.pool import EnginePool
from feilun.serve.metrics import Metrics
from feilun.serve.recording import Recorder
from feilun.store import Store
from feilun.text import FeilunError
from feilun.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Services:
    workspace: Workspace
    store: Store
    pool: EnginePool
    recorder: Recorder
    metrics: Metrics
    judged: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after each opinion that was committed; for one task of the packages above, which clears it."""


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Context = Annotated[Services, Depends(_services)]


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The escape for NUL in JSON, not preceded by a backslash that makes it mere text."""


class _StrictRequest(Request):
    async def json(self) -> Any:
        # orjson refuses what nothing behind it can store or send: invalid UTF-8, lone surrogates, NaN.
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """A route whose body is read by orjson."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            request = _StrictRequest(request.scope, request.receive)
            if _NUL.search(await request.body()):
                raise FeilunError(
                    "The body holds a NUL character (\\u0000), which cannot be stored. Take it out.",
                    "请求体含有无法保存的 NUL 字符（\\u0000），请将其去除。",
                    status=400,
                    code="invalid_value",
                )
            return await handle(request)

        return strict


class OrjsonResponse(JSONResponse):
    """JSON written by orjson."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)
