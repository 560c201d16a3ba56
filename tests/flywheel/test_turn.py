"""A whole turn with a tiny model of our own: promoted, refused, killed anywhere and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flywheel.tiny import (
    FACTS,
    TURN,
    correct,
    make_turn,
    make_workspace,
    served,
    serving,
    turns,
    write_lines,
)
from tests.forks import environment, run_feilun, start_feilun
from tests.support import eventually

from feilun.flywheel import build

# Two turns at once on two cores wait for one another's threads; and one on a busy machine takes its time.
pytestmark = [pytest.mark.xdist_group("turns"), pytest.mark.timeout(300)]

DIES_UNTOLD = """
import os, signal, sys
from feilun.jobs import Job

emit = Job.emit

def emit_or_die(job, event, **fields):
    if event == "collected":
        os.kill(os.getpid(), signal.SIGKILL)
    emit(job, event, **fields)

Job.emit = emit_or_die
from feilun.cli import main
main()
"""
"""``feilun``, killed when its turn has taken the items and has not yet told so."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("turns"))


@pytest.fixture
def workspace(base: Path, tmp_path: Path) -> Path:
    """A copy of its own, in which eight answers have been corrected."""
    mine = tmp_path / "workspace"
    shutil.copytree(base, mine)
    correct(mine, FACTS)
    return mine


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
    accepted = run_feilun("-w", workspace, "review", "list", "--state", "accepted", "--json")
    assert len(json.loads(accepted.stdout)) == len(FACTS)  # they wait for another turn


def test_a_turn_from_corrections_to_promotion_and_back(workspace: Path) -> None:
    first = serving(workspace)
    waiting = run_feilun("-w", workspace, "review", "list", "--json")
    assert [row["state"] for row in json.loads(waiting.stdout)] == ["pending"] * len(FACTS)
    nothing = run_feilun("-w", workspace, "turn")
    assert nothing.returncode == 1
    assert "6 accepted" in nothing.stderr
    assert turns(workspace) == []
    done = make_turn(workspace, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events if e["event"] not in ("step", "asked", "checkpoint", "model")] == [
        "started", "collected", "built", "artifact", "gate", "promoted", "cost", "finished",
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


def killed_at(workspace: Path, event: str) -> None:
    """Make a turn, or go on with one, and kill it when it tells of ``event``."""
    process, lines = start_feilun("-w", workspace, "turn", "--yes", "--json")
    with lines:
        assert event in (json.loads(line)["event"] for line in lines)  # reads no further than that
        process.kill()
    process.join()


def taken(workspace: Path) -> list[str]:
    """The questions that a turn has taken."""
    listed = run_feilun("-w", workspace, "review", "list", "--state", "taken", "--json")
    return [row["question"] for row in json.loads(listed.stdout)]


@pytest.mark.slow
@pytest.mark.parametrize("event", ["collected", "built", "checkpoint", "artifact", "gate"])
def test_killed_anywhere_it_goes_on_to_the_same_release(workspace: Path, event: str) -> None:
    first = serving(workspace)
    killed_at(workspace, event)
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


def test_killed_between_taking_and_telling_it_keeps_what_it_took(workspace: Path) -> None:
    first = serving(workspace)
    dead = subprocess.run(
        [sys.executable, "-c", DIES_UNTOLD, "-w", str(workspace), "turn", "--yes"],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert dead.returncode == -signal.SIGKILL
    (job,) = turns(workspace)
    assert (job.state, job.last("collected"), serving(workspace)) == ("interrupted", None, first)
    mine = [question for question, _ in FACTS]
    assert taken(workspace) == mine
    correct(workspace, [("What is new?", "Nothing is new 1.")])  # which waits for the next turn
    killed_at(workspace, "built")
    assert [one.id for one in turns(workspace)] == [job.id]
    assert job.last("collected") is not None
    rows: list[build.Row] = build.read(workspace / "datasets" / job.id / "asked.jsonl")
    assert [row["messages"][-2]["content"] for row in rows] == mine
    assert taken(workspace) == mine


@pytest.mark.slow
def test_stopped_at_the_gate_it_promotes_nothing_and_goes_on(workspace: Path) -> None:
    first = serving(workspace)
    (workspace / "flywheel.toml").write_text(TURN.replace("threads = 1", "threads = 2"))
    process, lines = start_feilun("-w", workspace, "turn", "--yes", "--json")
    with lines:
        assert "artifact" in (json.loads(line)["event"] for line in lines)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        ended = [json.loads(line)["event"] for line in lines]
    process.join()
    (job,) = turns(workspace)
    assert (process.exitcode, job.state, serving(workspace)) == (0, "stopped", first)
    assert not {"gate", "promoted"} & set(ended)
    done = make_turn(workspace)
    assert done.returncode == 0, done.stderr
    assert f"Going on with the turn {job.id} of tiny" in done.stderr
    assert (job.state, [reason for _, reason in served(workspace)]) == ("finished", ["first", "turn"])


@pytest.mark.slow
def test_a_turn_may_begin_as_a_canary(workspace: Path) -> None:
    first = serving(workspace)
    (workspace / "flywheel.toml").write_text(TURN + "[promote]\ncanary = 0.25\n")
    done = make_turn(workspace, "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (begun,) = [event for event in told if event["event"] == "canary"]
    canary = json.loads(run_feilun("-w", workspace, "canary", "status", "--json").stdout)
    assert (canary["release"], canary["share"], canary["present"]) == (begun["release"], 0.25, first)
    assert serving(workspace) == first
    correct(workspace, [(f"What is new in {n}?", f"Nothing, {n}.") for n in range(6)])
    refused = make_turn(workspace)
    assert refused.returncode == 1
    assert "canary" in refused.stderr
    promoted = run_feilun("-w", workspace, "canary", "promote")
    assert promoted.returncode == 0, promoted.stderr
    assert serving(workspace) == begun["release"]
    assert [reason for _, reason in served(workspace)] == ["first", "canary", "canary_promoted"]


def test_two_turns_at_once_are_refused(workspace: Path) -> None:
    process, lines = start_feilun("-w", workspace, "turn", "--yes", "--json")
    lines.readline()
    second = run_feilun("-w", workspace, "turn", "--yes")
    assert second.returncode == 1
    assert "Another turn" in second.stderr
    process.kill()
    process.join()
    lines.close()
