"""The engines of a server: loaded when first asked for, shared, and let go when others need the memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal

from feilun.registry import Registry, Release
from feilun.registry.sources import locate
from feilun.serve.engines.base import Engine
from feilun.serve.engines.upstream import Upstream
from feilun.text import FeilunError

LOADED = 2
"""In-process models kept in memory at once; the one idle longest makes room."""

State = Literal["cold", "loading", "ready", "error"]


@dataclass(slots=True)
class _Place:
    """One release's engine, or why there is none."""

    release: Release
    engine: Engine | None = None
    error: FeilunError | None = None
    users: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class EnginePool:
    """Hands out engines by model name."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._places: dict[str, _Place] = {}
        """By model name, the one used last at the end."""
        self._closing: set[asyncio.Task[None]] = set()

    def state(self, release: Release) -> tuple[State, FeilunError | None]:
        place = self._places.get(release.name)
        if place is None or place.release != release:
            return "cold", None
        if place.engine is not None:
            return "ready", None
        return ("error", place.error) if place.error else ("loading", None)

    def context_length(self, release: Release) -> int | None:
        place = self._places.get(release.name)
        return place.engine.context_length if place and place.engine else None

    @contextlib.asynccontextmanager
    async def lease(self, name: str | None) -> AsyncGenerator[tuple[Release, Engine]]:
        """The engine called ``name`` (None: the default), kept loaded while the block runs.

        Raises `FeilunError`: 404 for an unknown model, 503 with the reason if it cannot be loaded.
        """
        release = self.registry.get(name) if name is not None else self.registry.default()
        place = self._places.get(release.name)
        if (
            place is not None and place.release != release
        ):  # changed since: the old engine finishes what it has begun
            self._let_go(release.name)
            place = None
        if place is None:
            place = self._places[release.name] = _Place(release)
        self._places[release.name] = self._places.pop(release.name)
        place.users += 1
        try:
            async with place.lock:
                engine = place.engine
                if engine is None:
                    engine = await self._load(place)
            yield release, engine
        finally:
            place.users -= 1
            if self._places.get(release.name) is not place and place.users == 0:
                self._close(place)

    async def close(self) -> None:
        for name in list(self._places):
            self._let_go(name)
        await asyncio.gather(*self._closing)

    async def _load(self, place: _Place) -> Engine:
        place.error = None
        try:
            if place.release.kind == "upstream":
                place.engine = Upstream(place.release)
                return place.engine
            self._make_room(place)
            path = locate(place.release)
            if path is None:
                raise FeilunError(
                    f"The file of model {place.release.name} is not on this machine. Fetch it: feilun models pull {place.release.name}",
                    f"模型 {place.release.name} 的文件不在本机。请获取：feilun models pull {place.release.name}",
                    status=503,
                    code="model_not_pulled",
                )
            from feilun.serve.engines.llamacpp import LlamaCpp  # a large library: not for upstreams alone

            place.engine = await asyncio.to_thread(LlamaCpp, place.release, path)
            return place.engine
        except FeilunError as error:
            place.error = error
            raise

    def _make_room(self, newcomer: _Place) -> None:
        local = [
            p
            for p in self._places.values()
            if p.engine is not None and p.release.kind == "gguf" and p is not newcomer
        ]
        for place in local[: max(0, len(local) - LOADED + 1)]:
            if place.users == 0:
                self._let_go(place.release.name)

    def _let_go(self, name: str) -> None:
        place = self._places.pop(name)
        if place.users == 0:
            self._close(place)

    def _close(self, place: _Place) -> None:
        if place.engine is not None:
            task = asyncio.create_task(place.engine.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            place.engine = None
