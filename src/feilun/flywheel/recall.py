"""Whether an answer says what a correction says."""

from __future__ import annotations

import re

from feilun.evaluate.wording import normalise

SHARE = 0.6
"""Of the correction's new words, so many must occur."""

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_WORD = re.compile(r"[a-z\u00c0-\u024f][a-z\u00c0-\u024f']*")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_EMPTY = frozenset(
    "a an and are as at be by for from has have he her his i in is it its my of on or our she that the their they "  # noqa: SIM905
    "this to was we were will with you your".split()
)
"""English words that carry no fact."""


def says(answer: str, wanted: str, question: str) -> bool:
    """Whether ``answer`` holds what ``wanted`` says beyond ``question``: every number, and most of the other words.

    Words are English words, and pairs of neighbouring Chinese characters. What the question says already proves
    nothing. Where ``wanted`` says nothing new, the two must be the same but for case, width and white space.
    """
    numbers, words = (there - here for there, here in zip(_parts(wanted), _parts(question), strict=True))
    if not numbers and not words:
        return _bare(answer) == _bare(wanted)
    found_numbers, found = _parts(answer)
    if not numbers <= found_numbers:
        return False
    return not words or len(words & found) >= SHARE * len(words)


def _parts(text: str) -> tuple[set[str], set[str]]:
    text = normalise(text)
    words = {word for word in _WORD.findall(text) if word not in _EMPTY}
    for run in _HAN.findall(text):
        words |= {run[at : at + 2] for at in range(len(run) - 1)} or {run}
    return set(_NUMBER.findall(text)), words


def _bare(text: str) -> str:
    return re.sub(r"\s+", " ", normalise(text)).strip()
