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
        pairs, han, latin = _pairs(letters)
        both = known[1:] & known[:-1]
        han &= both
        latin &= both
        count = np.count_nonzero(han) + np.count_nonzero(latin)
        if count < _ENOUGH:
            return float("nan")
        seen = np.count_nonzero(_holds(self.han, pairs[han])) + np.count_nonzero(
            _holds(self.latin, pairs[latin])
        )
        return 1 - seen / count

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
        pairs, is_han, is_latin = _pairs(letters)
        _add(units, _unit(letters.units.hashes))
        _add(han, pairs[is_han])
        _add(latin, pairs[is_latin])
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


def _pairs(letters: Letters) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """Hash of each unit with the next (units - 1,); whether both are Han, or Latin, and stand side by side."""
    units = letters.units
    mixed = (units.hashes[:-1] * _SECOND + units.hashes[1:]) * _FACTOR
    hashes = (mixed >> np.uint64(64 - _PAIR_BITS)).astype(np.intp)
    gap = units.starts[1:] - units.starts[:-1] - units.lengths[:-1]
    return (
        hashes,
        units.han[1:] & units.han[:-1] & (gap == 0),
        units.latin[1:] & units.latin[:-1] & (gap == 1),
    )


def _holds(bits: NDArray[np.uint8], hashes: NDArray[np.intp]) -> NDArray[np.bool_]:
    return bits[hashes >> 3] & _BIT[hashes & 7] != 0
