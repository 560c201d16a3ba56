# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's annotations of tolist and others are partial.)
"""What the model thought of given answers before the training: what a policy is held to."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from feilun.model.transformer import Transformer
from feilun.train.dpo import answer_logprobs
from feilun.train.pairs import padded
from feilun.train.preferences import Side
from feilun.workspace import write_atomically

ROWS = 16
"""Rows that are computed at a time."""


def kept_logprobs(
    model: Transformer, pairs: Sequence[tuple[Side, Side]], pad_id: int, dtype: torch.dtype, file: Path
) -> Tensor:
    """Sums of the log-probabilities of the answers (pairs, 2) under ``model`` as it is; kept in ``file``, so that a run that
    goes on has the same numbers.
    """
    sides = [side for pair in pairs for side in pair]
    of = hashlib.sha256(repr([(side.ids, side.begin) for side in sides]).encode()).hexdigest()
    with contextlib.suppress(OSError, SafetensorError), safe_open(file, framework="pt") as kept:
        if kept.metadata() == {"of": of}:
            return kept.get_tensor("logprobs")
    found = logprobs(model, sides, pad_id, dtype).view(-1, 2)
    write_atomically(file, save({"logprobs": found}, metadata={"of": of}))
    return found


@torch.no_grad()
def logprobs(model: Transformer, sides: Sequence[Side], pad_id: int, dtype: torch.dtype) -> Tensor:
    """Sums of the log-probabilities of answers (sides,), float32 on the CPU."""
    found = torch.zeros(len(sides))
    order = sorted(range(len(sides)), key=lambda number: len(sides[number].ids))
    for begin in range(0, len(order), ROWS):
        numbers = order[begin : begin + ROWS]
        batch = padded([sides[number] for number in numbers], pad_id).to(model.device)
        found[numbers] = answer_logprobs(model, batch, dtype)[0].float().cpu()
    return found
