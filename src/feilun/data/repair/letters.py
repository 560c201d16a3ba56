"""Full-width letters and digits, ``ＡＢＣ１２３``, become ASCII."""

from __future__ import annotations

import re

from feilun.data.repair.edits import Edit

_WIDE = re.compile(r"[０-９Ａ-Ｚａ-ｚ]+")
_NARROW = {
    code: code - 0xFEE0
    for first, last in ("０９", "ＡＺ", "ａｚ")
    for code in range(ord(first), ord(last) + 1)
}


def letters(text: str) -> list[Edit]:
    return [Edit(*match.span(), match[0].translate(_NARROW), "letter", 1.0) for match in _WIDE.finditer(text)]
