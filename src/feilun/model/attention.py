"""Causal attention that keeps packed documents apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

ROWS = 128
"""Rows of queries a block has on the CPU: what comes after its last row is never computed."""


@dataclass(frozen=True)
class Packing:
    """Which document each token of a batch belongs to, and where in it.

    ``positions`` (batch or 1, length) int64 count from 0 in each document; ``documents`` (batch, length) int64
    numbers the documents of a row, equal numbers adjacent; None: each row is one document. Padding stands at
    the end of a row, where causality alone hides it.
    """

    positions: Tensor
    documents: Tensor | None = None

    @classmethod
    def whole(cls, ids: Tensor) -> Packing:
        """Every row of ``ids`` (batch, length) is one document."""
        return cls(torch.arange(ids.shape[-1], device=ids.device)[None])

    def to(self, device: torch.device) -> Packing:
        """The same packing on ``device``."""
        return Packing(
            self.positions.to(device), None if self.documents is None else self.documents.to(device)
        )

    def rows(self, chosen: slice | Tensor) -> Packing:
        """That of some of the rows: a slice, or (batch,) bool."""
        shared = len(self.positions) == 1  # by all rows, or there is but one
        documents = None if self.documents is None else self.documents[chosen]
        return Packing(self.positions if shared and documents is None else self.positions[chosen], documents)

    def bias(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What is added to scores, (batch or 1, length, length) of 0 and -inf; None where causality is all.

        With ``window`` a token sees that many tokens back, itself included.
        """
        length = self.positions.shape[-1]
        if self.documents is None and (window is None or window >= length):
            return None
        steps = torch.arange(length, device=self.positions.device)
        back = steps[:, None] - steps
        seen = (back >= 0) if window is None else (back >= 0) & (back < window)
        seen = seen[None]
        if self.documents is not None:
            seen = seen & (self.documents[:, :, None] == self.documents[:, None, :])
        return torch.zeros((), dtype=dtype, device=seen.device).where(seen, float("-inf"))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """Attention of queries (batch, length, heads, head_dim) to keys and values (batch, length, kv_heads, head_dim).

    Always causal; ``bias`` (batch or 1, length, length) hides more. Gives (batch, length, heads, head_dim).
    """
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    grouped = q.shape[1] != k.shape[1]
    if q.device.type == "cpu" and torch.is_grad_enabled() and q.requires_grad:
        y = _blocked(q, k, v, bias, scale)
    elif bias is None:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=grouped)
    else:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[:, None], scale=scale, enable_gqa=grouped)
    return y.transpose(1, 2)


def _blocked(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    heads, kv_heads = q.shape[1], k.shape[1]
    y = cast(Tensor, _Blocked.apply(q.unflatten(1, (kv_heads, heads // kv_heads)), k, v, bias, scale))  # pyright: ignore[reportUnknownMemberType]
    return y.flatten(1, 2)


class _Blocked(Function):
    """Training's attention on the CPU: blocks of rows, probabilities kept in the computing type.

    PyTorch's own kernel takes 2.4 times as long (bf16, 4 x 6 heads x 512 x 64, forward and backward). Exact
    gradients as in FlashAttention's backward pass (Dao et al. 2022, appendix B.2), but with stored
    probabilities: on a CPU memory is cheaper than computing them twice. Groups of query heads share one
    product with their key head.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """q (B, KV, G, T, D); k, v (B, KV, T, D); bias (B or 1, T, T). Gives (B, KV, G, T, D)."""
        batch, kv_heads, group, length, size = q.shape
        q = (q * scale).reshape(batch * kv_heads, group, length, size)
        k, v = k.reshape(-1, length, size), v.reshape(-1, length, size)
        out = torch.empty_like(q)
        hidden = torch.full((ROWS, ROWS), float("-inf"), dtype=q.dtype, device=q.device).triu(1)
        kept: list[Tensor] = []
        for begin in range(0, length, ROWS):
            end = min(begin + ROWS, length)
            rows = end - begin
            scores = torch.bmm(q[:, :, begin:end].reshape(-1, group * rows, size), k[:, :end].transpose(1, 2))
            shaped = scores.view(batch, kv_heads * group, rows, end)
            if bias is None:
                shaped[..., begin:] += hidden[:rows, :rows]
            else:
                shaped += bias[:, None, begin:end, :end]
            kept.append(scores.softmax(-1))
            out[:, :, begin:end] = torch.bmm(kept[-1], v[:, :end]).view(-1, group, rows, size)
        ctx.save_for_backward(q, k, v, out, *kept)
        ctx.scale, ctx.shape = scale, (batch, kv_heads, group, length, size)
        return out.view(ctx.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, *kept = ctx.saved_tensors
        batch, kv_heads, group, length, size = ctx.shape
        given = gradients[0].reshape(q.shape)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        delta = (given * out).sum(-1, keepdim=True)
        for begin, seen in zip(range(0, length, ROWS), kept, strict=True):
            end = min(begin + ROWS, length)
            rows = group * (end - begin)
            here = given[:, :, begin:end].reshape(-1, rows, size)
            dv[:, :end] += torch.bmm(seen.transpose(1, 2), here)
            ds = torch.bmm(here, v[:, :end].transpose(1, 2))
            ds = ds.sub_(delta[:, :, begin:end].reshape(-1, rows, 1)).mul_(seen)
            dq[:, :, begin:end] = torch.bmm(ds, k[:, :end]).mul_(ctx.scale).view(-1, group, end - begin, size)
            dk[:, :end] += torch.bmm(ds.transpose(1, 2), q[:, :, begin:end].reshape(-1, rows, size))
        shape = (batch, kv_heads, length, size)
        return dq.view(ctx.shape), dk.view(shape), dv.view(shape), None, None
