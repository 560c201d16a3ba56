from __future__ import annotations

import io
import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.data.extract import MAXIMUM, extract
from feilun.data.extract.main_text import best_run
from feilun.data.extract.outline import Block
from feilun.data.extract.wording import furniture

DATA = Path(__file__).parents[3] / "shared/data/web"

ZH = [
    "清晨，磨坊的水车慢慢转了起来，水声盖过了鸟鸣，整条巷子都醒了。",
    "面粉从石磨的缝里落下，像一场细雪；师傅说，急不得，石头有石头的脾气。",
    "到了中午，孩子们围在炉子旁边，等第一炉面包出来，谁也不肯先回家。",
    "傍晚水位降了，水车停下来，师傅把账记在墙上的日历后面。",
]
EN = [
    "The mill stands where two streams meet, and its wheel has turned there longer than anyone remembers.",
    "Each morning, before the market opens, the miller lifts the gate and listens to the water.",
    "Flour is patient work, she says; a stone that runs too fast burns what it should only break.",
    "By evening the wheel stands still, and the swallows take their turn above the pond.",
]
MENU = "".join(f'<li><a href="/{at}">栏目{at}</a></li>' for at in range(20))


def paragraphs(lines: list[str]) -> str:
    return "".join(f"<p>{line}</p>" for line in lines)


def block(text: str, linked: float = 0.0) -> Block:
    return Block(text, 0, len(text.encode()), linked)


@pytest.mark.parametrize("lines", [ZH, EN])
@pytest.mark.parametrize(
    "page",
    [
        "{}",
        "<ul>{menu}</ul><div>{}</div><ul>{menu}</ul>",
        '<body class="has-sidebar nav-open"><div class="page with-sidebar">{}</div>',
        "<div>{}</div><aside><p>别处的故事：山那边也有一座磨坊，听说水更急，面更白，人也更多。</p></aside>",
        '<div>{}</div><div class="comments"><p>写得真好，我小时候也住在磨坊边上，每天听着水声睡觉。</p></div>',
        "<form><table><tr><td><ul>{menu}</ul></td><td>{}</td></tr></table></form>",
        '<p style="display:none">看不见的字：这一段从来不在屏幕上，只有机器读得到它。</p><div>{}</div>',
        "<div>{}</div><div class='footer'><p>版权所有 磨坊网，未经许可不得转载，违者必究。</p></div>",
        '<article><div class="article-body">{}</div><div class="related"><h3>相关</h3><ul>{menu}</ul></div></article>',
        "<div>{}<p>责任编辑：水生</p><p>分享到：微博 微信</p></div>",
        '<div><div class="photo-caption">水车，摄于清晨；后面是磨坊的老墙和一棵柳树。</div>{}</div>',
        "<div><div>2026-03-04 10:20 来源：磨坊报 作者：水生</div>{}</div>",
    ],
)
def test_the_article_and_nothing_else(page: str, lines: list[str]) -> None:
    html = page.replace("{menu}", MENU).replace("{}", paragraphs(lines))
    extracted = extract(html)
    assert extracted.text.split("\n") == lines
    assert extracted.kind == "article"


def test_the_title_is_not_repeated() -> None:
    html = f"<title>水车 - 磨坊网</title><h1>水车的一天</h1><title/><div><h1>水车</h1>{paragraphs(ZH)}</div>"
    extracted = extract(
        f"<title>水车转了一天 - 磨坊网</title><div><h1>水车转了一天</h1>{paragraphs(ZH)}</div>"
    )
    assert extracted.title == "水车转了一天"
    assert extracted.text.split("\n") == ZH
    assert extract(html).text.endswith(ZH[-1])


def test_headings_and_short_lines_between_paragraphs_stay() -> None:
    html = f"<div><p>{ZH[0]}</p><h2>午前</h2><p>{ZH[1]}</p><p>他笑了。</p><p>{ZH[2]}</p><p>完。</p></div>"
    assert extract(html).text.split("\n") == [ZH[0], "午前", ZH[1], "他笑了。", ZH[2], "完。"]


def test_a_text_shown_twice_is_taken_once() -> None:
    twice = f"<div><div><div>{paragraphs(ZH)}</div></div></div>" * 2
    assert extract(twice).text.split("\n") == ZH
    refrain = f"<div>{paragraphs([ZH[0], ZH[1], ZH[0]])}</div>"  # the author's own
    assert extract(refrain).text.split("\n") == [ZH[0], ZH[1], ZH[0]]


