"""Which language a text is in, as far as it matters here: Chinese, English, or another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feilun.data.score.letters import HAN, HANGUL, KANA, LATIN, LETTER, Letters, unit_hash
from feilun.data.score.letters import WIDTH as _WEIGHT

_ENGLISH = (
    "the of and to in a is that for it as was with be by on not he this are or his from at which but have an "
    "they you were her she there been their one has had we would will what if can when so no its my who do "
    "about into more than them some could your how our these only other then out up also like just because"
)
_HASHES: NDArray[np.uint64] = np.array(sorted(map(unit_hash, _ENGLISH.split())), np.uint64)
_ENOUGH = 0.12
"""Share of function words above which Latin letters are English: prose has .3 to .5, German .05 at most."""


_BESIDE = 0.2
"""Share of Chinese, weighed, beside which Latin letters may be code."""
_ACCENTED = 0.005
"""Share of accents that code stays below: German has .015, French .04."""


def language(text: str) -> str:
    """``zh``, ``en``, ``ja``, ``ko`` or ``other``; "" for a text without letters. Chinese is one language in both scripts."""
    return language_of(Letters(text))


def language_of(letters: Letters) -> str:
    shares = language_shares(letters)
    if not shares:
        return ""
    best = max(shares, key=lambda code: shares[code])
    if best == "other":
        counts = letters.counts
        return max(
            ("ja", counts[KANA] * 3),
            ("ko", counts[HANGUL]),
            ("other", counts[LETTER] + counts[LATIN]),
            key=_second,
        )[0]
    return best


def _second(pair: tuple[str, int]) -> int:
    return pair[1]


def language_shares(letters: Letters) -> dict[str, float]:
    """Of the letters, Han characters weighed: ``zh``, ``en`` and ``other``, which sum to 1. Empty without letters.

    Han characters beside kana are Japanese. Latin letters without English function words are another language,
    unless they are too few to tell, or stand beside Chinese and have next to no accents: then they are code, addresses
    and names, and count for nothing.
    """
    counts = letters.counts
    han, latin = counts[HAN] * _WEIGHT, float(counts[LATIN])
    other = (counts[KANA] + counts[HANGUL]) * _WEIGHT + counts[LETTER]
    whole = han + latin + other
    if not whole:
        return {}
    chinese, english = han, latin
    if counts[KANA] > 0.1 * counts[HAN]:
        chinese, other = 0.0, other + han
    if latin > chinese and function_share(letters) < _ENOUGH:
        if chinese > _BESIDE * (chinese + latin) and _accents(letters) < _ACCENTED:
            whole -= latin
        else:
            other += latin
        english = 0.0
    return {"zh": chinese / whole, "en": english / whole, "other": other / whole}


def _accents(letters: Letters) -> float:
    """Share of the Latin letters that English lacks."""
    beyond = (letters.classes == LATIN) & (letters.codes > 0x7F) & (letters.codes < 0xFF00)
    return int(np.count_nonzero(beyond)) / max(letters.counts[LATIN], 1)


def function_share(letters: Letters) -> float:
    """English function words among the words in Latin letters; 1 where there are fewer than 20 words."""
    if letters.words < 20:
        return 1.0
    words = letters.units.hashes[letters.units.latin]
    at = np.minimum(np.searchsorted(_HASHES, words), len(_HASHES) - 1)
    return int(np.count_nonzero(_HASHES[at] == words)) / len(words)
