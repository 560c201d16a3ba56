"""Title, date and site of a page, and what its JSON-LD says of the article."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import orjson

from feilun.data.extract.dates import find_date, machine_date, url_date
from feilun.data.extract.outline import Outline
from feilun.data.possessive import repeated


@dataclass(frozen=True, slots=True)
class LinkedData:
    """From schema.org's Article: nothing where the page has none."""

    headline: str = ""
    date: str = ""
    body: str = ""


_SCRIPT = re.compile(
    rf"<script\b[^<>]{{0,300}}ld\+json[^<>]{{0,300}}>([^<]*+{repeated('<(?!/script)[^<]*+')})", re.IGNORECASE
)


def linked_data(html: str) -> LinkedData:
    """The first of a page's JSON-LD objects that has a body or a date of publication; broken ones are passed over."""
    if "ld+json" not in html:
        return LinkedData()
    best = LinkedData()
    for script in _SCRIPT.findall(html)[:20]:
        try:
            waiting: list[object] = [orjson.loads(script.strip().rstrip(";"))]
        except orjson.JSONDecodeError:
            continue
        for _ in range(2000):
            if not waiting:
                break
            item = waiting.pop()
            if isinstance(item, list):
                waiting.extend(reversed(cast(list[object], item)))
            elif isinstance(item, dict):
                entry = cast(dict[str, object], item)
                body, when, headline = (
                    _string(entry.get(key)) for key in ("articleBody", "datePublished", "headline")
                )
                if (body and not best.body) or (when and headline and not best.date):
                    best = LinkedData(best.headline or headline, best.date or when, best.body or body)
                waiting.extend(value for value in entry.values() if type(value) in (dict, list))
    return best


def _string(value: object) -> str:
    return entities.unescape(value).strip() if isinstance(value, str) else ""


_SITE_PART = re.compile(
    r"\s*(?:[|｜»«•·]|::|--|——|\s[-–—:]\s|(?<=[^\x00-\x7f])[-_–—]|_|[-–—](?=[^\x00-\x7f]))\s*"
)


def title_of(page: Outline, data: LinkedData, heading: str | None) -> str:
    """The title without the site's name.

    ``heading`` is the heading of the page that repeats its title, as `main_text` found it: where there is one, its
    wording is free of the site's name already.
    """
    if heading and heading != page.title:
        return heading
    declared = page.meta.get("og:title") or data.headline or page.title or page.meta.get("twitter:title", "")
    first = next((block.text for block in page.blocks[:200] if page.tag[block.node] == "h1"), "")
    return _without_site(" ".join((declared or first).split()), page.meta.get("og:site_name", ""))


def _without_site(title: str, site: str) -> str:
    """``News - Channel - Site`` -> ``News``: the parts after the longest are cut, where they are short beside it."""
    if site and title.lower().endswith(site.lower()) and len(title) > len(site) + 4:
        title = title[: -len(site)].rstrip(" |｜-–—_·•»:,，")
    cuts = [(cut.start(), cut.end()) for cut in _SITE_PART.finditer(title) if cut.start() > 0]
    for start, end in cuts:
        rest = title[end:]
        if start >= 4 and len(rest) <= max(12, 1.5 * start):
            return title[:start].strip()
    if cuts and len(title) - cuts[0][1] > 2 * cuts[0][0] and cuts[0][0] <= 16:
        return title[cuts[0][1] :].strip()  # Site - News
    return title.strip()


_DATE_NAMES = (
    "article:published_time",
    "og:published_time",
    "datepublished",
    "publishdate",
    "pubdate",
    "publish_date",
    "publish-date",
    "published_time",
    "publication_date",
    "parsely-pub-date",
    "sailthru.date",
    "dc.date.issued",
    "dc.date.created",
    "dc.date",
    "dcterms.created",
    "weibo:article:create_at",
    "weibo: article:create_at",
    "originalpublicationdate",
    "article.published",
    "article_date_original",
    "og:release_date",
    "bytedance:published_time",
    "date",
)


def date_of(page: Outline, data: LinkedData, kept: Sequence[int], title: int, url: str | None) -> str | None:
    """When the page was published: by its metadata, the address, a ``<time>``, or the lines about title and text."""
    for name in _DATE_NAMES:
        found = machine_date(page.meta.get(name, ""))
        if found:
            return found
    found = machine_date(data.date) or (url_date(url) if url else None)
    if found:
        return found
    begin, end = (kept[0], kept[-1] + 1) if kept else (len(page.blocks), len(page.blocks))
    near = range(max(0, (title if 0 <= title < begin else begin) - 20), min(len(page.blocks), begin + 3))
    for at, value in page.times:
        if near.start <= at <= near.stop:
            found = machine_date(value)
            if found:
                return found
    below = range(title + 1, near.stop) if title >= 0 else near[:0]
    after = range(max(near.stop, end - 3), min(len(page.blocks), end + 4))
    for at in (*below, *reversed(near), *after):
        block = page.blocks[at]
        if block.size < 200:
            found = find_date(block.text)
            if found:
                return found
    for _, value in page.times:
        found = machine_date(value)
        if found:
            return found
    return None


def site_of(page: Outline, url: str | None) -> str | None:
    """The host, from the address or the one the page says is its own; else the name it gives its site."""
    for address in (url, page.meta.get("canonical"), page.meta.get("og:url")):
        if host := host_of(address or ""):
            return host
    return page.meta.get("og:site_name") or None


def host_of(url: str) -> str:
    """The host of an address without ``www.``, or ""."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
