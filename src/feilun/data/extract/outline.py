"""A page as text blocks in their order, and the tree of containers they stand in.

One regular expression cuts the page into tags and texts, one loop over those builds the outline. What HTML's rules
say about tags left out is kept where text depends on it: a ``<p>`` ends at the next block, a cell at the next cell.
Parsing with lexbor or resiliparse and walking their trees from Python takes two to five times as long, and the HTML5
algorithm can be made to take quadratic time and memory; this cannot.

The loop is where a build of a corpus spends most of its time, so it is written for that: a tag is looked up once, with
its slash, and what is common is told apart first.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import length_hint

from feilun.data.extract import hints
from feilun.data.possessive import repeated


@dataclass(slots=True)
class Block:
    """Text between two boundaries; ``<br>`` is one."""

    text: str
    """On one line, unless it is code."""
    node: int
    """Its container: an index into the columns of the outline."""
    size: int
    """Bytes in UTF-8: a Chinese character weighs about what three letters do."""
    linked: float
    """The part of it inside links, 0 to 1."""


@dataclass(slots=True)
class Outline:
    blocks: list[Block] = field(default_factory=list[Block])
    parent: list[int] = field(default_factory=lambda: [0])
    """Of container i; container 0 is the page, and its own parent. Parents come before children."""
    tag: list[str] = field(default_factory=lambda: ["#page"])
    hint: list[int] = field(default_factory=lambda: [0])
    """Bits of `hints`."""
    first: list[int] = field(default_factory=lambda: [0])
    end: list[int] = field(default_factory=lambda: [0])
    """Container i holds ``blocks[first[i]:end[i]]``."""
    title: str = ""
    language: str = ""
    """As ``<html lang>`` has it."""
    meta: dict[str, str] = field(default_factory=dict[str, str])
    """Name, property or itemprop in lower case -> the first content; ``canonical`` from its link."""
    times: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """``<time datetime>``: the index of the next block, and the value."""


_WITHIN = r"""[^"'>]++|(?<==)"[^"]*+(?:"|\Z)|(?<==)'[^']*+(?:'|\Z)|["']"""
"""What stands in a tag: an end in quotation marks is none."""
# Each alternative also takes the rest of the page when its end is missing: no start is tried twice over it.
_TAG = re.compile(
    rf"<!--{repeated('[^-]++|-(?!->)')}(?:-->|\Z)"
    rf"|<script\b{repeated('[^<]++|<(?!/script)')}(?:</script[^>]*+>?|\Z)"
    rf"|<style\b{repeated('[^<]++|<(?!/style)')}(?:</style[^>]*+>?|\Z)"
    r"|<[!?][^>]*+(?:>|\Z)"
    rf"|<(/?[a-z][^\s/>]*+)({repeated(_WITHIN)})(?:>|\Z)",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_RAISED = re.compile(
    r"<(su[pb])\b[^<>]{0,200}>\s{0,9}([-+\u2212]?[0-9n]{1,6}[-+\u2212]?)\s{0,9}</\1\s*>", re.IGNORECASE
)
_UP = str.maketrans("0123456789+-\u2212nN", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿⁿ")
_DOWN = str.maketrans("0123456789+-\u2212nN", "₀₁₂₃₄₅₆₇₈₉₊₋₋ₙₙ")
_EAST = r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_WRAP = re.compile(rf"(?<={_EAST})[^\S\n]*\n\s*(?={_EAST})")

_PASSED, _BLOCK, _END_BLOCK, _LINK, _END_LINK, _SPAN, _END_SPAN, _BREAK, _NOTED, _SKIPPED = range(10)
_ELEMENTS = {
    # They neither divide text nor say anything about it.
    _PASSED: "abbr acronym b bdi bdo big cite code data del dfn em font head html body i img input ins kbd label "
    "mark nobr output q rb ruby s samp small strike strong sub sup tt u var wbr area base col embed "
    "param source track math mi mo mn mrow mfrac msup msub msqrt mtext mstyle semantics",
    # What they hold is no prose. <rt> is the reading above a character: with it, words would stand there twice.
    _SKIPPED: "title noscript template svg iframe object select button textarea canvas audio video datalist map "
    "applet frameset progress meter rt rp nav footer annotation",
    _BREAK: "br hr",
    _NOTED: "meta link time",
    _LINK: "a",
    _SPAN: "span",
    _BLOCK: "p div h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption section article "
    "aside header main figure figcaption blockquote pre center form fieldset details summary address",
}
_ENDING = {_BLOCK: _END_BLOCK, _LINK: _END_LINK, _SPAN: _END_SPAN}
_KINDS = {
    f"{slash}{name}": _ENDING.get(kind, _PASSED) if slash else kind
    for kind, names in _ELEMENTS.items()
    for name in names.split()
    for slash in ("", "/")
}
_ENDS = {
    "li": frozenset(("li", "p")),
    "dt": frozenset(("dt", "dd", "p")),
    "dd": frozenset(("dt", "dd", "p")),
    "td": frozenset(("td", "th", "p")),
    "th": frozenset(("td", "th", "p")),
    "tr": frozenset(("td", "th", "p", "tr")),
}
"""What the beginning of an element ends, where the end tag was left out."""
_P = frozenset(("p",))
_CELLS = frozenset(("td", "th", "caption"))
_TABLE = frozenset(["table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"])

_Row = tuple[str | None, str | None, str | None]
"""A text, and the tag after it: its name, with the slash of an end, and what else is in it."""


def read_outline(html: str) -> Outline:
    """Never raises; linear in the page, however deeply it is nested."""
    page = Outline()
    title = _TITLE.search(html)
    if title:
        page.title = " ".join(entities.unescape(title[1]).split())
    language = re.search(r"<html\b[^<>]*?\blang\s*=\s*[\"']?([A-Za-z-]{2,20})", html[:5000], re.IGNORECASE)
    if language:
        page.language = language[1]
    _Walk(page).over(html)
    return page


def _raised(match: re.Match[str]) -> str:
    """Figures above or below the line in characters: without its tags 10<sup>23</sup> would be 1023."""
    return match[2].translate(_UP if match[1].lower() == "sup" else _DOWN)


def _kind_of(tag: str) -> int:
    """Of a tag that `_KINDS` does not know as it is written."""
    small = tag.lower()
    kind = _KINDS.get(small)
    if kind is None:
        kind = _SPAN if "-" in small or ":" in small else _BLOCK
        if small.startswith("/"):
            kind = _ENDING[kind]
    return kind


class _Walk:
    """The loop over tags and texts with its state."""

    def __init__(self, page: Outline) -> None:
        self.page = page
        self.parts: list[str] = []
        self.linked: list[int] = []
        """Characters of those parts that are inside links."""
        self.node = 0
        self.code = 0
        self.tables: dict[str, int] = {}
        self.scopes: list[dict[str, int]] = [{}]
        """Open elements by name: those of tables; the others, cell by cell, for what is in a cell ends with it."""
        self.in_link = False
        self.spans: list[bool] = []
        """For each open ``<span>``, whether it is a container."""
        self.endless: set[str] = set()
        """Names not to be skipped, for the end of one is missing: the whole rest of the page may be in it."""

    def over(self, html: str) -> None:
        if "<su" in html or "<SU" in html:
            html = _RAISED.sub(_raised, html)
        pieces: list[str | None] = _TAG.split(html)
        pieces.extend((None, None))
        rows = list(zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True))
        begin = 0
        while begin < len(rows):
            begin = self.through(rows, begin)
        self.flush()
        while self.node:
            self.leave()
        self.page.end[0] = len(self.page.blocks)

    def through(self, rows: list[_Row], begin: int) -> int:
        """Take in the rows from ``begin`` on. Returns how many there are; or where to go on, when something to be
        skipped turns out to have no end."""
        parts, linked, spans, in_link = self.parts, self.linked, self.spans, self.in_link
        enter, end, flush = self.enter, self.end, self.flush
        known = _KINDS.get
        left = iter(rows[begin:] if begin else rows)
        for text, tag, given in left:
            if text:
                if not text.isspace() or self.code:
                    parts.append(text)
                    if in_link:
                        linked.append(len(text))
                elif parts:
                    parts.append(" ")
            if not tag:
                continue
            kind = known(tag)
            if kind is None:
                kind, tag = _kind_of(tag), tag.lower()
            if kind == _BLOCK:
                enter(tag, given)
            elif kind == _END_BLOCK:
                end(tag[1:])
            elif kind == _LINK:
                in_link = given is not None and "href" in given.lower()
            elif kind == _PASSED:
                pass
            elif kind == _END_LINK:
                in_link = False
            elif kind == _SPAN:
                aside = bool(given and hints.of_tag("span", given) & hints.ASIDE)
                spans.append(aside)
                if aside:
                    enter("span", given)
            elif kind == _END_SPAN:
                if spans and spans.pop():
                    end("span")
            elif kind == _BREAK:
                flush()
            elif kind == _NOTED:
                self.note(tag, given or "")
            elif tag not in self.endless and not (given and given.endswith("/")):
                if tag in ("nav", "footer"):
                    flush()
                here = len(rows) - length_hint(left)
                if not self.skip(tag, left):
                    self.endless.add(tag)
                    self.in_link = in_link
                    return here
        return len(rows)

    def skip(self, name: str, left: Iterator[_Row]) -> bool:
        """Pass over what an element holds, up to its end. False if there is none."""
        inside, end = 1, f"/{name}"
        for _, tag, given in left:
            if not tag:
                continue
            small = tag.lower()
            if small == name:
                inside += 1
            elif small == end:
                inside -= 1
                if not inside:
                    return True
            elif name == "svg" and (kind := _KINDS.get(tag)) in (
                _BLOCK,
                _END_BLOCK,
            ):  # HTML ends a drawing here
                if kind == _BLOCK:
                    self.enter(tag, given)
                else:
                    self.end(tag[1:])
                return True
        return False

    def enter(self, name: str, given: str | None) -> None:
        if self.parts:
            self.flush()
        page = self.page
        tags = page.tag
        ends = _ENDS.get(name, _P)
        while tags[self.node] in ends:
            self.leave()
        page.parent.append(self.node)
        self.node = len(tags)
        tags.append(name)
        page.hint.append(hints.of_tag(name, given or "") if given or name in hints.TAGS else 0)
        page.first.append(len(page.blocks))
        page.end.append(0)
        counts = self.tables if name in _TABLE else self.scopes[-1]
        counts[name] = counts.get(name, 0) + 1
        if name in _CELLS:
            self.scopes.append({})
        elif name == "pre":
            self.code += 1

    def end(self, name: str) -> None:
        """End the nearest open element of that name, and those inside it; a cell keeps what is in it."""
        tags = self.page.tag
        if tags[self.node] != name:
            if not (self.tables if name in _TABLE else self.scopes[-1]).get(name):
                return
            while tags[self.node] != name:
                self.leave()
        self.leave()

    def leave(self) -> None:
        if self.parts:
            self.flush()
        page, node = self.page, self.node
        name = page.tag[node]
        if name in _TABLE:
            if name in _CELLS:
                self.scopes.pop()
            self.tables[name] -= 1
        else:
            self.scopes[-1][name] -= 1
            if name == "pre":
                self.code -= 1
        page.end[node] = len(page.blocks)
        self.node = page.parent[node]

    def note(self, name: str, given: str) -> None:
        if name == "link" and "canonical" not in given.lower():
            return
        page = self.page
        values = {key.lower(): a or b or c for key, a, b, c in _ATTRIBUTE.findall(given[:20_000])}
        if name == "meta":
            content = entities.unescape(values.get("content", "")).strip()
            for key in ("property", "name", "itemprop"):
                if content and key in values:
                    page.meta.setdefault(values[key].strip().lower(), content)
        elif name == "link" and values.get("rel", "").lower() == "canonical":
            page.meta.setdefault("canonical", values.get("href", ""))
        elif name == "time" and "datetime" in values:
            page.times.append((len(page.blocks), values["datetime"]))

    def flush(self) -> None:
        """End a block here."""
        parts = self.parts
        if not parts:
            return
        raw = parts[0] if len(parts) == 1 else "".join(parts)
        parts.clear()
        linked = 0
        if self.linked:
            linked = sum(self.linked)
            self.linked.clear()
        if "&" in raw:
            raw = entities.unescape(raw)
        if self.code:
            text = raw.strip("\r\n").rstrip()
        else:
            if "\n" in raw and not raw.isascii():
                raw = _WRAP.sub("", raw)
            text = " ".join(raw.split())
        if not text or text.isspace():
            return
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        share = min(1.0, linked / len(text)) if linked else 0.0
        self.page.blocks.append(Block(text, self.node, size, share))
