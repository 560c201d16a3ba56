"""A server on a workspace, talked to as its users do, and turns made beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from feilun.jobs import Event
from feilun.workspace import Workspace

TOKENS = 64
"""The longest answer."""

Answer = dict[str, Any]
"""A chat completion, as it came."""


@dataclass
class Server:
    """``feilun up`` on a workspace of its own."""

    workspace: Path
    process: subprocess.Popen[bytes] = field(init=False)
    http: httpx.Client = field(init=False)

    def __enter__(self) -> Server:
        command = _feilun(self.workspace, "up", "--no-browser", "--port", "0")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            url = Workspace(self.workspace).address()
            if url is not None:
                self.http = httpx.Client(base_url=url, timeout=300, trust_env=False)
                if self.http.get("/health").is_success:
                    return self
            time.sleep(0.2)
        self.process.terminate()
        raise RuntimeError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait()

    def ask(self, question: str, **more: Any) -> Answer:
        body = {
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": TOKENS,
            **more,
        }
        return self.http.post("/v1/chat/completions", json=body).raise_for_status().json()

    def ask_all(self, questions: Sequence[str]) -> list[Answer]:
        """One after the other: who shares a computation with whom shows in the rounding of an answer."""
        return [self.ask(question) for question in questions]

    def correct(self, answer: Answer, correction: str, **more: Any) -> str:
        """Say what an answer should have been; gives the opinion's id."""
        body = {"message_id": answer["id"], "rating": -1, "correction": correction, **more}
        return self.http.post("/v1/feedback", json=body).raise_for_status().json()["id"]

    def ask_and_correct(self, rows: Sequence[dict[str, Any]], **more: Any) -> tuple[list[Answer], list[str]]:
        """The answers to the rows' questions, eight at a time, and the ids of the opinions that correct them."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda row: self.ask(row["question"], **more), rows))
        return answers, [
            self.correct(answer, row["answer"], **more) for answer, row in zip(answers, rows, strict=True)
        ]

    def release(self) -> str:
        """Which release answers now."""
        return self.ask("Hi", store=False, max_tokens=1)["system_fingerprint"]

    def wait_for(self, release: str, patience: float = 120) -> bool:
        """Until ``release`` answers: its engine is made beside the present one."""
        deadline = time.monotonic() + patience
        while self.release() != release:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def make_turn(workspace: Path, recipe: Path | None = None) -> list[Event]:
    """The events of ``feilun turn --yes``, whatever came of it."""
    command = _feilun(workspace, "turn", "--yes", "--json", *([str(recipe)] if recipe else []))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def event(events: Sequence[Event], name: str) -> Event:
    """The last event of that name, empty if it did not happen."""
    return next((one for one in reversed(events) if one["event"] == name), {})


def text(answer: Answer) -> str:
    return answer["choices"][0]["message"]["content"]


def _feilun(workspace: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "feilun", "-w", str(workspace), *arguments]
