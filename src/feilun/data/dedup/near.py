"""Which documents are copies of which: candidates from the bands, judged by their shingles, kept by quality.

Every dropped document is similar to the very copy that is kept, not only to a chain of copies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feilun.data.dedup.minhash import KEPT, similarity
from feilun.data.dedup.shards import Shards

Numbers = NDArray[np.int64]

_PAIRS = 1024
"""Pairs judged at once: some 30 MB."""

_LEADERS = 64
"""Documents of one group, none similar to another, that the rest of it is compared with: bounds the time on groups
made to have many. What is left then is kept."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """One value per document."""

    of: Numbers
    """The number of the copy that is kept: its own for a document that is kept itself."""
    exact: NDArray[np.bool_]
    """Dropped, with the same letters as the kept copy."""
    similarity: NDArray[np.float32]
    """To the kept copy (Jaccard, of shingles); 1 for itself."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        return self.of == np.arange(self.of.size)


class Dropped(NamedTuple):
    id: str
    reason: Literal["exact", "near"]
    kept: str
    """Id of the copy that is kept."""
    similarity: float


def find(folder: Path, threshold: float = 0.8, alive: NDArray[np.bool_] | None = None) -> Duplicates:
    """The copies among the documents of a folder of shards.

    Args:
        threshold: the Jaccard similarity of shingles from which two documents are copies.
        alive: one value per document; the others take no part and count as kept.
    """
    shards = Shards(folder)
    order = shards.column("order")
    single = np.ones(len(shards), dtype=np.bool_) if alive is None else alive.copy()
    forest = _Forest(len(shards))
    for hashes, numbers in shards.parts("exact", single):
        for found, leader, _ in _lead(
            hashes, numbers, order[numbers], lambda left, right: np.ones(left.size), threshold
        ):
            forest.join(found, leader)
            single[found] = False

    def judge(left: Numbers, right: Numbers) -> NDArray[np.float64]:
        result = np.ones(left.size)  # known already
        unknown = forest.root(left) != forest.root(right)
        result[unknown] = _similarity(shards, left[unknown], right[unknown], threshold)
        return result

    for hashes, numbers in shards.parts("bands", single):
        for found, leader, _ in _lead(hashes, numbers, order[numbers], judge, threshold):
            forest.join(found, leader)
    return _settle(shards, forest, threshold)


def dropped(folder: Path, duplicates: Duplicates) -> Iterator[Dropped]:
    """The receipt: every dropped document in the order of their numbers."""
    shards = Shards(folder)
    gone = np.flatnonzero(~duplicates.kept)
    kept = np.unique(duplicates.of[gone])
    names = shards.ids(kept)
    for start in range(0, gone.size, 2**14):
        some = gone[start : start + 2**14]
        for id, number, at in zip(
            shards.ids(some), some.tolist(), np.searchsorted(kept, duplicates.of[some]).tolist(), strict=True
        ):
            reason = "exact" if duplicates.exact[number] else "near"
            yield Dropped(id, reason, names[at], float(duplicates.similarity[number]))


