"""What is learnt: an objective turns a batch into a loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED, Candidates, cross_entropy, divergence
from feilun.model.transformer import Transformer
from feilun.train.before import Before


@dataclass(frozen=True)
class Batch:
    """Rows of token ids and what is to be learnt from them."""

    ids: Tensor
    """(rows, length) int64."""
    targets: Tensor
    """(rows, length) int64: the token that follows, or `IGNORED` where nothing is learnt."""
    packing: Packing | None = None
    keep: Tensor | None = None
    """(rows,) bool: rows whose targets are not learnt but kept as likely as they are (`LearnAndKeep`)."""
    facts: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    """(rows, ...): what else an objective has to know of each row."""

    @property
    def learnt(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORED).sum())

    def rows(self, chosen: slice) -> Batch:
        """Some of the rows."""
        packing = self.packing and self.packing.rows(chosen)
        keep = None if self.keep is None else self.keep[chosen]
        facts = {name: values[chosen] for name, values in self.facts.items()}
        return Batch(self.ids[chosen], self.targets[chosen], packing, keep, facts)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        packing = self.packing and self.packing.to(device)
        keep = None if self.keep is None else self.keep.to(device)
        facts = {name: values.to(device) for name, values in self.facts.items()}
        return Batch(self.ids.to(device), self.targets.to(device), packing, keep, facts)


class Objective(Protocol):
    """Turns a batch into a sum over its learnt targets; the loop divides by their number in the whole step."""

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        """A scalar with a gradient."""
        ...


@runtime_checkable
class Telling(Protocol):
    """An objective with more to tell of a step than its loss."""

    def take(self) -> dict[str, tuple[float, float]]:
        """Sums over what was seen since the last call, and how many each is of."""
        ...


class Tally:
    """Sums and counts by name, for an objective that is `Telling`."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, **values: Tensor) -> None:
        """Count the elements of each."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0.0))
            self._sums[name] = total + float(value.detach().sum()), count + value.numel()

    def take(self) -> dict[str, tuple[float, float]]:
        sums, self._sums = self._sums, {}
        return sums


class NextToken:
    """Predict each target from what stands before it: pre-training, and fine-tuning where only answers are targets."""

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        return model.nats(batch.ids, batch.targets, batch.packing, dtype)


class LearnAndKeep:
    """`NextToken` for some rows; others keep what the model says of them now.

    At each target of a row to keep, the model's distribution is held where it was before the training, by the divergence
    of the one from the other (learning without forgetting: Z. Li and D. Hoiem, IEEE TPAMI 40 (2018), section 3; here
    against the same model before, with no temperature). What it does not say yet is not learnt from such a row.

    ``before``: of the model that learns. ``candidates``: what the softmax is over, if not all tokens; the embedding must
    not learn then.
    """

    def __init__(self, before: Before, candidates: Candidates | None = None) -> None:
        self._before = before
        self._candidates = candidates
        self._head: Tensor | None = None

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        packing = batch.packing or Packing.whole(batch.ids)
        keep = torch.zeros_like(batch.ids[:, 0], dtype=torch.bool) if batch.keep is None else batch.keep
        counts = batch.targets != IGNORED
        learnt, kept = counts & ~keep[:, None], counts & keep[:, None]
        first = _first_that_learns(model)
        x = model.through(model.embedded(batch.ids, dtype), packing, range(first))
        reference = self._reference(model, batch.ids[keep], x[keep], packing.rows(keep), first)[counts[keep]]
        x = model.through(x, packing, range(first, model.config.layers))
        hidden, targets, head, bias = model.norm(x), batch.targets[learnt], model.head.weight, None
        if self._candidates:
            chosen = self._candidates.to(model.device)
            if self._head is None:  # which does not learn: a copy of some 30 MB
                self._head = head[chosen.ids]
            head, targets, bias = self._head, chosen.places(targets), chosen.bias
        return cross_entropy(hidden[learnt], head, targets, bias) + divergence(
            hidden[kept], head, reference, bias
        )

    def _reference(self, model: Transformer, ids: Tensor, x: Tensor, packing: Packing, first: int) -> Tensor:
        """Hidden states of ``ids`` as they were before. ``x``: those after the blocks before ``first``."""
        with self._before():
            if first == 0:  # the embedding may learn too
                x = model.embedded(ids, x.dtype)
            return model.norm(model.through(x, packing, range(first, model.config.layers)))


def _first_that_learns(model: Transformer) -> int:
    """The first block that learns, before which all is the same as before; 0 if the embedding learns."""
    if model.embedding.weight.requires_grad:
        return 0
    learns = [any(weight.requires_grad for weight in block.parameters()) for block in model.blocks]
    return learns.index(True) if True in learns else 0
