"""A server that dies or is stopped in mid-answer under load loses nothing it had said it has."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.conftest import StartServer
from tests.support import ENDLESS, Server, ask, content, eventually, say, talk

pytestmark = pytest.mark.xdist_group("own servers")

CHAT = "/v1/chat/completions"

SAVED_WITHIN = 3.0
"""Seconds of text that may be lost: growing answers are saved every second; the rest is for a busy machine."""


@dataclass
class Stream:
    """What one client has seen."""

    question: str
    message_id: str = ""
    parent_id: str = ""
    conversation_id: str = ""
    text: str = ""
    when: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """When how much of the text had been seen."""

    def must_be_stored(self, killed: float) -> str:
        length = max((n for at, n in self.when if at < killed - SAVED_WITHIN), default=0)
        return self.text[:length]


@dataclass
class Load:
    """Clients at work, and all the server has acknowledged to them."""

    server: Server
    judged: list[str]
    """Answers that feedback is given of, over and over."""
    streams: list[Stream] = field(default_factory=list[Stream])
    answers: dict[str, str] = field(default_factory=dict[str, str])
    """Whole answers by message id."""
    feedback: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Feedback answered with 200, by its id."""

    async def stream(self, client: httpx.AsyncClient) -> None:
        stream = Stream(f"Tell me a story ({uuid4().hex})")
        self.streams.append(stream)
        body = say(stream.question, stream=True, **ENDLESS)
        async with client.stream("POST", CHAT, json=body) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                stream.message_id, stream.conversation_id = chunk["id"], chunk["conversation_id"]
                stream.parent_id = chunk.get("parent_id", stream.parent_id)
                stream.text += chunk["choices"][0]["delta"].get("content") or ""
                stream.when.append((time.monotonic(), len(stream.text)))

    async def ask(self, client: httpx.AsyncClient) -> None:
        while True:
            response = await client.post(CHAT, json=say(f"Hi ({uuid4().hex})", max_tokens=2))
            assert response.status_code == 200
            answer = response.json()
            self.answers[answer["id"]] = content(answer)

    async def judge(self, client: httpx.AsyncClient) -> None:
        for i in range(1_000_000):
            message_id = self.judged[i % len(self.judged)]
            body = {"message_id": message_id, "rating": -1, "correction": uuid4().hex}
            body["idempotency_key"] = uuid4().hex
            response = await client.post("/v1/feedback", json=body)
            assert response.status_code == 200
            self.feedback[response.json()["id"]] = body

    async def until(self, enough: float, end: signal.Signals) -> float:
        """Work for ``enough`` seconds and until every kind of work was acknowledged, then end the server. When that was."""
        async with self.server.async_client() as client:
            work = [asyncio.create_task(self.stream(client)) for _ in range(5)]
            work += [asyncio.create_task(self.ask(client)), asyncio.create_task(self.judge(client))]
            begun = time.monotonic()
            while (
                time.monotonic() < begun + enough
                or not self.answers
                or not self.feedback
                or not all(stream.text for stream in self.streams)
            ):
                done = [task for task in work if task.done()]
                assert not done, done[0].exception()
                await asyncio.sleep(0.05)
            killed = time.monotonic()
            self.server.process.send_signal(end)
            await asyncio.gather(*work, return_exceptions=True)
            return killed


def load(server: Server) -> Load:
    with server.client() as client:
        return Load(server, [ask(client, say(f"Hi {i}", max_tokens=1))["id"] for i in range(3)])


def assert_whole(server: Server) -> None:
    """No row is damaged, half-written, doubled, or without what it belongs to."""
    assert [tuple(row) for row in server.rows("PRAGMA integrity_check")] == [("ok",)]
    assert not server.rows("PRAGMA foreign_key_check")
    assert not server.rows("SELECT 1 FROM messages WHERE status = 'generating'")
    orphans = "SELECT 1 FROM messages WHERE parent_id NOT IN (SELECT id FROM messages)"
    assert not server.rows(orphans)
    doubled = "SELECT 1 FROM messages WHERE role = 'user' GROUP BY content HAVING count(*) > 1"
    assert not server.rows(doubled)
    empty = "SELECT 1 FROM conversations WHERE id NOT IN (SELECT conversation_id FROM messages)"
    assert not server.rows(empty)


