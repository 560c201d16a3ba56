"""A server as models are downloaded from, with the troubles such servers have."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Remote:
    """What a server on this machine serves, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    api: dict[str, Any] = field(default_factory=dict[str, Any])
    """Answers of JSON, by path without the query."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    cut_after: list[int] = field(default_factory=list[int])
    """For each of the next answers: after how many bytes of the body the connection breaks."""
    token: str | None = None
    ranges: bool = True
    compresses: bool = False


def _handler(remote: Remote) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            remote.requests.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
            path = self.path.partition("?")[0]
            if remote.token and self.headers["Authorization"] != f"Bearer {remote.token}":
                return self._send(401, b"no")
            if path in remote.api:
                return self._send(200, json.dumps(remote.api[path]).encode())
            if path not in remote.files:
                return self._send(404, b"no")
            return self._send_file(remote.files[path])

        def _send_file(self, data: bytes) -> None:
            headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
            if remote.compresses and "gzip" in (self.headers["Accept-Encoding"] or ""):
                data = gzip.compress(data, mtime=0)  # ranges are of this, then
                headers["Content-Encoding"] = "gzip"
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            same = self.headers["If-Range"] in (None, headers["ETag"])
            if not (asked and remote.ranges and same):
                return self._send(200, data, headers)
            begin = int(asked[1])
            if begin >= len(data):
                return self._send(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            return self._send(206, data[begin:], headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, text in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            cut = remote.cut_after.pop(0) if remote.cut_after and status < 400 else None
            self.wfile.write(body[:cut])
            self.close_connection = True

    return Handler


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(remote))
    remote.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield remote
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache of this test's own."""
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def hub(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The server as the Hugging Face hub."""
    monkeypatch.setenv("HF_ENDPOINT", remote.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return remote
