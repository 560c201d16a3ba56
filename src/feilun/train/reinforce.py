"""Tuning on what a judge says of the policy's own answers: PPO and GRPO. The verbs of their recipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.text import FeilunError, Text
from feilun.train.advantages import of_group
from feilun.train.distributed import World
from feilun.train.experience import Drawn, Rollouts
from feilun.train.grpo import Grpo
from feilun.train.judges import ByModel, ByVerifier, Foreseeing, Judge, Verifier
from feilun.train.loop import Trainer
from feilun.train.objectives import Objective
from feilun.train.ppo import Ppo, experience
from feilun.train.preferences import Prompt, read_prompts
from feilun.train.recipe import GrpoRecipe, PpoRecipe
from feilun.train.reward import HEAD, RewardModel
from feilun.train.same_data import changed_in, check_same_data, digest
from feilun.train.tuning import Tuned
from feilun.workspace import sha256_file


def reinforce(
    recipe: PpoRecipe | GrpoRecipe,
    base: Path,
    sources: list[Path],
    job: Job,
    folder: Path,
    world: World | None = None,
    *,
    adapter: Path | None = None,
    reward: Path | Verifier,
) -> Path | None:
    """Run a recipe inside ``job.running()`` on the base model at ``base``, as `feilun.train.sft.fine_tune` does.

    ``reward``: a reward model's folder, or a function of a prompt's line and an answer. The adapter, or the model, becomes the
    artifact ``folder``, which is returned; None if the job was asked to stop before the end. Several processes each call this
    with their ``world``: each draws its share of the answers from weights that are whole in each of them.

    Raises `FeilunError` if a reward model is of another tokenizer, a verifier finds fault with a line (`Foreseeing`) or fails, or
    the policy runs away; the last checkpoint from before is then as it was.
    """
    world = world or World()
    tuned = Tuned.open(recipe, base, adapter, world)
    tuned.check_same_base(job, world)
    run, rollout, dtype = recipe.run, recipe.rollout, recipe.run.torch_dtype
    tuned.model.to(world.device)
    judge: Judge
    if isinstance(reward, Path):
        _check_same_judge(reward, job, world)
        judge = ByModel(RewardModel.load(reward, tuned.tokenizer, dtype, device=world.device))
    else:
        judge = ByVerifier(reward, tuned.tokenizer)
    prompts, too_long = read_prompts(sources, tuned.tokenizer, length=rollout.length)
    _check_prompts(prompts, reward)
    lower = Text(
        f"Lower rollout.sampling.tokens ({rollout.sampling.tokens}), or rollout.length: longer prompts are then left out. Both "
        "together may be {most}",
        f"请降低 rollout.sampling.tokens（{rollout.sampling.tokens}）或 rollout.length（更长的提示会被略去），两者之和不超过 {{most}}",
    )
    tuned.check_room(max(len(prompt.ids) for prompt in prompts) + rollout.sampling.tokens, lower)
    _check_unchanged(prompts, sources, job, world)
    temperature = rollout.sampling.temperature
    objective: Objective
    if isinstance(recipe, PpoRecipe):
        tuned.model.add_value_head()
        copies = 1
        objective = Ppo(
            clip=recipe.clip,
            clip_value=recipe.clip_value,
            value_weight=recipe.value_weight,
            temperature=temperature,
        )
    else:
        copies = recipe.group
        objective = Grpo(clip=recipe.clip, mean=recipe.mean, temperature=temperature)

    def learn(drawn: Drawn, penalty: float) -> dict[str, Tensor]:
        if isinstance(recipe, GrpoRecipe):
            advantages = of_group(drawn.scores, copies, scaled=recipe.scaled)
            return {
                "old": drawn.old,
                "reference": drawn.reference,
                "advantages": advantages,
                "penalty": torch.full_like(drawn.scores, penalty),
            }
        return experience(
            drawn.old,
            drawn.reference,
            drawn.values,
            drawn.scores,
            drawn.counts,
            penalty=penalty,
            gamma=recipe.gamma,
            lam=recipe.lam,
            whiten=recipe.whiten,
        )

    rollouts = Rollouts(
        tuned.model,
        prompts,
        judge,
        learn,
        rollout,
        job,
        copies=copies,
        rows=run.rows,
        stop=tuned.tokenizer.end_ids,
        decode=tuned.tokenizer.decode,
        pad_id=tuned.tokenizer.pad_id,
        dtype=dtype,
        by_rows=isinstance(recipe, GrpoRecipe) and recipe.mean == "answers",
        seed=recipe.seed,
        world=world,
    )
    wanted = run.steps or rollouts.stride * math.ceil(recipe.epochs * len(prompts) / rollout.prompts)
    # Whole rollouts: a longer run may then go on from where this one ends.
    steps = rollouts.stride * math.ceil(wanted / rollouts.stride)
    job.emit(
        "model",
        params=tuned.model.config.params,
        learns=tuned.learns,
        examples=len(prompts),
        too_long=too_long,
    )
    trainer = Trainer(
        tuned.model,
        rollouts,
        run.model_copy(update={"steps": steps}),
        recipe.optimiser,
        job,
        seed=recipe.seed,
        objective=objective,
        world=world,
        memory=rollouts,
        stride=rollouts.stride,
    )
    if not trainer.run():
        return None
    trainer.prove()
    trainer.use_average()
    figures: dict[str, Any] = {"examples": len(prompts), "tokens": trainer.tokens}
    last = job.last("rollout")
    if last is not None:
        figures |= {name: last[name] for name in ("reward", "kl", "length", "ended")}
    judged_by = [reward] if isinstance(reward, Path) else []
    tuned.publish(folder, job, world, [*sources, *judged_by], figures)
    return folder


def _check_prompts(prompts: Sequence[Prompt], reward: Path | Verifier) -> None:
    """Raises `FeilunError` for lines of which a verifier can tell already that it will not know what to make of them."""
    if not isinstance(reward, Foreseeing):
        return
    faults = [(prompt.place, fault) for prompt in prompts if (fault := reward.fault(prompt.row))]
    if faults:
        (place, fault), more = faults[0], len(faults) - 1
        raise FeilunError(
            f"{place}: {fault.en}{f' (and {more} more)' if more else ''}.",
            f"{place}：{fault.zh}{f'（另有 {more} 行）' if more else ''}。",
            code="bad_checks",
        )


def _check_unchanged(prompts: Sequence[Prompt], sources: list[Path], job: Job, world: World) -> None:
    """Write down what a run asks; one that goes on must have the same, and the same beside it. Raises `FeilunError` if not."""
    found = digest((prompt.ids, prompt.row) for prompt in prompts)
    check_same_data(job, "examples.sha256", found, changed_in(sources), world)


def _check_same_judge(reward: Path, job: Job, world: World) -> None:
    """The same of the reward model."""
    files = [*checkpoint.weight_files(reward), reward / HEAD] if (reward / HEAD).is_file() else []
    if files:  # else it is none, which is told where it is read
        changed = Text(f"the reward model in {reward} is another one", f"{reward} 中的奖励模型已被替换")
        check_same_data(job, "reward.sha256", " ".join(map(sha256_file, files)), changed, world)
