"""How texts of different lengths lie in rows: in little room, and in few shapes.

A matrix product of a new shape is compiled when it is first met: 10 to 25 ms on a CPU (oneDNN, bf16), where the product
itself takes two. With lengths as they come nearly every step of a fine-tuning had a dozen new ones, a third of its time.
"""

from __future__ import annotations

from collections.abc import Sequence

STEP, LONG = 64, 512
"""Rows of several texts are a multiple of the first long, and longer than the second only where one text is."""


def rounded(length: int, step: int = 16) -> int:
    """The multiple of ``step`` that has room for ``length`` tokens."""
    return -(-length // step) * step


def arranged(kinds: Sequence[Sequence[int]]) -> tuple[int, list[list[list[int]]]]:
    """How texts of these lengths, of several kinds that do not share a row, fit into the least room.

    Gives the length of all rows and, of each kind, which texts each of its rows holds: the longest first, each into the
    first row with room for it (first fit decreasing: D. Johnson, "Fast algorithms for bin packing", 1974).
    """
    least = rounded(max((length for kind in kinds for length in kind), default=1), STEP)
    found = [
        (length, [_fitted(kind, length) for kind in kinds])
        for length in range(least, max(least, LONG) + 1, STEP)
    ]
    return min(found, key=lambda one: one[0] * sum(map(len, one[1])))


def _fitted(lengths: Sequence[int], room: int) -> list[list[int]]:
    rows: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        place = next((place for place, free in enumerate(left) if free >= lengths[number]), len(rows))
        if place == len(rows):
            rows.append([])
            left.append(room)
        rows[place].append(number)
        left[place] -= lengths[number]
    return rows
