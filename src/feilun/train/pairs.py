"""Batches of rows that stand in pairs: two answers, or an answer and a stranger's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from feilun.model.loss import IGNORED
from feilun.train.batches import StepBatches
from feilun.train.objectives import Batch
from feilun.train.preferences import Side, Thumb
from feilun.train.rows import rounded

WINDOW = 16
"""Batches whose pairs are sorted by length together, as in `feilun.train.batches.Examples`."""


class Pairs:
    """Pairs of rows in an order shuffled anew in each epoch; in a batch a pair is rows ``2 i`` and ``2 i + 1``.

    ``facts``: (pairs, 2) or (pairs,) each, what the objective has to know of the rows. ``rows`` counts pairs, of a
    micro-batch over all processes; ``accumulate`` of these are a step.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Side, Side]],
        facts: Mapping[str, Tensor],
        *,
        rows: int,
        pad_id: int,
        accumulate: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._pairs, self._pad_id, self._seed = pairs, pad_id, seed
        self._facts = {name: v if v.ndim > 1 else v[:, None].expand(-1, 2) for name, v in facts.items()}
        self._rows, self._accumulate = rows, accumulate
        self._rank, self._world = rank, world
        self._lengths = np.array([sum(len(side.ids) for side in pair) for pair in pairs])
        self.steps_in_epoch = -(-len(pairs) // (rows * accumulate))

    def at(self, step: int) -> StepBatches:
        epoch, place = divmod(step, self.steps_in_epoch)
        numbers = self._epoch(epoch)[place]
        portions = np.array_split(numbers, -(-len(numbers) // self._rows))
        batches = [self._batch([int(n) for n in portion]) for portion in portions]
        share = -(-max(len(portion) for portion in portions) // self._world)
        mine = slice(2 * self._rank * share, 2 * (self._rank + 1) * share)
        return StepBatches(
            [batch.rows(mine) for batch in batches], len(numbers), int(self._lengths[numbers].sum())
        )

    def _epoch(self, epoch: int) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """The numbers of the pairs of each step."""
        random = np.random.Generator(np.random.PCG64([self._seed, epoch]))
        order = random.permutation(len(self._pairs))
        size = self._rows * self._accumulate
        steps: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        for begin in range(0, len(order), size * WINDOW):
            window = order[begin : begin + size * WINDOW]
            window = window[np.argsort(self._lengths[window], kind="stable")]
            steps += [window[i : i + size] for i in range(0, len(window), size)]
        return [steps[i] for i in random.permutation(len(steps))]

    def _batch(self, numbers: list[int]) -> Batch:
        batch = padded([side for number in numbers for side in self._pairs[number]], self._pad_id)
        facts = {name: values[numbers].flatten(0, 1) for name, values in self._facts.items()}
        return Batch(batch.ids, batch.targets, facts=facts)


def padded(sides: Sequence[Side], pad_id: int) -> Batch:
    """One row a side, padded behind; its answer's tokens are the targets."""
    length = rounded(max(len(side.ids) for side in sides))
    ids = torch.full((len(sides), length), pad_id)
    targets = torch.full_like(ids, IGNORED)
    for row, side in enumerate(sides):
        ids[row, : len(side.ids)] = torch.tensor(side.ids)
        targets[row, side.begin - 1 : len(side.ids) - 1] = ids[row, side.begin : len(side.ids)]
    return Batch(ids, targets)


def with_strangers(thumbs: Sequence[Thumb], length: int) -> list[tuple[Side, Side]]:
    """Each answer beside its question with an answer to the next other one, cut at ``length`` tokens.

    Rows of one question stand together, as the two of a pair do: the first of them gets the first answer of the next
    question, the second the second, so that good and bad answers are strangers alike. Where all rows ask the same there
    is no stranger, and the next answer has to do.
    """
    found: list[tuple[Side, Side]] = []
    runs = [[thumb.answer for thumb in run] for _, run in groupby(thumbs, lambda thumb: _asked(thumb.answer))]
    for number, run in enumerate(runs):
        others = _after(runs, number)
        for place, own in enumerate(run):
            other = others[place % len(others)]
            ids = [*_asked(own), *other.ids[other.begin :]][:length]
            found.append((own, Side(ids, own.begin)))
    return found


def _after(runs: Sequence[list[Side]], number: int) -> list[Side]:
    """The answers to the next other question, in a circle whose last question may be its first one too."""
    if len(runs) == 1:
        return [*runs[0][1:], runs[0][0]]
    following = [runs[(number + far) % len(runs)] for far in (1, 2)]
    return following[_asked(following[0][0]) == _asked(runs[number][0])]


def _asked(side: Side) -> list[int]:
    return side.ids[: side.begin]
