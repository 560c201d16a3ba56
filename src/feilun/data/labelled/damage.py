"""Damage done to good pages by the tools they went through."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import opencc

from feilun.data.repair.glosses import readings
from feilun.data.repair.script import GB2312

_S2T = cast(Any, opencc).OpenCC("s2t")
_FOLDED = str.maketrans("，。；：？！（）“”", ',.;:?!()""')


def traditional(text: str) -> str:
    return str(_S2T.convert(text))


def glossed(text: str) -> str:
    """Each Han character outside GB2312 followed by its reading, as a converter wrote it for fonts without it."""
    return "".join(
        f"{one}({readings()[ord(one)].split(',')[0]})"
        if "\u4e00" <= one <= "\u9fff" and one not in GB2312
        else one
        for one in text
    )


def shifted(draw: Random, text: str, places: int) -> str:
    """GBK bytes of which some lead bytes became ``?``, so that what follows pairs wrongly up to the next ASCII byte."""
    raw = bytearray(text.encode("gbk", "ignore"))
    starts = [2 * at for at in range(len(raw) // 2) if raw[2 * at] >= 0x81]
    for at in draw.sample(starts, min(places, len(starts))):
        raw[at] = 0x3F
        end = min(at + 2 * draw.randint(3, 9), len(raw) - 1)
        raw[end] = 0x3F
    return bytes(raw).decode("gbk", "replace").replace("\ufffd", "?")


def doubled(draw: Random, text: str) -> str:
    """Commas doubled, and in half of the pages all marks folded to ASCII."""
    if draw.random() < 0.5:
        text = text.translate(_FOLDED)
    return "".join(
        one + draw.choice((",", "，", "、")) if one in "，,、" and draw.random() < 0.6 else one
        for one in text
    )
