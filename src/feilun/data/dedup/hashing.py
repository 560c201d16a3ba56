"""Hashes of windows of a sequence, all at once: integer arithmetic modulo 2**64, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15
_BASE = 0xD6E8FEB86659FD93  # odd, so that it has an inverse
_INVERSE = pow(_BASE, -1, 2**64)


def mix(values: Hashes) -> Hashes:
    """Scramble in place: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _powers(base: int, count: int) -> Hashes:
    values = np.full(count, base, dtype=np.uint64)
    values[0] = 1
    return np.multiply.accumulate(values)


_up, _down = _powers(_BASE, 2**12), _powers(_INVERSE, 2**12)


def _grown(count: int) -> tuple[Hashes, Hashes]:
    global _up, _down
    if _up.size < count:
        size = 1 << (count - 1).bit_length()
        _up, _down = _powers(_BASE, size), _powers(_INVERSE, size)
    return _up, _down


class Rolling:
    """Polynomial hashes of any windows of one sequence, from its prefix sums (Karp and Rabin, 1987).

    The hash of ``values[start:stop]`` depends on these values alone, not on where they stand.
    """

    def __init__(self, values: NDArray[np.uint32] | Hashes) -> None:
        up, self._down = _grown(values.size + 1)
        self._sums = np.zeros(values.size + 1, dtype=np.uint64)
        # Adding one keeps a leading zero from being invisible.
        np.cumsum((values + np.uint64(1)) * up[: values.size], out=self._sums[1:])

    def every(self, width: int) -> Hashes:
        """Of each window of ``width``: shape [values - width + 1], or [0]."""
        count = max(0, self._sums.size - width)
        return mix((self._sums[width:] - self._sums[:count]) * self._down[:count])

    def between(self, starts: NDArray[np.intp], stops: NDArray[np.intp]) -> Hashes:
        """Of each window ``values[start:stop]``; one value per window."""
        found = (self._sums[stops] - self._sums[starts]) * self._down[starts]
        return mix(found + (stops - starts).astype(np.uint64) * np.uint64(GOLDEN))
