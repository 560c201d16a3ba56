"""A real server in a process of its own, and the few lines that talk to it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tests.forks import Forked

R = TypeVar("R")

# An answer that does not end by itself while anybody looks: the tokens that end one are forbidden.
ENDLESS: dict[str, Any] = {"max_tokens": 3000, "logit_bias": {"0": -100, "2": -100}}

# Enough for a machine that is busy with other things; nothing waits that long when all is well.
PATIENCE = 100.0


def eventually(look: Callable[[], R | None], *, what: str = "", patience: float = PATIENCE) -> R:
    """The first true value of ``look``; fails if none comes."""
    deadline = time.monotonic() + patience
    while True:
        value = look()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience} s in vain {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    """``feilun up`` on a workspace. Its stderr and stdout go to a file beside the workspace."""

    def __init__(self, workspace: Path, *options: str, **env: str) -> None:
        self.workspace = workspace
        self._log = workspace.with_suffix(".log")
        command = ["-w", workspace, "up", "--no-browser", "--port", "0", *options]
        with self._log.open("ab") as log:
            self.process = Forked(*command, log=log, **env)
        self.url = ""

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_up(self) -> None:
        """Until it takes requests; the model may still be loading, or not load at all."""

        def address() -> str | None:
            assert self.process.poll() is None, f"the server ended by itself:\n{self.log}"
            with contextlib.suppress(OSError, ValueError):
                written = json.loads((self.workspace / "server.json").read_text())
                return written["url"] if written["pid"] == self.process.pid else None
            return None

        self.url = eventually(address, what="for the server's address")

    def wait_until_ready(self) -> None:
        """Until the default model answers."""
        if not self.url:
            self.wait_until_up()
        with self.client() as client:
            eventually(lambda: client.get("/health").status_code == 200, what="for /health to say 200")

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, verify=False, **options)

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(
            base_url=self.url, timeout=PATIENCE, trust_env=False, verify=False, limits=limits, **options
        )

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """What the database holds: for what the API does not show, such as other users' messages."""
        with contextlib.closing(sqlite3.connect(self.workspace / "feilun.db")) as database:
            database.row_factory = sqlite3.Row
            return database.execute(query, values).fetchall()

    def forget(self) -> None:
        """Delete all conversations, and with them what was said of the answers."""
        with contextlib.closing(sqlite3.connect(self.workspace / "feilun.db")) as database, database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM conversations")

    def message(self, message_id: str) -> sqlite3.Row:
        (row,) = self.rows("SELECT * FROM messages WHERE id = ?", message_id)
        return row

    def running(self) -> int:
        """Generations under way or waiting, as ``/metrics`` tells."""
        with self.client() as client:
            for line in client.get("/metrics").text.splitlines():
                if line.startswith("feilun_requests_running "):
                    return int(float(line.split()[1]))
        raise AssertionError("/metrics lacks feilun_requests_running")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code; fails if it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not end when asked to:\n{self.log}") from None
        return self.process.wait()


def say(text: str, **params: Any) -> dict[str, Any]:
    """The body of a short, deterministic chat request of one question."""
    return talk({"role": "user", "content": text}, **params)


def talk(*messages: dict[str, Any], **params: Any) -> dict[str, Any]:
    """The body of a short, deterministic chat request."""
    return {"messages": list(messages), "max_tokens": 6, "temperature": 0, **params}


def ask(client: httpx.Client, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The whole answer to a chat request."""
    response = client.post("/v1/chat/completions", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def warm_up(client: httpx.Client, body: dict[str, Any]) -> None:
    """Have the prompt in the engine's cache: from then on equal requests are equal computations.

    Reading a prompt in one batch or going on from the cache rounds differently, which can tip a close choice of words.
    """
    ask(client, {**body, "store": False})


def content(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON events of a stream; fails unless it ends in ``[DONE]``."""
    for line in response.iter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended without [DONE]")


def ask_streaming(
    client: httpx.Client, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> list[dict[str, Any]]:
    """All events of the streamed answer to a request."""
    with client.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


def streamed_text(chunks: list[dict[str, Any]], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a refused request, which must be of OpenAI's shape and one line a person can read."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    return error
