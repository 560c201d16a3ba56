"""Unicode normal form C, character by character with its marks, so that a receipt shows what changed."""

from __future__ import annotations

import re
import unicodedata

from feilun.data.repair.edits import Edit

_MARKS = 30
"""Marks on one character that are still writing (UAX 15, section 13); sorting more takes quadratic time."""

_CHUNK = re.compile(r"\S+")


def composed(text: str) -> list[Edit]:
    """NFC (Unicode Standard Annex 15), but for the few characters that it would take apart into longer forms."""
    if unicodedata.is_normalized("NFC", text):
        return []
    found: list[Edit] = []
    for chunk in _CHUNK.finditer(text):
        if not unicodedata.is_normalized("NFC", chunk[0]):
            found += _within(chunk[0], chunk.start())
    return found


def _within(chunk: str, offset: int) -> list[Edit]:
    found: list[Edit] = []
    start = 0
    for end in range(1, len(chunk) + 1):
        if end < len(chunk) and _joins(chunk[end]):
            continue
        cluster = chunk[start:end]
        after = unicodedata.normalize("NFC", cluster) if end - start <= _MARKS else cluster
        if after != cluster and len(after) <= len(cluster):
            found.append(Edit(offset + start, offset + end, after, "composed", 1.0))
        start = end
    return found


def _joins(character: str) -> bool:
    """Whether a character may melt into the one before it: a mark, or a Hangul vowel or final (UAX 15, section 9)."""
    return character >= "\u0300" and (
        unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"
    )
