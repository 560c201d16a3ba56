"""Han characters: which there are, which of them GB2312 has, and the Simplified shadow of a text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import opencc

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""The inside of a regular expression's class: every ideograph."""

COMMON = frozenset(
    bytes(pair).decode("gb2312") for pair in ((a, b) for a in range(0xB0, 0xD7) for b in range(0xA1, 0xFF))
) | frozenset(bytes((0xD7, b)).decode("gb2312") for b in range(0xA1, 0xFA))
"""The 3,755 characters of GB2312's first level: nearly all that a Simplified text uses."""

RARE = frozenset(bytes((a, b)).decode("gb2312") for a in range(0xD8, 0xF8) for b in range(0xA1, 0xFF))
"""The 3,008 of its second level."""

GB2312 = COMMON | RARE

READING = "[a-zɑɡàáèéêìíòóùúüāēěīńňōūǎǐǒǔǖǘǚǜǹḿế]"
"""A letter of a reading in pinyin, as a class of a regular expression."""


def converter(name: str) -> Callable[[str], str]:
    """OpenCC by the name of its configuration: ``t2s``, ``s2t``, ``s2tw``, ``s2hk``."""
    return cast(Callable[[str], str], opencc.OpenCC(name).convert)  # pyright: ignore[reportUnknownMemberType]


_t2s = converter("t2s")


def simplified(text: str) -> str:
    """The Simplified shadow: what is compared and scored in place of the text, which keeps its Traditional."""
    if text.isascii():
        return text
    return _t2s(text.encode("utf-8", "replace").decode("utf-8"))


@cache
def simplified_only() -> frozenset[str]:
    """Characters that a Traditional text does not hold: they were given a shorter form, and Big5 lacks them."""
    to_traditional = converter("s2t")
    return frozenset(one for one in GB2312 if to_traditional(one) != one and not one.encode("big5", "ignore"))


@cache
def everyday_traditional(character: str) -> bool:
    """Whether this is the Traditional form of a common character: one that no author explains."""
    return character not in GB2312 and _t2s(character) in COMMON
