# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's annotations of tolist and others are partial.)
"""Learning from what the policy itself has answered: rollouts, judged, as batches for the loop.

A rollout serves a fixed number of steps. What it draws is a function of the weights it begins with, the data, the seed and
its number; so a run that is killed goes on from a checkpoint between two rollouts and ends with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.jobs import Job
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.text import FeilunError, Text
from feilun.train.batches import NotDrawn, StepBatches
from feilun.train.before import Before
from feilun.train.distributed import Whole, World
from feilun.train.judges import Judge, signs_of_hacking
from feilun.train.objectives import Batch
from feilun.train.pairs import padded
from feilun.train.ppo import Controller
from feilun.train.preferences import Prompt, Side
from feilun.train.recipe import RolloutRecipe
from feilun.train.rollout import Answer, sample
from feilun.train.rows import rounded

SHOWN = 2
"""Answers of a rollout that are kept to be read."""


@dataclass(frozen=True)
class Drawn:
    """A rollout: rows of prompt and answer, (rows, length) each where nothing else is said."""

    ids: Tensor
    targets: Tensor
    """The answers' tokens, at the place before each."""
    lengths: Tensor
    """(rows,): tokens of prompt and answer."""
    old: Tensor
    """Log-probabilities with which they were drawn,"""
    reference: Tensor
    """and which they had before the training."""
    values: Tensor
    """What was expected before each token; 0 without a value head."""
    scores: Tensor
    """(rows,): rewards of the answers."""

    @property
    def counts(self) -> Tensor:
        """Where there is a token of an answer."""
        return self.targets != IGNORED

    @property
    def kl(self) -> float:
        """How far the policy has gone from what it was: mean nats of an answer."""
        return float((self.old - self.reference)[self.counts].sum()) / len(self.ids)


Learn = Callable[[Drawn, float], dict[str, Tensor]]
"""The facts of a rollout's rows that the objective learns from; given the weight of the divergence's penalty."""


def check_rollout(recipe: RolloutRecipe, copies: int, rows: int, processes: int) -> None:
    """Raises `FeilunError` if a rollout is no whole number of steps of ``rows``, or cannot be shared among ``processes``."""
    drawn = recipe.prompts * copies
    if drawn % rows:
        raise FeilunError(
            f"A rollout has {drawn} answers ({recipe.prompts} prompts, {copies} each), which are not whole steps of {rows} rows.",
            f"一次采样有 {drawn} 个回答（{recipe.prompts} 个提示，各 {copies} 个），无法按每步 {rows} 行整分。",
            code="uneven_batch",
        )
    if recipe.prompts % processes or rows % processes:
        raise FeilunError(
            f"{recipe.prompts} prompts of a rollout and {rows} rows of a step cannot be shared among {processes} processes evenly.",
            f"一次采样的 {recipe.prompts} 个提示与每步 {rows} 行无法平均分给 {processes} 个进程。",
            code="uneven_batch",
        )


