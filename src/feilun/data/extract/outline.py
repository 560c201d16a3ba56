"""A page as text blocks in their order, and the tree of containers they stand in.

One regular expression cuts the page into tags and texts, one loop over those builds the outline. What HTML's rules
say about tags left out is kept where text depends on it: a ``<p>`` ends at the next block, a cell at the next cell.
Parsing with lexbor or resiliparse and walking their trees from Python takes two to five times as long, and the HTML5
algorithm can be made to take quadratic time and memory; this cannot.
"""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass, field

from feilun.data.extract import hints


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
    marks: int
    """Punctuation marks, ASCII and full-width."""


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


# Each alternative also takes the rest of the page when its end is missing: no start is tried twice over it.
_TAG = re.compile(
    r"<!--(?:[^-]++|-(?!->))*+(?:-->|\Z)"
    r"|<script\b(?:[^<]++|<(?!/script))*+(?:</script[^>]*+>?|\Z)"
    r"|<style\b(?:[^<]++|<(?!/style))*+(?:</style[^>]*+>?|\Z)"
    r"|<[!?][^>]*+(?:>|\Z)"
    r"|<(/?)([a-z][^\s/>]*+)((?:[^\"'>]++|(?<==)\"[^\"]*+(?:\"|\Z)|(?<==)'[^']*+(?:'|\Z)|[\"'])*+)(?:>|\Z)",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_MARKS = re.compile(r"[,.;:!?，。；：！？、…]")
_EAST = r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_WRAP = re.compile(rf"(?<={_EAST})[^\S\n]*\n\s*(?={_EAST})")

_PASSED, _SKIPPED, _BREAK, _NOTED, _LINK, _SPAN, _BLOCK = range(7)
_KINDS = {
    name: kind
    for kind, names in (
        # They neither divide text nor say anything about it.
        (
            _PASSED,
            "abbr acronym b bdi bdo big cite code data del dfn em font head html body i img input ins kbd label",
        ),
        (
            _PASSED,
            "mark nobr output q rb ruby s samp small strike strong sub sup tt u var wbr area base col embed",
        ),
        (_PASSED, "param source track math mi mo mn mrow mfrac msup msub msqrt mtext mstyle semantics"),
        # What they hold is no prose. <rt> is the reading above a character: with it, words would stand there twice.
        (
            _SKIPPED,
            "title noscript template svg iframe object select button textarea canvas audio video datalist map",
        ),
        (_SKIPPED, "applet frameset progress meter rt rp nav footer annotation"),
        (_BREAK, "br hr"),
        (_NOTED, "meta link time"),
        (_LINK, "a"),
        (_SPAN, "span"),
        (
            _BLOCK,
            "p div h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption section article",
        ),
        (
            _BLOCK,
            "aside header main figure figcaption blockquote pre center form fieldset details summary address",
        ),
    )
    for name in names.split()
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


class _Walk:
    """The loop over tags and texts with its state."""

    def __init__(self, page: Outline) -> None:
        self.page = page
        self.parts: list[str] = []
        self.linked = 0
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
        pieces: list[str | None] = _TAG.split(html)
        pieces.extend(("", None, None))
        rows = list(zip(pieces[::4], pieces[1::4], pieces[2::4], pieces[3::4], strict=True))
        begin = 0
        while begin < len(rows):
            begin = self.through(rows, begin)
        self.flush()
        while self.node:
            self.leave()
        self.page.end[0] = len(self.page.blocks)

    def through(self, rows: list[tuple[str | None, str | None, str | None, str | None]], begin: int) -> int:
        """Take in what is in the rows (a text and the tag after it) from ``begin`` on. Returns how many there are; or
        where to go on, when something to be skipped turns out to have no end."""
        parts, spans, endless = self.parts, self.spans, self.endless
        kind_of = _KINDS.get
        skipping, inside, begun = "", 0, 0
        for at, (text, close, name, given) in enumerate(rows[begin:] if begin else rows, begin):
            if skipping:
                if not name:
                    continue
                if name.lower() == skipping:
                    inside += -1 if close else 1
                    if not inside:
                        skipping = ""
                    continue
                if skipping != "svg" or kind_of(name) != _BLOCK:
                    continue
                skipping, text = "", ""  # HTML ends a drawing here
            if text:
                if self.code or not text.isspace():
                    parts.append(text)
                    if self.in_link:
                        self.linked += len(text)
                elif parts:
                    parts.append(" ")
            if not name:
                continue
            kind = kind_of(name)
            if kind is None:
                name = name.lower()
                kind = kind_of(name)
                if kind is None:
                    kind = _SPAN if "-" in name or ":" in name else _BLOCK
            if kind == _PASSED:
                continue
            if close:
                if kind == _BLOCK:
                    self.close(name)
                elif kind == _LINK:
                    self.in_link = False
                elif kind == _SPAN and spans and spans.pop():
                    self.close("span")
            elif kind == _BLOCK:
                self.enter(name, given or "")
            elif kind == _LINK:
                self.in_link = "href" in (given or "").lower()
            elif kind == _SPAN:
                aside = bool(given and hints.of_tag("span", given) & hints.ASIDE)
                spans.append(aside)
                if aside:
                    self.enter("span", given or "")
            elif kind == _BREAK:
                self.flush()
            elif kind == _NOTED:
                self.note(name, given or "")
            elif not (given or "").endswith("/") and name not in endless:
                skipping, inside, begun = name, 1, at
                if name in ("nav", "footer"):
                    self.flush()
        if not skipping:
            return len(rows)
        endless.add(skipping)
        return begun + 1

    def enter(self, name: str, given: str) -> None:
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
        page.hint.append(hints.of_tag(name, given) if given or name in hints.TAGS else 0)
        page.first.append(len(page.blocks))
        page.end.append(0)
        counts = self.tables if name in _TABLE else self.scopes[-1]
        counts[name] = counts.get(name, 0) + 1
        if name in _CELLS:
            self.scopes.append({})
        if name == "pre":
            self.code += 1

    def close(self, name: str) -> None:
        """End the nearest open element of that name, and those inside it; a cell keeps what is in it."""
        if not (self.tables if name in _TABLE else self.scopes[-1]).get(name):
            return
        while True:
            last = self.page.tag[self.node]
            self.leave()
            if last == name:
                return

    def leave(self) -> None:
        if self.parts:
            self.flush()
        page, node = self.page, self.node
        name = page.tag[node]
        if name in _CELLS:
            self.scopes.pop()
        (self.tables if name in _TABLE else self.scopes[-1])[name] -= 1
        if name == "pre":
            self.code -= 1
        page.end[node] = len(page.blocks)
        self.node = page.parent[node]

    def note(self, name: str, given: str) -> None:
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
        linked, self.linked = self.linked, 0
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
        self.page.blocks.append(Block(text, self.node, size, share, len(_MARKS.findall(text))))
