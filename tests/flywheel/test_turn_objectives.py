"""Whole turns of several objectives with a tiny model of our own: what they make, and that a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.flywheel.tiny import (
    FACTS,
    TURN,
    correct,
    make_turn,
    make_workspace,
    opine,
    served,
    serving,
    turns,
    write_lines,
)
from tests.forks import run_feilun, start_feilun
from tests.support import eventually

from feilun.flywheel import build
from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.stages import Stage
from feilun.jobs import Job
from feilun.registry import Registry
from feilun.workspace import Manifest, Workspace

pytestmark = [pytest.mark.xdist_group("turns"), pytest.mark.timeout(300)]

SHORT = TURN.replace("epochs = 30", "epochs = 1").replace("least_steps = 100", "least_steps = 12")
PREFER = "least_steps = 12\nepochs = 1\nrows = 4\n"
THUMBS = [
    (
        f"Say the number {n}.",
        f"It is {n}." if n % 2 else f"No, not {n}, go away!",
        {"rating": 1 if n % 2 else -1},
    )
    for n in range(12)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("objectives"))


@pytest.fixture
def workspace(base: Path, tmp_path: Path) -> Path:
    mine = tmp_path / "workspace"
    shutil.copytree(base, mine)
    return mine


def wants(workspace: Path, objectives: list[str], recipe: str = SHORT) -> None:
    said = recipe.replace("[train]", f"[train]\nobjectives = {json.dumps(objectives)}")
    (workspace / "flywheel.toml").write_text(f"{said}[dpo]\n{PREFER}lr = 1e-4\n[kto]\n{PREFER}lr = 5e-4\n")


def killed_at(workspace: Path, event: str, part: str) -> None:
    """Make a turn, or go on with one, and kill it when it tells of ``event`` in the stage ``part``."""
    process, lines = start_feilun("-w", workspace, "turn", "--yes", "--json")
    with lines:
        told = (json.loads(line) for line in lines)
        assert any((one["event"], one.get("part")) == (event, part) for one in told)
        process.kill()
    process.join()


def events(job: Job, name: str) -> list[dict[str, Any]]:
    return [event for event in job.events() if event["event"] == name]


def weights(workspace: Path, job: Job) -> str:
    return Manifest.read(workspace / "models" / job.id).id


def lineage(workspace: Path, what: str, *options: str) -> list[dict[str, Any]]:
    """All nodes of a tree."""
    said = run_feilun("-w", workspace, "lineage", "show", what, "--json", *options)
    assert said.returncode == 0, said.stderr
    waiting, found = [json.loads(said.stdout)], []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node["children"]
    return found


@pytest.mark.slow
def test_sft_then_dpo_is_one_adapter_whose_lineage_tells_both(workspace: Path) -> None:
    first = serving(workspace)
    correct(workspace, FACTS)
    wants(workspace, ["sft", "dpo"], TURN)
    done = make_turn(workspace)
    assert done.returncode == 0, done.stderr
    (job,) = turns(workspace)
    assert served(workspace) == [(first, "first"), (serving(workspace), "turn")]
    steps = events(job, "step")
    assert [step["part"] for step in steps] == ["sft"] * steps[0]["steps"] + ["dpo"] * 12
    dpo = [step for step in steps if step["part"] == "dpo"]
    assert dpo[-1]["margin"] > dpo[0]["margin"] == pytest.approx(0, abs=0.01)  # in bfloat16
    assert [part["part"] for part in events(job, "artifact")] == ["sft", "dpo"]
    made = Manifest.read(workspace / "models" / job.id)
    assert made.figures["stages"] == ["pretrain", "sft", "dpo"]
    listed = json.loads(run_feilun("-w", workspace, "models", "list", "--json").stdout)
    assert next(row for row in listed if row["name"] == "tiny")["stages"] == ["pretrain", "sft", "dpo"]
    # Back from the release: its adapter, the one it goes on from, which is no release, and the data set of both.
    up = lineage(workspace, serving(workspace))
    adapters = {node["facts"]["objective"]: node for node in up if node["kind"] == "adapter"}
    assert {name: node["facts"]["set"] for name, node in adapters.items()} == {
        "dpo": "preference.jsonl", "sft": "sft.jsonl",
    }  # fmt: skip
    assert adapters["sft"]["id"] in {node["id"] for node in adapters["dpo"]["children"]}
    (data,) = {node["id"] for node in up if node["kind"] == "dataset"}
    assert data == Manifest.read(workspace / "datasets" / job.id).id
    opinion = next(node["id"] for node in up if node["kind"] == "feedback")
    down = lineage(workspace, opinion, "--down")
    assert {node["facts"]["objective"] for node in down if node["kind"] == "adapter"} == {"sft", "dpo"}
    assert {node["id"] for node in down if node["kind"] == "release"} == {serving(workspace)}


@pytest.mark.slow  # `test_turn` kills a turn of one stage
def test_killed_between_and_within_the_stages_it_comes_to_the_same_weights(workspace: Path) -> None:
    correct(workspace, FACTS)
    wants(workspace, ["sft", "dpo"])
    twin = workspace.with_name("twin")
    shutil.copytree(workspace, twin)
    whole = make_turn(twin)
    assert whole.returncode == 0, whole.stderr
    (wanted,) = turns(twin)
    killed_at(workspace, "checkpoint", "sft")
    killed_at(workspace, "artifact", "sft")
    killed_at(workspace, "checkpoint", "dpo")
    (job,) = turns(workspace)
    eventually(lambda: job.state != "running")
    done = make_turn(workspace)
    assert done.returncode == 0, done.stderr
    assert [one.id for one in turns(workspace)] == [job.id]
    assert len(events(job, "started")) == 4
    assert weights(workspace, job) == weights(twin, wanted)
    assert [step["step"] for step in events(job, "step") if step["part"] == "dpo"].count(1) == 1  # it went on


def test_thumbs_alone_make_a_release(workspace: Path) -> None:
    first = serving(workspace)
    opine(workspace, THUMBS)
    wants(workspace, ["kto"])
    listed = run_feilun("-w", workspace, "review", "accept", "all")
    assert listed.returncode == 0, listed.stderr
    told = run_feilun("-w", workspace, "turn", "--estimate", "--json")
    estimate = json.loads(told.stdout)
    assert estimate["learning"][0] == {
        **estimate["learning"][0],
        "objective": "kto",
        "examples": 12,
        "steps": 12,
    }
    done = make_turn(workspace)
    assert done.returncode == 0, done.stderr
    (job,) = turns(workspace)
    steps = events(job, "step")
    assert {step["part"] for step in steps} == {"kto"}
    last = [step for step in steps[6:] if "chosen" in step and "rejected" in step]
    assert sum(step["chosen"] - step["rejected"] for step in last) > 0
    assert served(workspace) == [(first, "first"), (serving(workspace), "turn")]
    assert "nothing was corrected" in " ".join(done.stdout.split())
    assert {row["label"] for row in build.read(workspace / "datasets" / job.id / "kto.jsonl")} == {
        True,
        False,
    }
    up = lineage(workspace, serving(workspace))
    assert [node["facts"]["set"] for node in up if node["kind"] == "adapter"] == ["kto.jsonl"]


def test_what_an_objective_lacks_is_said_before_anything_begins(workspace: Path) -> None:
    correct(workspace, FACTS)
    wants(workspace, ["sft", "kto"])
    for language, said in (("en", "0 good and 0 bad"), ("zh", "0 个赞、0 个踩")):
        refused = run_feilun("-w", workspace, "turn", "--yes", FEILUN_LANG=language)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert said in run_feilun("-w", workspace, "turn", "--estimate", FEILUN_LANG=language).stdout
    assert turns(workspace) == []


@pytest.mark.parametrize(("objective", "rows"), [("dpo", "preference"), ("kto", "kto")])
def test_what_was_held_out_judges_and_is_not_learnt(workspace: Path, objective: Any, rows: str) -> None:
    wants(workspace, [objective])
    release = Registry(Workspace(workspace)).default()
    made: list[build.Row] = [
        {
            "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}],
            "label": o["rating"] > 0,
        }
        for q, a, o in THUMBS
    ]
    if objective == "dpo":
        made = [
            {"messages": row["messages"][:1], "chosen": row["messages"][1], "rejected": {"role": "assistant", "content": "Go!"}}
            for row in made
        ]  # fmt: skip
    data = workspace / "datasets" / "mine"
    data.mkdir(parents=True)
    write_lines(data / f"{rows}.jsonl", made[:8])
    write_lines(data / f"heldout-{rows}.jsonl", made[8:])
    figures = {rows: 8, "good": 4, f"heldout_{rows}": 4}
    recipe = TurnRecipe.model_validate({objective: {"least_steps": 4, "epochs": 1}})
    job = Job.create(workspace / "runs", "turn", "mine", {})
    with job.running():
        stage = Stage(objective, recipe, figures)
        assert stage.train(release, None, data, job, workspace / "models" / "mine", "mine")
    (model,), (judged,) = events(job, "model"), events(job, "eval")
    assert model["examples"] == 8
    assert set(judged["accuracy"]) >= {"all"}
    assert judged["accuracy"]["all"] in {n / 4 for n in range(5)}
    assert Manifest.read(workspace / "models" / "mine").figures["heldout_accuracy"] == judged["accuracy"]
