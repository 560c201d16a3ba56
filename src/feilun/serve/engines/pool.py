"""The engines of a server: loaded when first asked for, shared, and let go when others need the memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from feilun.registry import Canary, Registry, Release
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
        """By model name, the one beside it: a canary, or what takes its place as soon as it is ready. A canary that
        takes over has been here all the while, so that nobody waits for that either."""
        self._closing: set[asyncio.Task[None]] = set()

    def state(self, release: Release) -> tuple[State, FeilunError | None]:
        place = self._places.get(release.name)
        if place is None:
            return "cold", None
        if place.release != release:  # one that answers does so until the new one is ready
            return ("ready" if place.engine is not None and release.name in self._coming else "cold"), None
        return _state(place)

    def canary_state(self, canary: Canary) -> tuple[State, FeilunError | None]:
        coming = self._coming.get(canary.release.name)
        return _state(coming) if coming and coming.release == canary.release else ("cold", None)

    def context_length(self, release: Release) -> int | None:
        place = self._places.get(release.name)
        return place.engine.context_length if place and place.engine else None

    def warm(self, release: Release, canary: Canary | None = None) -> None:
        """Have the engines loaded without waiting for them; one that failed is tried again after `RETRY_AFTER`."""
        place = self._places.get(release.name)
        beside = release.name in self._coming or (canary is not None and self.state(release)[0] == "ready")
        if self.state(release)[0] == "cold" or beside or (place and _again(place)):
            self._place(release, canary)

    @contextlib.asynccontextmanager
    async def lease(
        self, name: str | None, whose: Callable[[], Awaitable[str]] | None = None
    ) -> AsyncGenerator[tuple[Release, Engine]]:
        """The engine called ``name`` (None: the default), kept loaded while the block runs.

        ``whose`` is asked only while the model has a canary; what it gives (say the id of a conversation) decides
        whether the canary answers. Without it, or until the canary is loaded, the present release does.

        Raises `FeilunError`: 404 for an unknown model, 503 with the reason if it cannot be loaded.
        """
        release, canary = self.registry.serving(name)
        key: str | None = None
        if whose is not None and canary is not None:
            key = await whose()
            release, canary = self.registry.serving(name)  # they may have changed meanwhile
        place = self._place(release, canary)
        if key is not None and canary is not None and canary.takes(key):
            beside = self._coming.get(release.name)
            if beside is not None and beside.release == canary.release and beside.engine is not None:
                place = beside
        place.users += 1
        try:
            engine = await asyncio.shield(place.loading)
            yield place.release, engine
        except FeilunError as error:
            if error.code == "upstream_unreachable":  # it was there and is not: look again next time
                if self._places.get(release.name) is place:
                    self._let_go(release.name)
                elif self._coming.get(release.name) is place:
                    self._forget_coming(release.name)
            raise
        finally:
            place.users -= 1
            if place.users == 0 and not self._is_kept(place):
                self._close(place)
            self._trim()

    async def close(self) -> None:
        for name in list(self._coming):
            self._forget_coming(name)
        for name in list(self._places):
            self._let_go(name)
        await asyncio.gather(*self._closing)

    def _place(self, release: Release, canary: Canary | None = None) -> _Place:
        place = self._places.get(release.name)
        if place is not None and place.release != release and place.engine and release.kind == "gguf":
            place = self._successor(place, release)
        elif place is not None and (place.release != release or place.error is not None):
            self._let_go(release.name)  # what it has begun it finishes
            place = None
        elif canary is None:
            self._forget_coming(release.name)
        elif place is not None and place.engine is not None:
            self._beside(canary.release)  # not before that: the present one is waited for
        place = place or _Place(release)
        self._places.pop(release.name, None)
        self._places[release.name] = place
        return place

    def _successor(self, place: _Place, release: Release) -> _Place:
        """The place of ``release`` once its engine is ready; until then the present one, so that nobody waits."""
        coming = self._beside(release)
        if coming.engine is None:
            return place
        self._let_go(release.name)  # what it has begun it finishes
        return self._coming.pop(release.name)

    def _beside(self, release: Release) -> _Place:
        """The place of ``release`` beside the present one; its engine may still be loading."""
        coming = self._coming.get(release.name)
        if coming is None or coming.release != release or _again(coming):
            self._forget_coming(release.name)
            coming = self._coming[release.name] = _Place(release)
        return coming

    def _forget_coming(self, name: str) -> None:
        """It is not wanted any more: the list of models names another one, or the present one alone."""
        coming = self._coming.pop(name, None)
        if coming is not None and coming.users == 0:  # else who leaves last closes it
            self._close(coming)

    def _is_kept(self, place: _Place) -> bool:
        name = place.release.name
        return place is self._places.get(name) or place is self._coming.get(name)

    def _trim(self) -> None:
        loaded = [place for place in self._places.values() if place.engine and place.release.kind == "gguf"]
        default = self.registry.default().name if len(loaded) > LOADED else ""
        idle = [place for place in loaded if place.users == 0 and place.release.name != default]
        for place in idle[: len(loaded) - LOADED]:
            self._forget_coming(place.release.name)
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


def _state(place: _Place) -> tuple[State, FeilunError | None]:
    if place.engine is not None:
        return "ready", None
    error = place.error
    return ("error", error if isinstance(error, FeilunError) else None) if error else ("loading", None)


def _again(place: _Place) -> bool:
    """Whether it could not be loaded, and long enough ago."""
    return place.error is not None and time.monotonic() - place.begun > RETRY_AFTER


async def _load(release: Release) -> Engine:
    """Raises `FeilunError` for whatever goes wrong: of another exception nobody who waits would be told."""
    try:
        return await _engine(release)
    except FeilunError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise FeilunError(
            f"Model {release.name} could not be loaded: {why}",
            f"模型 {release.name} 无法加载：{why}",
            status=503,
            code="model_not_loaded",
        ) from error


async def _engine(release: Release) -> Engine:
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
