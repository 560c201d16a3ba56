"""Keys and values of what has been read, so that the next token costs one token's work.

A row's token stands at its own place, whatever the lengths of the others: nothing is padded before it, and what lies
behind a row's end is hidden until it is overwritten. First all prompts are read at once, then one token of each row
at a time; a row that has ended can be replaced by another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from feilun.model.attention import Packing, attend


class Cache:
    """What rows of different lengths have read. ``lengths`` (rows,) int64: of their prompts, which are padded behind;
    ``room``: how many tokens a row may have in all.
    """

    def __init__(self, lengths: Tensor, room: int) -> None:
        self.lengths, self.room = lengths, room
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        """Of each layer, (rows, kv_heads, room, head_dim)."""

    def read(self, ids: Tensor) -> New:
        """Take in new tokens (rows, length) int64, which the layers then bring one after the other."""
        if not self.keys:
            return New(self, torch.arange(ids.shape[1], device=ids.device)[None], ids.shape[1])
        # A row that has ended may be read on until another one takes its place: it never leaves its room.
        places, self.lengths = self.lengths[:, None], (self.lengths + 1).clamp(max=self.room - 1)
        return New(self, places, int(self.lengths.max()))

    def choose(self, rows: Tensor) -> None:
        """Go on with these rows (n,) int64: with some of them, or with some several times."""
        self.lengths = self.lengths[rows]
        for kept in (self.keys, self.values):
            kept[:] = [x[rows] for x in kept]

    def replace(self, row: Tensor, others: Cache, other: int) -> None:
        """Row ``other`` of ``others``, which need not have more room than its prompts, takes the place of ``row`` (int64)."""
        self.lengths[row] = others.lengths[other]
        for kept, new in ((self.keys, others.keys), (self.values, others.values)):
            for mine, theirs in zip(kept, new, strict=True):
                mine[row, :, : others.room] = theirs[other]


class New:
    """The tokens that are being read. ``places`` (rows or 1, new) int64: where in its row each stands."""

    def __init__(self, cache: Cache, places: Tensor, length: int) -> None:
        self.places = places
        self._cache, self._length = cache, length
        self._first, self._at = not cache.keys, places
        if not self._first:
            rows, kv_heads, room, _ = cache.keys[0].shape
            begins = torch.arange(rows * kv_heads, device=places.device).view(rows, kv_heads) * room
            self._at = (begins + places).flatten()

    def bias(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What is added to scores, (rows or 1, new, length) of 0 and -inf; None where nothing is to be hidden."""
        if self._first:
            return Packing(self.places).bias(window, dtype)
        window = self._length if window is None else window
        if window >= self._length and int(self.places.min()) + 1 == self._length:
            return None
        back = self.places - torch.arange(self._length, device=self.places.device)
        seen = (back >= 0) & (back < window)
        return torch.zeros((), dtype=dtype, device=back.device).where(seen, float("-inf"))[:, None]

    def layer(self, number: int) -> Begun | Going:
        """What the layer ``number`` has to do with them."""
        cache = self._cache
        if self._first:
            return Begun(cache)
        return Going(cache.keys[number], cache.values[number], self._at, self._length)


@dataclass(frozen=True)
class Begun:
    """The first reading of a layer."""

    cache: Cache

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """Attention of the new tokens to themselves, which are kept: as `attention.attend`."""
        for kept, x in ((self.cache.keys, k), (self.cache.values, v)):
            kept.append(x.new_zeros(x.shape[0], x.shape[2], self.cache.room, x.shape[3]))
            kept[-1][:, :, : x.shape[1]] = x.transpose(1, 2)
        return attend(q, k, v, bias, scale)


@dataclass(frozen=True)
class Going:
    """One more token of each row in a layer."""

    keys: Tensor
    values: Tensor
    """(rows, kv_heads, room, head_dim)."""
    at: Tensor
    """(rows * kv_heads,) int64: where the token goes among all of them."""
    length: int

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """Attention of the new tokens to all before them and to themselves, which are kept: as `attention.attend`."""
        rows, kv_heads, room, size = self.keys.shape
        self.keys.view(-1, size).index_copy_(0, self.at, k.reshape(-1, size))
        self.values.view(-1, size).index_copy_(0, self.at, v.reshape(-1, size))
        if q.dtype not in (torch.float32, torch.float64):
            # In narrow types a product with keys that do not lie side by side copies them all.
            keys, values = (x[:, :, : self.length] for x in (self.keys, self.values))
            mask = None if bias is None else bias[:, None]
            q, grouped = q.transpose(1, 2), q.shape[2] != kv_heads
            return F.scaled_dot_product_attention(
                q, keys, values, attn_mask=mask, scale=scale, enable_gqa=grouped
            ).transpose(1, 2)
        keys, values = (x.view(-1, room, size)[:, : self.length] for x in (self.keys, self.values))
        # One product with each key head for all query heads that share it; in PyTorch's own kernel a single query waits
        # for memory longer.
        scores = torch.bmm((q * scale).view(rows * kv_heads, -1, size), keys.transpose(1, 2))
        if bias is not None:
            scores.view(rows, -1, self.length).add_(bias)
        return torch.bmm(scores.softmax(-1), values).view(q.shape)
