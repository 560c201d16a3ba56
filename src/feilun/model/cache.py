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

GROWTH = 32
"""Places by which what is kept grows. A product with keys that do not lie side by side copies them all, so it reads all that
there is room for; with 32 that is at most a sixth too much of 192."""


class Cache:
    """What rows of different lengths have read. ``lengths`` (rows,) int64: of their prompts, which are padded behind;
    ``room``: how many tokens a row may have in all.
    """

    def __init__(self, lengths: Tensor, room: int) -> None:
        self.lengths, self.room = lengths, room
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        """Of each layer, (rows, kv_heads, held, head_dim), zeros behind what is read; ``held`` grows up to ``room``."""

    @property
    def held(self) -> int:
        """For how many tokens of a row there is a place."""
        return self.keys[0].shape[2]

    def hold(self, length: int) -> None:
        """Make a place for so many tokens of each row."""
        if length > self.held:
            more = min(-(-length // GROWTH) * GROWTH, self.room) - self.held
            for kept in (self.keys, self.values):
                kept[:] = [F.pad(x, (0, 0, 0, more)) for x in kept]

    def read(self, ids: Tensor) -> New:
        """Take in new tokens (rows, length) int64, which the layers then bring one after the other."""
        if not self.keys:
            return New(self, torch.arange(ids.shape[1], device=ids.device)[None])
        # A row that has ended may be read on until another one takes its place: it never leaves its room.
        places, self.lengths = self.lengths[:, None], (self.lengths + 1).clamp(max=self.room - 1)
        self.hold(int(places.max()) + 1)
        return New(self, places)

    def choose(self, rows: Tensor) -> None:
        """Go on with these rows (n,) int64: with some of them, or with some several times."""
        self.lengths = self.lengths[rows]
        for kept in (self.keys, self.values):
            kept[:] = [x[rows] for x in kept]

    def replace(self, row: Tensor, others: Cache, other: int) -> None:
        """Row ``other`` of ``others``, which need not have more room than its prompts, takes the place of ``row`` (int64)."""
        self.lengths[row] = others.lengths[other]
        self.hold(others.held)
        for kept, new in ((self.keys, others.keys), (self.values, others.values)):
            for mine, theirs in zip(kept, new, strict=True):
                mine[row, :, : others.held] = theirs[other]


class New:
    """The tokens that are being read. ``places`` (rows or 1, new) int64: where in its row each stands."""

    def __init__(self, cache: Cache, places: Tensor) -> None:
        self.places = places
        self._cache = cache
        self._first, self._at = not cache.keys, places
        if not self._first:
            rows, kv_heads, held, _ = cache.keys[0].shape
            begins = torch.arange(rows * kv_heads, device=places.device).view(rows, kv_heads) * held
            self._at = (begins + places).flatten()

    def bias(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What is added to scores, (rows or 1, new, length) of 0 and -inf; None where nothing is to be hidden."""
        if self._first:
            return Packing(self.places).bias(window, dtype)
        held = self._cache.held
        back = self.places - torch.arange(held, device=self.places.device)
        seen = (back >= 0) & (back < (window or held))
        return torch.zeros((), dtype=dtype, device=back.device).where(seen, float("-inf"))[:, None]

    def layer(self, number: int) -> Begun | Going:
        """What the layer ``number`` has to do with them."""
        cache = self._cache
        return Begun(cache) if self._first else Going(cache.keys[number], cache.values[number], self._at)


@dataclass(frozen=True)
class Begun:
    """The first reading of a layer."""

    cache: Cache

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """Attention of the new tokens to themselves, which are kept: as `attention.attend`."""
        for kept, x in ((self.cache.keys, k), (self.cache.values, v)):
            kept.append(x.transpose(1, 2).contiguous())
        return attend(q, k, v, bias, scale)


@dataclass(frozen=True)
class Going:
    """One more token of each row in a layer."""

    keys: Tensor
    values: Tensor
    """(rows, kv_heads, held, head_dim)."""
    at: Tensor
    """(rows * kv_heads,) int64: where the token goes among all of them."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """Attention of the new tokens to all before them and to themselves, which are kept: as `attention.attend`.

        One product with each key head for all query heads that share it. PyTorch's own kernel takes three times as long for
        a single query (bfloat16, 16 x 6 heads x 128 x 64, a processor without AMX).
        """
        rows, kv_heads, held, size = self.keys.shape
        self.keys.view(-1, size).index_copy_(0, self.at, k.reshape(-1, size))
        self.values.view(-1, size).index_copy_(0, self.at, v.reshape(-1, size))
        keys, values = (x.view(-1, held, size) for x in (self.keys, self.values))
        scores = torch.bmm((q * scale).reshape(rows * kv_heads, -1, size), keys.transpose(1, 2))
        if bias is not None:
            scores.view(rows, -1, held).add_(bias)
        return torch.bmm(scores.softmax(-1), values).view(q.shape)
