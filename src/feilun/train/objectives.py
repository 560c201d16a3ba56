"""What is learnt: an objective turns a batch into a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.text import Text


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

    @property
    def kept_rows(self) -> Tensor:
        """``keep``, or no row."""
        return torch.zeros_like(self.ids[:, 0], dtype=torch.bool) if self.keep is None else self.keep

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


@dataclass(frozen=True)
class Doubt:
    """What speaks against a model: no checkpoint is to be made of it."""

    said: Text
    """Without a full stop."""
    ago: int
    """How many steps ago it began."""
    sure: bool
    """Whether it is ruined."""


@runtime_checkable
class Watching(Protocol):
    """An objective whose loss does not show when the model is ruined, and which looks at something else."""

    def doubt(self, told: Mapping[str, float], *, last: bool) -> Doubt | None:
        """What it makes of what was ``told`` of a step (means over all processes), which may be the ``last``."""
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
