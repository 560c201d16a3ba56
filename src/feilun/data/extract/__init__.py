"""An HTML page -> its title, main text, date and site.

    extracted = extract(html, url="https://example.org/2026/news.html")
    extracted.text  # a paragraph a line

The page is read once, as an outline of text blocks in containers; everything else looks at that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from feilun.data.extract.main_text import choose
from feilun.data.extract.metadata import LinkedData, date_of, host_of, linked_data, site_of, title_of
from feilun.data.extract.outline import Outline, read_outline
from feilun.data.extract.render import render_text
from feilun.data.extract.wording import prose

__all__ = ["MAXIMUM", "Extracted", "Kind", "extract", "host_of"]

MAXIMUM = 8_000_000
"""Characters of a page that are read. Longer pages are machine-made lists, or made to do harm."""

Kind = Literal["article", "list", "empty"]


@dataclass(frozen=True, slots=True)
class Extracted:
    title: str
    """Without the site's name; empty when the page says none."""
    text: str
    """The main text: a paragraph a line, joined by ``\\n``; without the title."""
    date: str | None
    """Of publication, ``YYYY-MM-DD``."""
    site: str | None
    """The host without ``www.``; the site's name where no address is known."""
    language: str
    """As the page declares it (``<html lang>``), for instance ``zh-CN``; often empty, and often wrong."""
    kind: Kind
    """``list``: mostly links, with little or no text of its own. ``empty``: no text at all."""
    cut: bool
    """Whether the page was longer than `MAXIMUM` characters, and what follows was not read."""


def extract(html: str, url: str | None = None) -> Extracted:
    """Never raises, takes time linear in the page, and gives no longer text than the page is.

    ``html`` is decoded already, from whatever charset.
    """
    cut = len(html) > MAXIMUM
    html = html[:MAXIMUM]
    page = read_outline(html)
    data = linked_data(html)
    chosen = choose(page)
    text = render_text(page, chosen.blocks) or _declared(data)
    heading = page.blocks[chosen.title].text if chosen.title >= 0 else None
    return Extracted(
        title=title_of(page, data, heading)[: len(html)],
        text=text[: len(html)],
        date=date_of(page, data, chosen.blocks, chosen.title, url),
        site=site_of(page, url),
        language=page.language,
        kind=_kind(page, chosen.blocks, text),
        cut=cut,
    )


def _declared(data: LinkedData) -> str:
    """The article as JSON-LD has it, for pages whose text only a script puts into place."""
    if len(data.body) < 200 or "</" in data.body:
        return ""
    return "\n".join(" ".join(line.split()) for line in data.body.splitlines() if line.strip())


def _kind(page: Outline, kept: list[int], text: str) -> Kind:
    if not text:
        links = sum(block.linked > 0.5 for block in page.blocks)
        return "list" if links >= 10 else "empty"
    own = sum(page.blocks[at].size for at in kept)
    sentences = sum(page.blocks[at].size for at in kept if prose(page.blocks[at]))
    linked = sum(block.size for block in page.blocks if block.linked > 0.5)
    little = sentences < max(120, 0.5 * own)
    return "list" if kept and little and linked > 2 * own else "article"
