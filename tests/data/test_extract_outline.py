from __future__ import annotations

from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.data.extract import hints
from feilun.data.extract.outline import Outline, read_outline


def texts(html: str) -> list[str]:
    return [block.text for block in read_outline(html).blocks]


@pytest.mark.parametrize(
    ("html", "blocks"),
    [
        ("<p>one<p>two", ["one", "two"]),
        ("<P>one</P><DIV>two</DIV>", ["one", "two"]),
        ("<p>one<br>two<br/>three", ["one", "two", "three"]),
        ("a <b>bold</b> <i>word</i>", ["a bold word"]),
        ("<ul><li>one<li>two<ul><li>in it</ul></ul>", ["one", "two", "in it"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>d", ["a", "b", "c", "d"]),
        ("<div>a<p>b</div>c", ["a", "b", "c"]),
        ("<p>1 &lt; 2 &amp;&nbsp;3</p>", ["1 < 2 & 3"]),
        ("<p>换行的\n  句子 和 words\n  too</p>", ["换行的句子 和 words too"]),
        ("<pre>if x:\n    y()\n</pre>", ["if x:\n    y()"]),
        ("<p><ruby>汉<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字</p>", ["汉字"]),
        ("a<!-- <p>no</p> -->b<script>if (1 < 2) '<p>no'</script>c<style>p{}</style>", ["abc"]),
        ("<p title='a > b'>text</p>", ["text"]),
        ('<p title="a > b">text</p>', ["text"]),
        ('<p>it\'s <a href=x>a "link"</a></p>', ['it\'s a "link"']),
        ("<select><option>no</select>yes", ["yes"]),
        ("<nav><p>no</p></nav>yes", ["yes"]),
        ("<nav><p>the page, for its end is missing", ["the page, for its end is missing"]),
        ("<svg><title>no</title><path><div>yes</div>", ["yes"]),
        ("<title>no</title>yes", ["yes"]),
        ("", []),
    ],
)
def test_blocks(html: str, blocks: list[str]) -> None:
    assert texts(html) == blocks


def test_what_is_in_a_cell_ends_with_it() -> None:
    page = read_outline("<div><table><tr><td><p>a</div>b<td>c</table>d</div>")
    assert [(block.text, page.tag[block.node]) for block in page.blocks] == [
        ("ab", "p"),
        ("c", "td"),
        ("d", "div"),
    ]


def test_links_and_size() -> None:
    [block] = read_outline('<p>好，<a href="/">链接</a>。</p>').blocks
    assert (block.linked, block.size) == (2 / 5, 15)
    [named] = read_outline('<p><a name="here">no link</a></p>').blocks
    assert named.linked == 0


def test_head() -> None:
    page = read_outline(
        "<html lang=zh-CN><head><title>题目 &amp; 其他</title><meta property='og:title' content='题目'>"
        '<meta content="2026-01-02" name=PubDate><link rel=canonical href="https://example.org/a"></head>'
        '<time datetime="2026-01-03">一月</time>'
    )
    assert page.title == "题目 & 其他"
    assert page.language == "zh-CN"
    assert page.meta == {"og:title": "题目", "pubdate": "2026-01-02", "canonical": "https://example.org/a"}
    assert page.times == [(0, "2026-01-03")]


_WORDS = st.text(st.sampled_from("ab 好，.&<'\"\n"), min_size=1, max_size=8)
_NAMES = st.sampled_from(["div", "p", "section", "span", "b", "a href=x", "h2", "ul", "li", "td", "pre"])
_HTML = st.recursive(
    _WORDS.map(escape),
    lambda inner: st.tuples(_NAMES, st.lists(inner, max_size=4)).map(
        lambda made: f"<{made[0]}>{''.join(made[1])}</{made[0].split()[0]}>"
    ),
    max_leaves=20,
)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@given(st.lists(_HTML, max_size=5).map("".join))
def test_no_word_is_lost_or_made(html: str) -> None:
    reference = _Text()
    reference.feed(html)
    reference.close()
    assert "".join("".join(texts(html)).split()) == "".join("".join(reference.said).split())


@given(
    st.lists(_HTML, max_size=5).map("".join) | st.text(st.sampled_from("<>/ \"'=apdivtrtd!-"), max_size=80)
)
def test_containers_nest(html: str) -> None:
    page = read_outline(html)
    for node in range(1, len(page.parent)):
        parent = page.parent[node]
        assert parent < node
        assert page.first[parent] <= page.first[node] <= page.end[node] <= page.end[parent]
    for at, block in enumerate(page.blocks):
        assert page.first[block.node] <= at < page.end[block.node]
        assert block.text.strip()
    assert_columns(page)


def assert_columns(page: Outline) -> None:
    assert len({len(column) for column in (page.parent, page.tag, page.hint, page.first, page.end)}) == 1


@pytest.mark.parametrize(
    ("tag", "attributes", "bits"),
    [
        ("div", "", 0),
        ("aside", "", hints.JUNK),
        ("div", ' class="side-bar left"', hints.JUNK),
        ("div", " class='sidebar'", hints.JUNK),
        ("div", " class=sidebar", hints.JUNK),
        ("div", ' class="relatedArticles"', hints.JUNK),
        ("div", ' class="shape"', 0),
        ("div", ' data-class="sidebar"', 0),
        ("div", ' class="commentList"', hints.TALK),
        ("div", ' class="commentary"', 0),
        ("div", ' id="cookie-consent"', hints.TALK),
        ("div", ' class="article-body"', hints.BODY),
        ("div", ' itemprop="articleBody"', hints.BODY),
        ("div", ' class="entry-content share"', hints.BODY),
        ("div", ' class="post tag-sidebar category-footer"', hints.MAIN),
        ("div", ' id="how-to-share-a-footer-with-friends"', 0),
        ("div", ' style="color: red; display: none"', hints.HIDDEN),
        ("div", " hidden", hints.HIDDEN),
        ("div", ' role="navigation"', hints.JUNK),
    ],
)
def test_hints(tag: str, attributes: str, bits: int) -> None:
    assert hints.of_tag(tag, attributes) == bits
