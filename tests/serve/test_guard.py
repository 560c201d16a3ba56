"""What is turned away at the door: other sites' pages, endless and broken bodies, and everyone but ourselves."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from tests.support import Server, ask, error_of, say

pytestmark = pytest.mark.xdist_group("server")

CHAT = "/v1/chat/completions"
JSON_POSTS = (CHAT, "/v1/completions", "/v1/embeddings", "/v1/feedback")

NAVIGATION = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.168.1.7"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {**NAVIGATION, "Sec-Fetch-Dest": "iframe"},
    ],
    ids=lambda headers: ",".join(f"{name}={value}" for name, value in headers.items()),
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/api/conversations"), ("POST", "/v1/feedback")]
)
def test_what_a_foreign_page_can_send_is_refused(
    client: httpx.Client, headers: dict[str, str], method: str, path: str
) -> None:
    error = error_of(client.request(method, path, headers=headers), 403)
    assert error["code"] == "forbidden_origin"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_a_foreign_page_cannot_change_anything_by_navigation(client: httpx.Client, method: str) -> None:
    conversation = ask(client, say("Hi", max_tokens=1))["conversation_id"]
    path = f"/api/conversations/{conversation}"
    error_of(client.request(method, path, headers=NAVIGATION), 403)
    assert client.get(path).status_code == 200


def test_our_own_pages_programs_and_links_from_elsewhere_are_served(
    server: Server, client: httpx.Client
) -> None:
    host = urlsplit(server.url).netloc
    port = urlsplit(server.url).port
    welcome = [
        {},
        {"Origin": server.url, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
        {"Host": host.upper()},
        NAVIGATION,
    ]
    for headers in welcome:
        assert client.get("/", headers=headers).status_code == 200, headers


def test_no_other_page_may_read_an_answer(client: httpx.Client) -> None:
    for path in ("/", "/health", "/v1/models", "/docs"):
        response = client.get(path)
        assert not [name for name in response.headers if name.startswith("access-control-")]
        assert response.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/models", "/nothing-here"])
def test_nothing_foreign_can_run_or_load_in_a_page(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
    assert policy["default-src"] == ["'self'"]
    assert "script-src" not in policy
    assert policy["img-src"] == ["'self'", "data:", "blob:"]
    assert policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_names_no_other_host(client: httpx.Client, path: str) -> None:
    page = client.get(path).text
    assert "<html" in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_refused_in_one_line(client: httpx.Client, chunked: bool) -> None:
    body = json.dumps(say("x" * 10_000_000)).encode()

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 1 << 16):
            yield body[at : at + (1 << 16)]

    response = client.post(
        CHAT, content=pieces() if chunked else body, headers={"Content-Type": "application/json"}
    )
    error = error_of(response, 413)
    assert error["code"] == "request_too_large"
    assert len(error["message"]) < 200
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", JSON_POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"messages": [}',
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"messages": [{"role": "user", "content": "\xff"}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}], "input": "\\ud800", "prompt": "\\ud800"}',
        b'{"temperature": NaN, "input": NaN, "prompt": NaN, "rating": NaN}',
        b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_broken_body_is_the_clients_error(client: httpx.Client, path: str, body: bytes) -> None:
    error_of(client.post(path, content=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize("kind", [{}, {"Content-Type": "text/plain"}], ids=["none", "text"])
def test_a_body_that_is_not_said_to_be_json_is_told_how(client: httpx.Client, kind: dict[str, str]) -> None:
    body = b'{"messages": [{"role": "user", "content": "hi"}]}'
    error = error_of(client.post("/v1/chat/completions", content=body, headers=kind), 400)
    assert "Content-Type: application/json" in error["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", "{deep}"),
        ("tools", '[{"type": "function", "function": {"name": "f", "parameters": {deep}}}]'),
        (
            "response_format",
            '{"type": "json_schema", "json_schema": {"name": "x", "schema": {deep}}}',
        ),
    ],
)
@pytest.mark.parametrize("depth", [12, 900])
def test_deep_nesting_in_a_field_does_no_harm(
    client: httpx.Client, name: str, value: str, depth: int
) -> None:
    deep = '{"properties": {"x": ' * depth + "{}" + "}}" * depth
    body = json.dumps(say("Hi"))[:-1] + f', "{name}": {value.replace("{deep}", deep)}}}'
    response = client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400), response.text
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("PUT", "/api/status", 405), ("GET", "/../etc/passwd", 404)],
)
def test_a_wrong_address_gets_an_error_of_the_same_shape(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    error_of(client.request(method, path), status)


def test_only_our_own_port_listens(server: Server, client: httpx.Client) -> None:
    ask(client, say("Hi", max_tokens=1))
    client.post(
        "/v1/embeddings", json={"input": "Hi"}
    ).raise_for_status()  # a second engine has one more port
    process = psutil.Process(server.process.pid)
    processes = [process, *process.children(recursive=True)]
    ours = [
        connection
        for each in processes
        for connection in each.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [connection.laddr for connection in ours] == [("127.0.0.1", urlsplit(server.url).port)]


def test_the_engines_own_port_is_a_private_socket_that_asks_for_a_key(
    server: Server, client: httpx.Client
) -> None:
    ask(client, say("Hi", max_tokens=1))
    connections: list[Any] = psutil.Process(server.process.pid).net_connections("unix")
    sockets = [Path(connection.laddr) for connection in connections if connection.laddr.endswith(".sock")]
    assert sockets
    for path in sockets:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://engine") as intruder:
            assert intruder.post("/v1/chat/completions", json=say("Hi")).status_code == 401
            assert intruder.get("/slots").status_code == 401
