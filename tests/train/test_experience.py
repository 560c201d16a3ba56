"""Learning from own answers: a bandit in text whose best arm is known, the same bits after a stop, and clear ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.forks import fork
from tests.support import eventually
from tests.train.shape import SHAPE
from torch import Tensor

from feilun.jobs import Job
from feilun.model.config import ModelConfig
from feilun.model.lora import Lora, attach
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.advantages import of_group
from feilun.train.experience import Drawn, Rollouts
from feilun.train.grpo import Grpo
from feilun.train.judges import Judge
from feilun.train.loop import RunRecipe, Trainer
from feilun.train.objectives import Objective
from feilun.train.optim import OptimiserRecipe
from feilun.train.ppo import Ppo, experience
from feilun.train.preferences import Prompt
from feilun.train.recipe import RolloutRecipe
from feilun.train.rollout import Answer, Sampling, sample
from feilun.train.state import checkpoints, learning_weights

STOP, ARMS, VOCAB = 1, (7, 10, 13), 16
PROMPTS = [
    Prompt([3 + n, 2], [{"role": "user", "content": f"machine {n}"}], {}, f"bandit:{n}") for n in range(3)
]


def pays(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
    """Each machine's own arm pays 1, anything else 0.1, if it is said once and nothing after it."""
    return [
        0.0 if len(answer.ids) != 2 or answer.end != "stop" else
        1.0 if answer.ids[0] == ARMS[PROMPTS.index(prompt)] else 0.1
        for prompt, answer in zip(prompts, answers, strict=True)
    ]  # fmt: skip


def trainer(
    job: Job,
    kind: str = "grpo",
    steps: int = 8,
    judge: Judge = pays,
    lr: float = 3e-3,
    lora: bool = False,
    **rollout: Any,
) -> Trainer:
    model = Transformer(ModelConfig(**{**SHAPE, "vocab_size": VOCAB}))
    model.initialise(3)
    objective: Objective
    if kind == "ppo":
        copies = 1
        model.add_value_head()
        objective = Ppo(value_weight=0.5)
    else:
        copies = 16
        objective = Grpo()
    if lora:
        attach(model, Lora(rank=4, alpha=8), 1)
    recipe = RolloutRecipe(**{
        "prompts": 96 // copies, "sampling": Sampling(tokens=4), "epochs": 2, "unended": 0.1,
        # With less of it a group may agree on an arm that pays little, and then learns nothing more: 2 of 8 initial weights.
        "penalty": 0.01 if kind == "ppo" else 0.05, **rollout,
    })  # fmt: skip

    def learn(drawn: Drawn, penalty: float) -> dict[str, Tensor]:
        if kind == "ppo":
            return experience(
                drawn.old, drawn.reference, drawn.values, drawn.scores, drawn.counts, penalty=penalty, gamma=1,
                lam=0.95, whiten=True,
            )  # fmt: skip
        return {
            "old": drawn.old, "reference": drawn.reference, "advantages": of_group(drawn.scores, copies),
            "penalty": torch.full_like(drawn.scores, penalty),
        }  # fmt: skip

    rollouts = Rollouts(
        model, PROMPTS, judge, learn, recipe, job, copies=copies, rows=48, stop=[STOP], decode=str, pad_id=0,
        dtype=torch.float32, by_rows=kind == "grpo",
    )  # fmt: skip
    return Trainer(
        model, rollouts, RunRecipe(steps=steps, dtype="float32", save_every=rollouts.stride),
        OptimiserRecipe(lr=lr, warmup=1, schedule="constant", weight_decay=0, betas=(0.9, 0.99)), job,
        objective=objective, memory=rollouts, stride=rollouts.stride,
    )  # fmt: skip


def new_job(folder: Path, name: str = "bandit") -> Job:
    return Job.create(folder / "runs", "grpo", name, {}, argv=["true"])


def rollouts_of(job: Job) -> list[dict[str, Any]]:
    return [event for event in job.events() if event["event"] == "rollout"]


@pytest.mark.parametrize(("kind", "lr"), [("ppo", 2e-3), ("grpo", 3e-3)])
def test_the_best_arm_is_found(kind: str, lr: float, tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        one = trainer(job, kind, 160, lr=lr)
        assert one.run()
    answers = sample(
        one.model, [prompt.ids for prompt in PROMPTS], Sampling(tokens=4, temperature=0), stop=[STOP]
    )
    assert [answer.ids for answer in answers] == [[arm, STOP] for arm in ARMS]
    told = rollouts_of(job)
    assert told[0]["reward"] < 0.2
    assert told[-1]["reward"] > 0.8
    assert {"kl", "penalty", "entropy", "length", "ended", "empty", "repeated"} <= told[-1].keys()


@pytest.mark.parametrize("kind", ["ppo", "grpo"])
def test_a_stopped_run_goes_on_to_the_same_bits(kind: str, tmp_path: Path) -> None:
    """Also where the stop is wished for between two rollouts: it waits until all has been learnt from this one."""
    whole, halves = new_job(tmp_path, "whole"), new_job(tmp_path, "halves")
    changes: dict[str, Any] = {"target": 0.05, "penalty": 0.1, "lora": kind == "grpo"}
    with whole.running():
        unbroken = trainer(whole, kind, 12, **changes)
        unbroken.run()
    with halves.running():
        first = trainer(halves, kind, 12, **changes)
        first.job.__dict__["_stop_asked"] = True
        assert not first.run()
    assert [path.name for path in checkpoints(halves.checkpoints)] == ["step-00000004"]
    with halves.running():
        second = trainer(halves, kind, 12, **changes)
        assert second.run()
    for name, weight in learning_weights(unbroken.model).items():
        assert torch.equal(weight, learning_weights(second.model)[name]), name
    penalties = [[event["penalty"] for event in rollouts_of(job)] for job in (whole, halves)]
    assert penalties[0] == penalties[1]
    assert len(set(penalties[0])) > 1, "the controller has something to remember"


def learn(folder: Path) -> None:
    job = Job.open(folder)
    with job.running():
        trainer(job, "ppo", 40).run()


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, killed = new_job(tmp_path, "whole"), new_job(tmp_path, "killed")
    fork(learn, whole.folder).join()
    process = fork(learn, killed.folder)
    eventually(lambda: len(rollouts_of(killed)) > 2, what="for some rollouts")
    process.kill()
    process.join()
    fork(learn, killed.folder).join()
    last = [checkpoints(job.checkpoints)[-1] for job in (whole, killed)]
    ours, theirs = (load_file(next(path.glob("*.safetensors"))) for path in last)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_policy_that_runs_away_is_stopped_before_it_learns_more(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError, match="run away") as stopped, job.running():
        trainer(job, "grpo", 400, lr=0.1, most=2.0).run()
    assert stopped.value.code == "kl_ran_away"
    assert "偏离" in stopped.value.text.zh
    last = rollouts_of(job)[-1]
    assert last["kl"] > 2.0
    assert [path.name for path in checkpoints(job.checkpoints)][-1] == f"step-{last['step']:08d}"


def test_a_judge_that_fails_leaves_the_checkpoint(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    calls: list[int] = []

    def fails(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        calls.append(len(answers))
        if len(calls) == 3:
            raise FeilunError("no", "不", code="verifier_failed")
        return pays(prompts, answers)

    with pytest.raises(FeilunError, match="no"), job.running():
        trainer(job, "grpo", 40, fails).run()
    assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000004", "step-00000008"]


def test_steps_that_do_not_fill_a_rollout_are_refused(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError, match="whole steps"), job.running():
        trainer(job, "grpo", prompts=7)
