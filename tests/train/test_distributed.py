"""Several processes train as one does: the same curve, through kills, and from each other's checkpoints."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from tests.forks import environment, feilun, run_feilun
from tests.support import eventually
from tests.train.two_processes import RUNS

from feilun.jobs import Job, list_jobs
from feilun.model import checkpoint
from feilun.model.lora import adapter_state
from feilun.train.state import checkpoints

# One at a time: each takes two processes, which import PyTorch, again after a kill, beside whatever else is tested.
pytestmark = [pytest.mark.xdist_group("distributed"), pytest.mark.timeout(420)]

STEPS = 60
"""Enough that a run has not ended when its first checkpoint is seen."""

PRETRAIN = """
kind = "pretrain"
name = "NAME"
baseline = false
samples = ["Tom"]
[data]
heldout = 0.2
[tokenizer]
vocab_size = 320
[model]
hidden_size = 32
layers = 2
heads = 2
[optimiser]
warmup = 2
[run]
steps = STEPS
rows = 4
length = 64
dtype = "float32"
evaluate_every = 60
save_every = 5
"""


def losses(job: Job) -> list[float]:
    """Of each step, as it was computed last."""
    found = {event["step"]: event["loss"] for event in job.events() if event["event"] == "step"}
    return [found[step] for step in sorted(found)]


# The loop, in two processes that torchrun starts once for all runs.


def torchrun(script: str, folder: Path, *options: str) -> None:
    """Have two processes run a script of this folder."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *options]
    subprocess.run(
        [*command, str(Path(__file__).with_name(script)), str(folder)],
        env=environment(PYTHONPATH=os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])),
        check=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_process_that_comes_late_after_a_restart_is_waited_for(tmp_path: Path) -> None:
    torchrun("meet_again.py", tmp_path, "--max-restarts=1")
    met = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert met == {f"met-{attempt}-{rank}": "2" for attempt in (0, 1) for rank in (0, 1)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs, by name."""
    runs = tmp_path_factory.mktemp("two")
    for name in RUNS:
        job = Job.create(runs, "pretrain", name, {}, argv=["true"])
        job.folder.rename(runs / name)
    torchrun("two_processes.py", runs)
    return runs


@pytest.mark.parametrize("name", ["adamw", "muon", "accumulate", "adapter"])
def test_two_processes_learn_as_one_does(name: str, two: Path, tmp_path: Path) -> None:
    job = Job.create(tmp_path, "pretrain", name, {}, argv=["true"])
    with job.running():
        one = RUNS[name](job)
        one.run()
    both = Job.open(two / name)
    assert both.state == "finished"
    assert losses(both) == pytest.approx(losses(job), rel=1e-3)
    assert [e["grad_norm"] for e in both.events() if "grad_norm" in e] == pytest.approx(
        [e["grad_norm"] for e in job.events() if "grad_norm" in e], rel=1e-2
    )
    wanted = adapter_state(one.model) if name == "adapter" else one.model.state_dict()
    found = load_file(two / name / "weights.safetensors")
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-2, atol=1e-3, msg=key)


def test_one_process_goes_on_where_two_have_stopped(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two / "stopped", tmp_path / "stopped")
    job = Job.open(tmp_path / "stopped")
    assert job.state == "stopped"
    assert len(losses(job)) == 1
    with job.running():
        assert RUNS["stopped"](job).run()
    whole = Job.create(tmp_path, "pretrain", "whole", {}, argv=["true"])
    with whole.running():
        RUNS["stopped"](whole).run()
    assert losses(job) == pytest.approx(losses(whole), rel=1e-3)


def test_each_process_holds_and_saves_its_part_of_the_weights(two: Path) -> None:
    files = sorted(checkpoints(two / "adamw" / "checkpoints")[-1].glob("*.safetensors"))
    assert len(files) == 2
    sizes = [sum(t.numel() for t in load_file(file).values()) for file in files]
    assert max(sizes) < 0.55 * sum(sizes)


# The command line.


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chosen = tmp_path_factory.mktemp("texts"), random.Random(1)
    names = [a + b + c for a in "BDGKLMNRST" for b in ("a", "ei", "o") for c in ("nna", "rik", "lo", "mus")]
    lines = [
        json.dumps({"text": " ".join(f"{chosen.choice(names)} saw {n} birds." for n in range(i, i + 30))})
        for i in range(0, 1200, 30)
    ]
    (folder / "made_up.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


def arguments(workspace: Path, texts: Path, name: str, *more: str) -> list[str]:
    recipe = workspace / f"{name}.toml"
    recipe.write_text(PRETRAIN.replace("NAME", name).replace("STEPS", str(STEPS)))
    return ["-w", str(workspace), "train", str(recipe), "--source", str(texts), "--json", *more]


def start(*args: str) -> subprocess.Popen[bytes]:
    """Begin a run of ``feilun``; its output is of no interest."""
    return subprocess.Popen(feilun(*args), env=environment(), stdout=subprocess.DEVNULL)


def job_with_checkpoint(workspace: Path, name: str) -> Job:
    def look() -> Job | None:
        jobs = list_jobs(workspace / "runs")
        return next((job for job in jobs if job.record.name == name and checkpoints(job.checkpoints)), None)

    return eventually(look, what="for a checkpoint", patience=200)


@pytest.fixture(scope="module")
def alone(workspace: Path, texts: Path) -> Job:
    """The run that the others are compared with: one process, never disturbed."""
    assert run_feilun(*arguments(workspace, texts, "alone")).returncode == 0
    return next(job for job in list_jobs(workspace / "runs") if job.record.name == "alone")


def check(job: Job, alone: Job, workspace: Path) -> None:
    """That a run has ended as the undisturbed one did."""
    assert job.state == "finished"
    assert losses(job) == pytest.approx(losses(alone), rel=1e-3)
    ours, theirs = (
        load_file(workspace / "models" / one.record.name / checkpoint.WEIGHTS) for one in (job, alone)
    )
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=2e-2, atol=1e-3, msg=name)
    one, two = alone.last("eval"), job.last("eval")
    assert one is not None
    assert two is not None
    assert two["bits_per_byte"] == pytest.approx(one["bits_per_byte"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_is_killed_all_go_on_from_the_checkpoint(
    victim: int, workspace: Path, texts: Path, alone: Job
) -> None:
    name = f"killed{victim}"
    process = start(*arguments(workspace, texts, name, "--processes", "2"))
    job = job_with_checkpoint(workspace, name)
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.environ().get("RANK") == str(victim):
            child.send_signal(signal.SIGKILL)
    assert process.wait(300) == 0
    assert sum(event["event"] == "started" for event in job.events()) == 2
    check(job, alone, workspace)


@pytest.mark.slow
def test_on_ray_a_killed_worker_costs_no_step(workspace: Path, texts: Path, alone: Job) -> None:
    process = start(*arguments(workspace, texts, "on_ray", "--processes", "2", "--ray", "local"))
    job = job_with_checkpoint(workspace, "on_ray")
    pid = job.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert process.wait(300) == 0
    assert sum(event["event"] == "started" for event in job.events()) == 2
    check(job, alone, workspace)


@pytest.mark.slow
def test_on_ray_a_run_stops_when_asked_and_goes_on(workspace: Path, texts: Path, alone: Job) -> None:
    process = start(*arguments(workspace, texts, "ray_stopped", "--processes", "2", "--ray", "local"))
    job = job_with_checkpoint(workspace, "ray_stopped")
    job.stop()
    assert process.wait(300) == 0
    assert job.state == "stopped"
    again = subprocess.run(
        feilun("-w", workspace, "jobs", "resume", job.id), env=environment(), check=False, timeout=300
    )
    assert again.returncode == 0
    eventually(lambda: job.state == "finished", what="for the end", patience=300)
    check(job, alone, workspace)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("uneven", ("rows = 4", "rows = 5"), "5 rows in a batch cannot be shared among 2 processes evenly"),
        ("little", ("length = 64", "length = 64000"), "less than one batch"),
        ("wordless", ("vocab_size = 320", "vocab_size = 9999"), "give a vocabulary of"),
        ("wild", ("warmup = 2", "warmup = 0\nlr = 1e3"), "has diverged"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_is_not_tried_again(
    name: str, change: tuple[str, str], said: str, workspace: Path, texts: Path
) -> None:
    command = arguments(workspace, texts, name, "--processes", "2")
    recipe = workspace / f"{name}.toml"
    recipe.write_text(recipe.read_text().replace(*change))
    result = run_feilun(*command, OMP_NUM_THREADS="1")
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    (job,) = (job for job in list_jobs(workspace / "runs") if job.record.name == name)
    assert job.state == "failed"
    assert sum(event["event"] == "started" for event in job.events()) == 1


@pytest.mark.slow
def test_on_ray_what_the_user_can_mend_is_not_tried_again(workspace: Path, texts: Path) -> None:
    command = arguments(workspace, texts, "ray_wild", "--processes", "2", "--ray", "local")
    recipe = workspace / "ray_wild.toml"
    recipe.write_text(recipe.read_text().replace("warmup = 2", "warmup = 0\nlr = 1e3"))
    result = run_feilun(*command, OMP_NUM_THREADS="1")
    assert result.returncode == 1
    assert "has diverged" in result.stderr
    (job,) = (job for job in list_jobs(workspace / "runs") if job.record.name == "ray_wild")
    assert sum(event["event"] == "started" for event in job.events()) == 1
