"""The engines of a server: loaded when first asked for, shared, and let go when others need the memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Literal

from feilun.registry import Registry, Release
from feilun.registry.sources import locate, verify
from feilun.serve.engines.base import Engine
from feilun.serve.engines.upstream import Upstream
from feilun.text import FeilunError

LOADED = 2
"""In-process models kept in memory at once; of those nobody uses, the one idle longest makes room."""

RETRY_AFTER = 5.0
"""Seconds before a model that could not be loaded is tried again without being asked for."""

State = Literal["cold", "loading", "ready", "error"]


class _Place:
    """One release and the task that makes its engine. The task is the place's own: who waits for it may leave."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.users = 0
        self.loading = asyncio.create_task(_load(release))
        self.begun = time.monotonic()

    @property
    def engine(self) -> Engine | None:
        done = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if done else None

    @property
    def error(self) -> BaseException | None:
        return self.loading.exception() if self.loading.done() and not self.loading.cancelled() else None


class EnginePool:
    """Hands out engines by model name."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._places: dict[str, _Place] = {}
        """By model name, the one used last at the end."""
        self._coming: dict[str, _Place] = {}
        """By model name, the one that takes its place as soon as it is ready."""
        self._closing: set[asyncio.Task[None]] = set()

    def state(self, release: Release) -> tuple[State, FeilunError | None]:
        place = self._places.get(release.name)
        if place is None:
            return "cold", None
        if place.release != release:  # one that answers does so until the new one is ready
            return ("ready" if place.engine is not None and release.name in self._coming else "cold"), None
        if place.engine is not None:
            return "ready", None
        error = place.error
        return ("error", error if isinstance(error, FeilunError) else None) if error else ("loading", None)

    def context_length(self, release: Release) -> int | None:
        place = self._places.get(release.name)
        return place.engine.context_length if place and place.engine else None

    def warm(self, release: Release) -> None:
        """Have an engine loaded without waiting for it; one that failed is tried again after `RETRY_AFTER`."""
        place = self._places.get(release.name)
        if self.state(release)[0] == "cold" or release.name in self._coming or (place and _again(place)):
            self._place(release)

    @contextlib.asynccontextmanager
    async def lease(self, name: str | None) -> AsyncGenerator[tuple[Release, Engine]]:
        """The engine called ``name`` (None: the default), kept loaded while the block runs.

        Raises `FeilunError`: 404 for an unknown model, 503 with the reason if it cannot be loaded.
        """
        release = self.registry.get(name) if name is not None else self.registry.default()
        place = self._place(release)
        place.users += 1
        try:
            engine = await asyncio.shield(place.loading)
            yield place.release, engine
        except FeilunError as error:
            if error.code == "upstream_unreachable" and self._places.get(release.name) is place:
                self._let_go(release.name)  # it was there and is not: look again next time
            raise
        finally:
            place.users -= 1
            if place.users == 0 and self._places.get(release.name) is not place:
                self._close(place)
            self._trim()

    async def close(self) -> None:
        for name in list(self._coming):
            self._close(self._coming.pop(name))
        for name in list(self._places):
            self._let_go(name)
        await asyncio.gather(*self._closing)

    def _place(self, release: Release) -> _Place:
        place = self._places.get(release.name)
        if place is not None and place.release != release and place.engine and release.kind == "gguf":
            place = self._successor(place, release)
        elif place is not None and (place.release != release or place.error is not None):
            self._let_go(release.name)  # what it has begun it finishes
            place = None
        else:
            self._forget_coming(release.name)
        place = place or _Place(release)
        self._places.pop(release.name, None)
        self._places[release.name] = place
        return place

    def _successor(self, place: _Place, release: Release) -> _Place:
        """The place of ``release`` once its engine is ready; until then the present one, so that nobody waits."""
        coming = self._coming.get(release.name)
        if coming is not None and (coming.release != release or _again(coming)):
            self._forget_coming(release.name)
            coming = None
        if coming is None:
            coming = self._coming[release.name] = _Place(release)
        if coming.engine is None:
            return place
        self._let_go(release.name)  # what it has begun it finishes
        return self._coming.pop(release.name)

    def _forget_coming(self, name: str) -> None:
        """It is not wanted any more: the list of models names another one, or the present one again."""
        if name in self._coming:
            self._close(self._coming.pop(name))

    def _trim(self) -> None:
        loaded = [place for place in self._places.values() if place.engine and place.release.kind == "gguf"]
        default = self.registry.default().name if len(loaded) > LOADED else ""
        idle = [place for place in loaded if place.users == 0 and place.release.name != default]
        for place in idle[: len(loaded) - LOADED]:
            self._let_go(place.release.name)

    def _let_go(self, name: str) -> None:
        place = self._places.pop(name)
        if place.users == 0:
            self._close(place)

    def _close(self, place: _Place) -> None:
        async def close() -> None:
            with contextlib.suppress(Exception):  # what could not be loaded need not be closed
                await (await place.loading).close()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _again(place: _Place) -> bool:
    """Whether it could not be loaded, and long enough ago."""
    return place.error is not None and time.monotonic() - place.begun > RETRY_AFTER


async def _load(release: Release) -> Engine:
    if release.kind == "upstream":
        upstream = Upstream(release)
        await upstream.probe()
        return upstream
    path = locate(release)
    if path is None:
        raise FeilunError(
            f"The file of model {release.name} is not on this machine. Fetch it: feilun models pull {release.name}",
            f"模型 {release.name} 的文件不在本机。请获取：feilun models pull {release.name}",
            status=503,
            code="model_not_pulled",
        )

    def load() -> Engine:
        from feilun.serve.engines.llamacpp import LlamaCpp  # a large library: not for upstreams alone

        verify(release, path)
        return LlamaCpp(release, path)

    return await asyncio.to_thread(load)
