"""Another OpenAI-compatible server as a model of ours: here a second Feilun, and what can go wrong on the way to it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import StartServer
from tests.forks import MODEL
from tests.support import (
    ENDLESS,
    Server,
    ask,
    ask_streaming,
    content,
    error_of,
    events,
    eventually,
    free_port,
    say,
    streamed_text,
    warm_up,
)

from feilun.registry import Release
from feilun.serve.engines.upstream import Upstream
from feilun.text import FeilunError

pytestmark = pytest.mark.xdist_group("server")

CHAT = "/v1/chat/completions"
KEY = "sk-secret-of-the-test"


class Gate(BaseHTTPRequestHandler):
    """A proxy in front of a server, as companies put there: asks for a key, and has a web page for people."""

    target: str

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers["Content-Length"])))

    def _handle(self, body: bytes) -> None:
        if not self.path.startswith("/v1/"):
            self._answer(200, "text/html", b"<!doctype html><html><body>Welcome</body></html>")
        elif self.path.startswith("/v1/broken/"):
            self._answer(200, "text/event-stream", b"data: {this is no JSON}\n\n")
        elif self.path.startswith("/v1/cut/"):
            chunk = {"choices": [{"index": 0, "delta": {"content": "The capital of"}}]}
            self._answer(200, "text/event-stream", f"data: {json.dumps(chunk)}\n\n".encode())
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            refusal = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
            self._answer(401, "application/json", json.dumps(refusal).encode())
        else:
            kind = {"Content-Type": "application/json"}
            url = f"{self.target}{self.path}"
            answer = httpx.request(self.command, url, content=body, headers=kind, timeout=60)
            self._answer(answer.status_code, answer.headers["Content-Type"], answer.content)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def gate(server: Server) -> Iterator[str]:
    """The gate's address, with the worker's server behind it."""
    handler = type("GateToServer", (Gate,), {"target": server.url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as gate:
        threading.Thread(target=gate.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{gate.server_port}"
        gate.shutdown()


def models(*rows: dict[str, Any]) -> str:
    common = {"kind": "upstream", "upstream_model": MODEL}
    return json.dumps({"default": rows[0]["name"], "models": [{**common, **row} for row in rows]})


@pytest.fixture(scope="module")
def front(server: Server, gate: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a model of its own; each of its models is the same upstream reached another way."""
    workspace = tmp_path_factory.mktemp("front") / "workspace"
    workspace.mkdir()
    (workspace / "models.json").write_text(
        models(
            {"name": "far", "source": f"{server.url}/v1"},
            {"name": "down", "source": f"http://127.0.0.1:{free_port()}/v1"},
            {"name": "page", "source": gate},
            {"name": "broken", "source": f"{gate}/v1/broken"},
            {"name": "cut", "source": f"{gate}/v1/cut"},
            {"name": "no-key", "source": f"{gate}/v1"},
            {"name": "wrong-key", "source": f"{gate}/v1", "api_key": "sk-wrong"},
            {"name": "with-key", "source": f"{gate}/v1", "api_key": "env:TEST_UPSTREAM_KEY"},
            {"name": "unset-key", "source": f"{gate}/v1", "api_key": "env:TEST_NO_SUCH_KEY"},
            {"name": "other", "source": f"{server.url}/v1", "upstream_model": "gpt-9"},
        )
    )
    front = Server(workspace, TEST_UPSTREAM_KEY=KEY)
    front.wait_until_ready()
    yield front
    front.stop()
    assert "Traceback" not in front.log, front.log
    assert KEY not in front.log


@pytest.fixture
def near(front: Server) -> Iterator[httpx.Client]:
    with front.client() as client:
        yield client


def test_an_upstream_answers_as_if_asked_directly(client: httpx.Client, near: httpx.Client) -> None:
    body = say("What is the capital of France?", max_tokens=8, stop=["\n"], logprobs=True)
    warm_up(client, body)
    directly = ask(client, {**body, "model": MODEL})
    answer = ask(near, {**body, "model": "far"})
    assert answer["model"] == "far"
    assert content(answer) == content(directly)
    assert answer["usage"]["completion_tokens"] == directly["usage"]["completion_tokens"]
    tokens = [row["token"] for row in answer["choices"][0]["logprobs"]["content"]]
    assert "".join(tokens) == content(directly)
    assert streamed_text(ask_streaming(near, {**body, "model": "far"})) == content(directly)


