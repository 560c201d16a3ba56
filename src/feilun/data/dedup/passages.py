"""Passages that repeat: the same paragraph again on one page, and the same sentences on many pages.

Across pages a passage is the shortest run of whole sentences from a sentence of a paragraph on that has at least 50
letters, and a whole paragraph of as many. C4 counts three sentences in place of 50 letters (Raffel et al., 2020,
section 2.2); Chinese sentences are too uneven for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feilun.data.dedup.hashing import Hashes, Rolling
from feilun.data.dedup.letters import FOLD, codes, is_han, pieces
from feilun.data.dedup.shards import Shards

LETTERS = 50
"""Of a passage that is counted across pages."""

WEIGHT = 16
"""Of a paragraph that is dropped when it comes again on its page: 16 Han characters or some eight words. Shorter
ones repeat for good reason: answers in a dialogue, the refrain of a song."""

_LETTER_WEIGHT = 0.4  # of a letter beside a Han character

_END, _PERIOD, _CLOSER, _SPACE, _LINE = 1, 2, 3, 4, 5
_KIND = np.zeros(0x110000, dtype=np.uint8)
for _kind, _signs in {
    _END: "。！？!?；;…｡",
    _PERIOD: ".",
    _CLOSER: "”’\"')）】』」》",
    _SPACE: " \t\r\u00a0\u3000",
    _LINE: "\n",
}.items():
    _KIND[[ord(sign) for sign in _signs]] = _kind


class Cut(NamedTuple):
    """``text[start:end]`` was dropped; offsets in characters."""

    reason: Literal["within", "across"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Frequent:
    """Passages of too many documents."""

    hashes: Hashes
    """Sorted."""
    best: NDArray[np.int64]
    """The number of the best document that has it."""


def hashes(text: str) -> Hashes:
    """The hashes of a text's passages, distinct and sorted: what `Writer.add` takes."""
    return np.unique(np.concatenate([_Piece(piece).windows()[0] for _, piece in pieces(text)]))


def count(folder: Path, more_than: int, alive: NDArray[np.bool_] | None = None) -> Frequent:
    """The passages of more than so many documents of a folder of shards.

    ``alive`` (one value per document) leaves out documents dropped before: copies of one page are one page.
    """
    shards = Shards(folder)
    order = shards.column("order")
    found: list[Hashes] = []
    best: list[NDArray[np.int64]] = []
    for some, numbers in shards.parts("passages", np.ones(len(shards), np.bool_) if alive is None else alive):
        by_order = np.lexsort((order[numbers], some))
        some, first, sizes = np.unique(some, return_index=True, return_counts=True)
        frequent = sizes > more_than
        found.append(some[frequent])
        best.append(numbers[by_order][first[frequent]])
    return Frequent(np.concatenate(found), np.concatenate(best))


def drop_frequent(text: str, frequent: Frequent, number: int | None = None) -> tuple[str, list[Cut]]:
    """The text without frequent passages, and what was cut, in the order of the text.

    A document's own ``number`` keeps those that it is the best document of; None drops them everywhere.
    """
    cuts: list[Cut] = []
    for offset, piece in pieces(text) if frequent.hashes.size else ():
        found, starts, ends = _Piece(piece).windows()
        at = np.minimum(np.searchsorted(frequent.hashes, found), frequent.hashes.size - 1)
        hit = frequent.hashes[at] == found
        if number is not None:
            hit &= frequent.best[at] != number
        spans = sorted(zip((starts[hit] + offset).tolist(), (ends[hit] + offset).tolist(), strict=True))
        cuts += [Cut("across", start, end) for start, end in _merged(spans)]
    return _without(text, cuts)


def drop_repeated(text: str) -> tuple[str, list[Cut]]:
    """The text without paragraphs (lines) that it has had before, and what was cut."""
    seen: set[int] = set()
    cuts: list[Cut] = []
    for offset, piece in pieces(text):
        for key, start, end in _Piece(piece).paragraphs(WEIGHT):
            if key in seen:
                cuts.append(Cut("within", start + offset, end + offset))
            seen.add(key)
    return _without(text, cuts)


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for start, end in spans:
        if last and start <= last[1]:
            last = last[0], max(last[1], end)
        else:
            if last:
                yield last
            last = start, end
    if last:
        yield last


def _without(text: str, cuts: list[Cut]) -> tuple[str, list[Cut]]:
    kept: list[str] = []
    done: list[Cut] = []
    at = 0
    for cut in cuts:
        end = cut.end
        if cut.start and text[cut.start - 1] != "\n" and text[end - 1] == "\n":
            end -= 1  # what stands before it keeps its line end
        kept.append(text[at : cut.start])
        done.append(cut._replace(end=end))
        at = end
    return "".join([*kept, text[at:]]), done


class _Piece:
    """The sentences of a piece of text: where they begin and end, in characters and in letters."""

    def __init__(self, text: str) -> None:
        signs = codes(text)
        kind = _KIND.take(signs)
        self._line = kind == _LINE
        end = self._line | (kind == _END)
        end[:-1] |= (kind[:-1] == _PERIOD) & (kind[1:] >= _SPACE)
        end[1:] |= (kind[1:] == _CLOSER) & end[:-1]
        end[:-1] &= ~end[1:] | self._line[:-1]  # the last of several signs, and each line end
        folded = FOLD.take(signs)
        is_letter = folded != 0
        self._letters = folded[is_letter]
        self._rolling = Rolling(self._letters)
        before = np.concatenate([[0], np.cumsum(is_letter)])
        stops = np.flatnonzero(end) + 1
        if not stops.size or stops[-1] < signs.size:
            stops = np.append(stops, signs.size)
        self._stops, self._starts = stops, np.concatenate([[0], stops[:-1]])
        self._last, self._first = before[self._stops], before[self._starts]
        lines = np.concatenate([[0], np.cumsum(self._line)])
        self._paragraph = lines[self._starts]

    def windows(self) -> tuple[Hashes, NDArray[np.intp], NDArray[np.intp]]:
        """(hash, start, end) of each passage, offsets in characters."""
        begin = np.arange(self._starts.size)
        stop = np.searchsorted(self._last, self._first + LETTERS)
        inside = stop < begin.size
        begin, stop = begin[inside], stop[inside]
        inside = self._paragraph[begin] == self._paragraph[stop]
        whole, rest = self._bounds()
        long = self._last[rest] - self._first[whole] >= LETTERS
        begin = np.concatenate([begin[inside], whole[long]])
        stop = np.concatenate([stop[inside], rest[long]])
        found = self._rolling.between(self._first[begin], self._last[stop])
        return found, self._starts[begin], self._stops[stop]

    def paragraphs(self, weight: float) -> list[tuple[int, int, int]]:
        """(hash, start, end) of each paragraph of at least this weight."""
        begin, stop = self._bounds()
        first, last = self._first[begin], self._last[stop]
        han = np.concatenate([[0], np.cumsum(is_han(self._letters))])
        of_han = han[last] - han[first]
        heavy = of_han + _LETTER_WEIGHT * (last - first - of_han) >= weight
        found = self._rolling.between(first[heavy], last[heavy])
        starts, ends = self._starts[begin[heavy]], self._stops[stop[heavy]]
        return list(zip(found.tolist(), starts.tolist(), ends.tolist(), strict=True))

    def _bounds(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first and the last sentence of each paragraph."""
        change = np.flatnonzero(np.diff(self._paragraph)) + 1
        return np.concatenate([[0], change]), np.append(change, self._paragraph.size) - 1
