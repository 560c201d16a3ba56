"""The application: endpoints, and what lives as long as they do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from feilun import __version__
from feilun.registry import Registry
from feilun.serve import errors
from feilun.serve.console import conversations, files, status
from feilun.serve.context import Services
from feilun.serve.engines.pool import EnginePool
from feilun.serve.guard import Guard
from feilun.serve.metrics import Metrics
from feilun.serve.openai import chat, completions, embeddings, feedback, models
from feilun.serve.recording import Recorder
from feilun.serve.sse import ClientGone
from feilun.store import Store
from feilun.text import FeilunError
from feilun.workspace import Workspace

log = logging.getLogger("feilun")

ROUTERS = (
    chat.router,
    completions.router,
    embeddings.router,
    models.router,
    feedback.router,
    conversations.router,
    status.router,
)


def create_app(workspace: Workspace, store: Store, more: Sequence[APIRouter] = ()) -> FastAPI:
    """The ASGI application of one workspace, with ``more`` endpoints of the packages above. It closes ``store`` when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        store.recover()
        recorder = Recorder(store)
        pool = EnginePool(Registry(workspace))
        app.state.services = Services(workspace, store, pool, recorder, Metrics())
        saving = asyncio.create_task(recorder.run())
        app.state.loading = loading = asyncio.create_task(_load_default(pool))
        try:
            yield
        finally:
            for task in (loading, saving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await pool.close()
            store.close()

    app = FastAPI(
        title="Feilun",
        version=__version__,
        summary="Your own ChatGPT: an OpenAI-compatible API that keeps what is said and what is thought of it.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (*ROUTERS, *more):
        app.include_router(router)
    errors.install(app)
    app.add_exception_handler(ClientGone, _nobody)
    files.install(app)
    app.add_middleware(Guard)
    return app


async def _load_default(pool: EnginePool) -> None:
    """Have the default model ready before the first question; what goes wrong is told by ``/health``."""
    try:
        async with pool.lease(None):
            pass
    except FeilunError as error:
        log.error("%s", error)


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nginx's number for a client that left; nobody reads it
