"""Text that repeats itself: Gopher's measures (Rae et al. 2021, table A1), in units of either script."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feilun.data.score.letters import Letters

_LONG, _SHORT = 10, 4
"""Units of the n-grams. Gopher's longest is 10 words and its 2-grams are about 4 Han characters."""
_NEAR = 400
"""Units within which a 10-gram that comes again is a repetition."""


def repetition(letters: Letters) -> dict[str, float]:
    """Shares, from 0 to 1.

    ``repeated_lines`` of the characters stand in lines that occurred before; ``repetition`` of the units in 10-grams
    that occurred in the `_NEAR` units before: what is said again far away is a law's or a manual's way of speaking, and
    the longer a text the more of it there is. ``top_ngram`` of the units in the most frequent 4-gram, where it occurs three times or more.
    """
    hashes = letters.units.hashes
    four, ten = _ngrams(hashes)
    return {
        "score.repeated_lines.v2": _repeated_lines(letters.lines),
        "score.repetition.v1": _repeated(ten, len(hashes)),
        "score.top_ngram.v1": _top(four, len(hashes)),
    }


def _repeated_lines(lines: list[str]) -> float:
    seen: set[str] = set()
    again = 0
    whole = sum(map(len, lines))
    code = False  # a program says its lines as often as it has to
    for line in lines if len(set(lines)) < len(lines) else ():
        if line.startswith("```"):
            code = not code
        elif line in seen and not code:
            again += len(line)
        seen.add(line)
    return again / max(whole, 1)


def _ngrams(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of the runs of `_SHORT` and of `_LONG` units, each (units - size + 1,): made by doubling."""
    two = hashes[:-1] * _FACTORS[0] + hashes[1:]
    four = two[:-2] * _FACTORS[1] + two[2:]
    eight = four[:-4] * _FACTORS[2] + four[4:]
    return four, eight[:-2] * _FACTORS[3] + two[8:]


_FACTORS = np.array([pow(0xD6E8FEB86659FD93, at + 1, 2**64) for at in range(4)], np.uint64)


def _repeated(ngrams: NDArray[np.uint64], units: int) -> float:
    if not len(ngrams):
        return 0.0
    ordered = np.sort(ngrams)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):  # nearly every text; and sorting values alone is much faster than finding their order
        return 0.0
    at = np.searchsorted(twice, ngrams)
    order = np.flatnonzero(twice.take(at, mode="clip") == ngrams)
    order = order[np.argsort(ngrams[order], kind="stable")]
    again = np.flatnonzero((ngrams[order[1:]] == ngrams[order[:-1]]) & (order[1:] - order[:-1] <= _NEAR))
    covered = np.zeros(units + 1, np.int32)
    begins = order[1:][again]
    np.add.at(covered, begins, 1)
    np.add.at(covered, begins + _LONG, -1)
    return float(np.mean(np.cumsum(covered[:-1]) > 0))


def _top(ngrams: NDArray[np.uint64], units: int) -> float:
    if len(ngrams) < 3:
        return 0.0
    ordered = np.sort(ngrams)
    if not (ordered[2:] == ordered[:-2]).any():
        return 0.0
    changes = np.flatnonzero(ordered[1:] != ordered[:-1])
    most = int(np.diff(changes, prepend=-1, append=len(ordered) - 1).max())
    return min(most * _SHORT / units, 1.0)
