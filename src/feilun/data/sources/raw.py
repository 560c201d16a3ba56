"""What readers give: pages as they lie in their source, and faults, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from feilun.data.read import cut
from feilun.text import Text

Kind = Literal["html", "text", "markdown", "pdf", "docx", "epub"]

Reason = Literal[
    "unreadable",
    "empty",
    "no_content",
    "truncated",
    "broken",
    "too_long",
    "bomb",
    "binary",
    "encrypted",
    "scanned",
    "http_error",
    "timeout",
]

LONGEST_PAGE = 2**23
"""Bytes of one page's markup. Common Crawl cuts pages at 1 to 5 MiB; what is longer is a mistake or an attack."""

LONGEST_FILE = 2**27
"""Bytes of one PDF, DOCX, EPUB or MHTML file: these are read as a whole."""

LONGEST_TEXT = 2**20
"""Characters. A longer text is given as several, cut where a paragraph or a line ends."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One page or document, and what its container says of it."""

    id: str
    """The record's own id (in a folder after the file's path and ``#``), else its place: path relative to the source, and for
    records ``@`` and the offset.

    No path of this machine is in it, and it does not depend on how a file is split among workers.
    """
    source: str
    kind: Kind
    """Of the file. ``html``: the content is markup; all others: text, which of ``markdown`` keeps its marks."""
    content: bytes | str
    """Bytes are for `feilun.data.encoding.decode`, with ``charset``."""
    url: str | None = None
    charset: str | None = None
    """As declared; not checked."""
    title: str | None = None
    date: str | None = None
    """ISO 8601, where the container gives one that can be read. In a WARC: when the page was fetched."""
    lang: str | None = None
    """ISO 639 code in small letters, as declared."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A file or record that gave nothing, or no more from there on."""

    id: str
    source: str
    reason: Reason
    text: Text


class Fault(Exception):
    """Raised inside a reader, which ends with it. It becomes a `Failed`."""

    def __init__(self, reason: Reason, en: str, zh: str) -> None:
        super().__init__(en)
        self.reason: Reason = reason
        self.text = Text(en, zh)

    def failed(self, id: str, source: str) -> Failed:
        return Failed(id, source, self.reason, self.text)


def too_long(limit: int) -> Fault:
    size = limit >> 20
    return Fault("too_long", f"Longer than {size} MiB.", f"超过 {size} MiB。")


def empty() -> Fault:
    return Fault("empty", "The file is empty.", "文件是空的。")


def no_text() -> Fault:
    return Fault("no_content", "There is no text in it.", "其中没有文字。")


def in_pieces(raw: Raw) -> Iterator[Raw]:
    """The document itself, or several of at most `LONGEST_TEXT` characters; later ones have ``#2``, ... in their id."""
    rest, count = raw.content, 0
    if isinstance(rest, bytes) or raw.kind == "html" or len(rest) <= LONGEST_TEXT:
        yield raw
        return
    while rest:
        piece, rest = cut(rest, LONGEST_TEXT)
        count += 1
        if piece.strip():
            yield replace(raw, id=raw.id if count == 1 else f"{raw.id}#{count}", content=piece)


def language_code(tag: object) -> str | None:
    """``zh`` of ``zh-Hans``, ``zho,eng`` and ``ZH_cn``; None for what is no tag."""
    found = re.match(r"\s*([a-z]{2,3})(?![a-z])", tag.lower()) if isinstance(tag, str) else None
    code = found[1] if found else None
    return None if code == "und" else _SHORT.get(code or "", code)


_SHORT = {**dict.fromkeys(("zho", "chi", "cmn"), "zh"), "eng": "en"}