def test_comments_without_a_name_are_articles_in_the_article() -> None:
    reply = "<article><p>说得对，我家门前那座水车也是这样，停了就再没有人去修它。</p></article>"
    html = f"<article>{paragraphs(ZH + ZH[::-1])}{reply * 3}</article>"
    assert extract(html).text.split("\n") == ZH + ZH[::-1]


def test_sections_of_one_article_stay_together() -> None:
    sections = "".join(f'<section><div class="article-body"><p>{line}</p></div></section>' for line in ZH)
    assert extract(sections).text.split("\n") == ZH


def test_a_page_of_few_links_is_no_list() -> None:
    assert extract('<a href="javascript:"><p>water</p><p>wheel</p></a>').text.split("\n") == [
        "water",
        "wheel",
    ]
    assert extract(f"<ul>{MENU}</ul>").text == ""


def test_lists_tables_and_code_stay_readable() -> None:
    html = f"""<div><p>{EN[0]}</p><ul><li>Lift the gate.</li><li>Oil the axle.</li></ul>
        <ol><li>wheat</li><li>rye</li></ol>
        <table><tr><th>grain</th><th>sacks</th></tr><tr><td>rye</td><td>12</td></tr></table>
        <p>{EN[1]}</p><pre><code>while water:
    turn()</code></pre><p>{EN[2]}</p><p>{EN[3]}</p></div>"""
    assert extract(html).text.split("\n") == [
        EN[0],
        "- Lift the gate.",
        "- Oil the axle.",
        "1. wheat",
        "2. rye",
        "grain | sacks",
        "rye | 12",
        EN[1],
        "```",
        "while water:",
        "    turn()",
        "```",
        EN[2],
        EN[3],
    ]


def test_lines_ended_by_br_are_paragraphs() -> None:
    assert extract(f"<td>{'<br><br>'.join(ZH)}</td>").text.split("\n") == ZH


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("", "empty"),
        ("<div><img src=a></div>", "empty"),
        (f"<ul>{MENU}</ul>", "list"),
        (f"<h1>磨坊网</h1><ul>{MENU * 3}</ul><p>共 60 条</p>", "list"),
        (paragraphs(ZH), "article"),
    ],
)
def test_kinds(html: str, kind: str) -> None:
    extracted = extract(html)
    assert extracted.kind == kind
    assert len(extracted.text) < 20 or kind == "article"


@pytest.mark.parametrize(
    ("text", "whether"),
    [
        ("Advertisement", True),
        ("Read more: the other mill", True),
        ("责任编辑：水生", True),
        ("相关阅读", True),
        ("2026-03-04 10:20 来源：磨坊报", True),
        ("This website uses cookies to remember your mill.", True),
        ("A wheel at dawn. Photo: Ada / Getty Images", True),
        ("There is more of it where that came from. Sign up for our letter of the mills.", True),
        ("Follow Ada Miller on Mastodon.", True),
        ("凡本网注明“来源：磨坊网”的作品，均属磨坊网所有。", True),
        ("扫一扫下面的图，关注磨坊的公众号。", True),
        ("(本文发表于磨坊月刊，已被阅读 12 次)", True),
        ("Follow the stream on foot until the wheel comes into sight.", False),
        ("村里的人转载粮食的船，天一亮就到了。", False),
        ("点击水闸，水车就会转起来。", False),
        ("He read more about wheels than anyone.", False),
        ("2026年3月4日，水车又转了起来，全村的人都来看，孩子们站在最前面。", False),
    ],
)
def test_furniture(text: str, whether: bool) -> None:
    assert furniture(block(text)) is whether


@given(st.lists(st.integers(-5, 5), max_size=12))
def test_best_run_is_the_best(values: list[int]) -> None:
    begin, end = best_run([float(value) for value in values])
    every = [sum(values[a:b]) for a in range(len(values)) for b in range(a, len(values) + 1)]
    assert sum(values[begin:end]) == max([0, *every])


