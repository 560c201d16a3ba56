"""The way of one page, from raw bytes to the text that may be kept: each step leaves a receipt.

`gather` is what needs the page alone; `refine` what needs to know of the others (lines that a site repeats) or of the
corpus that is made (evaluation sets, a classifier). Both are pure, so that `feilun data why` walks the same way again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, field

from feilun.data import pii
from feilun.data.decontaminate import Hit, Index
from feilun.data.dedup.passages import Cut, drop_repeated
from feilun.data.encoding import decode
from feilun.data.extract import extract, host_of
from feilun.data.lines import clean_lines
from feilun.data.repair import Edit, repair, simplified
from feilun.data.score import QUALITY, language, scores
from feilun.data.sources import Failed, Raw
from feilun.text import Text


@dataclass
class Page:
    """A page and all that is known of it. ``reason``: why it was dropped, "" as long as it was not."""

    id: str
    source: str
    reason: str = ""
    why: Text | None = None
    """The reason in words, where there is more to say of it."""
    kind: str = ""
    url: str = ""
    site: str = ""
    title: str = ""
    date: str = ""
    lang: str = ""
    charset: str = ""
    text: str = ""
    shadow: str = ""
    """The text in Simplified characters, once it is refined: what is scored and compared."""
    extracted: str = ""
    """The text before its repairs."""
    titled: str = ""
    """The title before its repairs."""
    edits: list[Edit] = field(default_factory=list[Edit])
    title_edits: list[Edit] = field(default_factory=list[Edit])
    lines: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """Lines that were dropped: their number, themselves, and why."""
    cuts: list[Cut] = field(default_factory=list[Cut])
    """Passages that were dropped."""
    masked: list[pii.Found] = field(default_factory=list[pii.Found])
    hits: list[Hit] = field(default_factory=list[Hit])
    """What of evaluation sets stands in it."""
    scores: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Context:
    """What `refine` has to know."""

    frequent: Mapping[str, Set[int]] = field(default_factory=dict[str, Set[int]])
    """Of each site the keys of lines that many of its pages have (`feilun.data.lines.LineCounter`)."""
    masked: Collection[pii.Kind] = pii.PERSONAL
    quality: Callable[[str], float] | None = None
    contaminants: Index | None = None


def gather(raw: Raw | Failed) -> Page:
    """Decode, extract and repair."""
    if isinstance(raw, Failed):
        return Page(raw.id, raw.source, reason=raw.reason, why=raw.text)
    page = Page(raw.id, raw.source, kind=raw.kind, url=raw.url or "", title=raw.title or "")
    content, html = raw.content, raw.kind == "html"
    if isinstance(content, bytes):
        decoded = decode(content, raw.charset, html=html)
        content, page.charset = decoded.text, decoded.charset
    if html:
        found = extract(content, raw.url)
        page.title, content = found.title or page.title, found.text
        page.date, page.site = found.date or raw.date or "", found.site or ""
        if found.kind != "article":
            page.reason = "list_page" if found.kind == "list" else "no_text"
    else:
        page.date, page.site = raw.date or "", host_of(page.url)
    page.extracted, page.titled = content, page.title
    mended = repair(page.title, content)
    page.title, page.text = mended.title, mended.text.strip()
    page.edits, page.title_edits = mended.edits, mended.title_edits
    page.scores["score.shifted.v1"] = mended.shifted
    page.lang = language(page.text) if page.text else raw.lang or ""
    if not page.text and not page.reason:
        page.reason = "no_text"
    return page


def refine(page: Page, context: Context) -> None:
    """Drop lines and repeated passages, mask, score, look for evaluation sets; in place. What was dropped before is only masked."""
    if page.reason:
        page.text, page.title = (pii.mask(text, context.masked) for text in (page.text, page.title))
        return
    cleaned = clean_lines(page.text, title=page.title, frequent=context.frequent.get(page.site, frozenset()))
    page.lines = [(number, line, str(why)) for number, line, why in cleaned.dropped]
    text, page.cuts = drop_repeated(cleaned.text)
    page.masked = [one for one in pii.find(text) if one.kind in context.masked]
    page.text = (pii.mask(text, context.masked) if page.masked else text).strip()
    page.title = pii.mask(page.title, context.masked)
    if not page.text:
        gone = {why for _, _, why in page.lines} == {"soft404"}
        page.reason = page.reason or ("soft404" if gone else "no_text")
        return
    page.shadow = simplified(page.text)
    page.scores |= scores(page.text, page.title, page.shadow)
    if context.quality is not None:
        page.scores[QUALITY] = context.quality(page.shadow)
    if context.contaminants is not None:
        page.hits = context.contaminants.find(page.shadow)
        if page.hits and not page.reason:
            page.reason = "contaminated"
