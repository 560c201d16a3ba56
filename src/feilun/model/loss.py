"""Cross-entropy that never holds all logits."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

IGNORED = -100
"""The target of a position from which nothing is learnt."""

CHUNK_ROWS = 512
"""Rows of logits held at a time. A product with fewer spends its time on reading the weight (262,144 x 640: 64 rows run
at 0.7 of the speed of 512); with more it only holds more."""


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Sum of nats of ``targets`` (N,) int64 under the logits ``hidden @ weight.T``.

    hidden (N, size) in any float type, weight (vocab, size). The product runs in hidden's type, softmax and sum
    in float32. Gradients are made in the forward pass, chunk by chunk of rows, so that the (N, vocab) logits
    never exist as a whole; the weight's only if it learns. Targets of `IGNORED` are not allowed here: leave their
    rows out.
    """
    return cast(Tensor, _Chunked.apply(hidden, weight, targets))  # pyright: ignore[reportUnknownMemberType]


class _Chunked(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        learns_hidden, learns_weight, _ = ctx.needs_input_grad
        cast = weight.to(hidden.dtype)
        d_hidden = torch.empty_like(hidden) if learns_hidden else None
        d_weight = torch.zeros_like(weight) if learns_weight else None
        nats = torch.zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32), device=hidden.device)
        for begin in range(0, targets.numel(), CHUNK_ROWS):
            end = begin + CHUNK_ROWS
            rows, wanted = hidden[begin:end], targets[None, begin:end]
            # The vocabulary first: all three products then read the large matrices as they lie.
            logits = (cast @ rows.T).to(nats.dtype)
            total = logits.logsumexp(0, keepdim=True)
            nats += (total - logits.gather(0, wanted)).sum()
            if d_hidden is None and d_weight is None:
                continue
            slope = logits.sub_(total).exp_()
            slope.scatter_add_(0, wanted, slope.new_full(wanted.shape, -1.0))
            slope = slope.to(hidden.dtype)
            if d_hidden is not None:
                torch.mm(slope.T, cast, out=d_hidden[begin:end])
            if d_weight is not None:
                d_weight += slope @ rows
        ctx.save_for_backward(d_hidden, d_weight)
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = ctx.saved_tensors
        scale = gradients[0]
        return (
            None if d_hidden is None else d_hidden * scale.to(d_hidden.dtype),
            None if d_weight is None else d_weight.mul_(scale.to(d_weight.dtype)),
            None,
        )
