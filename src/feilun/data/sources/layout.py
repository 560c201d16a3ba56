"""Lines as they stand on printed pages, made into paragraphs again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_EDGE = 2
"""Lines at the head and the foot of a page among which running titles and page numbers are looked for."""

_FULL = 0.82
"""Of the width of the page's longer lines: a shorter line ends its paragraph."""

_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]"
)
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60‘’“”…—"
_UNSPACED = re.compile(f"[{_CJK}]")
_NUMBER = re.compile(
    r"[\s·.|/_—–-]*(?:第|page|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,7})\s*(?:页|of\s*\d+|/\s*\d+)?[\s·.|/_—–-]*", re.I
)
_STOP = re.compile(r"[。！？!?：:…][”’」』）)\"']?\Z")
_FRESH = re.compile(
    r"\s*(?:[•●■◆▪○·*–-]\s|[(（]?\d{1,3}[)）.、．]|[(（]?[一二三四五六七八九十]{1,3}[)）、．]"
    r"|第[\d一二三四五六七八九十百]{1,5}[章节条部分篇]|[　]|[a-zA-Z][.)]\s)"
)
_HYPHEN = re.compile(r"(?<=[A-Za-z\u00c0-\u024f])[-\u00ad\u2010\ufffe\x02]\Z")


def without_running_lines(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """The pages without page numbers, and without the lines at head and foot that most pages repeat.

    Two lines are the same if they differ in figures only. Two pages tell nothing: from three on.
    """
    seen = Counter(key for page in pages for key in {_key(page[at]) for at in _edges(page)})
    often = max(3, len(pages) * 0.4)
    kept: list[list[str]] = []
    for page in pages:
        running = {
            at
            for at in _edges(page)
            if (len(pages) >= 3 and seen[_key(page[at])] >= often) or _NUMBER.fullmatch(page[at])
        }
        kept.append([line for at, line in enumerate(page) if at not in running])
    return kept


def _edges(page: Sequence[str]) -> set[int]:
    return {*range(min(_EDGE, len(page))), *range(max(0, len(page) - _EDGE), len(page))}


def _key(line: str) -> str:
    return re.sub(r"\d+", "0", re.sub(r"\s+", "", line))


def width(line: str) -> int:
    """In half columns: a Han character is two."""
    return len(line) + len(_WIDE.findall(line))


def paragraphs(lines: Sequence[str]) -> list[str]:
    """Lines that were wrapped, joined: Chinese without a space, words with one, hyphenated ones without the hyphen.

    A line is taken for wrapped if it is about as long as the longer ones and no list item or heading follows.
    """
    widths = sorted(map(width, lines))
    column = widths[int(len(widths) * 0.9)] if widths else 0
    done: list[str] = []
    wrapped = False
    for line in lines:
        text = line.strip()
        if not text:
            wrapped = False
            continue
        if wrapped and not _FRESH.match(line):
            done[-1] = join(done[-1], text)
        else:
            done.append(text)
        full = width(text) >= _FULL * column and column >= 20
        hyphen = _HYPHEN.search(text) is not None
        wrapped = hyphen or (full and not (_STOP.search(text) and width(text) < 0.95 * column))
    return [_HYPHEN.sub("-", one) for one in done]


def join(before: str, after: str) -> str:
    """Two lines of a paragraph as one."""
    if (found := _HYPHEN.search(before)) and after[:1].islower():
        return before[: found.start()] + after
    if found:
        return before[: found.start()] + "-" + after
    # A space only between two words: Chinese beside English has none in print, either.
    spaced = not (_UNSPACED.match(before[-1:]) or _UNSPACED.match(after[:1]))
    return f"{before} {after}" if spaced else before + after
