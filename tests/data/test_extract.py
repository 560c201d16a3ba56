"""The main text of a page, its title, date and site."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.extract import MAXIMUM, extract

PARAGRAPHS = [
    "老街上的铁匠铺今年春天重新开张，两位退休的老师傅每天早晨生火，下午教年轻人打制农具。",
    "铺子里的风箱已经用了六十多年，修补过许多次，但是仍然比新买的机器更加顺手，也更安静。",
    "附近的居民常来看他们干活，有人带来旧锄头请师傅修理，有人只是坐在门口喝茶聊天，一坐就是半天。",
]
MENU = "".join(f"<li><a href='/{n}'>栏目{n}</a></li>" for n in range(12))


def page(*paragraphs: str, head: str = "", tail: str = "") -> str:
    body = "".join(f"<p>{one}</p>" for one in paragraphs)
    return (
        f"<html><head><title>铁匠铺重新开张 - 老街新闻网</title>{head}</head><body><ul>{MENU}</ul>"
        f"<div class='article'><h1>铁匠铺重新开张</h1>{body}</div><div class='footer'>{tail}</div></body></html>"
    )


def test_paragraphs_are_lines_and_menus_are_gone() -> None:
    found = extract(page(*PARAGRAPHS), url="https://www.example.org/2026/03/05/smith.html")
    assert found.text.split("\n") == PARAGRAPHS
    assert (found.title, found.site, found.kind, found.cut) == (
        "铁匠铺重新开张",
        "example.org",
        "article",
        False,
    )


def test_the_date_is_that_of_publication() -> None:
    head = "<meta property='article:published_time' content='2026-03-05T08:00:00+08:00'>"
    assert extract(page(*PARAGRAPHS, head=head)).date == "2026-03-05"


def test_what_a_script_would_show_is_taken_from_linked_data() -> None:
    body = "".join(PARAGRAPHS) * 2
    found = extract(
        '<html><body><div id="app"></div><script type="application/ld+json">'
        f'{{"@type": "NewsArticle", "headline": "铁匠铺", "articleBody": "{body}"}}</script></body></html>'
    )
    assert found.text == body


def test_a_page_of_links_is_a_list() -> None:
    links = "".join(f"<li><a href='/{n}'>第{n}号公告：某项目的招标结果公示</a></li>" for n in range(60))
    found = extract(f"<html><title>公告</title><body><ul>{links}</ul></body></html>")
    assert found.kind == "list"
    assert extract("").kind == "empty"


def test_nesting_without_end_takes_no_longer_than_its_length() -> None:
    deep = "<div>" * 100_000 + PARAGRAPHS[0] + "</div>" * 100_000
    assert PARAGRAPHS[0] in extract(deep).text


def test_what_is_too_long_is_cut_and_said_so() -> None:
    found = extract("<p>" + "长" * (MAXIMUM + 10))
    assert found.cut
    assert len(found.text) <= MAXIMUM


PIECES = st.sampled_from(
    ["<p>", "</p>", "<div class='nav'>", "</div>", "<a href=x>", "</a>", "<table><tr><td>", "<pre>", "<script>", "<!--", "<", ">",
     "\"", "&#x4e2d;", "&nbsp;", "\n", "一句话。", "A sentence, of some length.", "<li>", "<h1>", "</h1>", "\x00", "\ud800", "<title>"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=6), max_size=60).map("".join))
@settings(max_examples=150, deadline=None)
def test_it_never_raises_and_never_says_more_than_the_page(html: str) -> None:
    found = extract(html)
    assert len(found.text) <= len(html)
    assert len(found.title) <= len(html)
    again = extract(html)
    assert again == found
