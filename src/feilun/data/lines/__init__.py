"""Boilerplate lines of a page, dropped one by one, each with a reason.

One Aho-Corasick automaton over the whole text finds the lines that hold a word of some rule; only those meet
the patterns, as their Simplified shadow. An ordinary article has few or none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, Implementation

from feilun.data.lines.frequent import LineCounter, frequent_lines, line_key
from feilun.data.lines.rules import GONE, GONE_WORDS, ITEM, RULES, SPEAKS, Reason
from feilun.data.repair.script import converter, simplified

__all__ = ["Cleaned", "LineCounter", "Reason", "clean_lines", "frequent_lines", "line_key"]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``dropped`` holds (number of the line in the text it came from, counted from 0; the line; why)."""

    text: str
    dropped: list[tuple[int, str, Reason]]


def clean_lines(text: str, *, title: str, frequent: Set[int] = frozenset()) -> Cleaned:
    """The text without its boilerplate lines.

    ``frequent`` are keys (`line_key`) of lines frequent within the page's site. A line that repeats the title
    stays, whatever it says, and so does code between fences.
    """
    lines = text.split("\n")
    why = _by_rule(text, lines, title)
    if frequent:
        for number, line in enumerate(lines):
            if line.strip() and number not in why and line_key(line) in frequent:
                why[number] = "frequent"
    if why:
        for number in why.keys() & _fenced(lines):
            if why[number] != "soft404":
                del why[number]
    heading = title.strip()
    for number in [number for number in why if heading and lines[number].strip() == heading]:
        if why[number] != "soft404":
            del why[number]
    if not why:
        return Cleaned(text, [])
    kept = [line for number, line in enumerate(lines) if number not in why]
    return Cleaned("\n".join(kept), [(number, lines[number], why[number]) for number in sorted(why)])


_SHORT = 300
"""Characters of a page that may be nothing but the news that it is not there."""
_SENTENCE = re.compile(r"[。！？；!?…]|\.(?:\s|$)")
_LINKS = 12
"""Titles that may follow a heading such as 相关阅读."""
_LONGEST = max(rule.longest for rule in RULES)
_BATCH = 100_000
_LINK = 45
"""Characters of such a title, without the address in Markdown."""
_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)")
_POINTS = re.compile(rf"(?:[-*+]|\d{{1,2}}\.)?\s*\[[^\n]{{1,200}}?{_TARGET.pattern}[。.]?")
_MARKDOWN = re.compile(r"#|\*\*|[^\n]*(?:\]\(|<https?:)")
_SECTION = re.compile(r"#{1,6} |\[\^")
_FENCE = re.compile(r"[\s>]*(`{3,}(?=[^`]*$)|~{3,})\s*(\S?)")


def _by_rule(text: str, lines: list[str], title: str) -> dict[int, Reason]:
    found: dict[int, Reason] = {}
    gone = _GONE_TITLE.search(simplified(title)) is not None
    for number, rules in _suspects(lines).items():
        shadow = simplified(lines[number])
        for rule in sorted(rules):
            if rule == len(RULES):
                gone = gone or (len(shadow) <= 100 and GONE.search(shadow) is not None)
            elif len(shadow) <= RULES[rule].longest and RULES[rule].pattern.fullmatch(shadow):
                found[number] = RULES[rule].reason
                break
    if gone and len(text) <= _SHORT:
        return {number: "soft404" for number, line in enumerate(lines) if line.strip()}
    if found:
        _speak(lines, found)
        _follow(lines, found)
    return found


def _speak(lines: list[str], found: dict[int, Reason]) -> None:
    """Leaves a speaker's words, and an item of a list, which look like a credit and a notice but for their neighbours."""
    for number, reason in list(found.items()):
        if reason == "repost" and (label := SPEAKS.match(lines[number])):
            said = (at for at, line in enumerate(lines) if at not in found and SPEAKS.match(line))
            if any(lines[at].lstrip().startswith(label[1]) for at in said):
                del found[number]
        elif (
            reason == "copyright"
            and ITEM.match(lines[number])
            and any((item := ITEM.match(line)) and item[1] in "bdBD" for line in lines)
        ):
            del found[number]


def _fenced(lines: list[str]) -> set[int]:
    """Numbers of the lines between fences of Markdown; a fence that is not closed is none."""
    inside: set[int] = set()
    fence, first = "", 0
    for number, line in enumerate(lines):
        if ("```" in line or "~~~" in line) and (match := _FENCE.match(line)):
            if not fence:
                fence, first = match[1], number
            elif match[1].startswith(fence) and not match[2]:
                inside.update(range(first, number + 1))
                fence = ""
    return inside


_GONE_TITLE = re.compile(rf"\s*(?:404|{GONE.pattern})", re.IGNORECASE)


def _follow(lines: list[str], found: dict[int, Reason]) -> None:
    """Drops the titles listed under a heading of related links, if nothing but such lines follows it. A heading in
    Markdown of which the list stays, stays too: it is the author's."""
    for number in [number for number, reason in found.items() if reason == "related"]:
        listed: list[int] = []
        markdown = _MARKDOWN.match(lines[number].lstrip()) is not None
        for at in range(number + 1, len(lines)):
            line = lines[at].strip()
            if not line or at in found:
                continue
            markdown = markdown or (not listed and _MARKDOWN.match(line) is not None)
            title = not _SENTENCE.search(line) and len(_TARGET.sub("", line)) <= _LINK
            if not (title or _POINTS.fullmatch(line)) or _SECTION.match(line) or len(listed) == _LINKS:
                break
            listed.append(at)
        else:
            if number * 2 >= len(lines) - len(listed):
                found.update(dict.fromkeys(listed, "related"))
                continue
        if markdown:
            del found[number]


def _suspects(lines: list[str]) -> dict[int, set[int]]:
    """Line number to the rules of which it holds a word; lines too long for every rule have none."""
    suspects: dict[int, set[int]] = {}
    for first, batch in _batches(lines):
        text = "\n".join(batch).encode("utf-8", "replace")
        automaton, rules_of = _automaton()
        hits = automaton.find_matches_as_indexes(text, overlapping=True)
        if hits:
            ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
            numbers = ends.searchsorted([start for _, start, _ in hits]) + first
            for (pattern, _, _), number in zip(hits, numbers.tolist(), strict=True):
                suspects.setdefault(number, set()).update(rules_of[pattern])
    return suspects


def _batches(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines in parts of bounded size, so that a page of nothing but such words does not fill the memory."""
    first, batch, size = 0, list[str](), 0
    for number, line in enumerate(lines):
        batch.append(line if len(line) <= _LONGEST else "")
        size += len(batch[-1]) + 1
        if size > _BATCH:
            yield first, batch
            first, batch, size = number + 1, [], 0
    yield first, batch


@cache
def _automaton() -> tuple[BytesAhoCorasick, list[tuple[int, ...]]]:
    """Every word in both scripts, and in the three ways that a Latin word is capitalised; and the rules of each. It takes
    a quarter of a second, so that what drops no lines does without."""
    traditional = [converter(name) for name in ("s2t", "s2tw", "s2hk")]
    rules: dict[str, set[int]] = {}
    for number, words in enumerate([*(rule.words for rule in RULES), GONE_WORDS]):
        for word in words:
            written = {word, word.upper(), word.title(), word.capitalize()}
            for form in written | {convert(word) for convert in traditional}:
                rules.setdefault(form, set()).add(number)
    forms = sorted(rules)
    return (
        BytesAhoCorasick([form.encode() for form in forms], implementation=Implementation.DFA),
        [tuple(sorted(rules[form])) for form in forms],
    )
