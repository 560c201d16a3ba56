"""The loop: it learns, it resumes to the same bits, it stops when it should."""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.forks import fork
from tests.support import eventually
from tests.train.shape import SHAPE
from torch._dynamo.utils import counters

from feilun.jobs import Job
from feilun.model.config import ModelConfig
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.distributed import World
from feilun.train.divergence import spiked
from feilun.train.loop import Trainer
from feilun.train.optim import OptimiserRecipe, learning_rate
from feilun.train.packed import PackedRows
from feilun.train.run_recipe import RunRecipe
from feilun.train.state import checkpoints


def trainer(
    job: Job,
    steps: int = 12,
    run: dict[str, Any] | None = None,
    world: World | None = None,
    **optimiser: Any,
) -> Trainer:
    """A tiny model on a corpus with something to learn: counting upwards."""
    world = world or World()
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(3)
    ids = np.tile(np.append(np.arange(1, 64), 0), 20).astype(np.uint16)
    starts = np.arange(0, len(ids), 64).astype(np.uint64)
    batches = PackedRows(
        [ids], [starts], eos_id=0, length=16, rows=4, seed=5, rank=world.rank, world=world.size
    )
    recipe = RunRecipe(**{"steps": steps, "length": 16, "dtype": "float32", "save_every": 5, **(run or {})})
    moves = OptimiserRecipe(**{"lr": 3e-3, "warmup": 2, **optimiser})
    return Trainer(model, batches, recipe, moves, job, world=world)


def new_job(folder: Path, name: str = "tiny") -> Job:
    return Job.create(folder / "runs", "pretrain", name, {}, argv=["true"])


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in one.model.state_dict().items()}


def losses(job: Job) -> list[float]:
    return [event["loss"] for event in job.events() if event["event"] == "step"]


