"""The labelled set: pages of our own making, good and bad, so that each rule's precision and recall is a figure.

The sentences are ours (`banks_zh`, `banks_en`, `innocent`, `bad`), the words of the spinner too (`spin`); the pages are drawn
from them by a seed. They show whether a rule does what it was written for. How often such pages occur, and what
else there is on the web, they cannot show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from feilun.data.labelled import bad, damage, site
from feilun.data.labelled.advice import with_advice
from feilun.data.labelled.articles import Article, Lang, article, topics
from feilun.data.labelled.innocent import innocent
from feilun.data.labelled.spin import spin

Kind = Literal[
    "clean", "innocent", "advice", "spam", "gambling", "porn", "toxic", "spun", "turned", "spliced", "list", "navigation", "soft404",
    "glossed", "shifted", "charset", "doubled",
]  # fmt: skip

COUNTS: dict[Kind, int] = {
    "clean": 128,
    "innocent": 64,
    "advice": 24,
    "spam": 54,
    "gambling": 42,
    "porn": 30,
    "toxic": 30,
    "spun": 54,
    "turned": 24,
    "spliced": 32,
    "list": 32,
    "navigation": 24,
    "soft404": 26,
    "glossed": 26,
    "shifted": 26,
    "charset": 32,
    "doubled": 28,
}
"""Pages of each kind."""

_GOOD: frozenset[Kind] = frozenset(("clean", "innocent", "advice", "glossed", "charset", "doubled"))
_CHINESE: frozenset[Kind] = frozenset(("glossed", "shifted", "charset", "doubled"))
_ENCODINGS = (
    ("gb18030", "utf-8"),
    ("gb18030", None),
    ("big5", "gb2312"),
    ("utf-8", "gbk"),
    ("gb18030", "iso-8859-1"),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One page and what should become of it."""

    id: str
    kind: Kind
    lang: Lang
    good: bool
    """Whether it is to be kept, after its repair if it needs one."""
    html: bytes
    charset: str | None
    """What the page says of its encoding, which may be false."""
    title: str
    text: str
    """The main part as the page shows it, a paragraph a line."""
    gold: str
    """The text to be kept; empty if the page is to be dropped."""


def pages(seed: int = 0) -> list[Labelled]:
    """676 pages. The same for the same seed."""
    return [_page(kind, number, seed) for kind, count in COUNTS.items() for number in range(count)]


def _page(kind: Kind, number: int, seed: int) -> Labelled:
    draw = Random(f"{seed}/{kind}/{number}")
    lang: Lang = "zh" if kind in _CHINESE or number % 3 else "en"
    shown, gold = _content(kind, number, lang, draw)
    encoding, charset = _ENCODINGS[number % len(_ENCODINGS)] if kind == "charset" else ("utf-8", "utf-8")
    body = site.paragraphs(shown.paragraphs)
    page = site.around(draw, lang, shown.title, body, charset=charset)
    return Labelled(
        f"{kind}-{number:03}",
        kind,
        lang,
        kind in _GOOD,
        page.encode(encoding, "xmlcharrefreplace"),
        charset,
        shown.title,
        shown.text,
        gold,
    )


def _content(kind: Kind, number: int, lang: Lang, draw: Random) -> tuple[Article, str]:
    """What the page shows, and what is to be kept of it."""
    match kind:
        case "spam" | "gambling" | "porn" | "toxic":
            return bad.sales(draw, lang, kind), ""
        case "innocent":
            page = innocent(draw, lang, number // 3 if lang == "en" else number - number // 3 - 1)
            return page, page.text
        case "list":
            return bad.listing(draw, lang), ""
        case "navigation":
            return Article("首页" if lang == "zh" else "Home", site.menu(draw, lang)), ""
        case "soft404":
            return bad.gone(draw, lang), ""
        case "spliced":
            return bad.spliced(draw, lang), ""
        case _:
            pass
    # Every topic is met, the law on gambling among them: words alone make no spam.
    clean = article(draw, lang, topics(lang)[number % len(topics(lang))])
    match kind:
        case "advice":
            given = with_advice(draw, lang, clean, turned=False)
            return given, given.text
        case "turned":
            return with_advice(draw, lang, clean, turned=True), ""
        case "spun":
            return spin(draw, lang, clean, draw.uniform(0.6, 1.0)), ""
        case "shifted":
            places = max(4, len(clean.text) // draw.randint(40, 90))
            return _each(
                clean, lambda text: damage.shifted(draw, text, max(1, places // len(clean.paragraphs)))
            ), ""
        case "glossed":
            before = _each(clean, damage.traditional)
            return _each(before, damage.glossed), before.text
        case "doubled":
            return _each(clean, lambda text: damage.doubled(draw, text)), clean.text
        case "charset" if number % len(_ENCODINGS) == 2:
            before = _each(clean, damage.traditional)
            return before, before.text
        case _:
            return clean, clean.text


def _each(one: Article, change: Callable[[str], str]) -> Article:
    return Article(one.title, [change(line) for line in one.paragraphs])
