"""A client that goes away costs nothing more: its generation stops at once, and what was written is kept."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest
from tests.support import ENDLESS, Server, ask, events, eventually, say

pytestmark = pytest.mark.xdist_group("server")

CHAT = "/v1/chat/completions"
SLOTS = 8


def new(text: str) -> str:
    return f"{text} ({uuid4().hex[:8]})"


def answer_to(server: Server, question: str) -> sqlite3.Row | None:
    """The stored answer to a question, once there is one."""
    query = """SELECT answer.* FROM messages AS answer JOIN messages AS question ON answer.parent_id = question.id
               WHERE question.content = ?"""
    rows = server.rows(query, question)
    return rows[0] if rows else None


def stopped(server: Server, question: str) -> Callable[[], sqlite3.Row | None]:
    def look() -> sqlite3.Row | None:
        row = answer_to(server, question)
        return row if row is not None and row["status"] == "stopped" else None

    return look


def idle(server: Server) -> bool:
    """Whether the process computes nothing: a generation that goes on takes a core."""
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(0.5)
    return sum(process.cpu_times()[:2]) - before < 0.1


def assert_comes_to_rest(server: Server) -> None:
    eventually(lambda: server.running() == 0, what="for generations to end", patience=10)
    eventually(lambda: idle(server), what="for the engine to rest", patience=10)


def leave(server: Server, body: dict[str, Any], when: Callable[[], object]) -> None:
    """Send a request and hang up, without having read anything, as soon as ``when`` holds."""

    async def go() -> None:
        async with server.async_client() as client:
            request = asyncio.create_task(client.post(CHAT, json=body))
            await asyncio.to_thread(eventually, when)
            assert not request.done()
            request.cancel()
            await asyncio.wait({request})

    asyncio.run(go())


def test_a_stream_that_is_left_stops_and_keeps_what_was_seen(server: Server, client: httpx.Client) -> None:
    body = say(new("Tell me a story"), stream=True, **ENDLESS)
    seen = message_id = ""
    with client.stream("POST", CHAT, json=body) as response:
        for chunk in events(response):
            message_id = chunk["id"]
            seen += chunk["choices"][0]["delta"].get("content") or ""
            if len(seen) > 40:
                break
    assert_comes_to_rest(server)
    stored = server.message(message_id)
    assert stored["status"] == "stopped"
    assert stored["content"].startswith(seen)


def test_a_whole_answer_nobody_waits_for_stops_and_its_beginning_is_kept(server: Server) -> None:
    question = new("Tell me a story")

    def begun() -> bool:
        row = answer_to(server, question)
        return row is not None and bool(row["content"])

    leave(server, say(question, **ENDLESS), begun)
    assert_comes_to_rest(server)
    row = eventually(stopped(server, question))
    assert row["content"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_prompt_is_not_read_to_its_end_for_nobody(server: Server, stream: bool) -> None:
    question = new("word " * 3500)
    leave(server, say(question, stream=stream), lambda: answer_to(server, question) is not None)
    assert_comes_to_rest(server)
    assert eventually(stopped(server, question))["content"] == ""


def test_those_who_leave_the_line_are_never_served(server: Server, client: httpx.Client) -> None:
    """More requests than the engine has places, all left: the next one is answered, and nothing else is."""
    questions = [new("Tell me a story") for _ in range(SLOTS + 4)]

    async def go() -> None:
        async with server.async_client() as many:
            requests = [asyncio.create_task(many.post(CHAT, json=say(q, **ENDLESS))) for q in questions]
            await asyncio.to_thread(eventually, lambda: server.running() == len(questions))
            for request in requests:
                request.cancel()
            await asyncio.wait(requests)

    asyncio.run(go())
    ask(client, say("Hi", max_tokens=1))
    assert_comes_to_rest(server)
    for question in questions:
        eventually(stopped(server, question))


def test_hanging_up_at_any_moment_leaves_nothing_unfinished(server: Server) -> None:
    """Also in the middle of storing the question, before anything could be answered."""
    address = urlsplit(server.url)
    marker = new("hang up")
    for i in range(60):
        body = json.dumps(say(f"{marker} {i}", stream=i % 2 == 0, **ENDLESS))
        lines = (
            f"POST {CHAT} HTTP/1.1",
            f"Host: {address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        with socket.create_connection(("127.0.0.1", address.port)) as connection:
            connection.sendall("\r\n".join([*lines, "", body]).encode())
            time.sleep(i / 60 * 0.05)
    assert_comes_to_rest(server)
    query = """SELECT DISTINCT answer.status FROM messages AS answer
               JOIN messages AS question ON answer.parent_id = question.id WHERE question.content LIKE ?"""
    eventually(
        lambda: [row["status"] for row in server.rows(query, f"{marker}%")] == ["stopped"],
        what="for every answer to have an end",
        patience=10,
    )
