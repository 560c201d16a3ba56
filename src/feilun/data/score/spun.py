"""How much of a text is what a spinner puts in: words replaced from a table of "synonyms", without a look at what stands beside.

Tables of spinners differ, but spinners do not: "individuals" for people, "circulatory strain" for blood pressure, 手艺 for
技术 come back in all of them, and the pairs at the seams do as well (家养, "profound learning"). So texts were spun by a table,
and for each word and pair the odds were taken of its having been put in, against its standing there by itself. A text's
score is the sum of the logarithms over the *different* ones that it has; who writes of crafts says "craft" again and again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from feilun.data.score.letters import Letters, different
from feilun.recipe import shipped

_BITS = 20
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LEAST = 60
"""Units of a text without which a score says nothing."""
_WINDOW = 200
"""Units in which what comes again counts once. A shorter text is taken for one of so many: a few words decide what it has."""
_WINDOWS = 20
"""So many of them speak for a text, from its beginning."""
_STEP = 1 / 32
"""Of the odds' logarithm (nats), as they are stored."""


@dataclass(frozen=True, slots=True)
class Spun:
    """Logarithms of the odds, from 0 to 5 nats in steps of 1/32, of hashes of Latin words, and of pairs of them and of Han
    characters. (2**20,) uint8
    """

    odds: NDArray[np.uint8]

    def of(self, letters: Letters) -> float:
        """``score.spun.v2``: nats in 100 units, from 0 on; NaN with fewer than 60 units."""
        count = len(letters.units.hashes)
        if count < _LEAST:
            return float("nan")
        found, place = _features(letters)
        windows = max(1, round(count / _WINDOW))
        size = count / windows
        window = (place / size).astype(np.intp)
        seen = min(windows, _WINDOWS)
        once = different((window[window < seen] << _BITS) + found[window < seen])
        total = int(self.odds[once & ((1 << _BITS) - 1)].sum(dtype=np.int64))
        return 100 * _STEP * total / (max(size, _WINDOW) * seen)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file of those that are not 0."""
        places = self.odds.nonzero()[0].astype(np.int32)
        np.savez_compressed(path, places=places, odds=self.odds[places])

    @classmethod
    def load(cls, path: Path) -> Self:
        odds = np.zeros(1 << _BITS, np.uint8)
        with np.load(path, allow_pickle=False) as file:
            odds[file["places"]] = file["odds"]
        return cls(odds)


@cache
def spun() -> Spun | None:
    """What comes with Feilun (``recipes/data/spun.npz``), or None where it was taken out."""
    path = shipped("data/spun.npz")
    return Spun.load(path) if path.is_file() else None


def learn(pairs: Iterable[tuple[str, str]], *, least: int = 20, off: float = 1.0, most: float = 5.0) -> Spun:
    """The odds from pairs of a text and what a spinner made of it, Simplified.

    Args:
        least: times that a word has to have been put in, that it says anything.
        off: nats that are taken off the odds: others write such words as well.
        most: nats that one word can say.
    """
    natural, put_in = np.zeros(1 << _BITS, np.int64), np.zeros(1 << _BITS, np.int64)
    for text, made in pairs:
        before, after = (
            np.bincount(_features(Letters(one))[0], minlength=1 << _BITS) for one in (text, made)
        )
        natural += before
        put_in += np.maximum(after - before, 0)
    odds = np.log((put_in + 0.5) / max(put_in.sum(), 1)) - np.log((natural + 2) / max(natural.sum(), 1)) - off
    odds[put_in < least] = 0
    return Spun(np.rint(np.clip(odds, 0, most) / _STEP).astype(np.uint8))


def _features(letters: Letters) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hash of each Latin word, and of each pair of units of one script; and the place of each, in units."""
    units = letters.units
    word = units.latin.nonzero()[0]
    first = ((units.han[1:] & units.han[:-1]) | (units.latin[1:] & units.latin[:-1])).nonzero()[0]
    pair = units.hashes[first] * _PAIR + units.hashes[first + 1]
    mixed = np.concatenate((units.hashes[word], pair)) * _FACTOR >> np.uint64(64 - _BITS)
    return mixed.astype(np.intp), np.concatenate((word, first))
