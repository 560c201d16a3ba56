"""What a model makes of the examples before it learns: what it is held to, and what its layers that do not learn give.

Both stay as they are for the whole run. An example that is seen several times need be read but once.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.transformer import Transformer
from feilun.train.batches import Examples
from feilun.train.before import Before
from feilun.train.objectives import Batch

MOST_BYTES = 2**30
"""Of what is remembered. A turn of the flywheel takes 130 MB (1,200 examples, 52,000 tokens)."""


class Origin(Protocol):
    """Gives what the model makes of a batch without learning from it."""

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Hidden states (rows, length, hidden_size) that go into the first block that learns (`first_that_learns`), and of
        the rows to keep those after the last norm, as they were before the training (kept rows, length, hidden_size).
        """
        ...


def first_that_learns(model: Transformer) -> int:
    """The first block that learns, before which all is the same as before; 0 if the embedding learns."""
    if model.embedding.weight.requires_grad:
        return 0
    learns = [any(weight.requires_grad for weight in block.parameters()) for block in model.blocks]
    return learns.index(True) if True in learns else 0


class Recomputed:
    """Reads every batch as it comes."""

    def __init__(self, model: Transformer) -> None:
        self._before = Before(model)

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        packing, keep = batch.packing or Packing.whole(batch.ids), batch.kept_rows
        first = first_that_learns(model)
        x = model.through(model.embedded(batch.ids, dtype), packing, range(first))
        with self._before():
            # The embedding may learn too.
            kept = x[keep] if first else model.embedded(batch.ids[keep], dtype)
            layers = range(first, model.config.layers)
            return x, model.norm(model.through(kept, packing.rows(keep), layers))


class Remembered:
    """Reads every example once, in large batches, and keeps what came out, by token (`Examples`' fact of that name)."""

    def __init__(self, model: Transformer, examples: Examples, dtype: torch.dtype) -> None:
        """``examples``: all, an epoch of which shows each once. Read and kept where the model is not yet on another device."""
        first, size = first_that_learns(model), (examples.tokens, model.config.hidden_size)
        self._below = torch.empty(size, dtype=dtype) if first else None
        self._last = torch.empty(size, dtype=dtype)
        steps = (examples.at(step) for step in range(examples.steps_in_epoch))
        with torch.no_grad():
            for batch in (batch for step in steps for batch in step.batches):
                assert batch.packing is not None
                assert batch.packing.documents is not None
                tokens, there, keep = batch.facts["token"], batch.packing.documents >= 0, batch.kept_rows
                x = model.through(model.embedded(batch.ids, dtype), batch.packing, range(first))
                if self._below is not None:
                    self._below[tokens[there]] = x[there]
                kept = model.through(x[keep], batch.packing.rows(keep), range(first, model.config.layers))
                self._last[tokens[keep][there[keep]]] = model.norm(kept)[there[keep]]

    @staticmethod
    def bytes(model: Transformer, examples: Examples, dtype: torch.dtype) -> int:
        """What it would take."""
        return 2 * examples.tokens * model.config.hidden_size * dtype.itemsize

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        tokens, device = batch.facts["token"].cpu(), batch.ids.device
        kept = self._last[tokens[batch.kept_rows.cpu()]].to(device)
        x = model.embedded(batch.ids, dtype) if self._below is None else self._below[tokens].to(device)
        return x, kept


def origin_of(model: Transformer, examples: Examples, seen: int, dtype: torch.dtype) -> Origin:
    """Remembers ``examples`` where there is room for it and a run sees more of them (``seen``, with repetitions) than there are."""
    fits = Remembered.bytes(model, examples, dtype) <= MOST_BYTES
    return Remembered(model, examples, dtype) if fits and seen > examples.count else Recomputed(model)
