"""GBK in which bytes are missing or too many: pairs are found again where a decoder goes on with the wrong halves.

In a stretch without markup, the most likely way to cut its bytes into ASCII, pairs and bytes that belong to nothing
(Viterbi, 1967), by the frequency of characters. It is taken where it is far likelier than what the decoder made of
the stretch; a stretch that decodes well is not looked at.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

_STRETCH = re.compile(rb"[^\x00-\x2f\x3a-\x3f]*[\x80-\xff][^\x00-\x2f\x3a-\x3f]*")
"""Up to bytes that are no part of a character of two bytes."""
_ODD = re.compile(r"[\ue000-\uf8ff]")
_LONGEST = 4096
_MOST = 2**18
"""Bytes that are looked at, a microsecond each."""
_NOTHING, _MORE = -20.0, -16.0
"""A byte that belongs to nothing; and one beside it, since damage is in one place sooner than in two."""
_BETTER = 12.0
"""Nats."""


def realigned(content: bytes, model: NDArray[np.float32]) -> tuple[str, int]:
    """The text, and how many U+FFFD in it stand for bytes that belong to nothing.

    ``model``: the logarithm of the probability of each character up to U+FFFF, whose last stands for all above.
    """
    likely = model.tolist()
    parts: list[str] = []
    replaced = at = 0
    left = _MOST
    for match in _STRETCH.finditer(content):
        parts.append(content[at : match.start()].decode("ascii", "replace"))
        text = match[0].decode("gb18030", "replace")
        count = text.count("\ufffd")
        left -= len(match[0])
        if len(match[0]) <= _LONGEST and left >= 0 and (count or _ODD.search(text)):
            seen = sum(_NOTHING if one == "\ufffd" else likely[min(ord(one), 0xFFFF)] for one in text)
            score, other, skipped = _cut(match[0], likely)
            if score - seen >= _BETTER:
                text, count = other, skipped
        parts.append(text)
        replaced += count
        at = match.end()
    parts.append(content[at:].decode("ascii", "replace"))
    return "".join(parts), replaced


def _cut(stretch: bytes, likely: list[float]) -> tuple[float, str, int]:
    """The most likely cut: its logarithm, its text, and the bytes that belong to nothing."""
    pairs = _pairs()
    best = [0.0] + [float("-inf")] * len(stretch)
    length = [0] * (len(stretch) + 1)
    for at, byte in enumerate(stretch):
        beside = length[at] == 1 and stretch[at - 1] >= 0x80
        ways = [(1, likely[byte] if byte < 0x80 else _MORE if beside else _NOTHING)]
        if byte >= 0x80 and (pair := pairs.get(stretch[at : at + 2])):
            ways.append((2, likely[ord(pair)]))
        for size, value in ways:
            if best[at] + value >= best[at + size]:  # of two as likely the one in which damage goes on
                best[at + size], length[at + size] = best[at] + value, size
    parts: list[str] = []
    at = len(stretch)
    while at:
        piece = stretch[at - length[at] : at]
        parts.append(pairs[piece] if len(piece) == 2 else piece.decode("ascii", "replace"))
        at -= length[at]
    return best[-1], "".join(reversed(parts)), parts.count("\ufffd")


@cache
def _pairs() -> dict[bytes, str]:
    """Two bytes to their character."""
    pairs = (bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF))
    return {pair: one for pair in pairs if len(one := pair.decode("gb18030", "ignore")) == 1 and one > "\x7f"}
