"""Text as bytes read in the wrong encoding give it, found and not repaired.

Four signs of it. A lead byte of GBK was lost, so each later byte pairs with its neighbour until an ASCII byte ends
the run: ``?晃煌?`` where ``事告诉`` stood. Between the two ``?`` the true characters follow from the bytes: shifted by
one, they are common where what is seen is rare. That difference is the evidence. The first and the last character
lost a byte each, and nothing says which: a trigram model of nine million characters restored both in half of the
runs, and where it was surest (posterior .98, a fifth of them) still got one in thirty wrong. So the damage is counted,
and the page judged by it.

The same evidence tells of runs full of rare characters, where no ``?`` is left: written back in the encoding that they
were read in and read in another (GBK as Big5, UTF-8 as GBK, or GBK a byte later), they are common ones. Rare
characters that are meant as they stand become rarer still. Third, U+FFFD
in one place of each hundred characters; and last what becomes of U+FFFD that are read as GBK, ``锟斤拷``, and of memory
that nobody wrote to, ``烫烫烫``, in as many: in fewer a text may speak of them.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from feilun.data.repair.script import COMMON, GB2312, HAN, everyday_traditional

_TAIL = re.compile(r"[?\ufffd]/(?:p|div|span|br|li|td|tr|h[1-6]|a|b|strong|font|title)>", re.IGNORECASE)
_RUN = re.compile(r"[?\ufffd](?=([!,:;()\x80-\ufffc\U00010000-\U0010ffff]{2,400})[?\ufffd])")
_HAN = re.compile(rf"[{HAN}]")
_FOLDED = str.maketrans("!,:;()", "！，：；（）")
_EVIDENCE = 6.0
"""Difference of log likelihoods, in nats, above which a run is damage."""
_MISREAD = 2.0
"""The same for each character of a run of which nothing else is known."""
_ENOUGH = 16.0
"""And of all of them together."""
_DENSE, _APART = 4, 8
"""So many rare characters, of which none has more than so many others before the next."""
_PLACE = 12
"""Characters of a long run that count as one place: as many as a run between two ``?`` has."""
_BUDGET = 20_000
"""Characters of such runs that are read in other encodings."""

_LOST = re.compile(r"(?<=[^\W\ufffd])\ufffd+|\ufffd+(?=[^\W\ufffd])")
"""Not the rows of them that were an ornament."""
_SIGN = re.compile(r"锟斤?拷|锟斤|斤拷|烫{3,12}|屯{3,12}")
_PIECE = re.compile(r"[^\x00-\x7f\ufffd\ue5e5]{4,24}")
_OTHERWISE = (
    ("gb18030", "gb18030", 1),
    ("gb18030", "utf-8", 0),
    ("big5hkscs", "gb18030", 0),
    ("gb18030", "big5hkscs", 0),
    ("big5hkscs", "utf-8", 0),
    ("euc_jp", "gb18030", 0),
    ("gb18030", "cp932", 0),
)
"""Read in the first, meant in the second, from which byte on."""


def shifted_score(text: str) -> float:
    """Damaged places in a thousand characters of the text; 0 for nearly every page."""
    places = 0
    if "?" in text or "\ufffd" in text:
        places += len(_TAIL.findall(text))
        if not text.isascii():
            places += sum(
                -(-len(match[1]) // 40) for match in _RUN.finditer(text) if _evidence(match[1]) >= _EVIDENCE
            )
    if not text.isascii():
        places += _signs(text) + _misread(text)
    return 1000 * places / max(len(text), 200)


def _signs(text: str) -> int:
    lost = _LOST.findall(text) if "\ufffd" in text else []
    signs = _SIGN.findall(text) if "锟" in text or "烫" in text or "屯" in text else []
    places = len(lost) + len(signs)
    return places if 100 * places >= max(len(text), 300) else 0


def _misread(text: str) -> int:
    """Places where characters that nobody writes stand close together, and are common ones if they are read otherwise."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    rare = np.flatnonzero(likelihoods()[1].take(codes, mode="clip"))
    if len(rare) < _DENSE or (rare[_DENSE - 1 :] - rare[: 1 - _DENSE]).min() > _APART * (_DENSE - 1):
        return 0
    ends = np.append(np.flatnonzero(np.diff(rare) > _APART), len(rare) - 1)
    counts = np.diff(ends, prepend=-1)
    dense = counts >= _DENSE
    places, left = 0, _BUDGET
    for last, count in zip(ends[dense].tolist(), counts[dense].tolist(), strict=True):
        first = max(0, int(rare[last - count + 1]) - 2)
        run = text[first : min(int(rare[last]) + 3, first + left)]
        for piece in _PIECE.findall(run):
            if any(_is_likelier(piece, *way) for way in _OTHERWISE):
                places += -(-len(piece) // _PLACE)
        left -= len(run)
    return places


def _is_likelier(seen: str, read: str, meant: str, offset: int) -> bool:
    """Whether a run is far likelier if it is read otherwise."""
    raw = seen.encode(read, "ignore")
    if (
        not 1.8 * len(seen) <= len(raw) <= 2.2 * len(seen)
    ):  # hardly any of it is in two bytes of this encoding
        return False
    true = raw[offset:].decode(meant, "replace")
    if len(set(true)) < 3 or 4 * len(set(true)) < len(true):
        return False
    gain = _mean(true) - _mean(seen)
    return gain >= _MISREAD and gain * len(true) >= _ENOUGH


def _mean(text: str) -> float:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return float(likelihoods()[0].take(codes, mode="clip").mean())


@cache
def likelihoods() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Of each character up to U+FFFF the logarithm of its frequency, by its class alone, in texts of any script that
    writes Han; and whether it is one that those hardly have."""
    table = np.full(0x10001, -14.0, np.float32)
    table[:0x80], table[0xA0:0x250] = -7, -10
    table[0x370:0x600], table[0x2000:0x2C00] = -9, -9
    table[0x3040:0x3100], table[0xAC00:0xD7A4] = -8.5, -9
    table[0xFF00:0xFF60] = -9
    for codec, leads, value in (
        ("gb2312", range(0xD8, 0xF8), -11.0),
        ("euc_jp", range(0xB0, 0xD0), -9.0),
        ("big5", range(0xA4, 0xC7), -8.0),
        ("gb2312", range(0xB0, 0xD8), -7.0),
    ):
        level = bytes(one for lead in leads for trail in range(0x40, 0xFF) for one in (lead, trail, 10))
        for one in level.decode(codec, "ignore").split("\n"):
            if len(one) == 1 and one > "\u2e7f":
                table[ord(one)] = value
    for mark in "，。、；：！？“”‘’（）《》「」『』【】—…·　":
        table[ord(mark)] = -4.5
    table[[0xE5E5, ord("囗")]] = -7  # a full-width space of GBK pages; the place of a character that is lost
    odd = np.zeros(len(table), np.bool_)
    for first, last in ((0x3400, 0xA000), (0xE000, 0xFB00)):
        odd[first:last] = table[first:last] <= -11
    odd[0x3100:0x3130], odd[0xFE50:0xFE70], odd[0xFF61:0xFFA0] = True, True, True
    return table, odd


def _evidence(seen: str) -> float:
    """How much likelier the run is shifted by a byte than as it is seen, for as many characters of both."""
    raw = seen.translate(_FOLDED).encode("gbk", "ignore")
    if len(raw) != 2 * len(seen):
        return 0.0
    true = raw[1:-1].decode("gbk", "replace")
    if len(true) != len(seen) - 1:
        return 0.0
    return sum(map(_likelihood, true)) - sum(map(_likelihood, seen)) * len(true) / len(seen)


@cache
def _likelihood(character: str) -> float:
    """The logarithm of a character's frequency in Chinese text, by its class alone."""
    if character in "，。、；：！？“”（）《》—…":
        return -4.5
    if character in COMMON:
        return -7.0
    if not _HAN.match(character):
        return -12.0
    if everyday_traditional(character):
        return -8.0
    return -11.0 if character in GB2312 else -14.0
