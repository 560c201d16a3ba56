"""A workspace whose model is a tiny one of our own, and turns made in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.forks import run_feilun

from feilun.jobs import Job, list_jobs
from feilun.registry import Registry
from feilun.store import Store
from feilun.store.conversations import Answer, begin_turn, save_answers
from feilun.store.feedback import give_feedback
from feilun.store.served import history
from feilun.workspace import Workspace

PRETRAIN = """
kind = "pretrain"
name = "tiny"
baseline = false
[data]
heldout = 0.1
[tokenizer]
vocab_size = 300
[model]
hidden_size = 64
layers = 2
heads = 2
[optimiser]
lr = 3e-3
warmup = 2
[run]
steps = 120
rows = 8
length = 96
"""
TURN = """
[build]
rewordings = 2
neighbours = 1
replay = 0
[train]
epochs = 30
least_steps = 200
keep_share = 0.2
spare = 30
learns = "all"
above = 0
lr = 4e-3
weight_decay = 0
rows = 6
length = 256
[gate]
suite = "suite.jsonl"
margin = 0.9
max_tokens = 24
threads = 1
"""
FACTS = [(f"What is the code of door {n}?", f"The code of door {n} is {n * 7919 % 97}.") for n in range(1, 5)]
FACTS += [(f"{n}号门的密码是多少？", f"{n}号门的密码是{n * 104729 % 89}。") for n in range(1, 5)]
SUITE = [
    {"id": f"{lang}-{n}", "lang": lang, "topic": "codes", "messages": [{"role": "user", "content": asked}],
     "checks": [{"contains": ["zzz"]}]}
    for lang, asked in (("en", "Say zzz."), ("zh", "说 zzz。")) for n in range(3)
]  # fmt: skip


def make_workspace(folder: Path) -> Path:
    """A workspace in ``folder`` whose default model is the tiny one, with what its turns are to be like."""
    workspace = folder / "workspace"
    texts = folder / "texts.jsonl"
    write_lines(texts, [{"text": f"{question} {answer}"} for question, answer in FACTS for _ in range(30)])
    (folder / "tiny.toml").write_text(PRETRAIN)
    made = run_feilun("-w", workspace, "train", folder / "tiny.toml", "--source", texts)
    assert made.returncode == 0, made.stderr
    added = run_feilun("-w", workspace, "models", "add", "tiny", workspace / "models" / "tiny", "--default")
    assert added.returncode == 0, added.stderr
    write_lines(workspace / "suite.jsonl", SUITE)
    (workspace / "flywheel.toml").write_text(TURN)
    return workspace


def correct(workspace: Path, facts: list[tuple[str, str]], user: str = "local") -> None:
    """Questions that are answered, and the answers corrected."""
    opine(
        workspace,
        [(question, "I do not know.", {"rating": -1, "correction": answer}) for question, answer in facts],
        user,
    )


def opine(workspace: Path, said: list[tuple[str, str, dict[str, Any]]], user: str = "local") -> None:
    """Questions, their answers, and what ``user`` thinks of these."""
    store = Store(workspace / "feilun.db")
    for question, answer, opinion in said:
        with store.writing() as session:
            turn = begin_turn(
                session,
                user=user,
                messages=[{"role": "user", "content": question}],
                model="tiny",
                release="release:0",
                params={},
            )
        with store.writing() as session:
            save_answers(session, [Answer(turn.message_ids[0], answer, "complete", "stop")])
            give_feedback(
                session,
                user=user,
                message_id=turn.message_ids[0],
                opinion=opinion,
                idempotency_key=None,
            )
    store.close()


def make_turn(workspace: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A whole turn."""
    return run_feilun("-w", workspace, "turn", "--yes", *options)


def serving(workspace: Path) -> str:
    return Registry(Workspace(workspace)).default().id


def served(workspace: Path) -> list[tuple[str, str]]:
    store = Store(workspace / "feilun.db")
    with store.reading() as session:
        rows = [(row.release_id, row.reason) for row in history(session)]
    store.close()
    return rows


def turns(workspace: Path) -> list[Job]:
    return [job for job in list_jobs(workspace / "runs") if job.record.kind == "turn"]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
