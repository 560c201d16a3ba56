"""Repairs of a text, each with a receipt.

A repair is a function from a text to the edits it proposes; one module holds one. `repair` applies them in the
order in which they lay damage bare, and again until nothing changes, so that it is idempotent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from feilun.data.repair.composed import composed
from feilun.data.repair.controls import controls
from feilun.data.repair.edits import Cause, Edit, replay
from feilun.data.repair.entities import entities
from feilun.data.repair.glosses import glosses
from feilun.data.repair.letters import letters
from feilun.data.repair.marks import doubled, width
from feilun.data.repair.misread import heads, misread
from feilun.data.repair.mojibake import mojibake
from feilun.data.repair.script import simplified
from feilun.data.repair.shifted import shifted_score
from feilun.data.repair.titles import hijacked, hijacked_head

__all__ = ["Cause", "Edit", "Repaired", "repair", "replay", "shifted_score", "simplified"]

_Repair = tuple[Callable[[str], list[Edit]], frozenset[str] | None]


def _characters(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(chr(code) for first, last in ranges for code in range(first, last + 1))


# Beside each repair the characters without which it has nothing to do: one look at which of them a text has
# spares a clean page nearly every scan.
_IN_TEXT: tuple[_Repair, ...] = (
    (entities, frozenset("&")),
    (mojibake, _characters((0xA1, 0xF7))),
    (misread, heads()),
    (
        controls,
        _characters((0, 8), (0xB, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E))
        | _characters((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF))
        | _characters((0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F)),
    ),
    (composed, None),
    (glosses, frozenset("(（")),
    (letters, _characters((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))),
    (width, frozenset(",:;!?")),
    (doubled, frozenset(",，、。")),
)
_IN_TITLE = tuple(one for one in _IN_TEXT if one[0] is not width)
_BITS: dict[Callable[[str], list[Edit]], int] = {propose: 1 << at for at, (propose, _) in enumerate(_IN_TEXT)}
_NEEDED_BY = np.zeros(0x110000, np.uint16)
"""Code point -> bits of the repairs that need it."""
for _propose, _needs in _IN_TEXT:
    _NEEDED_BY[[ord(one) for one in _needs] if _needs else slice(None)] |= _BITS[_propose]
_LONGEST = 2_000_000
"""Characters: what comes after is left as it is, so that a hostile page's receipt fits in memory."""
_ROUNDS = 12
"""Enough for any page; what a repair lays bare for an earlier one is rare, and each round costs a pass."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A page after its repairs.

    ``replay(original text, edits)`` is ``text`` and ``replay(original title, title_edits)`` is ``title``.
    ``shifted`` is the damage by bytes read in the wrong encoding that no repair mends: places in 1,000 characters of the
    original.
    """

    title: str
    text: str
    edits: list[Edit]
    title_edits: list[Edit]
    shifted: float


def repair(title: str, text: str) -> Repaired:
    """All repairs of title and text. Pure, idempotent; neither grows. Of a longer text the first 2 M characters.

    Where there is no title the text's first line is taken for one, as far as it is hijacked.
    """
    head, tail = text[:_LONGEST], text[_LONGEST:]
    new_text, edits = _settle(head, _IN_TEXT)
    new_title, title_edits = _settle(title, _IN_TITLE)
    # What is cut may have been why the rest of the line was left alone, so that the rest is mended once more.
    while cut := hijacked(new_title, new_text + tail):
        new_title = _applied(cut, new_title, title_edits)
        new_title, more = _settle(new_title, _IN_TITLE)
        title_edits += more
    while not new_title and (cut := hijacked_head(new_text)):
        new_text = _applied(cut, new_text, edits)
        new_text, more = _settle(new_text, _IN_TEXT)
        edits += more
    new_text += tail
    read = list(takewhile(lambda edit: edit.cause in ("entity", "mojibake"), edits))
    shifted = shifted_score(replay(text[:_LONGEST], read) + text[_LONGEST:] if read else text)
    return Repaired(new_title, new_text, edits, title_edits, shifted)


def _settle(text: str, repairs: tuple[_Repair, ...]) -> tuple[str, list[Edit]]:
    receipt: list[Edit] = []
    for _ in range(_ROUNDS):
        before = len(receipt)
        needed = _needed(text)
        for propose, _ in repairs:
            edits = propose(text) if needed & _BITS[propose] else []
            if edits:
                text = _applied(edits, text, receipt)
                needed = _needed(text)
        if len(receipt) == before:
            break
    return text, receipt


def _applied(edits: list[Edit], text: str, receipt: list[Edit]) -> str:
    """The text after edits in the order of the text; the receipt gets them from the last to the first."""
    edits.reverse()
    receipt += edits
    return replay(text, edits)


def _needed(text: str) -> int:
    """Bits of the repairs that may have something to do."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return int(np.bitwise_or.reduce(_NEEDED_BY.take(codes)))
