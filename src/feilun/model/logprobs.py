"""Log-probabilities of given tokens, each with a gradient of its own, and never all logits."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from feilun.model.loss import CHUNK_ROWS

KEPT = 2**24
"""Probabilities that are kept for the backward pass, at most (64 MB); of more, the logits are made once more there."""


def log_probabilities(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Log-probabilities (N,) of ``targets`` (N,) int64 under the logits ``hidden @ weight.T``, at least float32.

    hidden (N, size) in any float type, weight (vocab, size). Logits are made chunk by chunk of rows, and where they are many
    once more in the backward pass: what each token's gradient is to be multiplied by is known only then, unlike in
    `loss.cross_entropy`.
    """
    return cast(Tensor, _Chunked.apply(hidden, weight, targets))  # pyright: ignore[reportUnknownMemberType]


class _Chunked(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        cast_ = weight.to(hidden.dtype)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        found = torch.empty(len(targets), dtype=kind, device=hidden.device)
        totals = torch.empty_like(found)
        kept: list[Tensor] = []
        for begin in range(0, len(targets), CHUNK_ROWS):
            end = begin + CHUNK_ROWS
            logits = (cast_ @ hidden[begin:end].T).to(kind)
            totals[begin:end] = logits.logsumexp(0)
            found[begin:end] = logits.gather(0, targets[None, begin:end])[0] - totals[begin:end]
            if any(ctx.needs_input_grad) and len(targets) * len(weight) <= KEPT:
                kept.append(logits.sub_(totals[begin:end]).exp_())
        ctx.save_for_backward(hidden, weight, targets, totals, *kept)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, totals, *kept = ctx.saved_tensors
        (given,) = gradients
        cast_ = weight.to(hidden.dtype)
        d_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        d_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(targets), CHUNK_ROWS):
            end = begin + CHUNK_ROWS
            rows, share = hidden[begin:end], given[begin:end]
            slope = (kept[begin // CHUNK_ROWS] if kept else _chances(cast_, rows, totals[begin:end])) * -share
            slope.scatter_add_(0, targets[None, begin:end], share[None])
            slope = slope.to(hidden.dtype)
            if d_hidden is not None:
                torch.mm(slope.T, cast_, out=d_hidden[begin:end])
            if d_weight is not None:
                d_weight += slope @ rows
        return d_hidden, d_weight, None


def _chances(weight: Tensor, rows: Tensor, totals: Tensor) -> Tensor:
    """Probabilities (vocab, rows)."""
    return (weight @ rows.T).to(totals.dtype).sub_(totals).exp_()