@pytest.mark.parametrize("optimiser", [{}, {"kind": "muon"}, {"schedule": "wsd", "ema": 0.9}])
def test_it_learns(optimiser: dict[str, Any], tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        assert trainer(job, 60, **optimiser).run()
    found = losses(job)
    assert len(found) == 60
    assert found[0] == pytest.approx(np.log(64), rel=0.05)
    assert found[-1] < 0.6 * found[0]
    step = job.last("step")
    assert step is not None
    assert step["tokens"] == 60 * 4 * 16
    assert {"lr", "grad_norm", "tokens_per_second", "mfu", "memory_mb", "eta_s"} <= step.keys()


@pytest.mark.parametrize("optimiser", [{}, {"kind": "muon", "ema": 0.9}])
def test_a_stopped_run_goes_on_to_the_same_bits(optimiser: dict[str, Any], tmp_path: Path) -> None:
    whole, halves = new_job(tmp_path, "whole"), new_job(tmp_path, "halves")
    with whole.running():
        unbroken = trainer(whole, **optimiser)
        unbroken.run()
    with halves.running():
        first = trainer(halves, **optimiser)
        first.job.__dict__["_stop_asked"] = True  # as SIGTERM does
        assert not first.run()
    assert halves.state == "stopped"
    with halves.running():
        second = trainer(halves, **optimiser)
        assert second.run()
    assert halves.state == "finished"
    for name, tensor in weights(unbroken).items():
        assert torch.equal(tensor, weights(second)[name]), name
    for name, tensor in unbroken.average.items():
        assert torch.equal(tensor, second.average[name]), name
    assert losses(whole) == losses(halves)


def learn(folder: Path) -> None:
    job = Job.open(folder)
    with job.running():
        one = trainer(job, 20, run={"save_every": 3})
        step = one._step

        def unhurried(*given: Any) -> Any:
            time.sleep(0.02)
            return step(*given)

        one._step = unhurried  # pyright: ignore[reportAttributeAccessIssue]
        one.run()


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, killed = new_job(tmp_path, "whole"), new_job(tmp_path, "killed")
    fork(learn, whole.folder).join()
    process = fork(learn, killed.folder)
    eventually(lambda: len(losses(killed)) > 7, what="for some steps")
    process.kill()
    process.join()
    assert killed.state == "interrupted"
    fork(learn, killed.folder).join()
    last = [checkpoints(job.checkpoints)[-1] for job in (whole, killed)]
    assert [path.name for path in last] == ["step-00000020"] * 2
    ours, theirs = (load_file(next(path.glob("*.safetensors"))) for path in last)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_weights_that_the_last_step_has_ruined_are_not_kept(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running(), pytest.raises(FeilunError, match="weights are no numbers") as stopped:
        trainer(job, 1, lr=3e38, warmup=0, schedule="constant").run()
    assert stopped.value.code == "diverged"
    assert not list(job.checkpoints.glob("step-*"))


def test_a_run_that_diverges_stops_and_keeps_the_batch(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError, match="diverged") as stopped, job.running():
        one = trainer(job, 200, lr=50.0, clip=1e9)
        one.run()
    assert stopped.value.code == "diverged"
    assert job.state == "failed"
    kept = load_file(next(job.folder.glob("bad-batch-*.safetensors")))
    assert kept["ids.0"].shape == (4, 16)


def ruin(one: Trainer, step: int, by: float) -> None:
    """Let the update of a step be so many times too large."""
    move, count = one.optimisers.step, itertools.count(1)
    one.optimisers.step = lambda share: move(share * (by if next(count) == step else 1))  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("by", "stopped"), [(1e3, 9), (300, 11)])
@pytest.mark.parametrize(("every", "left"), [(4, 4), (3, 6)])
def test_the_batch_of_the_first_step_of_a_leap_is_kept_and_a_checkpoint_from_before(
    by: float, stopped: int, every: int, left: int, tmp_path: Path
) -> None:
    job = new_job(tmp_path)
    one = trainer(job, 40, run={"save_every": every, "keep": 1})
    ruin(one, 8, by)
    with pytest.raises(FeilunError) as diverged, job.running():
        one.run()
    assert diverged.value.code == "diverged"
    (kept,) = job.folder.glob("bad-batch-*.safetensors")
    assert kept.name == "bad-batch-9.safetensors"
    assert torch.equal(load_file(kept)["ids.0"], one.batches.at(8).batches[0].ids)
    assert [path.name for path in checkpoints(job.checkpoints)] == [f"step-{left:08d}"]
    said = diverged.value.text.en
    assert said.startswith(f"Step {stopped}: ")
    assert f"the newest checkpoint from before is of step {left}" in said
    assert ("(removed, since no good loss came after: 8)" in said) == (every == 4)
    assert ("It leapt at step 9" in said) == (stopped > 9)
    with job.running():  # from the good weights
        assert trainer(job, 10, run={"save_every": every, "keep": 1}).run()
    assert losses(job)[-1] < 5


def test_the_checkpoint_that_a_run_went_on_with_is_never_removed(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        assert trainer(job, 4).run()
    for _ in range(2):
        one = trainer(job, 8)
        one.evaluate = None
        one._resume()
        one.model.norm.weight.data[0] = math.nan
        one._resume = lambda: 4  # pyright: ignore[reportAttributeAccessIssue]
        with (
            pytest.raises(FeilunError, match="is of step 4, with which this began") as diverged,
            job.running(),
        ):
            one.run()
        assert diverged.value.text.en.startswith("Step 5: the loss is nan")
        assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000004"]


def test_a_run_that_leaps_at_once_leaves_no_checkpoint_of_ruined_weights(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError) as diverged, job.running():
        trainer(job, 40, run={"save_every": 1}, lr=100.0, warmup=0).run()
    assert diverged.value.text.en.startswith("Step 2: ")
    assert "there is no checkpoint from before" in diverged.value.text.en
    assert (job.folder / "bad-batch-2.safetensors").exists()
    assert checkpoints(job.checkpoints) == []


def test_while_the_loss_is_high_nothing_is_saved_and_nothing_removed(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        one = trainer(job, 12, run={"save_every": 2, "keep": 1})
        step = one._step

        def hard(work: Any, share: float, number: int, recent: list[float]) -> tuple[float, float]:
            loss, norm = step(work, share, number, recent)
            recent[-1] += 9.0 if number + 1 in (6, 12) else 0.0
            return loss, norm

        one._step = hard  # pyright: ignore[reportAttributeAccessIssue]
        assert one.run()
    saved = [event["step"] for event in job.events() if event["event"] == "checkpoint"]
    assert saved == [2, 4, 7, 8, 10]
    assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000010"]


def diverge_without_room(folder: Path) -> None:
    job = Job.open(folder)
    one = trainer(job)
    one.model.norm.weight.data[0] = math.nan
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        with job.running():
            one.run()
    except FeilunError as error:
        (folder / "said").write_text(f"{error.code}: {error.text.en}"[:900])


def test_without_room_for_the_batch_it_still_says_that_it_diverged(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    fork(diverge_without_room, job.folder).join()
    said = (job.folder / "said").read_text()
    assert said.startswith("diverged: Step 1: ")
    assert "could not be kept (File too large" in said


def die_in_the_last_evaluation(folder: Path) -> None:
    job = Job.open(folder)
    with job.running():
        one = trainer(job, run={"evaluate_every": 5})
        one.evaluate = lambda step: (
            os.kill(os.getpid(), signal.SIGKILL) if step == 12 else job.emit("eval", step=step)
        )
        one.run()


def test_a_run_killed_before_its_last_evaluation_is_evaluated_when_it_goes_on(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    fork(die_in_the_last_evaluation, job.folder).join()
    assert job.state == "interrupted"
    assert checkpoints(job.checkpoints)[-1].name == "step-00000012"
    for _ in range(2):  # once is enough
        with job.running():
            one = trainer(job, run={"evaluate_every": 5})
            one.evaluate = lambda step: job.emit("eval", step=step)
            assert one.run()
        assert [event["step"] for event in job.events() if event["event"] == "eval"] == [5, 10, 12]
    assert len(losses(job)) == 12


def test_what_is_evaluated_is_not_compiled(tmp_path: Path) -> None:
    job, graphs = new_job(tmp_path), counters["stats"]
    found: list[int] = []

    def evaluate(step: int) -> None:
        before = graphs["unique_graphs"]
        for length in range(3, 9):
            one.model.following(torch.ones(1, length, dtype=torch.long))
        found.append(graphs["unique_graphs"] - before)

    # What is counted is the tracing; translating it to C++ as well would take most of a minute.
    with job.running(), torch.compiler.set_stance("default", force_backend="eager"):
        one = trainer(job, 4, run={"compile": "blocks", "evaluate_every": 2})
        one.evaluate = evaluate
        begun = graphs["unique_graphs"]
        one.run()
    assert graphs["unique_graphs"] > begun  # what is learnt is
    assert found == [0, 0]


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [
        ([6.4, 27.3, 31.9, 46.2, 64.5, 55.5], True),  # from the first step on
        ([0.5, 3.2, 3.9, 2.8, 4.1, 3.3], False),  # an easy batch came first
        ([6.4] * 24 + [30.0], True),
        ([6.4] * 24 + [9.0], False),
        ([6.4, *[5.0] * 10], False),
        ([5.8, 135596.0], True),
        ([5.8, 12.0], False),  # of one step of the first ones: a batch of other words
        ([0.1, 11.0, 9.0], False),
        ([25.0, 64.0], False),  # IPO's is a square
    ],
)
def test_what_counts_as_diverged(losses: list[float], diverged: bool) -> None:
    assert spiked(losses) == diverged


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        trainer(job, 5).run()
    (path,) = checkpoints(job.checkpoints)
    with pytest.raises(FeilunError) as refused, job.running():
        other = trainer(job, 5, ema=0.5)
        other.run()
    assert refused.value.code == "checkpoint_of_another_model"
    file = next(path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(FeilunError) as refused, job.running():
        trainer(job, 5).run()
    assert refused.value.code == "checkpoint_damaged"


def test_a_full_disk_in_mid_checkpoint_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(tmp_path)

    def full(*_given: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), job.running():
        one = trainer(job, 12)
        original = one._save
        one._save = lambda step: (
            monkeypatch.setattr("feilun.train.state.dcp.save", full) if step > 5 else None,
            original(step),
        )[1]
        one.run()
    assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000005"]
    monkeypatch.undo()
    with job.running():
        assert trainer(job, 12).run()


def test_schedules_begin_peak_and_end_where_they_should() -> None:
    cosine = OptimiserRecipe(warmup=10, floor=0.1)
    wsd = OptimiserRecipe(schedule="wsd", warmup=10, decay=0.5, floor=0.0)
    for recipe, last in ((cosine, 0.1), (wsd, 0.0)):
        shares = [learning_rate(recipe, step, 100) for step in range(100)]
        assert shares[0] == pytest.approx(0.1)
        assert max(shares) == 1.0
        assert shares[-1] == pytest.approx(last, abs=0.01)
        assert all(a >= b for a, b in itertools.pairwise(shares[10:]))
    assert learning_rate(wsd, 49, 100) == 1.0


def test_the_events_are_json_with_finite_numbers(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        trainer(job, 2).run()
    lines = (job.folder / "events.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["started", "step", "step", "checkpoint", "finished"]