class Rollouts:
    """Batches that are drawn as the run goes. ``stride`` steps belong to a rollout.

    ``by_rows``: whether the objective's sum is over rows, not tokens.
    """

    def __init__(
        self,
        model: Transformer,
        prompts: Sequence[Prompt],
        judge: Judge,
        learn: Learn,
        recipe: RolloutRecipe,
        job: Job,
        *,
        copies: int,
        rows: int,
        stop: Sequence[int],
        decode: Callable[[Sequence[int]], str],
        pad_id: int,
        dtype: torch.dtype,
        by_rows: bool,
        seed: int = 0,
        world: World | None = None,
    ) -> None:
        """``rows``: of a step, over all processes. The model is not spread over them yet.

        Raises `FeilunError` if a rollout is no whole number of steps, or cannot be shared among the processes evenly.
        """
        self._world = world or World()
        self._policy = Whole(model, self._world)
        self._model = self._policy.model
        self._prompts, self._judge, self._learn = prompts, judge, learn
        self._recipe, self._job, self._seed = recipe, job, seed
        self._copies, self._rows, self._by_rows = copies, rows, by_rows
        self._stop, self._decode, self._pad_id, self._dtype = stop, decode, pad_id, dtype
        self._before = Before(self._model)
        self._controller = Controller(recipe.penalty, recipe.target)
        check_rollout(recipe, copies, rows, self._world.size)
        self.stride = recipe.epochs * (recipe.prompts * copies // rows)
        self._steps: list[StepBatches] = []

    def at(self, step: int) -> StepBatches:
        number, place = divmod(step, self.stride)
        if place == 0:
            self._steps = self._steps_of(number)
        return self._steps[place]

    def state(self) -> dict[str, Any]:
        return {"penalty": self._controller.weight, "of": self._recipe.penalty}

    def restore(self, state: dict[str, Any]) -> None:
        """The controller's weight of the penalty, unless the recipe has come to say another one to begin with (or no controller
        has changed it). What an older Feilun has written has no ``of``.
        """
        penalty = self._recipe.penalty
        if self._recipe.target is not None and state.get("of", penalty) == penalty:
            self._controller.weight = state["penalty"]

    def _steps_of(self, number: int) -> list[StepBatches]:
        self._policy.refresh()
        self._model.eval()
        drawn = self._draw(number)
        self._model.train()
        whole = Batch(drawn.ids, drawn.targets, facts=self._learn(drawn, self._controller.weight))
        self._controller.saw(drawn.kl)
        steps: list[StepBatches] = []
        for epoch in range(self._recipe.epochs):
            random = np.random.Generator(np.random.PCG64([self._seed, number, epoch, 2]))
            for rows in np.split(random.permutation(len(drawn.ids)), len(drawn.ids) // self._rows):
                places = torch.from_numpy(rows)
                batch = chosen_rows(whole, places.to(drawn.ids.device))
                learnt = len(rows) if self._by_rows else batch.learnt
                mine = batch.rows(self._share(len(rows)))
                steps.append(StepBatches([mine], learnt, int(drawn.lengths[places].sum())))
        return steps

    def _draw(self, number: int) -> Drawn:
        """Every process draws and judges its share; what all have drawn is the same in each of them."""
        asked = [prompt for prompt in self._asked(number) for _ in range(self._copies)]
        share = self._share(len(asked))
        mine = asked[share]
        answers = sample(
            self._model,
            [prompt.ids for prompt in mine[:: self._copies]],
            self._recipe.sampling,
            stop=self._stop,
            seed=[self._seed, number],
            copies=self._copies,
            first=share.start,
            together=self._recipe.together,
            dtype=self._dtype,
        )
        self._check_sound(number, answers)
        judged = self._judge(mine, answers)
        batch = padded(_sides(mine, answers), self._pad_id).to(self._model.device)
        # Those of the sampler are the same but for rounding, which in bfloat16 is too much.
        exact = self._dtype == torch.float32
        own = [answer.logprobs for answer in answers] if exact else self._logprobs(batch)
        with self._before():
            before = self._logprobs(batch)
        drawn = self._world.joined(list(zip(answers, judged, own, before, strict=True)))
        return self._whole(number, asked, drawn)

    def _check_sound(self, number: int, answers: list[Answer]) -> None:
        """Raises `NotDrawn`, in all processes, if what was drawn by one of them has log-probabilities or values that are no
        numbers.
        """
        sound = all(map(math.isfinite, chain.from_iterable((*a.logprobs, *a.values) for a in answers)))
        if self._world.sum(float(not sound)):
            step = number * self.stride
            raise NotDrawn(
                Text(
                    f"Step {step}: the weights give no numbers any more (NaN), so the run has diverged",
                    f"第 {step} 步：权重的输出已不是有效数值（NaN），训练已发散",
                ),
                Text("Lower the learning rate, or lengthen the warm-up", "请降低学习率或延长预热"),
                code="diverged",
                ruined=True,
            )

    def _share(self, rows: int) -> slice:
        """This process's of so many rows."""
        share = rows // self._world.size
        return slice(self._world.rank * share, (self._world.rank + 1) * share)

    def _whole(
        self,
        number: int,
        asked: list[Prompt],
        found: list[tuple[Answer, float, list[float], list[float]]],
    ) -> Drawn:
        answers, rewards = [answer for answer, *_ in found], [reward for _, reward, *_ in found]
        scores = torch.tensor(rewards) - self._recipe.unended * torch.tensor(
            [float(answer.end == "length") for answer in answers]
        )
        device = self._model.device
        batch = padded(_sides(asked, answers), self._pad_id).to(device)
        counts = batch.targets != IGNORED

        def spread(values: list[list[float]]) -> Tensor:
            flat = torch.tensor([value for row in values for value in row], device=device)
            return torch.zeros(counts.shape, device=device).masked_scatter(counts, flat)

        drawn = Drawn(
            batch.ids,
            batch.targets,
            lengths=torch.tensor([len(p.ids) + len(a.ids) for p, a in zip(asked, answers, strict=True)]),
            old=spread([own for _, _, own, _ in found]),
            reference=spread([before for *_, before in found]),
            values=spread([answer.values or [0.0] * len(answer.ids) for answer in answers]),
            scores=scores.to(device),
        )
        self._tell(number, asked, answers, rewards, drawn)
        return drawn

    @torch.no_grad()
    def _logprobs(self, batch: Batch) -> list[list[float]]:
        """Of the answers' tokens, row by row."""
        temperature = self._recipe.sampling.temperature
        found: list[list[float]] = []
        for begin in range(0, len(batch.ids), self._rows):
            part = batch.rows(slice(begin, begin + self._rows))
            hidden = self._model.hidden(part.ids, dtype=self._dtype)
            chosen = self._model.chosen(hidden / temperature, part.targets)
            found += [
                row[targets != IGNORED].tolist() for row, targets in zip(chosen, part.targets, strict=True)
            ]
        return found

    def _asked(self, number: int) -> list[Prompt]:
        """The prompts of a rollout: all, in an order of each epoch's own, before one comes again."""
        count = self._recipe.prompts
        epochs, places = np.divmod(np.arange(number * count, (number + 1) * count), len(self._prompts))
        orders = {
            int(epoch): np.random.Generator(np.random.PCG64([self._seed, int(epoch), 3])).permutation(
                len(self._prompts)
            )
            for epoch in set(epochs)
        }
        return [
            self._prompts[int(orders[int(epoch)][place])] for epoch, place in zip(epochs, places, strict=True)
        ]

    def _tell(
        self, number: int, asked: list[Prompt], answers: list[Answer], rewards: list[float], drawn: Drawn
    ) -> None:
        """Record what was drawn, and stop if the policy has run away."""
        kl, entropy = drawn.kl, -float(drawn.old[drawn.counts].mean())
        said = [self._decode(answer.ids[:-1] if answer.end == "stop" else answer.ids) for answer in answers]
        signs = signs_of_hacking(answers, said, rewards)
        step = number * self.stride
        self._job.emit("rollout", step=step, kl=kl, penalty=self._controller.weight, entropy=entropy, **signs)
        for prompt, answer, reward in list(zip(asked, answers, rewards, strict=True))[:: self._copies][
            :SHOWN
        ]:
            text, question = self._decode(answer.ids), f"{prompt.messages[-1]['content']}\n"
            self._job.emit("sample", step=step, prompt=question, text=text, reward=reward)
        if kl > self._recipe.limit:
            raise NotDrawn(
                Text(
                    f"Step {step}: the policy has run away from the model it began as: {kl:.1f} nats an answer, at most "
                    f"{self._recipe.limit} are allowed (rollout.most)",
                    f"第 {step} 步：策略已偏离初始模型：每个回答 {kl:.1f} nat，上限为 {self._recipe.limit}（rollout.most）",
                ),
                Text(
                    "Lower the learning rate, raise rollout.penalty, or allow more",
                    "请降低学习率、提高 rollout.penalty，或放宽上限",
                ),
                code="kl_ran_away",
                ruined=True,
            )


def _sides(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[Side]:
    return [Side([*p.ids, *a.ids], len(p.ids)) for p, a in zip(prompts, answers, strict=True)]


def chosen_rows(batch: Batch, rows: Tensor) -> Batch:
    """Some rows (n,) int64 of a batch, cut behind the longest of them."""
    targets = batch.targets[rows]
    length = rounded(int((targets != IGNORED).any(0).nonzero().max()) + 2)
    facts = {
        name: values[rows] if values.ndim == 1 else values[rows, :length]
        for name, values in batch.facts.items()
    }
    return Batch(batch.ids[rows, :length], targets[:, :length], facts=facts)
