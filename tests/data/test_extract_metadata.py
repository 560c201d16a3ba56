from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.data.extract import extract
from feilun.data.extract.dates import find_date, machine_date, url_date
from feilun.data.extract.metadata import linked_data

BODY = "<p>水车转了一整天，磨坊里的面粉堆成了小山，孩子们在门口等着新出炉的面包。</p>" * 3


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("发布于2026年3月4日 10:20", "2026-03-04"),
        ("2026-03-04", "2026-03-04"),
        ("2026/3/4 来源：磨坊报", "2026-03-04"),
        ("2026.03.04", "2026-03-04"),
        ("二〇二六年三月四日", "2026-03-04"),
        ("一九九八年十二月三十一日", "1998-12-31"),
        ("二○○六年十月二十日", "2006-10-20"),
        ("March 4, 2026", "2026-03-04"),
        ("Posted on Mar. 4th 2026 by", "2026-03-04"),
        ("4 March 2026", "2026-03-04"),
        ("Wed, 04 Mar 2026 10:20:00 GMT", "2026-03-04"),
        ("2026-02-30 and then 2026-03-04", "2026-03-04"),
        ("3月4日", None),
        ("2026年3月", None),
        ("1.2026-03-04", None),
        ("12026-03-041", None),
        ("03/04/2026", None),
    ],
)
def test_dates_in_text(text: str, iso: str | None) -> None:
    assert find_date(text) == iso


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2026-03-04T10:20:00+08:00", "2026-03-04"),
        ("20260304", "2026-03-04"),
        ("20260304102000", "2026-03-04"),
        ("20260304T102000Z", "2026-03-04"),
        ("20261304", None),
        ("1772619600", None),
        ("", None),
    ],
)
def test_dates_in_attributes(value: str, iso: str | None) -> None:
    assert machine_date(value) == iso


@pytest.mark.parametrize(
    ("url", "iso"),
    [
        ("https://example.org/2026/03/04/mill.html", "2026-03-04"),
        ("https://example.org/2026-03-04/1.htm", "2026-03-04"),
        ("https://example.org/a/20260304/77.htm", "2026-03-04"),
        ("https://example.org/2026/mill", None),
        ("https://example.org/item/20269904", None),
    ],
)
def test_dates_in_addresses(url: str, iso: str | None) -> None:
    assert url_date(url) == iso


@given(st.dates(datetime.date(1980, 1, 1), datetime.date(2099, 12, 31)))
def test_every_day_comes_back(day: datetime.date) -> None:
    for text in (
        day.isoformat(),
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}/{day.month}/{day.day}",
    ):
        assert find_date(f"磨坊 {text} 开业") == day.isoformat()


@given(st.text(max_size=200))
def test_dates_never_raise(text: str) -> None:
    find_date(text)
    machine_date(text)
    url_date(text)


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>水车转了 - 新闻 - 磨坊网</title>", "", "水车转了"),
        ("<title>水车转了_新闻_磨坊网</title>", "", "水车转了"),
        ("<title>The mill turns | Mill News</title>", "", "The mill turns"),
        ("<title>Mill: A well-known wheel</title>", "", "Mill: A well-known wheel"),
        ("<title>Mill News » The mill turns all day</title>", "", "The mill turns all day"),
        ("<title>磨坊网</title>", "<h1>水车转了</h1>", "磨坊网"),
        ("", "<h1>水车转了</h1>", "水车转了"),
        ("<title>水车转了，面包香了 | 磨坊网</title>", "<h1>磨坊网</h1><h2>水车转了，面包香了</h2>", "水车转了，面包香了"),
        ('<meta property="og:title" content="水车转了 磨坊网"><meta property="og:site_name" content="磨坊网">', "", "水车转了"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_titles(head: str, body: str, title: str) -> None:
    assert extract(head + body + BODY).title == title


@pytest.mark.parametrize(
    ("html", "url", "date"),
    [
        (
            '<meta property="article:published_time" content="2026-03-04T00:00:00Z">' + BODY,
            None,
            "2026-03-04",
        ),
        (
            '<script type="application/ld+json">{"@graph":[{"@type":"NewsArticle","headline":"h",'
            '"datePublished":"2026-03-04"}]}</script>' + BODY,
            None,
            "2026-03-04",
        ),
        (BODY, "https://example.org/2026/03/04/mill.html", "2026-03-04"),
        ('<time datetime="2026-03-04">4 日</time>' + BODY, None, "2026-03-04"),
        ("<div>2026年3月4日 10:20 来源：磨坊报</div>" + BODY, None, "2026-03-04"),
        (BODY + "<div>发表于 2026-03-04 10:20</div>", None, "2026-03-04"),
        (BODY, None, None),
    ],
)
def test_dates_of_pages(html: str, url: str | None, date: str | None) -> None:
    assert extract(html, url).date == date


@pytest.mark.parametrize(
    ("html", "url", "site"),
    [
        ("", "https://www.Example.org:8080/a", "example.org"),
        ('<link rel="canonical" href="https://mill.example.org/a">', None, "mill.example.org"),
        ('<meta property="og:site_name" content="磨坊网">', None, "磨坊网"),
        ("", "http://[broken", None),
        ("", None, None),
    ],
)
def test_sites(html: str, url: str | None, site: str | None) -> None:
    assert extract(html, url).site == site


def test_a_body_in_linked_data_stands_in_for_one_put_there_by_a_script() -> None:
    body = "The wheel turns all day. " * 20 + "\\n\\nThen it rests."
    html = f'<script type="application/ld+json">{{"articleBody": "{body}"}}</script><div id="app"></div>'
    lines = extract(html).text.split("\n")
    assert len(lines) == 2
    assert lines[1] == "Then it rests."


@pytest.mark.parametrize("script", ["{", "[" * 50_000, '{"articleBody": 5}', "[null, 1, [[]]]", ""])
def test_broken_linked_data_is_passed_over(script: str) -> None:
    assert linked_data(f'<script type="application/ld+json">{script}</script>').body == ""
