"""Learn some examples, and stay what one was on others."""

from __future__ import annotations

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED, Candidates, cross_entropy, divergence
from feilun.model.transformer import Transformer
from feilun.train.objectives import Batch
from feilun.train.origin import Origin, first_that_learns


class LearnAndKeep:
    """`NextToken` for some rows; others keep what the model says of them now.

    At each target of a row to keep, the model's distribution is held where it was before the training, by the divergence
    of the one from the other (learning without forgetting: Z. Li and D. Hoiem, IEEE TPAMI 40 (2018), section 3; here
    against the same model before, with no temperature). What it does not say yet is not learnt from such a row.

    ``origin``: of the model that learns. ``candidates``: what the softmax is over, if not all tokens; the embedding must
    not learn then.
    """

    def __init__(self, origin: Origin, candidates: Candidates | None = None) -> None:
        self._origin = origin
        self._candidates = candidates
        self._head: Tensor | None = None

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        packing, keep = batch.packing or Packing.whole(batch.ids), batch.kept_rows
        counts = batch.targets != IGNORED
        learnt, kept = counts & ~keep[:, None], counts & keep[:, None]
        x, before = self._origin(model, batch, dtype)
        x = model.through(x, packing, range(first_that_learns(model), model.config.layers))
        hidden, targets, head, bias = model.norm(x), batch.targets[learnt], model.head.weight, None
        if self._candidates:
            chosen = self._candidates.to(model.device)
            if self._head is None:  # which does not learn: a copy of some 30 MB
                self._head = head[chosen.ids]
            head, targets, bias = self._head, chosen.places(targets), chosen.bias
        return cross_entropy(hidden[learnt], head, targets, bias) + divergence(
            hidden[kept], head, before[counts[keep]], bias
        )
