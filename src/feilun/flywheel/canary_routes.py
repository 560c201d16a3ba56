"""``/api/flywheel/canary``: how a canary does; and the task of the server that decides by the votes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request

from feilun.flywheel.canary import Standing, check, running, standing
from feilun.flywheel.promote import catch_up, end_canary
from feilun.serve.context import Context, JsonRoute, Services
from feilun.text import FeilunError, header_language

log = logging.getLogger("feilun")

AGAIN = 30.0
"""Seconds until the votes are looked at again after that has failed."""


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    deciding = asyncio.create_task(_decide(cast(Services, app.state.services)))
    try:
        yield
    finally:
        deciding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await deciding


router = APIRouter(
    prefix="/api/flywheel/canary", route_class=JsonRoute, tags=["Flywheel"], lifespan=_lifespan
)


@router.get("", summary="How the default model's canary does")
async def show(request: Request, services: Context) -> dict[str, Any]:
    """`canary` is null while there is none. `state` is that of its engine: until it is ready the present release answers.

    `waits_for` is what the canary lacks to take over by its votes: `votes` of its own, `present_votes`, or a `share` of
    thumbs up that is not far below the present release's.
    """
    registry = services.pool.registry
    now = await asyncio.to_thread(standing, registry, services.store, registry.default().name)
    if now is None:
        return {"canary": None}
    state, error = services.pool.canary_state(now.canary)
    said = error.text.show(header_language(request.headers.get("accept-language"))) if error else None
    return {"canary": {**now.report(), "state": state, "error": said}}


@router.post("/promote", summary="Let the canary take over now")
async def promote(services: Context) -> dict[str, Any]:
    return await _end(services, take_over=True)


@router.post("/withdraw", summary="Let the present release answer everything again")
async def withdraw(services: Context) -> dict[str, Any]:
    return await _end(services, take_over=False)


async def _end(services: Services, *, take_over: bool) -> dict[str, Any]:
    registry = services.pool.registry
    name = registry.default().name
    canary = running(registry, name)
    await asyncio.to_thread(end_canary, registry, services.store, canary, take_over=take_over)
    release = registry.get(name)
    services.pool.warm(release)
    return {"model": name, "release": release.id}


async def _decide(services: Services) -> None:
    """At the start, and after opinions that were committed, do what the votes decide."""
    registry, store = services.pool.registry, services.store

    def look() -> list[tuple[Standing, str]]:
        for release in registry.releases():  # a process may have been killed half-way
            catch_up(registry, store, release.name)
        return [*check(registry, store)]

    while True:
        wait: float | None = None
        try:
            for now, outcome in await asyncio.to_thread(look):
                log.warning(
                    "canary %s of %s: %s by the votes", now.canary.release.id, now.present.name, outcome
                )
                services.pool.warm(registry.get(now.present.name))
        except (FeilunError, OSError) as error:
            log.error("the votes on the canary could not be judged: %s", error)
            wait = AGAIN
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await services.judged.wait()
        services.judged.clear()