_PIECES = st.sampled_from(
    ["<", ">", "</", "<p>", "<div class=ad>", "</div>", "<table>", "<td>", "<pre>", "</pre>", "<a href=", "<!--", "-->",
     "<script>", "<br>", "<li>", "<h1>", "<title>", "'", '"', "&amp;", "&#x110000;", "\0", "\ud800", "好，", "word. ",
     "<svg>", "<nav>", "<article>", "=", " "]
)  # fmt: skip


def test_halves_of_characters_are_no_obstacle() -> None:
    lines = paragraphs([f"{line}\ud800" for line in ZH])
    found = extract(f'<div class="nav\ud800 body">{lines}</div><p>\ud800 cookie</p>')
    assert ZH[0] in found.text


@given(st.lists(_PIECES | st.text(max_size=5), max_size=60).map("".join), st.none() | st.text(max_size=20))
def test_never_raises_and_never_grows(html: str, url: str | None) -> None:
    extracted = extract(html, url)
    assert len(extracted.text) <= len(html)
    assert len(extracted.title) <= len(html)
    assert (
        all(line.strip() or "```" in extracted.text for line in extracted.text.split("\n"))
        or not extracted.text
    )
    assert extract(html, url) == extracted


@pytest.mark.parametrize(
    "unit",
    [
        "<div>", "<b>", "<ul><li>", "<table><tr><td>", "<article>", "<span class=ad>", "</div>", "<", "<a", '<a "<a" ',
        "<!--", "<script", "<script>", "<svg>", "<title", "<p>a, b.", "<div>a, b and more of it, to be a sentence here.",
        "<div><td><section>", "<meta name=a content=b>", "<font size=1><p>x", "&lt;", "2026-", "<li>a", "<pre>a\n", "[",
    ],
)  # fmt: skip
def test_hostile_pages_take_linear_time(unit: str) -> None:
    begin = time.process_time()
    extract(unit * 50_000 + "</div>" * 50_000)
    assert time.process_time() - begin < 10  # quadratic would be many minutes


def test_a_page_too_long_is_cut_and_says_so() -> None:
    extracted = extract("水，" * (MAXIMUM // 2 + 10))
    assert extracted.cut
    assert len(extracted.text) <= MAXIMUM
    assert not extract(paragraphs(ZH)).cut


def _grams(text: str) -> Counter[str]:
    plain = re.sub(r"[\s\W_]+", "", text)
    return Counter(plain[at : at + 4] for at in range(len(plain) - 3))


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
@pytest.mark.parametrize(("name", "floor"), [("chinese_web_gold_zh", 0.9), ("scrapinghub_articles_en", 0.93)])
def test_gold_pages(name: str, floor: float) -> None:
    zstandard = pytest.importorskip("zstandard")
    with (DATA / f"{name}.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8", newline="\n")
        pages = [json.loads(line) for line in lines][:40]
    scores: list[float] = []
    for page in pages:
        found, gold = _grams(extract(page["html"]).text), _grams(page["gold_text"])
        scores.append(2 * (found & gold).total() / max(1, found.total() + gold.total()))
    assert sum(scores) / len(scores) > floor


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("6.02×10<sup>23</sup>", "6.02×10²³"),
        ("10<SUP class='a'> -3 </SUP>", "10⁻³"),
        ("H<sub>2</sub>O", "H₂O"),
        ("n<sup>th</sup>", "nth"),
        ("2<sup>n</sup>", "2ⁿ"),
    ],
)
def test_figures_above_and_below_the_line_stay_there(markup: str, text: str) -> None:
    body = (
        f"<p>这里写的是 {markup} ，它在课本里常常见到，学生们都知道它的意思，也会用它来计算别的东西。</p>" * 3
    )
    assert text in extract(f"<html><body><article>{body}</article></body></html>").text


@pytest.mark.parametrize(
    "sentence",
    [
        "Comments were few, for nobody had understood the sermon.",
        "Posted by the gate was a man with a lamp in his hand.",
        "版权所有者在法庭上出示了一九三七年的合同原件。",
    ],
)
def test_a_short_sentence_that_begins_as_a_label_does_is_none(sentence: str) -> None:
    long = "<p>这一段是为了让文章足够长而写的，里面有几个句子，说的是湖边的鸟和芦苇，冬天的水面会结冰，人们在岸上看着。</p>"
    page = f"<html><body><article>{long * 3}<p>{sentence}</p>{long * 3}</article></body></html>"
    assert sentence in extract(page).text