def assert_all_kept(work: Load, server: Server, killed: float, status: str) -> None:
    with server.client() as client:
        for stream in work.streams:
            response = client.get(f"/api/conversations/{stream.conversation_id}")
            asked, answered = response.json()["messages"]
            assert (asked["id"], asked["content"]) == (stream.parent_id, stream.question)
            assert (answered["id"], answered["status"]) == (stream.message_id, status)
            kept = answered["content"]
            assert kept.startswith(stream.text) or stream.text.startswith(kept)
            assert kept.startswith(stream.must_be_stored(killed))
    for message_id, text in work.answers.items():
        row = server.message(message_id)
        assert (row["status"], row["content"]) == ("complete", text)
    stored = {row["id"]: row for row in server.rows("SELECT * FROM feedback")}
    for feedback_id, body in work.feedback.items():
        row = stored[feedback_id]
        assert {name: row[name] for name in body} == body
    keys = [row["idempotency_key"] for row in stored.values()]
    assert len(keys) == len(set(keys))


def killed_and_restarted(start_server: StartServer, seconds: float) -> None:
    server = start_server()
    work = load(server)
    killed = asyncio.run(work.until(seconds, signal.SIGKILL))
    server.process.wait()
    restarted = start_server(server.workspace)
    assert_whole(restarted)
    assert any(stream.must_be_stored(killed) for stream in work.streams)
    assert_all_kept(work, restarted, killed, "interrupted")

    with restarted.client() as client:
        # Feedback whose answer got lost on the way may be sent again, and does not count twice.
        feedback_id, body = next(reversed(work.feedback.items()))
        assert client.post("/v1/feedback", json=body).json()["id"] == feedback_id
        # What was cut off can be continued.
        stream = work.streams[0]
        kept = {"role": "assistant", "content": restarted.message(stream.message_id)["content"]}
        question = {"role": "user", "content": stream.question}
        answer = ask(client, talk(question, kept, {"role": "user", "content": "Go on"}))
        assert answer["conversation_id"] == stream.conversation_id


def test_a_killed_server_has_kept_every_accepted_message_and_opinion(start_server: StartServer) -> None:
    killed_and_restarted(start_server, 5)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3.1, 3.7, 4.3, 6.5, 9.2])
def test_it_does_not_matter_when_a_server_is_killed(start_server: StartServer, seconds: float) -> None:
    killed_and_restarted(start_server, seconds)


@pytest.mark.slow
def test_a_server_told_to_stop_ends_and_keeps_partial_answers(start_server: StartServer) -> None:
    server = start_server()
    work = load(server)
    killed = asyncio.run(work.until(2, signal.SIGTERM))
    server.stop()
    assert not (server.workspace / "server.json").exists()
    restarted = start_server(server.workspace, ready=False)
    assert_whole(restarted)
    assert_all_kept(work, restarted, killed, "stopped")
    for stream in work.streams:  # nothing is lost when there was time to save
        assert restarted.message(stream.message_id)["content"].startswith(stream.text)


def test_a_server_that_reads_a_long_prompt_can_be_stopped(start_server: StartServer) -> None:
    server = start_server()

    async def read_and_stop() -> None:
        async with server.async_client() as client:
            request = asyncio.create_task(client.post(CHAT, json=say("word " * 3500)))
            await asyncio.to_thread(eventually, lambda: server.running() == 1)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.stop)
            await asyncio.wait({request})

    asyncio.run(read_and_stop())
    (row,) = server.rows("SELECT status, content FROM messages WHERE role = 'assistant'")
    assert tuple(row) == ("stopped", "")
