"""Running the application: address, lock, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence

import uvicorn
from fastapi import APIRouter

from feilun.registry.download import is_loopback
from feilun.serve.app import create_app
from feilun.store import Store
from feilun.text import FeilunError
from feilun.workspace import Workspace


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address. Raises `FeilunError` for any other address and for a port in use."""
    if not is_loopback(host):
        raise FeilunError(
            f"Feilun listens on this machine only for now; {host} would open it to others. "
            "Accounts come with team mode. Use --host 127.0.0.1.",
            f"目前 Feilun 只在本机监听；{host} 会向他人开放。账户功能将随团队模式提供。请使用 --host 127.0.0.1。",
            code="not_loopback",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host.strip("[]"), port))
        sock.listen(2048)
    except (OSError, OverflowError) as error:
        sock.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise FeilunError(
                f"Port {port} is in use by another program. Choose another: feilun up --port {port + 1}",
                f"端口 {port} 已被其他程序占用。请换一个：feilun up --port {port + 1}",
                code="port_in_use",
            ) from None
        raise FeilunError(
            f"Cannot listen on {host}:{port}: {error}.",
            f"无法监听 {host}:{port}：{error}。",
            code="cannot_listen",
        ) from None
    return sock


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on SIGINT and SIGTERM; unlike uvicorn's own, without dying of the signal before we have tidied up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def serve(
    workspace: Workspace,
    sock: socket.socket,
    on_start: Callable[[str], None],
    more: Sequence[APIRouter] = (),
) -> None:
    """Serve until told to stop. ``on_start`` is called with the URL once the default model answers, or cannot be loaded.

    ``more`` are endpoints of the packages above.

    Raises `FeilunError` if the workspace is in use or its database cannot be opened.
    """
    host, port = sock.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with workspace.serving():
        app = create_app(workspace, Store(workspace.database), more)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        # What is cut short by stopping is no error in the application; uvicorn would log it as one.
        logging.getLogger("uvicorn.error").addFilter(
            lambda record: not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
        )
        server = _Server(config)

        async def run() -> None:
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            # uvicorn has no event for it
            while not server.started and not serving.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            if server.started:
                workspace.announce(url)
                await asyncio.wait({serving, app.state.loading}, return_when=asyncio.FIRST_COMPLETED)
                on_start(url)
            await serving

        asyncio.run(run())
