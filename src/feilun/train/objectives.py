"""What is learnt: an objective turns a batch into a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer


@dataclass(frozen=True)
class Batch:
    """Rows of token ids and what is to be learnt from them."""

    ids: Tensor
    """(rows, length) int64."""
    targets: Tensor
    """(rows, length) int64: the token that follows, or `IGNORED` where nothing is learnt."""
    packing: Packing | None = None

    @property
    def learnt(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORED).sum())

    def rows(self, chosen: slice) -> Batch:
        """Some of the rows."""
        packing = self.packing
        if packing is not None:
            documents = None if packing.documents is None else packing.documents[chosen]
            shared = packing.positions.shape[0] == 1
            packing = Packing(packing.positions if shared else packing.positions[chosen], documents)
        return Batch(self.ids[chosen], self.targets[chosen], packing)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        packing = self.packing and self.packing.to(device)
        return Batch(self.ids.to(device), self.targets.to(device), packing)


class Objective(Protocol):
    """Turns a batch into a sum over its learnt targets; the loop divides by their number in the whole step."""

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        """A scalar with a gradient."""
        ...


class NextToken:
    """Predict each target from what stands before it: pre-training, and fine-tuning where only answers are targets."""

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        return model.nats(batch.ids, batch.targets, batch.packing, dtype)
