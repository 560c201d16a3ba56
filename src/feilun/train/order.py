"""A shuffled order that is computed and not stored: a corpus of trillions of tokens needs no list of its rows."""

from __future__ import annotations

from collections.abc import Sequence

ROUNDS = 6
_MASK = 2**64 - 1


class Permutation:
    """The numbers from 0 to ``size - 1`` in an order of its own for each ``seed``; any place is asked for at once.

    A Feistel network (M. Luby and C. Rackoff 1988) over the next power of four, walked along its cycle until a number is in
    range (J. Black and P. Rogaway 2002, "Ciphers with Arbitrary Finite Domains", section 3: cycle walking).
    """

    def __init__(self, size: int, seed: Sequence[int]) -> None:
        self._size = size
        self._half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
        state = 0
        for part in seed:
            state = _mixed(state ^ _mixed(part + 1))
        self._keys = [_mixed(state + number) for number in range(ROUNDS)]

    def __call__(self, place: int) -> int:
        """The number at ``place``, from 0. Raises `IndexError` out of range."""
        if not 0 <= place < self._size:
            raise IndexError(f"{place} of {self._size}")
        number = self._once(place)
        while number >= self._size:
            number = self._once(number)
        return number

    def _once(self, number: int) -> int:
        low = (1 << self._half) - 1
        left, right = number >> self._half, number & low
        for key in self._keys:
            left, right = right, left ^ (_mixed(right ^ key) & low)
        return left << self._half | right


def _mixed(number: int) -> int:
    """64 bits that look like chance (G. Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators", figure 16)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _MASK
    return number ^ number >> 31
