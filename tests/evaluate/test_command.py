"""`feilun eval` against a server whose answers are known, and against the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.evaluate.test_questions import ASSISTANT, GOLD
from tests.support import Server

from feilun.evaluate.questions import read_questions


class Known(ThreadingHTTPServer):
    """An OpenAI-compatible server with an answer to each conversation it knows."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.busy = 0
        self.reply: tuple[int, bytes] | None = None
        super().__init__(("127.0.0.1", 0), _Known)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


def conversation(messages: list[dict[str, str]]) -> str:
    return json.dumps([[turn["role"], turn["content"]] for turn in messages])


class _Known(BaseHTTPRequestHandler):
    @property
    def known(self) -> Known:
        assert isinstance(self.server, Known)
        return self.server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        assert self.path == "/v1/models"
        self._send(200, b'{"data": [{"id": "known"}, {"id": "other"}]}')

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.known.busy:
            self.known.busy -= 1
            self._send(429, b'{"error": {"message": "busy", "code": "rate_limit_exceeded"}}')
            return
        if self.known.reply:
            self._send(*self.known.reply)
            return
        self.known.asked.append(body)
        words = self.known.answers[conversation(body["messages"])].split(" ")
        said = {"role": "assistant", "content": " ".join(words[: body["max_tokens"]])}
        end = "stop" if len(words) <= body["max_tokens"] else "length"
        self._send(200, json.dumps({"choices": [{"message": said, "finish_reason": end}]}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(params=["good"])
def known(request: pytest.FixtureRequest) -> Iterator[Known]:
    """It knows the good answer to each of our questions, or by another parameter the bad one."""
    answers = {
        conversation([message.model_dump() for message in question.messages]): GOLD[question.id][
            request.param
        ]
        for question in read_questions(ASSISTANT)
    }
    server = Known(answers)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four of our questions."""
    lines = ASSISTANT.read_text("utf-8").splitlines()
    path = tmp_path / "few.jsonl"
    path.write_text(
        "\n".join([lines[0], *(line for line in lines if '"id": "summarise-en-00' in line)][:4]), "utf-8"
    )
    return path


@pytest.mark.parametrize(("known", "passed"), [("good", 200), ("bad", 0)], indirect=["known"])
def test_a_model_is_graded_on_all_of_ours(run: Run, known: Known, passed: int, tmp_path: Path) -> None:
    out = tmp_path / "answers.json"
    result = run("eval", ASSISTANT, "--url", known.url, "--max-tokens", "400", "--out", out, FEILUN_LANG="zh")
    assert result.returncode == 0, result.stderr
    said = json.loads(out.read_text("utf-8"))
    assert (said["all"]["passed"], said["all"]["total"]) == (passed, 200)
    assert said["by_language"]["zh"]["total"] == said["by_language"]["en"]["total"] == 100
    assert sum(topic["total"] for topic in said["by_topic"].values()) == 200
    assert (said["model"], said["params"]) == ("known", {"max_tokens": 400, "temperature": 0})
    side = "good" if passed else "bad"
    assert {answer["id"]: answer["answer"] for answer in said["answers"]} == {
        name: row[side] for name, row in GOLD.items()
    }
    assert all(bool(answer["failed"]) is (not passed) for answer in said["answers"])
    assert len(known.asked) == 200
    assert all(body["store"] is False and body["model"] == "known" for body in known.asked)
    assert f"{passed}/200" in result.stdout
    assert "合计" in result.stdout
    assert str(out) in result.stdout.replace("\n", "")


def test_json_for_scripts(run: Run, known: Known, few: Path) -> None:
    options = [
        "--model",
        "other",
        "--max-tokens",
        "3",
        "--temperature",
        "0.5",
        "--concurrency",
        "1",
        "--json",
    ]
    said = json.loads(run("eval", few, "--url", known.url.removesuffix("/v1"), *options).stdout)
    assert {body["model"] for body in known.asked} == {"other"}
    assert {body["temperature"] for body in known.asked} == {0.5}
    assert said["by_check"]["ends"]["passed"] < said["by_check"]["ends"]["total"] == 4
    cut = [answer for answer in said["answers"] if not answer["ended"]]
    assert cut
    assert all("ends" in answer["failed"] for answer in cut)


def test_a_busy_server_is_asked_again(run: Run, known: Known, few: Path) -> None:
    known.busy = 1
    assert json.loads(run("eval", few, "--url", known.url, "--json").stdout)["all"]["passed"] == 4


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (
            (500, b'{"error": {"message": "out of memory", "code": "engine_error"}}'),
            "identity-zh-001: out of memory",
        ),
        ((502, b"<html>bad gateway"), "bad gateway"),
        ((200, b"<html>welcome"), "not a chat completion"),
        ((200, b'{"choices": []}'), "not a chat completion"),
        ((200, b'{"choices": [{"message": null, "finish_reason": "stop"}]}'), "not a chat completion"),
    ],
)
def test_a_server_that_fails_is_one_line(
    run: Run,
    known: Known,
    few: Path,
    reply: tuple[int, bytes],
    says: str,
    tmp_path: Path,
) -> None:
    known.reply = reply
    out = tmp_path / "answers.json"
    out.write_text("of before")
    assert says in one_line(run("eval", few, "--url", known.url, "--concurrency", "1", "--out", out))
    assert out.read_text() == "of before"


@pytest.mark.parametrize("reply", [None, b'{"content": null}', b'{"content": "\\ud83d"}'])
def test_an_answer_of_nothing_or_of_half_a_character_fails(
    run: Run,
    known: Known,
    few: Path,
    reply: bytes | None,
) -> None:
    known.reply = (200, b'{"choices": [{"message": %b, "finish_reason": "stop"}]}' % (reply or b"{}"))
    said = json.loads(run("eval", few, "--url", known.url, "--json").stdout)
    assert said["all"]["passed"] == 0


def test_what_cannot_work_is_said_before_anything_is_asked(
    run: Run,
    known: Known,
    few: Path,
    tmp_path: Path,
) -> None:
    assert "few.jsonl:1" in one_line(run("eval", _broken(few), "--url", known.url))
    assert "nowhere" in one_line(
        run("eval", ASSISTANT, "--url", known.url, "--out", tmp_path / "nowhere/a.json")
    )
    assert "not a URL" in one_line(run("eval", ASSISTANT, "--url", "localhost:8000"))
    assert "does not answer" in one_line(run("eval", ASSISTANT, "--url", "http://127.0.0.1:1/v1"))
    assert known.asked == []


def _broken(path: Path) -> Path:
    path.write_text('{"id": 3}')
    return path


def test_the_server_of_the_workspace_is_asked_and_keeps_nothing(run: Run, server: Server, few: Path) -> None:
    before = server.rows("SELECT count(*) FROM messages")[0][0]
    result = run("-w", server.workspace, "eval", few, "--max-tokens", "12", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["model"] == "smollm2-135m-instruct"
    assert said["all"]["total"] == 4
    assert all(answer["answer"] for answer in said["answers"])
    assert server.rows("SELECT count(*) FROM messages")[0][0] == before
