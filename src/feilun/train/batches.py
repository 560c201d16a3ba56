"""Which tokens are seen at which step: a pure function of the data, the seed and the step.

So an interrupted run goes on with the very batch that comes next, and any number of processes agree on
who takes which rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED
from feilun.text import FeilunError, Text
from feilun.train.objectives import Batch
from feilun.train.rows import arranged


@dataclass(frozen=True)
class StepBatches:
    """The micro-batches of one optimiser step."""

    batches: list[Batch]
    learnt: int
    """Targets in the whole step, over all processes."""
    tokens: int
    """Tokens read in the whole step."""


class Batches(Protocol):
    def at(self, step: int) -> StepBatches:
        """What step ``step`` (from 0) sees. Raises `NotDrawn` if it would have to be drawn first, and cannot be."""
        ...


class NotDrawn(FeilunError):
    """What the policy should have answered cannot be learnt from: what is wrong, and what to do. The loop, which knows the
    checkpoints, says which one is left (`leaving`).

    ``ruined``: it is the weights' fault, and every process of the run finds so.
    """

    def __init__(self, what: Text, advice: Text, *, code: str, ruined: bool = False) -> None:
        super().__init__(f"{what.en}. {advice.en}.", f"{what.zh}。{advice.zh}。", code=code)
        self._what, self._advice, self._code, self.ruined = what, advice, code, ruined

    def leaving(self, left: Text) -> FeilunError:
        """The same, with what checkpoint is ``left``."""
        en, zh = f"{self._what.en}; {left.en}", f"{self._what.zh}；{left.zh}"
        return NotDrawn(Text(en, zh), self._advice, code=self._code, ruined=self.ruined)


class Examples:
    """Examples of different lengths, several to a row, as many rows as that takes.

    Each example is its token ids and whether each is learnt; a batch's fact ``token`` (rows, length) counts the tokens of
    all examples, in their order (anything at padding); ``keep``: of each, whether it is kept and not learnt
    (`Batch.keep`; none if not given), which it then is in a row of its own kind. An epoch sees each example that is learnt
    once. ``rows`` counts examples of a step. They are shuffled, sorted by length within windows of several steps, and the
    steps shuffled again.

    Examples to keep are ``keep_share`` of each step's (default: their share of the examples), as many as that takes in an
    epoch. Then steps are not of like length but mixed: what is learnt in a step and what is held in it have to be of the
    same kinds. (Sorted by length a turn of the flywheel lost 5 of 110 Chinese questions that it keeps otherwise.)
    """

    WINDOW = 16
    """Steps whose examples are sorted together: enough for rows without gaps, and still a mixed order."""
    TOGETHER = 4096
    """Tokens that are computed at a time, at most, since a step of long conversations takes gigabytes. (Not by several
    processes, which have to do the same number of products.)"""

    def __init__(
        self,
        examples: Sequence[tuple[list[int], list[bool]]],
        *,
        rows: int,
        pad_id: int,
        keep: Sequence[bool] = (),
        keep_share: float | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not examples:
            raise FeilunError(
                "There is no example to learn from.", "没有可供学习的示例。", code="corpus_too_small"
            )
        self._examples, self._rows, self._pad_id = examples, rows, pad_id
        self._keep = torch.tensor(keep) if any(keep) else None
        sizes = [len(ids) for ids, _ in examples]
        self.count, self.tokens = len(sizes), sum(sizes)
        """Examples, and the tokens of all of them."""
        self._first = [0, *accumulate(sizes)]
        marked = np.array(keep or [False] * len(examples))
        self._learnt, self._kept = np.flatnonzero(~marked), np.flatnonzero(marked)
        share = keep_share if keep_share and len(self._learnt) else len(self._kept) / len(examples)
        drawn = len(self._learnt) * share / (1 - share) if share < 1 else len(self._kept)
        self._drawn_in_epoch = round(drawn) if len(self._kept) else 0
        self._seed, self._rank, self._world = seed, rank, world
        self.steps_in_epoch = -(-(len(self._learnt) + self._drawn_in_epoch) // rows)

    def at(self, step: int) -> StepBatches:
        epoch, place = divmod(step, self.steps_in_epoch)
        numbers = self._epoch(epoch)[place]
        share = -(-len(numbers) // self._world)
        mine = numbers[self._rank * share : (self._rank + 1) * share]
        chosen = [self._examples[number] for number in numbers]
        return StepBatches(
            self._at_a_time(self._batch(mine)),
            learnt=sum(sum(learnt[1:]) for _, learnt in chosen),
            tokens=sum(len(ids) for ids, _ in chosen),
        )

    def _at_a_time(self, batch: Batch) -> list[Batch]:
        rows, length = batch.ids.shape
        if self._world > 1 or rows * length <= self.TOGETHER:
            return [batch]
        part = max(1, self.TOGETHER // length)
        return [batch.rows(slice(begin, begin + part)) for begin in range(0, rows, part)]

    def _batch(self, numbers: list[int]) -> Batch:
        kinds = [numbers]
        if self._keep is not None:
            kinds = [
                [number for number in numbers if bool(self._keep[number]) is kept] for kept in (False, True)
            ]
        length, layout = arranged([[self._length(number) for number in kind] for kind in kinds])
        rows = [
            [kind[place] for place in row] for kind, found in zip(kinds, layout, strict=True) for row in found
        ]
        ids = torch.full((len(rows), length), self._pad_id)
        targets = torch.full_like(ids, IGNORED)
        positions, documents, counted = torch.zeros_like(ids), torch.full_like(ids, -1), torch.zeros_like(ids)
        for row, found in enumerate(rows):
            begin = 0
            for document, number in enumerate(found):
                tokens, learnt = map(torch.tensor, self._examples[number])
                end = begin + len(tokens)
                ids[row, begin:end] = tokens
                targets[row, begin : end - 1] = tokens[1:].where(learnt[1:], IGNORED)
                positions[row, begin:end] = torch.arange(len(tokens))
                counted[row, begin:end] = self._first[number] + positions[row, begin:end]
                documents[row, begin:end] = document
                begin = end
        keep = None if self._keep is None else torch.tensor([bool(self._keep[row[0]]) for row in rows])
        return Batch(ids, targets, Packing(positions, documents), keep, {"token": counted})

    @lru_cache(maxsize=2)  # noqa: B019 (two epochs of an object that lives as long as the run)
    def _epoch(self, epoch: int) -> list[list[int]]:
        """The numbers of the examples in each step."""
        random = np.random.Generator(np.random.PCG64([self._seed, epoch]))
        order = self._learnt[random.permutation(len(self._learnt))]
        if self._keep is not None:
            steps = self.steps_in_epoch
            learnt = np.array_split(order, steps)
            # From behind, since what is over goes to the first parts: no step is empty, none much longer.
            kept = [part[::-1] for part in reversed(np.array_split(self._drawn(epoch)[::-1], steps))]
            return [[*map(int, one), *map(int, two)] for one, two in zip(learnt, kept, strict=True)]
        batches: list[list[int]] = []
        span = self._rows * self.WINDOW
        for begin in range(0, len(order), span):
            window = sorted(map(int, order[begin : begin + span]), key=self._length)
            batches += [window[i : i + self._rows] for i in range(0, len(window), self._rows)]
        return [batches[i] for i in random.permutation(len(batches))]

    def _length(self, number: int) -> int:
        return len(self._examples[number][0])

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        """The numbers of an epoch's examples to keep: the next ones of all of them, which come again in another order."""
        count = self._drawn_in_epoch
        if not count:
            return np.empty(0, np.int64)
        rounds, places = np.divmod(np.arange(epoch * count, (epoch + 1) * count), len(self._kept))
        orders = {
            number: np.random.Generator(np.random.PCG64([self._seed, number, 1])).permutation(self._kept)
            for number in range(int(rounds[0]), int(rounds[-1]) + 1)
        }
        return np.array([orders[int(n)][place] for n, place in zip(rounds, places, strict=True)])