def probe(url: str) -> None:
    async def go() -> None:
        upstream = Upstream(Release(name="far", kind="upstream", source=url))
        try:
            await upstream.probe()
        finally:
            await upstream.close()

    asyncio.run(go())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_is_asked_for_other_machines_only(
    server: Server, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("no_proxy", "")
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{free_port()}")  # which is away
    probe(f"{server.url}/v1")
    with pytest.raises(FeilunError) as refused:
        probe("http://example.invalid/v1")
    assert refused.value.code == "upstream_unreachable"


def test_an_upstreams_answer_is_stored_here(near: httpx.Client) -> None:
    answer = ask(near, say("Hi", model="far"))
    stored = near.get(f"/api/conversations/{answer['conversation_id']}").json()["messages"]
    assert [message["role"] for message in stored] == ["user", "assistant"]
    assert stored[1]["content"] == content(answer)
    assert stored[1]["model"] == "far"


def test_tools_n_and_schemas_reach_an_upstream(near: httpx.Client) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    body = say("Look!", model="far", tools=[tool], tool_choice="required", max_tokens=60)
    (call,) = ask(near, body)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "look"
    assert len(ask(near, say("Hi", model="far", n=2))["choices"]) == 2
    schema = {"type": "json_schema", "json_schema": {"name": "yes", "schema": {"const": "yes"}}}
    assert content(ask(near, say("Hi", model="far", response_format=schema))) == '"yes"'


def test_completions_and_embeddings_reach_an_upstream(client: httpx.Client, near: httpx.Client) -> None:
    body = {"prompt": "Once upon a", "max_tokens": 4, "temperature": 0}
    client.post("/v1/completions", json=body)  # see warm_up
    texts = [http.post("/v1/completions", json=body).json()["choices"][0]["text"] for http in (client, near)]
    assert texts[0] == texts[1] != ""
    body = {"input": ["one", "two"]}
    vectors = [http.post("/v1/embeddings", json=body).json()["data"] for http in (client, near)]
    assert [row["embedding"] for row in vectors[0]] == [row["embedding"] for row in vectors[1]]


def test_leaving_stops_the_generation_at_the_upstream(
    server: Server, front: Server, near: httpx.Client
) -> None:
    body = say("Tell me a story", model="far", stream=True, **ENDLESS)
    message_id = ""
    with near.stream("POST", CHAT, json=body) as response:
        for chunk in events(response):
            message_id = chunk["id"]
            if chunk["choices"][0]["delta"].get("content"):
                break
    for each in (front, server):
        eventually(lambda each=each: each.running() == 0, patience=10)
    eventually(lambda: front.message(message_id)["status"] == "stopped", patience=10)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "code", "said"),
    [
        ("down", 502, "upstream_unreachable", "Is it running?"),
        ("page", 502, "upstream_format", "ends in /v1"),
        ("no-key", 502, "upstream_refused", "Incorrect API key"),
        ("wrong-key", 502, "upstream_refused", "Incorrect API key"),
        ("unset-key", 503, None, "TEST_NO_SUCH_KEY"),
        ("other", 502, "upstream_refused", "gpt-9"),
    ],
)
def test_what_is_wrong_with_an_upstream_is_said_in_one_line(
    near: httpx.Client, stream: bool, model: str, status: int, code: str | None, said: str
) -> None:
    response = near.post(CHAT, json=say("Hi", model=model, stream=stream))
    error = error_of(response, status)
    assert said in error["message"]
    assert code in (None, error["code"])


def test_an_upstream_that_talks_nonsense_is_named_also_within_a_stream(near: httpx.Client) -> None:
    error = error_of(near.post(CHAT, json=say("Hi", model="broken")), 502)
    assert error["code"] == "upstream_format"
    assert ask_streaming(near, say("Hi", model="broken"))[-1]["error"] == error


def test_an_upstreams_answer_that_breaks_off_does_not_count_as_whole(
    front: Server, near: httpx.Client
) -> None:
    error = error_of(near.post(CHAT, json=say("Hi", model="cut")), 502)
    assert "broke off" in error["message"]
    first, *_, last = ask_streaming(near, say("Hi", model="cut"))
    assert last["error"] == error
    eventually(lambda: front.message(first["id"])["status"] == "failed", patience=10)
    assert front.message(first["id"])["content"] == "The capital of"


def test_a_prompt_too_long_for_the_upstream_is_the_callers_error(near: httpx.Client) -> None:
    error = error_of(near.post(CHAT, json=say("word " * 6000, model="far")), 400)
    assert "tokens" in error["message"]


def test_a_key_from_the_environment_opens_the_upstream_and_is_never_shown(
    front: Server, near: httpx.Client
) -> None:
    assert content(ask(near, say("Hi", model="with-key")))
    assert KEY not in near.get("/v1/models").text
    assert KEY not in (front.workspace / "models.json").read_text()
    assert not front.rows("SELECT 1 FROM messages WHERE params LIKE ?", f"%{KEY}%")


def test_health_says_whether_the_upstream_is_there(start_server: StartServer, tmp_path: Path) -> None:
    port = free_port()
    workspace = tmp_path / "near"
    workspace.mkdir()
    (workspace / "models.json").write_text(models({"name": "far", "source": f"http://127.0.0.1:{port}/v1"}))
    front = start_server(workspace, ready=False)
    with front.client() as client:

        def health(code: int) -> httpx.Response | None:
            response = client.get("/health")
            return response if response.status_code == code and "loading" not in response.text else None

        down = eventually(lambda: health(503))
        assert "Is it running?" in error_of(down, 503)["message"]
        start_server(tmp_path / "far", "--port", str(port))
        eventually(lambda: health(200), what="for the upstream to be noticed")
        assert content(ask(client, say("Hi")))


def test_an_upstream_that_dies_in_mid_answer_leaves_an_error_and_the_partial_answer(
    start_server: StartServer, tmp_path: Path
) -> None:
    far = start_server(tmp_path / "far")
    workspace = tmp_path / "near"
    workspace.mkdir()
    (workspace / "models.json").write_text(models({"name": "far", "source": f"{far.url}/v1"}))
    front = start_server(workspace)
    seen: list[dict[str, Any]] = []
    with (
        front.client() as client,
        client.stream("POST", CHAT, json=say("Tell me a story", stream=True, **ENDLESS)) as response,
    ):
        for chunk in events(response):
            seen.append(chunk)
            if len(seen) == 5:
                far.kill()
    error = seen[-1]["error"]
    assert error["code"] == "upstream_unreachable"
    eventually(lambda: front.message(seen[0]["id"])["status"] == "failed", patience=10)
    stored = front.message(seen[0]["id"])
    assert stored["content"] == streamed_text(seen[:-1])
    assert error["message"] in json.loads(stored["extra"])["error"]
