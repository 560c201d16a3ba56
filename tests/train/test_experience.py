"""Learning from own answers: a bandit in text whose best arm is known, the same bits after a stop, and clear ends."""

from __future__ import annotations

import itertools
import math
import shutil
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
from feilun.text import FeilunError, Text
from feilun.train.advantages import of_group
from feilun.train.batches import NotDrawn
from feilun.train.experience import Drawn, Rollouts
from feilun.train.grpo import Grpo
from feilun.train.judges import Judge
from feilun.train.loop import Trainer
from feilun.train.objectives import Objective
from feilun.train.optim import OptimiserRecipe
from feilun.train.ppo import Ppo, experience
from feilun.train.preferences import Prompt
from feilun.train.recipe import RolloutRecipe
from feilun.train.rollout import Answer, Sampling, sample
from feilun.train.run_recipe import RunRecipe
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
    keep: int = 2,
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
        model, rollouts, RunRecipe(steps=steps, dtype="float32", save_every=rollouts.stride, keep=keep),
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


@pytest.mark.parametrize(
    ("rollout", "limit"),
    [({}, 100), ({"target": 6.0}, 36), ({"target": 0.5}, 10), ({"target": 6.0, "most": 8.0}, 8)],
)
def test_how_far_a_policy_may_go_hangs_on_where_it_is_to_stay(rollout: dict[str, Any], limit: float) -> None:
    assert RolloutRecipe(**rollout).limit == limit


def test_the_last_weights_draw_once_more_and_are_stopped_if_they_have_run_away(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with job.running():
        one = trainer(job, "grpo", 4, lr=0.1, most=1e-4)
        assert one.run()
        with pytest.raises(FeilunError, match="run away"):
            one.prove()
    assert [event["step"] for event in rollouts_of(job)] == [0, 4]
    assert rollouts_of(job)[-1]["kl"] > 1e-4


def test_a_policy_that_runs_away_is_stopped_before_it_learns_more(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError, match="run away") as stopped, job.running():
        trainer(job, "grpo", 400, lr=0.1, most=2.0).run()
    assert stopped.value.code == "kl_ran_away"
    assert "偏离" in stopped.value.text.zh
    last = rollouts_of(job)[-1]
    assert last["kl"] > 2.0
    gone = last["step"]
    assert saved(job) == [gone - 8, gone - 4]
    said = stopped.value.text.en
    assert f"newest checkpoint from before is of step {gone - 4}, and --resume goes on from it" in said
    assert f"(removed, since the same would come of it again: {gone})" in said


def saved(job: Job) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in checkpoints(job.checkpoints)]


def runs_away(job: Job, steps: int = 400, **changes: Any) -> tuple[int, str]:
    """At which step, and what is said."""
    with pytest.raises(FeilunError) as stopped, job.running():
        trainer(job, "grpo", steps, lr=0.1, most=2.0, **changes).run()
    assert stopped.value.code == "kl_ran_away"
    return rollouts_of(job)[-1]["step"], stopped.value.text.en


@pytest.mark.parametrize("keep", [1, 2])
def test_after_the_policy_has_run_away_the_run_goes_on_from_before(keep: int, tmp_path: Path) -> None:
    """Also where the run ended just after that, so that nothing had proved the newest weights."""
    gone, _ = runs_away(new_job(tmp_path, "first"))
    job, gentle = new_job(tmp_path), {"lr": 1e-5, "penalty": 0.0, "most": 2.0, "keep": keep}
    with job.running():
        assert trainer(job, "grpo", gone, lr=0.1, most=2.0, keep=keep).run()
    before = [gone - 4 * number for number in range(keep, 0, -1)]
    assert saved(job) == [*before, gone]
    with pytest.raises(FeilunError) as stopped, job.running():
        trainer(job, "grpo", gone + 8, **gentle).run()
    assert stopped.value.code == "kl_ran_away"
    assert saved(job) == before
    with job.running():
        assert trainer(job, "grpo", gone + 8, **gentle).run()
    assert job.state == "finished"


def test_a_checkpoint_that_leads_there_again_is_given_up_as_well(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    gone, _ = runs_away(job)
    again, said = runs_away(job)
    assert (again, saved(job)) == (gone, [gone - 8])
    assert f"(removed, since the same would come of it again: {gone - 4}, {gone})" in said
    again, said = runs_away(job)
    assert (again, saved(job)) == (gone, [gone - 8, gone - 4]), (
        "two rollouts from the one with which it began"
    )
    shutil.rmtree(checkpoints(job.checkpoints)[0])
    again, said = runs_away(job)
    assert (again, saved(job)) == (gone, [gone - 4])
    assert f"the only checkpoint, of step {gone - 4}, leads here again" in said


def test_another_penalty_is_taken_when_a_run_goes_on(tmp_path: Path) -> None:
    def penalties(job: Job, *changes: dict[str, Any]) -> list[float]:
        for number, change in enumerate(changes, 1):
            with job.running():
                assert trainer(job, "grpo", 4 * number, **change).run()
        return [event["penalty"] for event in rollouts_of(job)]

    fixed = penalties(new_job(tmp_path, "fixed"), {"penalty": 0.1}, {"penalty": 0.4}, {"penalty": 0.4})
    assert fixed == [0.1, 0.4, 0.4]
    held = {"penalty": 0.1, "target": 0.05}
    (begun, adapted, anew, on) = penalties(
        new_job(tmp_path, "held"), held, held, held | {"penalty": 0.4}, held | {"penalty": 0.4}
    )
    assert begun == 0.1 != adapted
    assert anew == 0.4 != on


def test_the_state_of_an_older_feilun_is_read(tmp_path: Path) -> None:
    rollouts = trainer(new_job(tmp_path), "grpo", target=0.05, penalty=0.1).memory
    assert rollouts is not None
    rollouts.restore({"penalty": 0.3})
    assert rollouts.state() == {"penalty": 0.3, "of": 0.1}


def test_weights_that_are_no_numbers_are_told_before_they_draw(tmp_path: Path) -> None:
    job, judged = new_job(tmp_path), list[int]()

    def counts(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        judged.append(len(answers))
        return pays(prompts, answers)

    one = trainer(job, "ppo", 40, counts)
    step, count = one.optimisers.step, itertools.count(1)

    def ruins(share: float) -> None:
        step(share)
        if next(count) == 8:  # the last before the third rollout
            one.model.norm.weight.data.fill_(math.nan)

    one.optimisers.step = ruins  # pyright: ignore[reportAttributeAccessIssue]
    with (
        pytest.raises(FeilunError, match="Step 8: the weights are no numbers any more") as stopped,
        job.running(),
    ):
        one.run()
    assert stopped.value.code == "diverged"
    assert "已发散" in stopped.value.text.zh
    assert len(judged) == 2
    assert saved(job) == [4]


def test_a_judge_that_fails_leaves_the_checkpoint(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    calls: list[int] = []

    def fails(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        calls.append(len(answers))
        if len(calls) == 3:
            raise NotDrawn(Text("no", "不"), Text("do", "做"), code="verifier_failed")
        return pays(prompts, answers)

    with pytest.raises(FeilunError) as stopped, job.running():
        trainer(job, "grpo", 40, fails).run()
    assert stopped.value.text.en == "no; the newest checkpoint, of step 8, is untouched. do."
    assert stopped.value.text.zh == "不；最新的检查点（第 8 步）未受影响。做。"
    assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000004", "step-00000008"]


def test_steps_that_do_not_fill_a_rollout_are_refused(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    with pytest.raises(FeilunError, match="whole steps"), job.running():
        trainer(job, "grpo", prompts=7)
