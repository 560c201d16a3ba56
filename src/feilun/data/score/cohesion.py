"""Unrelated articles in one page: at the seam the rare words end.

Lexical cohesion, as TextTiling measures it (Hearst 1997, section 4): an author comes back to what he writes about, so of
the words before any line many are met again after it. What two unrelated texts share they share by chance, that is as
often as a reference says the words; so a word counts by its rarity, and what chance explains is taken off.
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

_BITS = 17
_STEPS = 4
"""Levels of a factor e of frequency."""
_LEVELS = 64
_RAREST = 2e-6
"""A rate that no word is taken to be under: what a reference of some ten million words can tell, and what shares its place
in the table."""
_COMMON = 0.02
"""A rate from which on a word says nothing of the subject."""
_SIDE = 120
"""Words that either side of a seam has at least. With 90 one in five honest pages of 350 to 700 Chinese characters looked spliced:
what is short comes back to little."""
_WORDS = np.array([0.6, 1.0])
"""A pair of Han characters, and a word in Latin letters, in words: every character is in two pairs."""
_SEGMENT, _SEGMENTS = 25, 32
"""Words between two places where a seam is looked for, at least; such places, at most."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Rarity:
    """How rarely a reference says pairs of Han characters, and words in Latin letters of more than three."""

    levels: NDArray[np.uint8]
    """(2, 2**17): by the hash of a pair, and of a word; each 1/4 of minus the logarithm of its rate."""

    def cohesion(self, letters: Letters) -> float:
        """Of the rare words of one side of the worst seam, the share that the other side says too, beyond chance: 0 to 1,
        about 0 where two texts have nothing in common. NaN for texts without 120 words (200 Han characters) on
        either side of any place, and for verse and lists, which say nothing twice.
        """
        if letters.narrow:
            return float("nan")
        keys = _keys(letters)
        count = min(len(keys) // _SEGMENT, _SEGMENTS)
        if count < 2:
            return float("nan")
        at = np.arange(len(keys))
        segment = at * count // len(keys)
        # A position of each word: of those written to one place the last stays.
        place = np.empty(2 << _BITS, np.int32)
        place[keys] = at
        last = place[keys] == at
        place[keys[::-1]] = at[::-1]
        first = place[keys] == at
        # How many different words of each script and level have begun by the end of each segment, and how many have ended.
        kind = (keys >> _BITS) * _LEVELS + self.levels.ravel()[keys]
        cell = segment * (2 * _LEVELS) + kind
        begun, ended = (_by_end(cell[those], count, 2 * _LEVELS) for those in (first, last))
        said = _by_end(segment * 2 + (keys >> _BITS), count, 2)
        left, right = begun, begun[-1] - ended
        heard = said.repeat(
            _LEVELS, axis=1
        )  # as many chances does a word of the other side have to be met here
        all_left, all_right = left @ _WEIGHTS, right @ _WEIGHTS
        chance = np.minimum(
            (left * -np.expm1(-_RATES * (heard[-1] - heard))) @ _WEIGHTS,
            (right * -np.expm1(-_RATES * heard)) @ _WEIGHTS,
        )
        whole = np.minimum(all_left, all_right) - chance
        shares = ((left - ended) @ _WEIGHTS - chance) / np.maximum(whole, 1e-9)
        words = said @ _WORDS
        seams = (words >= _SIDE) & (words <= words[-1] - _SIDE)
        return max(float(shares[seams].min()), 0.0) if seams.any() else float("nan")

    def save(self, path: Path) -> None:
        np.savez_compressed(path, levels=self.levels)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as file:
            return cls(file["levels"])


@cache
def rarity() -> Rarity | None:
    """The table that comes with Feilun (``recipes/data/rarity.npz``), or None where it was taken out."""
    path = shipped("data/rarity.npz")
    return Rarity.load(path) if path.is_file() else None


def learn_rarity(texts: Iterable[str]) -> Rarity:
    """A table from good texts of a page's length, Simplified; each counts for the script that most of it is in.

    What counts is in how many texts a word occurs: one that a single text says again and again is no common word.
    """
    found = np.zeros((2, 1 << _BITS))
    words, texts_of = np.zeros(2), np.zeros(2)
    for text in texts:
        keys = _keys(Letters(text))
        latin = keys >> _BITS
        script = int(2 * np.count_nonzero(latin) > len(keys))
        mine = keys[latin == script] & ((1 << _BITS) - 1)
        found[script, np.unique(mine)] += 1
        words[script] += len(mine)
        texts_of[script] += 1
    texts_of = np.maximum(texts_of, 1)
    share = np.minimum(found / texts_of[:, None], 0.999)
    rates = -np.log1p(-share) / np.maximum(words / texts_of, 1)[:, None]
    levels = np.rint(-_STEPS * np.log(np.maximum(rates, _RAREST)))
    return Rarity(levels.clip(0, _LEVELS - 1).astype(np.uint8))


def _keys(letters: Letters) -> NDArray[np.intp]:
    """Places in the table of the text's words, in their order: hashes of pairs of Han characters, and above them of Latin
    words with more than three letters."""
    units = letters.units
    if len(units.hashes) < 2:
        return np.zeros(0, np.intp)
    han, latin = units.han[:-1], units.latin[:-1]
    mixed = np.where(han, units.hashes[:-1] * np.uint64(31) + units.hashes[1:], units.hashes[:-1]) * _FACTOR
    keys = (mixed >> np.uint64(64 - _BITS)).astype(np.intp)
    keys[latin] += 1 << _BITS
    return keys[np.where(han, units.han[1:], latin & (units.lengths[:-1] > 3))]


def _by_end(cells: NDArray[np.intp], count: int, width: int) -> NDArray[np.float64]:
    """How many of the cells lie in each segment or before it, by column: (count, width)."""
    return np.bincount(cells, minlength=count * width).reshape(count, width).cumsum(axis=0).astype(np.float64)


_RATES = np.tile(np.exp(-np.arange(_LEVELS) / _STEPS), 2)
"""(2 * levels,): of a word of each script and level."""
_WEIGHTS = np.maximum(-np.log(_RATES / _COMMON), 0)
