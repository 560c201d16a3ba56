"""Bytes that were read with a wrong encoding: UTF-8 as Latin-1 or cp1252 (``ä¸\xad``, ``â€™``), GBK as Latin-1.

The first is ftfy's work (Speer, ftfy, 2019), a line at a time and only where a lead byte stands before a
continuation byte. The second is ours: GB2312 pairs whose characters are nearly all common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import ftfy

from feilun.data.repair.edits import Edit, narrowed
from feilun.data.repair.script import COMMON, GB2312

_CP1252 = {byte: bytes((byte,)).decode("cp1252", "replace") for byte in range(0x80, 0xA0)}
_IMAGES = "".join(sorted(set(_CP1252.values()) - {"\ufffd"}))
_CONTINUES = rf"[\x80-\xbf{_IMAGES}]"
_UTF8 = re.compile(rf"[\xc2-\xf4]{_CONTINUES}")
_LINE = re.compile(r"[^\n]+")
_GB = re.compile(r"(?:[\xa1-\xf7][\xa1-\xfe]){3,}")

_PIECE = 4096
"""Characters handed to ftfy at a time."""
_BUDGET = 500_000
"""Characters handed to it in one text: at 1 to 2 MB a second a hostile page must end."""


def mojibake(text: str) -> list[Edit]:
    if not _SUSPECT.search(text):
        return []
    found: list[Edit] = []
    for start, piece in _pieces(text):
        gb = list(_gb_as_latin(piece, start))
        found += gb
        if not gb and _UTF8.search(piece):
            after = ftfy.fix_encoding(piece)
            if after != piece and len(after) <= len(piece):
                found.append(narrowed(piece, after, start, "mojibake", 0.98))
    return found


_SUSPECT = re.compile(rf"[\xc2-\xf4]{_CONTINUES}|[\xa1-\xf7][\xa1-\xfe]{{5}}")


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Lines that look damaged, long ones in parts, until the budget is spent."""
    left = _BUDGET
    for line in _LINE.finditer(text):
        for start in range(line.start(), line.end(), _PIECE):
            piece = text[start : min(start + _PIECE, line.end())]
            if _SUSPECT.search(piece):
                left -= len(piece)
                if left < 0:
                    return
                yield start, piece


def _gb_as_latin(piece: str, offset: int) -> Iterator[Edit]:
    for match in _GB.finditer(piece):
        before = match[0]
        after = before.encode("latin-1").decode("gb2312", "replace")
        common = sum(one in COMMON for one in after)
        alphabet = all(one <= other for one, other in pairwise(before))
        if (
            _not_utf8(before)
            and "\ufffd" not in after
            and len(set(after)) >= 3
            and common >= 0.7 * len(after)
            and common == sum(one in GB2312 for one in after)
            and not alphabet
        ):
            yield Edit(offset + match.start(), offset + match.end(), after, "mojibake", 0.95)


def _not_utf8(run: str) -> bool:
    try:
        run.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
