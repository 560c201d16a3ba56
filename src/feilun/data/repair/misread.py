"""UTF-8 that was read as GBK: ``浣犲ソ鍚`` where ``你好吗`` stood.

Three bytes of one character became one and a half of another script's, so the way back is unambiguous: bytes of GBK
that are characters of UTF-8 one after the other are no chance. Where an odd byte was lost at the end of a run, its
character stays U+FFFD. A line that only quotes such characters is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from feilun.data.repair.edits import Edit, narrowed
from feilun.data.repair.shifted import likelihoods

_LEAST = 4
"""Characters that have to come out of a run."""
_LOST = 8
"""One in so many of them may be lost."""
_RUN = re.compile(r"[^\x00-\x7f]{6,}")


def misread(text: str) -> list[Edit]:
    if not _suspect().search(text):
        return []
    return list(_misread(text))


def _misread(text: str) -> Iterator[Edit]:
    start = 0
    for line in text.split("\n"):
        if _suspect().search(line):
            found = [edit for run in _RUN.finditer(line) if (edit := _back(run, start))]
            if 2 * sum(edit.end - edit.start for edit in found) >= sum(map(len, _WIDE.findall(line))):
                yield from found
        start += len(line) + 1


_WIDE = re.compile(r"[^\x00-\x7f]+")


def _back(run: re.Match[str], offset: int) -> Edit | None:
    # A byte 80 begins no character of GBK: what is lost in the middle of a run was that.
    body = run[0].rstrip("\ufffd")
    raw = body.encode("gb18030", "ignore") if "\ufffd" not in body else _with_80(body)
    after = raw.decode("utf-8", "replace")
    if len(body) < len(run[0]):
        after = after.rstrip("\ufffd") + "\ufffd"
    lost = after.count("\ufffd")
    seen = len(after) - lost
    table = likelihoods()[0]
    usual = sum(float(table[min(ord(one), 0x10000)]) >= -9 for one in after)
    if seen < _LEAST or _LOST * lost > seen or 10 * usual < 9 * seen or len(after) > len(run[0]):
        return None
    return narrowed(run[0], after, offset + run.start(), "mojibake", 0.97)


def _with_80(body: str) -> bytes:
    return b"\x80".join(part.encode("gb18030", "ignore") for part in body.split("\ufffd"))


@cache
def heads() -> frozenset[str]:
    """Characters of GBK whose bytes are the first two of a Han character or a mark in UTF-8."""
    return frozenset(
        bytes((lead, trail)).decode("gbk", "ignore")
        for lead in range(0xE3, 0xF0)
        for trail in range(0x80, 0xC0)
    ) - {""}


@cache
def _suspect() -> re.Pattern[str]:
    """The first two bytes of a character, its last with the first of the next, and the last two of that."""

    def of(leads: range, trails: range) -> str:
        pairs = (bytes((lead, trail)).decode("gbk", "ignore") for lead in leads for trail in trails)
        return "".join(re.escape(one) for one in pairs if one)

    lead, follows = range(0xE3, 0xF0), range(0x80, 0xC0)
    middle, last = of(range(0x81, 0xC0), lead), of(range(0x81, 0xC0), follows)
    return re.compile(f"[{''.join(heads())}](?:[{middle}][{last}]|\ufffd)")
