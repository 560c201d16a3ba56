"""A whole turn with a tiny model of our own: promoted, refused, killed anywhere and gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support import environment, eventually, feilun, run_feilun

from feilun.flywheel import build
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
steps = 60
rows = 8
length = 96
"""
TURN = """
[build]
rewordings = 2
replay = 0
[train]
epochs = 60
least_steps = 200
learns = "all"
above = 0
part = 1
lr = 8e-3
rows = 6
length = 256
[gate]
suite = "suite.jsonl"
margin = 0.9
max_tokens = 24
threads = 1
"""
# Two turns at once on two cores wait for one another's threads; and one on a busy machine takes its time.
pytestmark = [pytest.mark.xdist_group("turns"), pytest.mark.timeout(300)]
FACTS = [(f"What is the code of door {n}?", f"The code of door {n} is {n * 7919 % 97}.") for n in range(1, 5)]
FACTS += [(f"{n}号门的密码是多少？", f"{n}号门的密码是{n * 104729 % 89}。") for n in range(1, 5)]
SUITE = [
    {"id": f"{lang}-{n}", "lang": lang, "topic": "codes", "messages": [{"role": "user", "content": asked}],
     "checks": [{"contains": ["zzz"]}]}
    for lang, asked in (("en", "Say zzz."), ("zh", "说 zzz。")) for n in range(3)
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose default model is a tiny one, and what its turns are to be like."""
    folder = tmp_path_factory.mktemp("turns")
    workspace = folder / "workspace"
    texts = folder / "texts.jsonl"
    rows = [{"text": f"{question} {answer}"} for question, answer in FACTS for _ in range(30)]
    write_lines(texts, rows)
    (folder / "tiny.toml").write_text(PRETRAIN)
    made = run_feilun("-w", workspace, "train", folder / "tiny.toml", "--source", texts)
    assert made.returncode == 0, made.stderr
    added = run_feilun("-w", workspace, "models", "add", "tiny", workspace / "models" / "tiny", "--default")
    assert added.returncode == 0, added.stderr
    write_lines(workspace / "suite.jsonl", SUITE)
    (workspace / "flywheel.toml").write_text(TURN)
    return workspace


@pytest.fixture
def workspace(base: Path, tmp_path: Path) -> Path:
    """A copy of its own, in which eight answers have been corrected."""
    mine = tmp_path / "workspace"
    shutil.copytree(base, mine)
    correct(mine, FACTS)
    return mine


def correct(workspace: Path, facts: list[tuple[str, str]], user: str = "local") -> None:
    store = Store(workspace / "feilun.db")
    for question, answer in facts:
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
            save_answers(session, [Answer(turn.message_ids[0], "I do not know.", "complete", "stop")])
            give_feedback(
                session,
                user=user,
                message_id=turn.message_ids[0],
                opinion={"rating": -1, "correction": answer},
                idempotency_key=None,
            )
    store.close()


def make_turn(workspace: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A whole turn, which on a busy machine takes longer than other commands may."""
    command = feilun("-w", workspace, "turn", "--yes", *options)
    alone = environment(OMP_NUM_THREADS="1")  # threads that wait for one another are what a busy machine is worst at
    return subprocess.run(
        command, env=alone, capture_output=True, text=True, check=False, timeout=300
    )


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


def assert_a_contradicting_turn_is_refused(workspace: Path) -> None:
    """Corrections against what the suite knows to be right: learnt, measured, and not promoted."""
    release, before = serving(workspace), served(workspace)
    suite = [
        {
            "id": f"fact-{n}",
            "lang": "en" if question.isascii() else "zh",
            "topic": "codes",
            "messages": [{"role": "user", "content": question}],
            "checks": [
                {"contains": [answer.rsplit(" ", 1)[-1].strip(".") if question.isascii() else answer[-4:]]}
            ],
            "answer_lang": "any",
        }
        for n, (question, answer) in enumerate(FACTS)
    ]
    write_lines(workspace / "suite.jsonl", suite)
    (workspace / "flywheel.toml").write_text(TURN.replace("margin = 0.9", "margin = 0.08"))
    correct(workspace, [(question, "Nobody knows it now: 5555.") for question, _ in FACTS])
    refused = make_turn(workspace)
    assert refused.returncode == 0, refused.stderr
    assert "The present release stays." in refused.stdout
    verdict = json.loads((workspace / "reports" / turns(workspace)[-1].id / "verdict.json").read_text())
    parts = {part["part"]: part for part in verdict["parts"]}
    assert parts["target"]["passed"]  # it has learnt what it was told
    assert not (parts["en"]["passed"] and parts["zh"]["passed"])
    assert parts["en"]["lost"] + parts["zh"]["lost"] >= 4
    assert (serving(workspace), served(workspace)) == (release, before)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_a_turn_from_corrections_to_promotion_and_back(workspace: Path) -> None:
    first = serving(workspace)
    waiting = run_feilun("-w", workspace, "review", "list", "--json")
    assert [row["state"] for row in json.loads(waiting.stdout)] == ["pending"] * len(FACTS)
    nothing = run_feilun("-w", workspace, "turn")
    assert nothing.returncode == 1
    assert "6 accepted" in nothing.stderr
    done = make_turn(workspace, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events if e["event"] not in ("step", "asked", "checkpoint", "model")] == [
        "started", "collected", "built", "artifact", "gate", "promoted", "finished",
    ]  # fmt: skip
    (job,) = turns(workspace)[-1:]
    second = serving(workspace)
    assert second != first
    assert served(workspace) == [(first, "first"), (second, "turn")]
    verdict = json.loads((workspace / "reports" / job.id / "verdict.json").read_text())
    assert verdict["passed"]
    target = verdict["parts"][0]
    assert (target["part"], target["before"], target["n"]) == ("target", 0, len(FACTS))
    assert target["after"] >= 6
    rows = build.read(workspace / "datasets" / job.id / "sft.jsonl")
    assert {row["rule"] for row in rows} > {"asked"}
    preferred = build.read(workspace / "datasets" / job.id / "preference.jsonl")
    assert preferred[0]["rejected"]["content"] == "I do not know."
    assert_a_contradicting_turn_is_refused(workspace)
    back = run_feilun("-w", workspace, "rollback")
    assert back.returncode == 0, back.stderr
    assert serving(workspace) == first
    again = run_feilun("-w", workspace, "rollback")
    assert "nothing to go back to" in again.stderr
    assert [reason for _, reason in served(workspace)] == ["first", "turn", "rollback"]


SLOW = [pytest.param(event, marks=pytest.mark.slow) for event in ("collected", "built", "artifact", "gate")]


@pytest.mark.parametrize("event", ["checkpoint", *SLOW])
def test_killed_anywhere_it_goes_on_to_the_same_release(workspace: Path, event: str) -> None:
    first = serving(workspace)
    process = subprocess.Popen(
        feilun("-w", workspace, "turn", "--yes", "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    (job,) = turns(workspace)
    eventually(lambda: job.state != "running")
    if event != "gate":  # after which the promotion may have been quicker than the signal
        assert (job.state, serving(workspace)) == ("interrupted", first)
    correct(workspace, [("What is new?", "Nothing is new 1.")])  # which waits for the next turn
    if job.state == "interrupted":
        done = make_turn(workspace, "--json")
        assert done.returncode == 0, done.stderr
    assert [one.id for one in turns(workspace)] == [job.id]
    assert job.state == "finished"
    assert [reason for _, reason in served(workspace)] == ["first", "turn"]
    assert served(workspace)[-1][0] == serving(workspace) != first
    rows = build.read(workspace / "datasets" / job.id / "asked.jsonl")
    assert len(rows) == len(FACTS)


def test_two_turns_at_once_are_refused(workspace: Path) -> None:
    process = subprocess.Popen(
        feilun("-w", workspace, "turn", "--yes", "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    second = run_feilun("-w", workspace, "turn", "--yes")
    assert second.returncode == 1
    assert "Another turn" in second.stderr
    process.kill()
    process.wait()
