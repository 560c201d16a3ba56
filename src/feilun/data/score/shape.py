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
    NARROW,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    Letters,
)

_SHORT = 30.0
"""Width of a line, in Latin letters, below which FineWeb calls it short."""
_VERSE = 0.3
"""Share of lines with stops from which on verse needs no excuse."""
_SAYS = 0.14
"""Share of function words that Chinese prose has, and headlines and menus hardly ever."""
_NAN = float("nan")
_ENDS = tuple(".。．｡！？!?…；;：:”\"」』’')）》")
_STOPS = tuple("。．｡.！？!?…；;")
_GOES_ON = tuple("，,")
_LAST = re.compile(r".*(?:[。．｡！？!?…；;]|\.(?=[\s\"'”’)A-Z]))")
"""A line up to its last stop."""
_BULLET = r"\s*(?:[-*•·●○■□◆◇▪►▶★☆»>]|(?:\[|【|\()?\d{1,4}(?:[-/.年]\d{1,2}){1,2}|\d{1,3}\s*[.、)）．]\s*\D)"
_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
_BULLETED = re.compile(_BULLET)
_LISTED = re.compile(rf"{_BULLET}|.*{_DAY}\W{{0,3}}(?:\d{{1,2}}:\d{{2}}\W{{0,2}})?$")
_DATED = re.compile(r"[-/.]\d{1,2}[-/.]\d")
"""Without which no line ends with a date; found much faster, since it begins with one of three characters."""
_FULL = np.zeros(0x10000, np.bool_)
_FULL[[ord(one) for one in "。．｡！？!?…；;"]] = True
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
        function = _function(letters)
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

    widths = letters.widths
    whole = sum(map(len, lines))
    stopped = [line for line in lines if line.endswith(_ENDS)]
    text = letters.text
    begins = (_LISTED if _DATED.search(text) else _BULLETED).match
    items = [line for line in lines if begins(line[:120])]
    listed = len(items) - sum(len(line) * letters.wide >= _SHORT and _said(line) for line in items)
    return {
        "score.lines.v1": float(len(lines)),
        "score.line_length.v1": whole / len(lines),
        "score.sentence_length.v1": whole / max(_sentences(letters), 1),
        "score.stopped.v1": len(stopped) / len(lines),
        "score.prose.v1": _prose(letters, lines, stopped, whole),
        "score.listed.v2": listed / len(lines),
        "score.short.v1": sum(width < _SHORT for width in widths) / len(lines),
        "score.ellipsis.v1": sum(line.endswith(("...", "…")) for line in stopped) / len(lines),
        "score.shouting.v1": 1000 * (text.count("!") + text.count("！")) / max(whole, 200),
        "score.code.v1": 1000 * (text.count("{") + text.count("}")) / max(whole, 200),
    }


def _said(line: str) -> bool:
    """A sentence, or some with who says so behind them."""
    last = _LAST.match(line)
    return line.endswith(_STOPS) or (last is not None and 2 * last.end() >= len(line))


def _prose(letters: Letters, lines: list[str], stopped: list[str], whole: int) -> float:
    """Share of the characters in lines that end as sentences do, or go on in the next one; of others that are not narrow,
    up to their last stop: such are what a converter left of a page, in one line or cut anywhere. NaN for Chinese verse
    without stops, which has narrow lines as lists have, and words that lists do without."""
    found = sum(map(len, stopped))
    if len(stopped) < len(lines):
        for line, width in zip(lines, letters.widths, strict=True):
            if line.endswith(_ENDS):
                continue
            if line.endswith(_GOES_ON):
                found += len(line)
            elif width >= NARROW and (last := _LAST.match(line)):
                found += last.end()
    if found < _VERSE * whole and letters.narrow and _sung(letters, len(lines)):
        return _NAN
    return found / whole


def _sung(letters: Letters, lines: int) -> bool:
    """Whether narrow lines say something: as many function words as prose has, next to no digit, letter or mark, and few
    gaps, of which menus have many."""
    counts = letters.counts
    strange = len(letters.codes) - counts[HAN] - counts[SPACE]
    gaps = letters.text.count(" ") + letters.text.count("\u3000")
    if lines < 8 or counts[HAN] < 5 * lines or strange > 0.02 * counts[HAN] or gaps > 0.5 * lines:
        return False
    return _function(letters) > _SAYS


def _function(letters: Letters) -> float:
    """Function words among the Han characters."""
    return int(np.count_nonzero(_CHINESE_FUNCTION.take(letters.codes, mode="clip"))) / letters.counts[HAN]


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
    "score.listed.v2",
    "score.short.v1",
    "score.ellipsis.v1",
    "score.shouting.v1",
    "score.code.v1",
)
