"""One text as arrays, made once and shared by every score: code points, their classes, and units.

A unit is what a reader takes for a word: one Han character, or a run of other letters or of digits. Chinese has no
spaces, so whatever the papers count in words is counted in units here.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

READ = 200_000
"""Characters of a text that are scored: its beginning speaks for it, and a page of 200 MB takes no longer."""

WIDTH = 2.5
"""Of a Han character, in Latin letters."""
NARROW = 60.0
"""Width of a line, in Latin letters, that lines of verse stay below and paragraphs do not."""

SPACE, PUNCTUATION, SYMBOL, DIGIT, LATIN, LETTER, HANGUL, HAN, KANA = range(9)
"""Classes of characters. `LATIN` with its accents, `LETTER` of any other script. From `DIGIT` on a class is of units,
from `HAN` on each character is one."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units in the order of the text, each array (units,)."""

    hashes: NDArray[np.uint64]
    """Equal for equal units, capitals aside."""
    han: NDArray[np.bool_]
    latin: NDArray[np.bool_]
    starts: NDArray[np.intp]
    """Where in the text each begins."""
    lengths: NDArray[np.intp]


class Letters:
    """A text, read once."""

    def __init__(self, text: str) -> None:
        self.text = text[:READ]
        self.codes: NDArray[np.uint32] = np.frombuffer(
            self.text.encode("utf-32-le", "surrogatepass"), np.uint32
        )
        """(characters,)"""
        self.classes: NDArray[np.uint8] = _CLASSES.take(self.codes, mode="clip")
        """(characters,)"""
        beyond = self.codes > 0xFFFF
        if beyond.any():
            self.classes[beyond] = np.where(self.codes[beyond] >= 0x20000, HAN, SYMBOL)
        self.counts: list[int] = np.bincount(self.classes, minlength=9).tolist()
        """Characters of each class."""

    @cached_property
    def lines(self) -> list[str]:
        """Without white space around them."""
        return list(map(str.strip, self.text.split("\n")))

    @cached_property
    def wide(self) -> float:
        """Mean width of a character, in Latin letters."""
        return 1 + (WIDTH - 1) * self.counts[HAN] / max(len(self.codes), 1)

    @cached_property
    def widths(self) -> list[float]:
        """Of each line that is not empty, in Latin letters."""
        wide = self.wide
        return [len(line) * wide for line in self.lines if line]

    @cached_property
    def narrow(self) -> bool:
        """Whether three lines of four are too narrow for prose: verse, and lists."""
        widths = self.widths
        return sum(width < NARROW for width in widths) >= 0.75 * max(len(widths), 1)

    @cached_property
    def words(self) -> int:
        """Units in Latin letters."""
        return int(np.count_nonzero(self.units.latin))

    @cached_property
    def units(self) -> Units:
        kind = self.classes
        member = kind >= DIGIT
        inside = member.nonzero()[0]
        if not len(inside):
            none = np.zeros(0, np.bool_)
            return Units(np.zeros(0, np.uint64), none, none, inside, inside)
        # A run begins where its class changes; each Han character is a unit of its own.
        changes = kind[1:] != kind[:-1]
        changes |= kind[1:] >= HAN
        member[1:] &= changes
        # Where in `inside` each unit begins: units are runs of it, one after the other.
        begins = member[inside]
        heads = begins.nonzero()[0]
        starts = inside[heads]
        codes = self.codes[inside]
        small = _SMALL.take(codes, mode="clip")
        beyond = codes > 0xFFFF
        if beyond.any():
            small[beyond] = codes[beyond].astype(np.uint64) + np.uint64(1)
        lengths = np.empty_like(heads)
        np.subtract(heads[1:], heads[:-1], out=lengths[:-1])
        lengths[-1] = len(inside) - heads[-1]
        if len(heads) < len(inside):
            place = np.arange(len(inside))
            place -= heads.repeat(lengths)
            small *= _POWERS.take(place, mode="clip")
            hashes = np.add.reduceat(small, heads)
        else:
            hashes = small * _POWERS[0]
        first = kind[starts]
        return Units(hashes, first == HAN, first == LATIN, starts, lengths)


@lru_cache(maxsize=1)
def read(text: str) -> Letters:
    """The last text is kept, since several scores ask for it one after the other."""
    return Letters(text)


def unit_hash(word: str) -> int:
    """What `Units.hashes` holds for this word."""
    return int(Letters(word).units.hashes[0])


def _class(code: int) -> int:
    one = chr(code)
    if 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or code == 0x3007:
        return HAN
    if 0x3041 <= code <= 0x30FA or 0x31F0 <= code <= 0x31FF or 0xFF66 <= code <= 0xFF9D:
        return KANA
    if 0xAC00 <= code <= 0xD7A3 or 0x1100 <= code <= 0x11FF:
        return HANGUL
    category = unicodedata.category(one)
    if one.isspace():
        return SPACE
    if category[0] in "LM":
        return LATIN if code < 0x250 or 0xFF21 <= code <= 0xFF5A or 0x1E00 <= code <= 0x1EFF else LETTER
    if category == "Nd":
        return DIGIT
    return PUNCTUATION if category.startswith("P") else SYMBOL


_CLASSES = np.array([_class(code) for code in range(0x10000)], np.uint8)
_SMALL = np.array(
    [1 + (ord(one) if len(one := chr(code).lower()) == 1 else code) for code in range(0x10000)], np.uint64
)
"""One more than the small letter of each."""
_POWERS = np.array([pow(0x9E3779B97F4A7C15, at + 1, 2**64) for at in range(64)], np.uint64)


def different(values: NDArray[np.intp]) -> NDArray[np.int32]:
    """The different ones of values below 2**31, ascending. `numpy.unique` takes three times as long."""
    found = np.sort(values.astype(np.int32))
    new = np.ones(len(found), np.bool_)
    np.not_equal(found[1:], found[:-1], out=new[1:])
    return found[new]
