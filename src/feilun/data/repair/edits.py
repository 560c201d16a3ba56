"""What a repair did to a text, as a list that can be replayed.

A receipt is read from its first edit to its last, and each edit speaks of the text as the edits before it left
it. A repair lists its own edits from the end of the text to the beginning: then a span means the same before
and after its neighbours are applied, and one join applies them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

Cause = Literal[
    "entity",  # an HTML entity left in the text
    "mojibake",  # bytes read with a wrong encoding
    "control",  # control, zero-width and bidirectional characters
    "composed",  # Unicode normal form C
    "shifted",  # GBK whose bytes pair wrongly
    "gloss",  # a reading that a converter wrote
    "letter",  # full-width letters and digits
    "width",  # ASCII punctuation beside Han
    "doubled",  # punctuation written twice
    "hijacked",  # advertising in the title
]


class Edit(NamedTuple):
    """``text[start:end]`` became ``replacement``, never a longer one; offsets in characters, confidence 0 to 1."""

    start: int
    end: int
    replacement: str
    cause: Cause
    confidence: float


def replay(original: str, edits: Iterable[Edit]) -> str:
    """The text after all edits. Linear in text and edits for each repair that took part.

    Raises:
        ValueError: a span lies outside the text it speaks of; the receipt belongs to another text.
    """
    text = original
    for group in _groups(edits):
        text = _join(text, group)
    return text


def _groups(edits: Iterable[Edit]) -> Iterator[list[Edit]]:
    """Runs in which every edit ends before the one applied just before it begins."""
    group: list[Edit] = []
    for edit in edits:
        if group and edit.end > group[-1].start:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def _join(text: str, edits: Sequence[Edit]) -> str:
    if not edits[-1].start >= 0 or not all(edit.start <= edit.end <= len(text) for edit in edits):
        raise ValueError("an edit lies outside the text")
    parts: list[str] = []
    at = 0
    for edit in reversed(edits):
        parts += text[at : edit.start], edit.replacement
        at = edit.end
    return "".join([*parts, text[at:]])


def narrowed(before: str, after: str, start: int, cause: Cause, confidence: float) -> Edit:
    """The edit that makes ``after`` of ``before``, which begins at ``start``, without what both share at the ends."""
    head = 0
    limit = min(len(before), len(after))
    while head < limit and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < limit - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return Edit(start + head, start + len(before) - tail, after[head : len(after) - tail], cause, confidence)
