"""Work shared out among the processes of a Ray cluster: any order, each piece once, also when some of them die.

What a dead worker or node had begun, Ray begins again elsewhere. How far it had come is no matter: a piece of work
leaves files that appear at once and whole, and are the same each time. These files lie on a file system that all nodes
share; what travels is the names of the pieces, and once a node what they have in common.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache, partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from feilun import __version__
from feilun.data.workers import Each, Item, Shared
from feilun.text import FeilunError

RETRIES = 3
"""How often a piece is begun again when its worker or node has died. If it goes on dying, it is the piece that kills."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
"""Ray tells its makers nothing of what it is used for, and installs nothing on the nodes (as it would under ``uv run``)."""

PATIENCE = 5.0
"""Seconds for an address to answer; Ray alone would try for some fourteen minutes."""


@contextlib.contextmanager
def connected(address: str) -> Generator[None]:
    """Be a driver of the Ray cluster at ``address`` (``host:port``), of the one that runs here (``auto``), or of one that
    lives as long as the block, on this machine alone (``local``).

    Raises `FeilunError` if Ray is not installed or not reached.
    """
    os.environ.update(QUIET)
    try:
        ray = _ray()
    except ImportError:
        raise FeilunError(
            "This needs Ray. Install it: pip install 'feilun[ray]'",
            "此功能需要 Ray。请安装：pip install 'feilun[ray]'",
            code="ray_not_installed",
        ) from None
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _answers(ray, os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING, include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise FeilunError(
            f"Cannot reach a Ray cluster at {address} ({error}). Start one with `ray start --head`, or use `local`.",
            f"无法连接位于 {address} 的 Ray 集群（{error}）。请用 `ray start --head` 启动，或改用 `local`。",
            code="unreachable",
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray's own ends the process at once: no end in good order
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Imported by those who use it; its annotations are partial."""
    return import_module("ray")


def _answers(ray: Any, address: str) -> None:
    """Raises `OSError` if nothing listens at ``host:port``. Other addresses are Ray's to judge."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        here = host in ("localhost", "127.0.0.1", "[::1]")  # for which Ray takes the machine's own
        host = ray.util.get_node_ip_address() if here else host.strip("[]")
        socket.create_connection((host, int(port)), PATIENCE).close()


@contextlib.contextmanager
def on_ray(address: str, needed: Sequence[str | Path] = (), workers: int | None = None) -> Generator[Each]:
    """Processes of a Ray cluster, each with a core of its own. Feilun must be installed on all nodes.

    Args:
        address: see `connected`.
        needed: paths that every node must see; URLs are let be.
        workers: at most so many at once. Default: as many as the cluster has cores, also those that come later.

    Raises `FeilunError` if Ray is not installed or not reached; the `Each` raises what the work raises, and
    `FeilunError` if a node lacks a path or has another Feilun, or a piece has died `RETRIES` + 1 times.
    """
    paths = [str(path) for path in needed if "://" not in str(path)]
    with connected(address):
        yield partial(_each, needed=paths, workers=workers)


def _each(
    work: Callable[[Item, Shared], None],
    items: Sequence[Item],
    shared: Shared,
    *,
    needed: Sequence[str],
    workers: int | None,
) -> Generator[None]:
    ray = _ray()
    # In a list it is not fetched and read anew for every piece.
    common: list[Any] = [ray.put(shared)]
    task: Any = ray.remote(num_cpus=1, max_retries=RETRIES)(_do)
    left, begun = iter(items), list[Any]()
    try:
        while True:
            room = (workers or _cores()) - len(begun)
            begun += [
                task.remote(work, item, common, needed, __version__) for item in islice(left, max(0, room))
            ]
            if not begun:
                return
            ended, begun = ray.wait(begun)
            for one in ended:
                _check(one)
                yield
    except GeneratorExit:
        if begun:
            ray.wait(begun, num_returns=len(begun))
        raise


def _cores() -> int:
    """Of the cluster now; one if there is none yet, so that a cluster that grows by itself knows of the need."""
    return int(_ray().cluster_resources().get("CPU", 0)) or 1


def _check(ended: Any) -> None:
    """Raises what a piece of work has raised."""
    ray = _ray()
    try:
        said: dict[str, Any] | None = ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        why = str(error).strip().split("\n")[0]
        raise FeilunError(
            f"The same part was lost {RETRIES + 1} times: workers died or nodes went away ({why}). What is done is kept. "
            "Go on with --resume.",
            f"同一部分已 {RETRIES + 1} 次丢失：工作进程意外退出或节点离线（{why}）。已完成的部分会保留。请用 --resume 继续。",
            code="worker_died",
        ) from error
    if said is not None:
        raise FeilunError(said["en"], said["zh"], status=said["status"], code=said["code"])


# On the nodes.


def _do(
    work: Callable[[Any, Any], None], item: Any, common: list[Any], needed: Sequence[str], version: str
) -> dict[str, Any] | None:
    """Gives the arguments of a `FeilunError` that the work has raised: Ray cannot bring the error itself."""
    try:
        _fit(needed, version)
        work(item, _fetched(common[0]))
    except FeilunError as error:
        return {"en": error.text.en, "zh": error.text.zh, "status": error.status, "code": error.code}
    return None


@lru_cache(maxsize=1)
def _fetched(shared: Any) -> Any:
    return _ray().get(shared)


def _fit(needed: Sequence[str], version: str) -> None:
    """Raises `FeilunError` if this node would do the work otherwise than the machine that asks for it."""
    node = socket.gethostname()
    if version != __version__:
        raise FeilunError(
            f"The node {node} has Feilun {__version__}, and this is {version}: install the same on all of them.",
            f"节点 {node} 上的飞轮版本是 {__version__}，此处是 {version}：请在所有节点安装同一版本。",
            code="version_differs",
        )
    missing = next((path for path in needed if not Path(path).exists()), None)
    if missing is not None:
        raise FeilunError(
            f"The node {node} does not see {missing}. Workspace and sources must lie on a file system that all nodes share, "
            "under the same path.",
            f"节点 {node} 无法访问 {missing}。工作区和数据源须位于所有节点以相同路径共享的文件系统上。",
            code="not_shared",
        )