class _Forest:
    """Disjoint sets over numbers; the root of a set is its smallest number."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size)

    def root(self, numbers: Numbers) -> Numbers:
        found = self._parent[numbers]
        while True:
            above = self._parent[found]
            if np.array_equal(above, found):
                self._parent[numbers] = found
                return found
            found = self._parent[above]

    def join(self, left: Numbers, right: Numbers) -> None:
        """The sets of ``left[i]`` and ``right[i]`` become one, for each i."""
        while left.size:
            left, right = self.root(left), self.root(right)
            apart = left != right
            left, right = left[apart], right[apart]
            np.minimum.at(self._parent, np.maximum(left, right), np.minimum(left, right))


def _lead(
    groups: NDArray[np.uint64] | Numbers,
    numbers: Numbers,
    order: NDArray[np.uint64] | Numbers,
    judge: Callable[[Numbers, Numbers], NDArray[np.float64]],
    threshold: float,
) -> Iterator[tuple[Numbers, Numbers, NDArray[np.float64]]]:
    """(members, leader of each, similarity to it): the best of a group leads those similar to it, then the best of
    the rest leads, and so on. All groups go in step."""
    sorting = np.lexsort((order, groups))
    groups, numbers = groups[sorting], numbers[sorting]
    for _ in range(_LEADERS):
        first = np.ones(groups.size, dtype=np.bool_)
        np.not_equal(groups[1:], groups[:-1], out=first[1:])
        leaders = numbers[first][np.cumsum(first) - 1][~first]
        groups, numbers = groups[~first], numbers[~first]
        if not numbers.size:
            return
        similar = judge(numbers, leaders)
        led = similar >= threshold
        yield numbers[led], leaders[led], similar[led]
        groups, numbers = groups[~led], numbers[~led]


def _similarity(shards: Shards, left: Numbers, right: Numbers, threshold: float) -> NDArray[np.float64]:
    """Of each pair, or 0 if their sizes alone keep it below the threshold; those that come more than once are judged once."""
    sizes = shards.sizes
    small, large = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    may = (large >= KEPT) | (small >= threshold * large)
    result = np.zeros(left.size)
    result[may] = _judged(shards, left[may], right[may])
    return result


def _judged(shards: Shards, left: Numbers, right: Numbers) -> NDArray[np.float64]:
    low, high = np.minimum(left, right), np.maximum(left, right)
    by_pair = np.lexsort((high, low))
    low, high = low[by_pair], high[by_pair]
    new = np.ones(low.size, dtype=np.bool_)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    once = np.flatnonzero(new)
    found = np.empty(once.size)
    for start in range(0, once.size, _PAIRS):
        some = once[start : start + _PAIRS]
        needed, at = np.unique(np.concatenate([low[some], high[some]]), return_inverse=True)
        shingles = shards.shingles(needed)
        sides = [[shingles[int(place)] for place in side] for side in (at[: some.size], at[some.size :])]
        found[start : start + some.size] = similarity(*sides)
    result = np.empty(low.size)
    result[by_pair] = found[np.cumsum(new) - 1]
    return result


def _settle(shards: Shards, forest: _Forest, threshold: float) -> Duplicates:
    """Within each set of connected documents: the best is kept and drops those similar to it, then the best left."""
    every = np.arange(len(shards))
    of, exact = every.copy(), np.zeros(every.size, dtype=np.bool_)
    similar = np.ones(every.size, dtype=np.float32)
    roots = forest.root(every)
    members = np.flatnonzero(np.bincount(roots, minlength=every.size)[roots] > 1)
    groups, letters = roots[members], shards.column("hash", members)

    def judge(left: Numbers, right: Numbers) -> NDArray[np.float64]:
        result = np.ones(left.size)
        other = letters[np.searchsorted(members, left)] != letters[np.searchsorted(members, right)]
        result[other] = _similarity(shards, left[other], right[other], threshold)
        return result

    for found, leader, value in _lead(groups, members, _ranks(shards, groups, members), judge, threshold):
        of[found], similar[found] = leader, value
        exact[found] = letters[np.searchsorted(members, found)] == letters[np.searchsorted(members, leader)]
    return Duplicates(of, exact, similar)


def _ranks(shards: Shards, groups: Numbers, members: Numbers) -> Numbers:
    """Smaller for a better document of a group: by quality, then by id. Ids are read of those alone that tie."""
    quality = shards.column("quality", members)
    sorting = np.lexsort((-quality, groups))
    same = np.zeros(sorting.size + 1, dtype=np.bool_)
    if sorting.size:
        same[1:-1] = (np.diff(groups[sorting]) == 0) & (quality[sorting][1:] == quality[sorting][:-1])
    tied = np.sort(sorting[same[:-1] | same[1:]])
    ids = shards.ids(members[tied])
    by_id = np.zeros(members.size, dtype=np.int64)
    by_id[tied[sorted(range(len(ids)), key=ids.__getitem__)]] = np.arange(len(ids))
    ranks = np.empty(members.size, dtype=np.int64)
    ranks[np.lexsort((by_id, -quality))] = np.arange(members.size)
    return ranks
