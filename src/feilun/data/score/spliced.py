"""Unrelated articles in one page: at the seam the vocabulary changes at once.

The lexical cohesion of TextTiling (Hearst 1997, section 4): the words of the text before a line are compared with the
words after it. In one article both sides share their subject; at the seam between two they share only what all texts
share, and to both of its sides the text is at one with itself.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from feilun.data.score.letters import Letters

_BUCKETS = 1024
_MOST = 32
"""Segments at most; longer texts are cut into longer ones."""
_LEAST = 60
"""Units of a segment at least."""


def spliced(letters: Letters) -> float:
    """How much less both sides of the worst seam share than the parts of each side do among themselves, 0 to 1.

    NaN for texts too short to tell: fewer than four segments of 60 units.
    """
    present = _segments(letters)
    if present is None:
        return float("nan")
    count = len(present)
    # Words that most segments have say nothing of the subject.
    spread = present.view(np.uint8).sum(axis=0, dtype=np.uint8)  # 32 segments at most
    weights = _weights(count)[spread]
    vectors = present * weights
    norms = np.linalg.norm(vectors, axis=1)
    vectors /= np.maximum(norms, 1e-9)[:, None]
    alike = vectors @ vectors.T
    alike.ravel()[:: count + 1] = 0
    # Sums over every rectangle from the corner: the mean within and across a cut is then a few look-ups.
    sums = alike.cumsum(axis=0).cumsum(axis=1)
    cuts = np.arange(2, count - 1)
    rest = count - cuts
    head = sums[cuts - 1, cuts - 1]
    across = sums[cuts - 1, count - 1] - head
    tail = sums[-1, -1] - head - 2 * across
    within = np.minimum(head / (cuts * (cuts - 1)), tail / (rest * (rest - 1)))
    return max(float((within - across / (cuts * rest)).max()), 0.0)


@cache
def _weights(count: int) -> NDArray[np.float32]:
    """Of a word by the number of segments that have it, of so many."""
    spread = np.arange(count + 1)
    return np.where(spread >= 2, np.log(count / np.maximum(spread, 1)), 0.0).astype(np.float32)


def _segments(letters: Letters) -> NDArray[np.bool_] | None:
    """Which pairs of Han characters and which Latin words each segment has (segments, buckets), hashed."""
    units = letters.units
    size = max(_LEAST, len(units.hashes) // _MOST + 1)
    count = len(units.hashes) // size
    if count < 4:
        return None
    pairs = units.hashes[:-1] * np.uint64(31) + units.hashes[1:]
    said = np.where(units.han[:-1], pairs, units.hashes[:-1]) * np.uint64(0x9E3779B97F4A7C15)
    buckets = (said >> np.uint64(54)).astype(np.intp)
    useful = np.where(units.han[:-1], units.han[1:], units.latin[:-1] & (units.lengths[:-1] > 3))
    where = np.minimum(np.arange(len(buckets)) // size, count - 1)
    flat = (where * _BUCKETS + buckets)[useful]
    present = np.zeros(count * _BUCKETS, np.bool_)
    present[flat] = True
    return present.reshape(count, _BUCKETS)
