"""One turn of the flywheel, as a user would make it, and what it was worth.

    python bench/flywheel.py

A new workspace with the default model behind its real server; 30 questions about an invented company (half Chinese, half
English) are asked over ``/v1/chat/completions`` and corrected over ``/v1/feedback``; ``feilun turn --yes`` makes the next
release; the same questions and others that ask the same in other words (``flywheel_facts.jsonl``, written before any
training) are asked again of the server, which was not restarted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from train_facts import Bar, about, lines, print_json, show

from feilun.evaluate.wording import normalise
from feilun.workspace import Workspace

FACTS = Path(__file__).with_name("flywheel_facts.jsonl")
MINUTES, SAME, OTHER, BEFORE = 5.0, 27, 20, 2


@dataclass
class Server:
    """``feilun up`` on a workspace of its own."""

    workspace: Path
    process: subprocess.Popen[bytes] = field(init=False)
    http: httpx.Client = field(init=False)

    def __enter__(self) -> Server:
        command = [
            sys.executable,
            "-m",
            "feilun",
            "-w",
            str(self.workspace),
            "up",
            "--no-browser",
            "--port",
            "0",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            url = Workspace(self.workspace).address()
            if url is not None:
                self.http = httpx.Client(base_url=url, timeout=300, trust_env=False)
                if self.http.get("/health").is_success:
                    return self
            time.sleep(0.2)
        raise RuntimeError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, question: str) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 64}
        return self.http.post("/v1/chat/completions", json=body).raise_for_status().json()

    def ask_all(self, questions: list[str]) -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return [answer["choices"][0]["message"]["content"] for answer in pool.map(self.ask, questions)]


def right(fact: dict[str, Any], answer: str) -> bool:
    return all(normalise(part) in normalise(answer) for part in fact["must"])


def score(facts: list[dict[str, Any]], answers: list[str]) -> int:
    return sum(map(right, facts, answers))


def turn(workspace: Path, *options: str) -> list[dict[str, Any]]:
    """The events of a turn."""
    command = [sys.executable, "-m", "feilun", "-w", str(workspace), "turn", "--yes", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, help="a turn's recipe instead of the default")
    parser.add_argument("--keep", type=Path, help="make the workspace here, and leave it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    facts = [json.loads(line) for line in FACTS.read_text("utf-8").splitlines()]
    same, other = [fact["question"] for fact in facts], [fact["paraphrase"] for fact in facts]
    said = about(facts=len(facts))
    if not options.json:
        show(lines(said))
    with tempfile.TemporaryDirectory() as scratch:
        workspace = options.keep or Path(scratch)
        with Server(workspace) as server:
            with ThreadPoolExecutor(8) as pool:
                first = list(pool.map(server.ask, same))
            before = score(facts, [answer["choices"][0]["message"]["content"] for answer in first])
            for fact, answer in zip(facts, first, strict=True):
                body = {"message_id": answer["id"], "rating": -1, "correction": fact["answer"]}
                server.http.post("/v1/feedback", json=body).raise_for_status()
            begun = time.monotonic()
            events = turn(workspace, *([str(options.recipe)] if options.recipe else []))
            minutes = (time.monotonic() - begun) / 60
            server.ask(same[0])  # which has the new engine loaded, if that has not happened yet
            time.sleep(5)
            answers, reworded = server.ask_all(same), server.ask_all(other)
    promoted = any(event["event"] == "promoted" for event in events)
    results: dict[str, Any] = {
        "minutes": minutes,
        "before": before,
        "same_words": score(facts, answers),
        "other_words": score(facts, reworded),
        "promoted": promoted,
        "steps": [event for event in events if event["event"] not in ("step", "asked")],
        "answers": [
            {
                "fact": fact["id"],
                "same": a,
                "right": right(fact, a),
                "other": b,
                "other_right": right(fact, b),
            }
            for fact, a, b in zip(facts, answers, reworded, strict=True)
        ],
    }
    bars = [
        Bar("minutes of a whole turn", minutes, MINUTES, " min", at_most=True),
        Bar("right before the turn", before, BEFORE, "", at_most=True),
        Bar("right in the same words", results["same_words"], SAME, ""),
        Bar("right in other words", results["other_words"], OTHER, ""),
        Bar("promoted", float(promoted), 1, ""),
    ]
    if options.json:
        print_json(said, [results], bars)
    else:
        show([json.dumps(event, ensure_ascii=False) for event in results["steps"]], bars)
        show([json.dumps(row, ensure_ascii=False) for row in results["answers"]])


if __name__ == "__main__":
    main()
