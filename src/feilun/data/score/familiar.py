"""Pairs of units that no author wrote: the trace that text spinning leaves.

A spinner replaces words by others from a table, and does not know what stands beside them. The pairs at the seams are
ones that a reader has never met. So a table holds which pairs occur in a reference of good text, and a page is judged
by the share of its pairs that do not, among pairs of which both halves are known: names and rare words say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from feilun.data.score.letters import Letters
from feilun.recipe import shipped

_PAIR_BITS = 22
_UNIT_BITS = 18
_ENOUGH = 60
"""Pairs without which a share says nothing."""
_BIT = np.array([128, 64, 32, 16, 8, 4, 2, 1], np.uint8)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True, slots=True)
class Familiar:
    """Sets of hashes as bits, packed: units that are frequent, and pairs of them that occur, in Han and in Latin."""

    units: NDArray[np.uint8]
    """(2**18 / 8,)"""
    han: NDArray[np.uint8]
    """(2**22 / 8,)"""
    latin: NDArray[np.uint8]
    """(2**22 / 8,)"""

    def unseen(self, letters: Letters) -> float:
        """Share of pairs of known units that the reference lacks, from 0 to 1; NaN with fewer than 60 pairs."""
        units = letters.units
        if len(units.hashes) < _ENOUGH:
            return float("nan")
        known = _holds(self.units, _unit(units.hashes))
        both = known[1:] & known[:-1]
        count = seen = 0
        for table, alike in ((self.han, units.han), (self.latin, units.latin)):
            if alike.any():
                pairs = _pairs(letters, alike, both)
                count += len(pairs)
                seen += int(np.count_nonzero(_holds(table, pairs)))
        return 1 - seen / count if count >= _ENOUGH else float("nan")

    def save(self, path: Path) -> None:
        np.savez_compressed(path, units=self.units, han=self.han, latin=self.latin)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as file:
            return cls(file["units"], file["han"], file["latin"])


@cache
def familiar() -> Familiar | None:
    """The table that comes with Feilun (``recipes/data/familiar.npz``), or None where it was taken out."""
    path = shipped("data/familiar.npz")
    return Familiar.load(path) if path.is_file() else None


def learn(texts: Iterable[str], *, often: int = 30, least: int = 2, bits: float = 0.12) -> Familiar:
    """A table from good texts.

    Args:
        texts: at least some million characters of each script; Simplified.
        often: occurrences that make a unit known.
        least: occurrences that make a pair seen; more, where otherwise a larger share than ``bits`` were set, since an
            unseen pair then passes for a seen one that often.
    """
    units = np.zeros(1 << _UNIT_BITS, np.uint32)
    han = np.zeros(1 << _PAIR_BITS, np.uint32)
    latin = np.zeros(1 << _PAIR_BITS, np.uint32)
    for text in texts:
        letters = Letters(text)
        if len(letters.units.hashes) < 2:
            continue
        _add(units, _unit(letters.units.hashes))
        _add(han, _pairs(letters, letters.units.han))
        _add(latin, _pairs(letters, letters.units.latin))
    return Familiar(np.packbits(units >= often), _frequent(han, least, bits), _frequent(latin, least, bits))


def _add(counts: NDArray[np.uint32], hashes: NDArray[np.intp]) -> None:
    found, times = np.unique(hashes, return_counts=True)
    counts[found] += times.astype(np.uint32)


def _frequent(counts: NDArray[np.uint32], least: int, bits: float) -> NDArray[np.uint8]:
    while np.mean(counts >= least) > bits:
        least += 1
    return np.packbits(counts >= least)


def _unit(hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
    return ((hashes * _FACTOR) >> np.uint64(64 - _UNIT_BITS)).astype(np.intp)


def _pairs(
    letters: Letters, alike: NDArray[np.bool_], among: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Hash of each unit with the next, where both are ``alike`` (units,) and stand side by side; Latin words with one
    character between. ``among``: of these pairs (units - 1,)."""
    units = letters.units
    gap = units.starts[1:] - units.starts[:-1] - units.lengths[:-1]
    chosen = alike[1:] & alike[:-1]
    chosen &= gap == (0 if alike is units.han else 1)
    if among is not None:
        chosen &= among
    first = chosen.nonzero()[0]
    mixed = (units.hashes[first] * _SECOND + units.hashes[first + 1]) * _FACTOR
    return (mixed >> np.uint64(64 - _PAIR_BITS)).astype(np.intp)


def _holds(bits: NDArray[np.uint8], hashes: NDArray[np.intp]) -> NDArray[np.bool_]:
    return bits[hashes >> 3] & _BIT[hashes & 7] != 0
