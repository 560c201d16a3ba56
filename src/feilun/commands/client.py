"""Talking to the workspace's server from the command line: the one that runs, else one of our own for the while."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from typing import IO, Any

import httpx
import orjson
from rich.console import Console

from feilun.commands.progress import fetch_with_bar
from feilun.registry import Registry
from feilun.registry.sources import locate
from feilun.text import FeilunError, locale_language
from feilun.workspace import Workspace

START_TIMEOUT = 120.0
"""Seconds a server of our own may take to answer."""


class Client:
    """The API of a server; errors come as `FeilunError` in the user's language."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(None, connect=5),
            headers={"Accept-Language": locale_language()},
            trust_env=False,
        )

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise _gone(error) from None
        if response.is_error:
            raise _said(response.content)
        return response.json() if response.content else None

    def stream(self, body: dict[str, Any]) -> Generator[dict[str, Any]]:
        """The chunks of a chat completion. Closing the iterator stops the generation."""
        try:
            with self._http.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
                if response.is_error:
                    raise _said(response.read())
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        chunk = orjson.loads(line.removeprefix("data: "))
                        if "error" in chunk:
                            raise _said(line.removeprefix("data: ").encode())
                        yield chunk
        except httpx.HTTPError as error:
            raise _gone(error) from None


@contextlib.contextmanager
def connected(workspace: Workspace) -> Generator[Client]:
    """A client of the workspace's server; if none runs, one is started and stopped again.

    Raises `FeilunError` if it does not start.
    """
    url = workspace.address()
    if url is not None:
        yield Client(url)
        return
    release = Registry(workspace).default()
    if release.kind == "gguf" and locate(release) is None:
        fetch_with_bar(release, Console(highlight=False, stderr=True))
    command = [sys.executable, "-m", "feilun", "-w", str(workspace.path), "up", "--no-browser", "--port", "0"]
    for number in (signal.SIGHUP, signal.SIGTERM):  # a closed terminal must not leave the server behind
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryFile("w+") as log:  # a pipe that nobody reads would block it
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        try:
            yield Client(_wait(workspace, server, log))
        finally:
            server.terminate()
            server.wait()


def _wait(workspace: Workspace, server: subprocess.Popen[bytes], log: IO[str]) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            log.seek(0)
            why = (log.read().strip().splitlines() or [""])[-1]
            raise FeilunError(f"The server did not start: {why}", f"服务器未能启动：{why}")
        url = workspace.address()
        if url is not None:
            with contextlib.suppress(httpx.HTTPError):
                health = httpx.get(
                    f"{url}/health", trust_env=False, headers={"Accept-Language": locale_language()}
                )
                if health.is_success:
                    return url
                if health.json()["error"]["code"] != "loading":
                    raise _said(health.content)
        time.sleep(0.05)
    raise FeilunError("The server did not answer in time.", "服务器未及时响应。")


def _said(content: bytes) -> FeilunError:
    try:
        error = orjson.loads(content)["error"]
        return FeilunError(error["message"], error["message"], code=error.get("code"))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        text = content[:200].decode("utf-8", "replace")
        return FeilunError(text, text)


def _gone(error: httpx.HTTPError) -> FeilunError:
    return FeilunError(f"The server does not answer: {error}.", f"服务器没有响应：{error}。")
