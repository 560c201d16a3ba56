# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's annotations of tolist and others are partial.)
"""Tuning on what people prefer: a reward model, DPO, KTO. The verbs of their recipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.lora import merge
from feilun.text import FeilunError
from feilun.train.artifact import publish
from feilun.train.distributed import World, gathered
from feilun.train.dpo import Dpo, Kto
from feilun.train.loop import Trainer
from feilun.train.objectives import Objective
from feilun.train.pairs import Pairs, with_strangers
from feilun.train.preferences import Pair, Side, Thumb, read_pairs, read_thumbs
from feilun.train.recipe import DpoRecipe, KtoRecipe, RewardRecipe
from feilun.train.reference import kept_logprobs, logprobs
from feilun.train.reward import BradleyTerry, RewardModel, accuracy, scores
from feilun.train.same_data import changed_in, check_same_data, digest
from feilun.train.tuning import Tuned


def prefer(
    recipe: DpoRecipe | KtoRecipe,
    base: Path,
    sources: list[Path],
    job: Job,
    folder: Path,
    world: World | None = None,
    *,
    adapter: Path | None = None,
    heldout: Sequence[Path] = (),
) -> Path | None:
    """Run a recipe inside ``job.running()`` on the base model at ``base``, as `feilun.train.sft.fine_tune` does.

    ``heldout``: more files of pairs, or of thumbs, by which what was learnt is judged, and which are not learnt.

    The adapter, or the model, becomes the artifact ``folder``, which is returned; None if the job was asked to stop before
    the end. Several processes each call this with their ``world``.
    """
    world = world or World()
    tuned = Tuned.open(recipe, base, adapter, world)
    tuned.check_same_base(job, world)
    tuned.model.to(world.device)  # which also says how likely the answers are before
    if isinstance(recipe, DpoRecipe):
        pairs, apart, too_long = read_pairs(
            sources, tuned.tokenizer, length=recipe.run.length, heldout=recipe.data.heldout
        )
        if heldout:
            apart += read_pairs([*heldout], tuned.tokenizer, length=recipe.run.length, heldout=0)[0]
        known = [*_known(pairs), *_known(apart)]
        train = [(pair.chosen, pair.rejected) for pair in pairs]
        held = [side for pair in apart for side in (pair.chosen, pair.rejected)]
        judged = partial(_pairs_right, apart)
        facts: dict[str, Tensor] = {}
        objective: Objective = Dpo(
            recipe.beta,
            loss=recipe.loss,
            smoothing=recipe.smoothing,
            normalised=recipe.normalised,
            nll=recipe.nll,
        )
    else:
        thumbs, aside, too_long = read_thumbs(
            sources, tuned.tokenizer, length=recipe.run.length, heldout=recipe.data.heldout
        )
        if heldout:
            aside += read_thumbs([*heldout], tuned.tokenizer, length=recipe.run.length, heldout=0)[0]
        known = [(thumb.answer, thumb.label) for thumb in [*thumbs, *aside]]
        if len({thumb.label for thumb in thumbs}) < 2:
            raise FeilunError(
                f"All {len(thumbs)} thumbs to learn from are of one kind: KTO needs good and bad ones.",
                f"可供学习的 {len(thumbs)} 个点赞点踩只有一种：KTO 需要好与坏两种。",
                code="one_kind",
            )
        train = with_strangers(thumbs, recipe.run.length)
        held = [thumb.answer for thumb in aside]
        judged = partial(_thumbs_right, aside)
        facts = {"label": torch.tensor([thumb.label for thumb in thumbs])}
        objective = Kto(recipe.beta, good=recipe.good, bad=recipe.bad, world=world)
    tuned.check_lengths(side.ids for side in [*(side for pair in train for side in pair), *held])
    _check_unchanged(job, known, [*sources, *heldout], world)
    dtype, pad_id = recipe.run.torch_dtype, tuned.tokenizer.pad_id
    with world.first_before_others():
        facts["reference"] = kept_logprobs(
            tuned.model, train, pad_id, dtype, job.folder / "reference.safetensors"
        )
    before = logprobs(tuned.model, held, pad_id, dtype)

    def evaluate(step: int) -> None:
        gained = logprobs(tuned.model, held, pad_id, dtype) - before
        name = "heldout pairs" if recipe.kind == "dpo" else "heldout thumbs"
        job.emit("eval", step=step, name=name, accuracy=judged(gained))

    trainer = _trainer(tuned, train, facts, objective, job, world, too_long)
    trainer.evaluate = evaluate if held else None
    if not trainer.run():
        return None
    trainer.use_average()
    tuned.publish(folder, job, world, sources, _figures(trainer, train, job))
    return folder


def _pairs_right(pairs: Sequence[Pair], gained: Tensor) -> dict[str, float]:
    """``gained``: by how much each side has become likelier. Right is who gained more on the chosen one."""
    chosen, rejected = gained[::2], gained[1::2]
    return accuracy(pairs, (chosen - rejected).tolist())


def _thumbs_right(thumbs: Sequence[Thumb], gained: Tensor) -> dict[str, float]:
    """Right is to have become likelier for a good answer, and not likelier for a bad one."""
    right = [(more > 0) == thumb.label for thumb, more in zip(thumbs, gained.tolist(), strict=True)]
    return {"all": sum(right) / len(right)}


def train_reward(
    recipe: RewardRecipe,
    base: Path,
    sources: list[Path],
    job: Job,
    folder: Path,
    world: World | None = None,
    *,
    adapter: Path | None = None,
) -> Path | None:
    """As `prefer`; ``folder`` becomes a `RewardModel`, with an adapter put into its weights."""
    world = world or World()
    tuned = Tuned.open(recipe, base, adapter, world)
    tuned.check_same_base(job, world)
    tuned.model.add_value_head()
    pairs, apart, too_long = read_pairs(
        sources, tuned.tokenizer, length=recipe.run.length, heldout=recipe.data.heldout
    )
    facts = {"margin": torch.tensor([pair.margin for pair in pairs])}
    sides = [(pair.chosen, pair.rejected) for pair in pairs]
    objective = BradleyTerry(centre=recipe.centre, length=recipe.length, world=world)
    trainer = _trainer(tuned, sides, facts, objective, job, world, too_long)
    held = [side for pair in apart for side in (pair.chosen, pair.rejected)]
    tuned.check_lengths(side.ids for side in [*(side for pair in sides for side in pair), *held])
    _check_unchanged(job, [*_known(pairs), *_known(apart)], sources, world)

    def evaluate(step: int) -> None:
        worth = scores(tuned.model, held, tuned.tokenizer.pad_id, recipe.run.torch_dtype)
        margins = [chosen - rejected for chosen, rejected in zip(worth[::2], worth[1::2], strict=True)]
        job.emit("eval", step=step, name="heldout pairs", accuracy=accuracy(apart, margins))

    trainer.evaluate = evaluate if apart else None
    if not trainer.run():
        return None
    trainer.use_average()
    whole = gathered(tuned.model, tuned.lora, world)
    if not world.first:
        return folder
    if tuned.lora:
        merge(whole)
    publish(
        folder,
        "reward",
        RewardModel(whole, tuned.tokenizer).save,
        weights=checkpoint.WEIGHTS,
        parents=tuned.parents(sources),
        recipe=recipe,
        figures=_figures(trainer, sides, job)
        | {"tokenizer": tuned.tokenizer.fingerprint, "stages": tuned.stages},
        job=job,
    )
    return folder


def _known(pairs: Sequence[Pair]) -> list[tuple[Side, float]]:
    """The sides of pairs, each with what else is known of it."""
    return [(side, pair.margin) for pair in pairs for side in (pair.chosen, pair.rejected)]


def _check_unchanged(
    job: Job, sides: Sequence[tuple[Side, float]], sources: list[Path], world: World
) -> None:
    """Write down what a run learns from, and what is held out; one that goes on must have the same. Raises `FeilunError` if it
    has other answers, labels or margins.
    """
    found = digest((side.ids, [side.begin, known]) for side, known in sides)
    check_same_data(job, "examples.sha256", found, changed_in(sources), world)


def _trainer(
    tuned: Tuned,
    train: Sequence[tuple[Side, Side]],
    facts: dict[str, Tensor],
    objective: Objective,
    job: Job,
    world: World,
    too_long: int,
) -> Trainer:
    recipe, run = tuned.recipe, tuned.recipe.run
    batches = Pairs(
        train,
        facts,
        rows=run.rows,
        accumulate=run.accumulate,
        pad_id=tuned.tokenizer.pad_id,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
    )
    if run.steps is None:
        run = run.model_copy(update={"steps": math.ceil(recipe.epochs * batches.steps_in_epoch)})
    params = tuned.model.config.params
    job.emit("model", params=params, learns=tuned.learns, examples=len(train), too_long=too_long)
    return Trainer(
        tuned.model, batches, run, recipe.optimiser, job, seed=recipe.seed, objective=objective, world=world
    )


def _figures(trainer: Trainer, train: Sequence[object], job: Job) -> dict[str, Any]:
    figures: dict[str, Any] = {"examples": len(train), "tokens": trainer.tokens}
    evaluated = job.last("eval")
    if evaluated is not None:
        figures["heldout_accuracy"] = evaluated["accuracy"]
    return figures
