"""The command line beside a server whose model answers at once and always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.forks import environment
from tests.registry.conftest import hub, remote  # noqa: F401  fixtures for this folder too
from tests.support import Server

from feilun.cli import main
from feilun.registry import Registry, Release
from feilun.workspace import Workspace

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """``run("-w", folder, "doctor", FEILUN_LANG="zh")``: a command from entry point to exit, without a new process."""

    def run(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        argv = ["feilun", *(str(arg) for arg in args)]
        capfd.readouterr()
        mask = os.umask(0)
        os.umask(mask)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", argv)
            for name in os.environ.keys() - (wanted := environment(**env)).keys():
                patch.delenv(name)
            for name, text in wanted.items():
                patch.setenv(name, text)
            with pytest.raises(SystemExit) as end:
                main()
        os.umask(mask)  # which belongs to the process
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(argv, int(end.value.code or 0), out, err)

    return run


class _Echo(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: it repeats the question, after the system prompt if there is one."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"object": "list", "data": []}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body["messages"]
        words = [m["content"] for m in messages if m["role"] == "system"]
        words += [f"echo of {messages[-1]['content']}", f"({len(messages)} messages)"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        chunks = [{"delta": {"content": f"{word} "}} for word in words]
        for chunk in [*chunks, {"delta": {}, "finish_reason": "stop"}]:
            line = json.dumps({"choices": [{"index": 0, **chunk}]})
            self.wfile.write(f"data: {line}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


@pytest.fixture(scope="session")
def echo_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def _echo_workspace(path: Path, url: str) -> Path:
    workspace = Workspace(path)
    Registry(workspace).add(Release(name="echo", kind="upstream", source=url), make_default=True)
    return workspace.path


@pytest.fixture
def echo_workspace(tmp_path: Path, echo_url: str) -> Path:
    """A new workspace whose default model is the echo."""
    return _echo_workspace(tmp_path / "workspace", echo_url)


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory: pytest.TempPathFactory, echo_url: str) -> Iterator[Server]:
    """A server on such a workspace, for all tests of a worker; it fills up as they run."""
    server = Server(_echo_workspace(tmp_path_factory.mktemp("echo") / "workspace", echo_url))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.log, server.log
