"""What a turn has to prove besides its score: where answers come from, and that poison changes nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import xllamacpp
from flywheel_server import TOKENS, Answer, Server, event, make_turn

from feilun.jobs import Event, list_jobs
from feilun.registry import Release
from feilun.registry.sources import ensure

LINE = ("answer", "release", "adapter", "dataset", "sample", "feedback", "conversation")
"""What an answer came of, step by step."""

POISON = Path(__file__).with_name("flywheel_poison.jsonl")
STRANGER = "mallory"
PARTS = ("target", "heldout", "zh", "en", "safety")
"""Of the gate's verdict."""


def seconds(events: Sequence[Event], begun: float, serving: float) -> dict[str, float]:
    """What each step of a turn took; ``begun`` and ``serving`` are when it was asked for and when its release answered."""
    marks = [("start", "started"), ("collect", "collected"), ("build", "built"), ("train", "artifact")]
    marks += [("gate", "gate"), ("promote", "promoted")]
    took: dict[str, float] = {}
    before = begun
    for step, name in marks:
        if happened := event(events, name):
            took[step] = happened["time"] - before
            before = happened["time"]
    return {**took, "serve" if event(events, "promoted") else "end": serving - before}


def shows_lineage(http: httpx.Client, answer: Answer, opinion: str) -> bool:
    """Whether an answer can be followed down to that opinion, and to the conversation in which it was given."""
    tree = http.get(f"/api/lineage/{answer['id']}").raise_for_status().json()
    return _leads(tree, LINE, opinion)


def _leads(tree: dict[str, Any], kinds: Sequence[str], opinion: str) -> bool:
    if tree["kind"] != kinds[0] or (tree["kind"] == "feedback" and tree["id"] != opinion):
        return False
    return len(kinds) == 1 or any(_leads(child, kinds[1:], opinion) for child in tree["children"])


def candidate(workspace: Path) -> Release | None:
    """What the last turn made, whether it serves or not; None if it made nothing."""
    jobs = [job for job in list_jobs(workspace / "runs") if job.record.kind == "turn"]
    if not jobs:
        return None
    job = jobs[-1]
    adapter = workspace / "models" / job.id / "adapter.gguf"
    if not adapter.exists():
        return None
    before = Release.model_validate_json((job.folder / "before.json").read_bytes())
    return before.model_copy(update={"adapter": str(adapter), "adapter_sha256": None})


def ask_bare(release: Release, questions: Sequence[str]) -> list[str]:
    """What base + adapter say in llama.cpp alone: no server of ours, no rendering of ours.

    The release's chat template is rendered by llama.cpp (the base model's file has none), and the adapter is applied when
    the model is loaded, not by each request as our server does.
    """
    with tempfile.TemporaryDirectory() as private:
        params = xllamacpp.CommonParams()
        params.model.path = str(ensure(release))
        params.n_parallel, params.n_ctx = 1, 1024
        params.hostnames = [f"{private}/llama.sock"]
        params.cache_ram_mib, params.verbosity = 0, -1
        if release.chat_template:
            params.chat_template, params.use_jinja = release.chat_template, True
        if release.adapter_file:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(release.adapter_file), 1.0)]
        server = xllamacpp.Server(params)
        defaults = release.sampling.model_dump(exclude_none=True)
        sampling = {**defaults, "temperature": 0, "max_tokens": TOKENS}
        answers: list[str] = []

        def hear(whole: bytes) -> bool:
            answers.append(json.loads(whole)["choices"][0]["message"]["content"])
            return False

        for question in questions:
            body = {"messages": [{"role": "user", "content": question}], **sampling}
            server.handle_chat_completions(json.dumps(body).encode(), hear)
        del server
    return answers


def poison_of_a_stranger(server: Server, recipe: Path | None) -> dict[str, Any]:
    """Wrong corrections of somebody else, all of them accepted: the caps leave too few for a turn."""
    before = server.release()
    server.ask_and_correct(_poison(), user=STRANGER)
    # A turn that may not begin has no events: it says why on its own.
    begun = event(make_turn(server.workspace, recipe), "collected")
    items = {state: _items(server, state) for state in ("accepted", "taken")}
    for item in items["accepted"]:  # so that the owner's turn is the owner's alone
        server.http.post(f"/api/flywheel/items/{item}", json={"decision": "reject"}).raise_for_status()
    return {
        "corrections": len(_poison()),
        "refused": not begun,
        "taken": len(items["taken"]),
        "stays": server.release() == before,
    }


def poison_of_the_owner(server: Server, recipe: Path | None) -> dict[str, Any]:
    """The owner's corrections that contradict the regression suite: learnt, measured, and not promoted."""
    before = server.release()
    server.ask_and_correct(_poison())
    events = make_turn(server.workspace, recipe)
    gate = {name: said for name, said in event(events, "gate").items() if name in PARTS}
    failed = [name for name, said in gate.items() if said.endswith("!")]
    return {
        "corrections": event(events, "collected").get("items", 0),
        "gate": gate,
        "refused": "zh" in failed or "en" in failed,  # and not only because it has learnt nothing
        "stays": not event(events, "promoted") and server.release() == before,
    }


def _poison() -> list[dict[str, Any]]:
    return [json.loads(line) for line in POISON.read_text("utf-8").splitlines()]


def _items(server: Server, state: str) -> list[str]:
    """Of the stranger."""
    answer = server.http.get("/api/flywheel/items", params={"state": state, "limit": 1000}).raise_for_status()
    return [item["id"] for item in answer.json()["data"] if item["user"] == STRANGER]
