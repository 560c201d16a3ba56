"""`feilun eval` against a server whose answers are known, and against the real one."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.evaluate.test_questions import ASSISTANT, GOLD
from tests.forks import MODEL, environment, feilun
from tests.support import Server, eventually

from feilun.evaluate.questions import read_questions
from feilun.evaluate.report import wilson
from feilun.registry import Registry
from feilun.registry.releases import Sampling
from feilun.workspace import Manifest, Workspace


class Known(ThreadingHTTPServer):
    """An OpenAI-compatible server with an answer to each conversation it knows."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.busy = 0
        self.reply: tuple[int, bytes] | None = None
        self.silent_after: int | None = None
        """Questions that are answered; further ones wait until it is None again."""
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
        while self.known.silent_after is not None and len(self.known.asked) > self.known.silent_after:
            time.sleep(0.02)
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


TASK = """
name = "numbers"
data = "numbers.jsonl"
prompt = "{q}"
target = "{a}"
topic = "{topic}"

[scorers]
number = {}
ends = {}
"""


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A task of eight questions, and the folder its data are in, which is not the task's."""
    (tmp_path / "data").mkdir()
    rows = [{"id": f"n{n}", "lang": "en", "topic": "t", "q": f"{n}?", "a": str(n)} for n in range(8)]
    (tmp_path / "data/numbers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    path = tmp_path / "numbers.toml"
    path.write_text(TASK, "utf-8")
    return path


def taught(known: Known) -> Known:
    """It knows the answers to the task's questions as well."""
    known.answers = {conversation([{"role": "user", "content": f"{n}?"}]): f"It is {n}" for n in range(8)}
    return known


def test_a_task_makes_a_report_in_the_workspace(
    run: Run, known: Known, numbers: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    options = ["--data", tmp_path / "data", "--url", taught(known).url, "--limit", "5", "--max-tokens", "9"]
    both = ["--model", "known", "--model", "other", "--out", tmp_path / "out.json"]
    result = run("-w", workspace, "eval", numbers, *options, *both, FEILUN_LANG="zh")
    assert result.returncode == 0, result.stderr
    (folder,) = (workspace / "reports").glob("numbers-*")
    assert str(folder / "report.html") in result.stdout
    assert "配对差异" in result.stdout
    said = json.loads((folder / "report.json").read_text("utf-8"))
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == said
    assert [model["name"] for model in said["models"]] == ["known", "other"]
    assert said["figures"][0]["all"]["number"] == {
        "mean": 1.0,
        "interval": list(wilson(5, 5)),
        "scored": 5,
        "unscorable": 0,
    }
    assert (said["total"], len(said["items"]), said["task"]["params"]) == (8, 5, {"max_tokens": 9})
    assert len(known.asked) == 10
    assert all(body["store"] is False and body["max_tokens"] == 9 for body in known.asked)
    assert not list((workspace / "reports/.unfinished").iterdir())


def test_a_question_file_with_two_models_is_compared(
    run: Run, known: Known, few: Path, tmp_path: Path
) -> None:
    both = ["--model", "known", "--model", "other", "--model", "known", "--json"]
    said = json.loads(run("-w", tmp_path / "w", "eval", few, "--url", known.url, *both).stdout)
    assert [found["all"]["checks"]["mean"] for found in said["figures"]] == [1.0, 1.0]
    assert (said["differences"][0]["won"], said["differences"][0]["lost"]) == (0, 0)


def test_what_is_wrong_with_a_task_is_one_line_before_anything_is_asked(
    run: Run, known: Known, numbers: Path, tmp_path: Path
) -> None:
    url = ["--url", known.url]
    assert "numbers.jsonl: No such file" in one_line(run("-w", tmp_path / "w", "eval", numbers, *url))
    numbers.write_text(TASK.replace("ends", "end"), "utf-8")
    assert "unknown key 'scorers.end'" in one_line(run("-w", tmp_path / "w", "eval", numbers, *url))
    assert known.asked == []


def test_an_evaluation_that_is_killed_goes_on_where_it_was(
    run: Run, known: Known, numbers: Path, tmp_path: Path
) -> None:
    """Killed while it waits for its fifth answer."""
    taught(known)
    options = ["--data", tmp_path / "data", "--url", known.url, "--model", "known", "--concurrency", "1"]
    command = feilun("-w", tmp_path / "w", "eval", numbers, *options)
    known.silent_after = 4
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually(lambda: len(known.asked) > 4 or process.poll() is not None)
    process.kill()
    process.wait()
    known.silent_after = None
    (kept,) = (tmp_path / "w/reports/.unfinished").glob("*.jsonl")
    had = kept.read_bytes().count(b"\n")
    assert 3 <= had <= 4
    assert not list((tmp_path / "w/reports").glob("numbers-*"))
    before = len(known.asked)
    said = json.loads(run("-w", tmp_path / "w", "eval", numbers, *options, "--json").stdout)
    assert said["figures"][0]["all"]["number"]["scored"] == 8
    assert len(known.asked) - before == 8 - had


@pytest.mark.slow
def test_the_real_server_with_two_models(run: Run, server: Server, numbers: Path, tmp_path: Path) -> None:
    registry = Registry(Workspace(server.workspace))
    registry.add(registry.get(MODEL).model_copy(update={"name": "again", "sampling": Sampling(top_p=0.5)}))
    numbers.write_text(TASK.replace('"{q}"', '"Repeat this number: {a}"') + "chrf = {}", "utf-8")
    options = ["--data", tmp_path / "data", "--limit", "3", "--max-tokens", "12", "--json"]
    try:
        result = run("-w", server.workspace, "eval", numbers, *options, "-m", MODEL, "-m", "again")
    finally:
        registry.remove("again")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert [model["name"] for model in said["models"]] == [MODEL, "again"]
    assert all(model["release"].startswith("release:") for model in said["models"])
    for item in said["items"]:
        for answer in item["results"]:
            assert answer["error"] is None
            assert answer["texts"][0]
            assert {name: score["value"] is not None for name, score in answer["scores"].items()} == {
                "number": True,
                "chrf": True,
                "ends": True,
            }
    (folder,) = (server.workspace / "reports").glob("numbers-*")
    assert len(set(Manifest.read(folder).parents)) == 2
    assert not server.rows("SELECT 1 FROM messages WHERE content LIKE '%Repeat this number%'")


def test_the_real_server_tells_how_likely_a_letter_is(run: Run, server: Server, tmp_path: Path) -> None:
    rows = [{"q": "Which is a colour?", "c": ["red", "seven"], "a": "A"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    task = tmp_path / "choice.toml"
    text = 'name = "choice"\ndata = "rows.jsonl"\nprompt = "{q}\\n{c:letters}\\nAnswer with one letter:"\n'
    text += 'choices = "{c}"\ntarget = "{a}"\nscorers.choice = {}\nsolver = '
    task.write_text(text + '"first_token"', "utf-8")
    result = run("-w", server.workspace, "eval", task, "--json")
    assert result.returncode == 0, result.stderr
    (item,) = json.loads(result.stdout)["items"]
    assert item["results"][0]["texts"][0] in ("A", "B")
    task.write_text(text + '"likelihood"', "utf-8")
    assert "does not give the log-probabilities of a prompt" in one_line(
        run("-w", server.workspace, "eval", task)
    )
