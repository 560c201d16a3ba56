"""The shape of a text: what its characters, lines and sentences look like.

The heuristics of Gopher (Rae et al. 2021, appendix A1), C4 (Raffel et al. 2020, section 2.2) and FineWeb (Penedo et
al. 2024, section 3.6) for two scripts: a word is a unit (`feilun.data.score.letters`), a sentence ends with a stop of
either script, and a Han character is as wide as two letters and a half.
"""

from __future__ import annotations

import re

import numpy as np

from feilun.data.score.languages import function_share, language_shares
from feilun.data.score.letters import (
    DIGIT,
    HAN,
    HANGUL,
    KANA,
    LATIN,
    LETTER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    Letters,
)

_WIDTH = 2.5
_SHORT = 30.0
"""Width of a line, in Latin letters, below which FineWeb calls it short."""
_NAN = float("nan")
_ENDS = tuple(".。！？!?…；;：:”\"」』’')）》")
_BULLET = r"\s*(?:[-*•·●○■□◆◇▪►▶★☆»>]|(?:\[|【|\()?\d{1,4}(?:[-/.年]\d{1,2}){1,2}|\d{1,3}\s*[.、)）．]\s*\D)"
_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
_BULLETED = re.compile(_BULLET)
_LISTED = re.compile(rf"{_BULLET}|.*{_DAY}\W{{0,3}}(?:\d{{1,2}}:\d{{2}}\W{{0,2}})?$")
_DATED = re.compile(r"[-/.]\d{1,2}[-/.]\d")
"""Without which no line ends with a date; found much faster, since it begins with one of three characters."""
_FULL = np.zeros(0x10000, np.bool_)
_FULL[[ord(one) for one in "。！？!?…；;"]] = True
_CHINESE_FUNCTION = np.zeros(0x10000, np.bool_)
_CHINESE_FUNCTION[
    [ord(one) for one in "的了是在和有不这也我他她你们就都而及与着或把被对从为之其但还又于以所很没到说要会能"]
] = True


def shape(letters: Letters) -> dict[str, float]:
    """Columns of characters, lines and sentences. NaN where a text has none of what is counted."""
    return {**_characters(letters), **_lines(letters)}


def _characters(letters: Letters) -> dict[str, float]:
    counts = letters.counts
    black = max(len(letters.codes) - counts[SPACE], 1)
    shares = language_shares(letters) or {"zh": _NAN, "en": _NAN, "other": _NAN}
    words = letters.words
    function = _NAN
    if counts[HAN] >= 50:
        function = int(np.count_nonzero(_CHINESE_FUNCTION.take(letters.codes, mode="clip"))) / counts[HAN]
    spoken = sum(counts[one] for one in (LATIN, LETTER, HAN, KANA, HANGUL))
    return {
        "score.zh.v1": shares["zh"],
        "score.en.v1": shares["en"],
        "score.other.v1": shares["other"],
        "score.units.v1": float(len(letters.units.hashes)),
        "score.letters.v1": spoken / black,
        "score.digits.v1": counts[DIGIT] / black,
        "score.punctuation.v1": counts[PUNCTUATION] / black,
        "score.symbols.v1": counts[SYMBOL] / black,
        "score.word_length.v1": counts[LATIN] / words if words else _NAN,
        "score.english_function.v1": function_share(letters) if words >= 20 else _NAN,
        "score.chinese_function.v1": function,
    }


def _lines(letters: Letters) -> dict[str, float]:
    lines = list(filter(None, letters.lines))
    if not lines:
        return dict.fromkeys(_OF_LINES, _NAN)

    wide = 1 + (_WIDTH - 1) * letters.counts[HAN] / max(len(letters.codes), 1)
    lengths = [len(line) for line in lines]
    whole = sum(lengths)
    stopped = [line for line in lines if line.endswith(_ENDS)]
    text = letters.text
    begins = (_LISTED if _DATED.search(text) else _BULLETED).match
    listed = sum(begins(line[:120]) is not None for line in lines)
    return {
        "score.lines.v1": float(len(lines)),
        "score.line_length.v1": whole / len(lines),
        "score.sentence_length.v1": whole / max(_sentences(letters), 1),
        "score.stopped.v1": len(stopped) / len(lines),
        "score.prose.v1": sum(map(len, stopped)) / whole,
        "score.listed.v1": listed / len(lines),
        "score.short.v1": sum(size * wide < _SHORT for size in lengths) / len(lines),
        "score.ellipsis.v1": sum(line.endswith(("...", "…")) for line in stopped) / len(lines),
        "score.shouting.v1": 1000 * (text.count("!") + text.count("！")) / max(whole, 200),
        "score.code.v1": 1000 * (text.count("{") + text.count("}")) / max(whole, 200),
    }


def _sentences(letters: Letters) -> int:
    """Runs of stops; a full stop is one where white space follows it, or nothing."""
    full = _FULL.take(letters.codes, mode="clip")
    if "." in letters.text:
        full[:-1] |= (letters.codes[:-1] == ord(".")) & (letters.classes[1:] == SPACE)
        full[-1:] |= letters.codes[-1:] == ord(".")
    return int(np.count_nonzero(full[:-1] & ~full[1:])) + int(full[-1])


_OF_LINES = (
    "score.lines.v1",
    "score.line_length.v1",
    "score.sentence_length.v1",
    "score.stopped.v1",
    "score.prose.v1",
    "score.listed.v1",
    "score.short.v1",
    "score.ellipsis.v1",
    "score.shouting.v1",
    "score.code.v1",
)
