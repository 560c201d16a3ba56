"""Cross-entropy and divergence that never hold all logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

IGNORED = -100
"""The target of a position from which nothing is learnt."""

CHUNK_ROWS = 512
"""Rows of logits held at a time. A product with fewer spends its time on reading the weight (262,144 x 640: 64 rows run
at 0.7 of the speed of 512); with more it only holds more."""

SAMPLE = 8192
"""Tokens that stand for the rest of a vocabulary (`Candidates`)."""


Slope = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def slope(logits: Tensor, wanted: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sum of nats of ``wanted`` (1, N) int64 under ``logits`` (vocab, N), which may be overwritten, and bias (vocab,); and
    what is to be taken off the logits: softmax less one where it was wanted, in their type."""
    kind = logits.dtype
    logits = _with_bias(logits, bias)
    total = logits.logsumexp(0, keepdim=True)
    nats = (total - logits.gather(0, wanted)).sum()
    off = logits.sub_(total).exp_()
    off.scatter_add_(0, wanted, off.new_full(wanted.shape, -1.0))
    return nats, off.to(kind)


def _with_bias(logits: Tensor, bias: Tensor | None) -> Tensor:
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits if bias is None else logits.add_(bias[:, None])


def cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None = None, slope: Slope = slope
) -> Tensor:
    """Sum of nats of ``targets`` (N,) int64 under the logits ``hidden @ weight.T + bias``.

    hidden (N, size) in any float type, weight (vocab, size), bias (vocab,), which does not learn. The product runs in
    hidden's type, softmax and sum in float32. Gradients are made in the forward pass, chunk by chunk of rows, so that
    the (N, vocab) logits never exist as a whole; the weight's only if it learns. Targets of `IGNORED` are not allowed
    here: leave their rows out. ``slope``: the function of that name, or what it was compiled to, for whole chunks.
    """
    return cast(Tensor, _Chunked.apply(hidden, weight, targets, bias, slope))  # pyright: ignore[reportUnknownMemberType]


def divergence(hidden: Tensor, weight: Tensor, reference: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sum over the rows of KL(p || q) in nats: p of the logits of ``reference``, q of those of ``hidden``.

    hidden and reference (N, size) in any float type, weight (vocab, size) and bias as in `cross_entropy`, neither of
    which learns. The gradient for hidden is made in the forward pass.
    """
    return cast(Tensor, _Divergence.apply(hidden, weight, reference, bias))  # pyright: ignore[reportUnknownMemberType]


class _Divergence(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, reference: Tensor, bias: Tensor | None) -> Tensor:
        cast = weight.to(hidden.dtype)
        d_hidden = torch.empty_like(hidden)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        nats = torch.zeros((), dtype=kind, device=hidden.device)
        for begin in range(0, len(hidden), CHUNK_ROWS // 2):  # two chunks of logits are held
            end = begin + CHUNK_ROWS // 2
            q, p = ((cast @ rows[begin:end].T).to(kind) for rows in (hidden, reference))
            if bias is not None:
                q += bias[:, None]
                p += bias[:, None]
            q -= q.logsumexp(0, keepdim=True)
            p -= p.logsumexp(0, keepdim=True)
            chance = p.exp()
            nats += p.sub_(q).mul_(chance).sum()
            torch.mm(q.exp_().sub_(chance).to(hidden.dtype).T, cast, out=d_hidden[begin:end])
        ctx.save_for_backward(d_hidden)
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (d_hidden,) = ctx.saved_tensors
        return d_hidden * gradients[0].to(d_hidden.dtype), None, None, None


class _Chunked(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, compiled: Slope
    ) -> Tensor:
        learns_hidden, learns_weight = ctx.needs_input_grad[:2]
        cast = weight.to(hidden.dtype)
        d_hidden = torch.empty_like(hidden) if learns_hidden else None
        d_weight = torch.zeros_like(weight) if learns_weight else None
        nats = torch.zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32), device=hidden.device)
        for begin in range(0, targets.numel(), CHUNK_ROWS):
            end = begin + CHUNK_ROWS
            rows, wanted = hidden[begin:end], targets[None, begin:end]
            # The vocabulary first: all three products then read the large matrices as they lie.
            logits = cast @ rows.T
            if d_hidden is None and d_weight is None:
                logits = _with_bias(logits, bias)
                nats += (logits.logsumexp(0, keepdim=True) - logits.gather(0, wanted)).sum()
                continue
            # What is compiled is compiled for one shape.
            more, off = (compiled if len(rows) == CHUNK_ROWS else slope)(logits, wanted, bias)
            nats += more
            if d_hidden is not None:
                torch.mm(off.T, cast, out=d_hidden[begin:end])
            if d_weight is not None:
                d_weight += off @ rows
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
            None,
            None,
        )


class Candidates:
    """A softmax over the tokens that matter, and a sample of the others that stands for all of them.

    Those that occur in the data are taken as they are; each of ``sample`` others, drawn once, counts for as many as it
    stands for (S. Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015,
    section 3). For a few examples and a vocabulary of 262,144, whose logits would be half of the work.
    """

    def __init__(self, occurring: Tensor, vocab: int, *, sample: int = SAMPLE, seed: int = 0) -> None:
        """``occurring``: token ids, int64, of any shape. Targets must be among them."""
        known = torch.zeros(vocab, dtype=torch.bool)
        known[occurring.flatten()] = True
        others = (~known).nonzero().flatten()
        drawn = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[:sample]]
        self.ids = torch.cat([known.nonzero().flatten(), drawn.sort().values])
        """(n,) int64, the ones that occur first."""
        self.bias = torch.zeros(len(self.ids))
        if len(drawn):
            self.bias[-len(drawn) :] = math.log(len(others) / len(drawn))
        self._place = torch.full((vocab,), IGNORED)
        self._place[self.ids] = torch.arange(len(self.ids))

    def to(self, device: torch.device) -> Candidates:
        """Itself, after it has moved to ``device``."""
        self.ids, self.bias = self.ids.to(device), self.bias.to(device)
        self._place = self._place.to(device)
        return self

    def places(self, targets: Tensor) -> Tensor:
        """Where token ids stand among ``ids``."""
        return self._place[targets]
