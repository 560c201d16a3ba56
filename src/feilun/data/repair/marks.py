"""Punctuation beside Han: full-width marks that a page lost, and marks written twice.

A page counts as width-folded when ASCII marks behind Han outnumber full-width ones two to one. Only marks that
touch Han are restored; lines of code, addresses, numbers and English stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from feilun.data.repair.edits import Edit
from feilun.data.repair.script import HAN, READING

_CLOSES = f"{HAN}」』》】〉）"
_AFTER = rf"(?:(?<=[{_CLOSES}])|(?<=[{HAN}][”’…]))"
"""Behind Han, or behind a quotation that ends in Han: English has the same curved quotes."""
_BEFORE = rf"[“‘]?[{HAN}「『《【〈（]"
_FOLDED = re.compile(rf"[,:;!?](?:(?=[{HAN}])|(?<=[{_CLOSES}].)(?![!-~])|(?<=[{HAN}][”’].)(?![!-~]))")
_KEPT = re.compile(r"[，：；！？]")
_STOPS = re.compile(rf"\.(?<=[{_CLOSES}].)(?:[”’」』）)\s]|$)")

_CODE = re.compile(r"[{}<>\\`$|=]|\(\)|\);|\w\([\"']|^\s*(?:#|//|\d+[:.]?\s+\S+\()|://")
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z+.-]{1,12}://|www\.)[!-~]+")
_MARK = re.compile(rf"{_AFTER}[,;:!?](?![)(/\\DPp-])(?= ?(?P<next>{_BEFORE})?)|[,;](?={_BEFORE})")
_WIDE = {",": "，", ";": "；", ":": "：", "!": "！", "?": "？"}
_STOP = re.compile(rf"{_AFTER}\.(?={_BEFORE}|[”’」』）)]|\s*$)(?<!^[一二三四五六七八九十]\.)", re.MULTILINE)
_BRACKETS = re.compile(
    rf"(?<=[{HAN}])\((?!{READING}+\))([^()\n]{{1,60}})\)|(?<![a-z0-9_])\(([^()\n]{{0,60}}[{HAN}][^()\n]{{0,60}})\)"
)


def width(text: str) -> list[Edit]:
    """Full-width marks for ASCII ones on a page that was folded."""
    folded = len(_FOLDED.findall(text))
    if not folded or folded <= 2 * len(_KEPT.findall(text)):
        return []
    stops = len(_STOPS.findall(text)) > 2 * text.count("。")
    found: list[Edit] = []
    fenced = False
    start = 0
    for line in text.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        if not (fenced or _is_code(line)):
            found += _line(line, start, stops)
        start += len(line) + 1
    return found


def _is_code(line: str) -> bool:
    return _CODE.search(_ADDRESS.sub("", line)) is not None


def _line(line: str, offset: int, stops: bool) -> list[Edit]:
    changes: dict[int, tuple[int, str]] = {}
    for match in _MARK.finditer(line):
        space = match["next"] is not None and line[match.end()] == " "
        changes[match.start()] = (match.end() + space, _WIDE[match[0]])
    if stops:
        changes |= {match.start(): (match.end(), "。") for match in _STOP.finditer(line)}
    for match in _BRACKETS.finditer(line):
        changes[match.start()] = (match.start() + 1, "（")
        changes[match.end() - 1] = (match.end(), "）")
    taken = [match.span() for match in _ADDRESS.finditer(line)]
    return [
        Edit(offset + start, offset + end, mark, "width", 0.95)
        for start, (end, mark) in sorted(changes.items())
        if not any(first <= start < last for first, last in taken)
    ]


_TWICE = re.compile(
    rf"(?<=[{_CLOSES}”’…)A-Za-z0-9％%])"
    r"(?:[,，、]+[。！？；：!?;:]|[,，][,，、]+|、+[,，]|、、(?!、)|。[,，、]+(?!。)|。。(?!。))"
)
_TWO = re.compile(r"[,，、。][,，、。！？；：!?;:]")
"""Far faster than `_TWICE`, which has to look behind each character."""
_PROSE = re.compile(r" [^\W\d]|\n|\Z")


def doubled(text: str) -> list[Edit]:
    """``,,`` ``，，`` ``,。`` ``,、`` and their like become one mark; ``。。。`` and ``！！！`` are a manner of writing."""
    return list(_doubled(text)) if _TWO.search(text) else []


def _doubled(text: str) -> Iterator[Edit]:
    for match in _TWICE.finditer(text):
        run = match[0]
        around = text[match.start() - 1] + text[match.end() : match.end() + 1]
        mark = "。" if "。" in run else run[-1]
        if not (run + around).isascii():
            yield Edit(*match.span(), _WIDE.get(mark, mark), "doubled", 0.97)
        elif run.strip(",") == "" and around[0].isalpha() and _PROSE.match(text, match.end()):
            yield Edit(*match.span(), ",", "doubled", 0.9)
