"""How many operations a step of training takes, for its MFU."""

from __future__ import annotations

import re
from collections.abc import Callable

from feilun.model.transformer import Transformer
from feilun.train.batches import Batches, Examples, StepBatches
from feilun.train.objectives import NextToken, Objective
from feilun.train.packed import PackedRows

_BLOCK = re.compile(r"blocks\.(\d+)\.")


def counted(
    model: Transformer, batches: Batches, objective: Objective, length: int
) -> Callable[[StepBatches], float] | None:
    """Operations of a step (Kaplan et al. 2020, section 2.1); None where the step does other things besides. ``length``: of a row.

    A weight's product takes 2 a token forwards, 2 backwards where something before it learns, and 2 if it learns itself. In
    fine-tuning the vocabulary counts for what is learnt alone, as it is computed, and attention, which takes little in texts
    so short, not at all.
    """
    if isinstance(batches, PackedRows) and all(weight.requires_grad for weight in model.parameters()):
        of_token = model.config.flops_per_token(length)
        return lambda work: of_token * work.tokens
    if not isinstance(batches, Examples) or not isinstance(objective, NextToken):
        return None
    layers = model.config.layers
    matrices = [(_place(name, layers), one) for name, one in model.named_parameters() if one.ndim == 2]
    first = min((place for place, weight in matrices if weight.requires_grad), default=layers)
    body = sum(
        weight.numel() * (2 + 2 * (place >= first) + 2 * weight.requires_grad)
        for place, weight in matrices
        if 0 <= place < layers
    )
    of_learnt = model.head.weight.numel() * (4 + 2 * model.head.weight.requires_grad)
    return lambda work: body * work.tokens + of_learnt * work.learnt


def _place(name: str, layers: int) -> int:
    """The block that a weight is in; before all of them for the embedding, behind for the output."""
    block = _BLOCK.match(name)
    return int(block[1]) if block else -1 if name.startswith("embedding") else layers
