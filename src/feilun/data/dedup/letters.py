"""The letters of a text: what two copies of it still share once case, width, white space and marks are gone.

The rules are a table of code points written out here, not Python's character database, which grows with each
version of Python: the same text gives the same letters everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from feilun.data.dedup.hashing import Rolling

PIECE = 2**18
"""Characters. A longer text is worked on in pieces of this size, so that one huge page cannot fill the memory."""

_NO_LETTERS = (
    (0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0xA9), (0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF),
    (0xD7, 0xD7), (0xF7, 0xF7), (0x2B0, 0x36F),  # signs of ASCII and Latin-1, accents that stand alone
    (0x2000, 0x206F), (0x20A0, 0x20FF), (0x2190, 0x2BFF), (0x2E00, 0x2E7F),  # punctuation, currencies, symbols
    (0x3000, 0x3004), (0x3008, 0x3020), (0x302A, 0x3030), (0x303D, 0x303F), (0x30FB, 0x30FB),  # of CJK
    (0xD800, 0xF8FF), (0xFE00, 0xFE6F), (0xFEFF, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40),  # private, wide
    (0xFF5B, 0xFF65), (0xFFE0, 0xFFFF), (0x1F000, 0x1FBFF), (0xE0000, 0x10FFFF),  # pictures, private planes
)  # fmt: skip


def _table() -> NDArray[np.uint32]:
    """Code point -> its folded form, 0 where it is no letter or digit."""
    fold = np.arange(0x110000, dtype=np.uint32)
    for first, last in _NO_LETTERS:
        fold[first : last + 1] = 0
    for code in (
        *range(0x41, 0x530),
        *range(0x1E00, 0x2000),
    ):  # case pairs that no version of Unicode may change
        small = chr(code).lower()
        if fold[code] and len(small) == 1:
            fold[code] = ord(small)
    fold[0xFF10:0xFF1A] = np.arange(0x30, 0x3A)
    fold[0xFF21:0xFF3B] = fold[0xFF41:0xFF5B] = np.arange(0x61, 0x7B)
    return fold


FOLD = _table()


def codes(text: str) -> NDArray[np.uint32]:
    """One code point per character; a lone surrogate is one too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


class Folded:
    """The letters and digits of a text: copies, passages and evaluation sets are all looked for among them."""

    def __init__(self, text: str) -> None:
        self.codes = codes(text)
        """(characters,)"""
        folded = FOLD.take(self.codes)
        self.places = folded.nonzero()[0]
        """Where in the text each stands, (letters,)."""
        self.letters: NDArray[np.uint32] = folded[self.places]
        """(letters,)"""

    @cached_property
    def rolling(self) -> Rolling:
        """Hashes of their windows."""
        return Rolling(self.letters)

    @cached_property
    def han(self) -> NDArray[np.bool_]:
        """Which of the letters are written without spaces, (letters,)."""
        return is_han(self.letters)


@lru_cache(maxsize=2)
def folded(text: str) -> Folded:
    """The last texts are kept (a document and its Simplified shadow, often the same), since all steps ask for them in turn."""
    return Folded(text)


def letters(text: str) -> NDArray[np.uint32]:
    """The folded letters and digits of a text, in their order."""
    return folded(text).letters


def is_han(letters: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of them are written without spaces between words: Han characters and kana."""
    return _HAN.take(letters)


_HAN = np.zeros(0x110000, dtype=np.bool_)
_HAN[0x3040:0xA000] = _HAN[0xF800:0xFA00] = _HAN[0x20000:] = True


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """(offset, piece) of at most `PIECE` characters, cut after the last line end that fits, if there is one."""
    start = 0
    while len(text) - start > PIECE:
        line = text.rfind("\n", start, start + PIECE) + 1
        stop = line if line > start else start + PIECE
        yield start, text[start:stop]
        start = stop
    yield start, text[start:] if start else text
