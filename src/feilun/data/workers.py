"""Work shared out among processes of this machine: any order, each piece once.

The processes are not forked from this one (a child of a process with threads may find their locks held for ever), but
from one that has loaded what they need and does nothing else; where there is no fork, they are spawned. They leave
Ctrl+C to the process that started them, and end when that one is gone, also when it was killed.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from feilun.text import FeilunError

Item = TypeVar("Item")
Shared = TypeVar("Shared")

_shared: Any = None
"""In a worker: what all pieces of work have in common, sent once."""


class Each(Protocol):
    """Does ``work(item, shared)`` for each of the items, wherever its processes are; yields after every one that is done."""

    def __call__(
        self, work: Callable[[Item, Shared], None], items: Sequence[Item], shared: Shared
    ) -> Generator[None]: ...


_FORKS = "forkserver" in multiprocessing.get_all_start_methods()


def ready(*modules: str) -> None:
    """Begin to load ``modules`` in the process that workers are forked from, while this one goes on. Later calls do
    nothing: without the first one, it loads the module of the first work there is."""
    if not _FORKS:
        return
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # started within, it would let the signal through again
    forkserver.set_forkserver_preload(list(modules))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which it and its children inherit
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def local(workers: int) -> Each:
    """Processes of this machine."""
    return partial(each, workers=workers)


def each(
    work: Callable[[Item, Shared], None], items: Sequence[Item], shared: Shared, workers: int
) -> Generator[None]:
    """Do ``work(item, shared)`` for each of the items; yields after every one that is done.

    What is given up early (`Generator.close`) lets the pieces end that have begun. Raises what the work raises, and
    `FeilunError` if a worker dies.
    """
    if workers == 1:
        for item in items:
            work(item, shared)
            yield
        return
    ready(work.__module__)
    context = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(shared,))
    with pool:
        running = [pool.submit(_do, work, item) for item in items]
        try:
            for done in as_completed(running):
                done.result()
                yield
        except BrokenProcessPool:
            raise FeilunError(
                "A worker died: there was too little memory, or a file killed its reader. What is done is kept. Go on "
                "with --resume, and with --workers 1 to need less memory.",
                "一个工作进程意外退出：内存不足，或某个文件使读取程序崩溃。已完成的部分会保留。"
                "请用 --resume 继续；加 --workers 1 可减少内存占用。",
                code="worker_died",
            ) from None
        finally:
            for one in running:
                one.cancel()


@contextmanager
def collecting_rarely() -> Generator[None]:
    """Within, Python looks for circles of objects a hundredth as often as it would. A page makes thousands of objects and
    no circles; looking for them would be a quarter of the time that it takes."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100 * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _begin(shared: Any) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(work: Callable[[Any, Any], None], item: Any) -> None:
    work(item, _shared)
