"""Passages that repeat: the same paragraph again on one page, and the same sentences on many pages.

Across pages a passage is the shortest run of whole sentences from a sentence of a paragraph on that has at least 50
letters, and a whole paragraph of as many. C4 counts three sentences in place of 50 letters (Raffel et al., 2020,
section 2.2); Chinese sentences are too uneven for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feilun.data.dedup.hashing import Hashes
from feilun.data.dedup.letters import folded, pieces
from feilun.data.dedup.shards import Shards

LETTERS = 50
"""Of a passage that is counted across pages."""

WEIGHT = 16
"""Of a paragraph that is dropped when it comes again on its page: 16 Han characters or some eight words. Shorter
ones repeat for good reason: answers in a dialogue, the refrain of a song."""

_LETTER_WEIGHT = 0.4  # of a letter beside a Han character

_END, _PERIOD, _CLOSER, _SPACE, _LINE = 1, 2, 3, 4, 5
_NEW_LINE = ord("\n")
_KIND = np.zeros(0x110000, dtype=np.uint8)
for _kind, _signs in {
    _END: "。．！？!?；;…｡",
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
    documents: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """The numbers of all documents that have one and are not its best, sorted: no other one has anything to be cut."""


def hashes(text: str) -> Hashes:
    """The hashes of a text's passages, distinct and sorted: what `Writer.add` takes."""
    return np.unique(np.concatenate([windows(piece)[0] for _, piece in pieces(text)]))


def count(folder: Path, more_than: int, alive: NDArray[np.bool_] | None = None) -> Frequent:
    """The passages of more than so many documents of a folder of shards.

    ``alive`` (one value per document) leaves out documents dropped before: copies of one page are one page.
    """
    shards = Shards(folder)
    order = shards.column("order")
    found: list[Hashes] = []
    best: list[NDArray[np.int64]] = []
    others = np.empty(0, np.int64)
    for some, numbers in shards.parts("passages", np.ones(len(shards), np.bool_) if alive is None else alive):
        by_order = np.lexsort((order[numbers], some))
        some, first, sizes = np.unique(some, return_index=True, return_counts=True)
        frequent = sizes > more_than
        found.append(some[frequent])
        best.append(numbers[by_order][first[frequent]])
        again = np.repeat(frequent, sizes)
        again[first] = False
        others = np.union1d(others, numbers[by_order][again])
    return Frequent(np.concatenate(found), np.concatenate(best), others)


def drop_frequent(text: str, frequent: Frequent, number: int | None = None) -> tuple[str, list[Cut]]:
    """The text without frequent passages, and what was cut, in the order of the text.

    A document's own ``number`` keeps those that it is the best document of; None drops them everywhere.
    """
    cuts: list[Cut] = []
    for offset, piece in pieces(text) if frequent.hashes.size else ():
        found, starts, ends = windows(piece)
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
        for key, start, end in _paragraphs(piece):
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
    """Spans of a piece of text, where they begin and end, in characters and in letters: its lines, or its sentences."""

    def __init__(self, text: str, stops: NDArray[np.intp]) -> None:
        self._text = folded(text)
        size = self._text.codes.size
        if not stops.size or stops[-1] < size:
            stops = np.append(stops, size)
        self.stops, self.starts = stops, np.empty_like(stops)
        """(spans,)"""
        self.starts[0] = 0
        self.starts[1:] = stops[:-1]
        self.last = self._text.places.searchsorted(stops)
        """Number of letters before the end of each, (spans,)."""
        self.first = np.empty_like(self.last)
        """And before its beginning."""
        self.first[0] = 0
        self.first[1:] = self.last[:-1]

    def hashes(self, begin: NDArray[np.intp], stop: NDArray[np.intp]) -> Hashes:
        """Of what stands between the beginnings and the ends of these spans."""
        return self._text.rolling.between(self.first[begin], self.last[stop])


def _paragraphs(text: str) -> list[tuple[int, int, int]]:
    """(hash, start, end) of each paragraph of at least `WEIGHT`."""
    letters = folded(text)
    piece = _Piece(text, (letters.codes == _NEW_LINE).nonzero()[0] + 1)
    size = piece.last - piece.first
    heavy = (size >= WEIGHT).nonzero()[0]
    if heavy.size < 2:
        return []
    before = np.zeros(letters.letters.size + 1, dtype=np.int64)
    letters.han.cumsum(out=before[1:])
    of_han = before[piece.last] - before[piece.first]
    heavy = (of_han + _LETTER_WEIGHT * (size - of_han) >= WEIGHT).nonzero()[0]
    found = piece.hashes(heavy, heavy)
    return list(zip(found.tolist(), piece.starts[heavy].tolist(), piece.stops[heavy].tolist(), strict=True))


def windows(text: str) -> tuple[Hashes, NDArray[np.intp], NDArray[np.intp]]:
    """(hash, start, end) of each passage, offsets in characters."""
    codes = folded(text).codes
    signs = _KIND.take(codes).nonzero()[0]  # a tenth of a text
    kind = _KIND[codes[signs]]
    beside = signs[1:] == signs[:-1] + 1
    line = kind == _LINE
    end = line | (kind == _END)
    end[:-1] |= (kind[:-1] == _PERIOD) & beside & (kind[1:] >= _SPACE)
    end[1:] |= (kind[1:] == _CLOSER) & beside & end[:-1]
    end[:-1] &= ~(beside & end[1:]) | line[:-1]  # the last of several signs, and each line end
    piece = _Piece(text, signs[end] + 1)
    begin = np.arange(piece.starts.size)
    stop = piece.last.searchsorted(piece.first + LETTERS)
    inside = stop < begin.size
    begin, stop = begin[inside], stop[inside]
    paragraph = signs[line].searchsorted(piece.starts)
    inside = paragraph[begin] == paragraph[stop]
    change = (paragraph[1:] != paragraph[:-1]).nonzero()[0]
    whole, rest = np.append(0, change + 1), np.append(change, paragraph.size - 1)  # of each paragraph
    long = piece.last[rest] - piece.first[whole] >= LETTERS
    begin = np.concatenate([begin[inside], whole[long]])
    stop = np.concatenate([stop[inside], rest[long]])
    return piece.hashes(begin, stop), piece.starts[begin], piece.stops[stop]
