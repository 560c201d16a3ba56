"""Each kind of boilerplate line goes, with its reason; a sentence that mentions such words stays."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.lines import LineCounter, Reason, clean_lines, frequent_lines, line_key

BODY = "\n".join(["这条河在平原上多次改道，每一次都冲出新的河床，也带走旧的村庄。"] * 12)

FRAMES: list[tuple[Reason, str]] = [
    ("navigation", "返回顶部"),
    ("navigation", "首页 新闻 体育 财经 娱乐"),
    ("navigation", "登录 | 注册"),
    ("navigation", "登錄 | 註冊"),
    ("navigation", "Skip to main content"),
    ("navigation", "Home | About Us | Contact"),
    ("breadcrumb", "当前位置：首页 > 新闻 > 正文"),
    ("breadcrumb", "您現在的位置：首頁 > 國際"),
    ("breadcrumb", "Home > News > World"),
    ("advert", "打开支付宝首页搜索“88887777”领红包"),
    ("advert", "欢迎关注我们的微信公众号：飞轮日报"),
    ("advert", "歡迎關注我們的微信公眾號：飛輪日報"),
    ("advert", "长按识别二维码关注我们"),
    ("advert", "咨询热线：400-800-1234"),
    ("advert", "ADVERTISEMENT"),
    ("advert", "Call us today at 555-0142"),
    ("repost", "来源：新华社"),
    ("repost", "（责任编辑：王小明）"),
    ("repost", "責任編輯：王小明"),
    ("repost", "小编：小李"),
    ("repost", "转载请注明出处：飞轮网"),
    ("repost", "未经本网书面授权，不得转载。"),
    ("repost", "免责声明：本文仅代表作者个人观点，与本站无关。"),
    ("repost", "Originally published on the Daily Example."),
    ("repost", "Read more: The winter of the geese"),
    ("share", "Share this article"),
    ("share", "分享到： 微信 微博 QQ空间"),
    ("share", "阅读 1234 评论 5 点赞 6"),
    ("copyright", "Copyright © 2019 Example Inc. All Rights Reserved."),
    ("copyright", "京ICP备12345678号-1"),
    ("copyright", "版权所有 未经许可不得转载"),
    ("related", "上一篇：如何种树"),
    ("related", "下一篇 如何浇水"),
    ("related", "Related articles"),
    ("cookie", "We use cookies to improve your experience on our site."),
    ("cookie", "Accept all cookies"),
    ("comments", "发表评论"),
    ("comments", "Leave a comment"),
    ("comments", "登录后才能评论"),
    ("comments", "Your email address will not be published. Required fields are marked *"),
]

NEAR_MISSES = [
    "他在2018年关注了一个公众号，每天都读里面的文章。",
    "顾客扫描二维码即可付款，商家很快就收到了钱。",
    "这项研究的数据来源：国家统计局，时间跨度为十年。",
    "上一篇文章讲了如何安装，这一篇讲配置。",
    "相关报道引起了广泛关注。",
    "他拥有这首歌的版权，所有收入归他。",
    "首页的设计很重要，它决定了第一印象。",
    "编辑部昨天搬到了三楼。",
    "小编辑们忙了一夜，报纸终于印了出来。",
    "她把照片分享到朋友圈，很多人点赞。",
    "热线电话响了一夜，没有人接。",
    "春节期间，微信红包的收发总量达到上亿个。",
    "法院认为，未经许可转载他人作品，应当承担赔偿责任。",
    "声明发表以后，各国代表先后离场。",
    "這家公司的首頁，昨天換了新的圖片。",
    "转载未注明作者和出处的，应当承担赔礼道歉等民事责任。",
    "下一个 项目由村里的年轻人来做",
    "评论说，这部小说写得太长。",
    "Read more carefully, the letter says otherwise.",
    "Copyright law in the nineteenth century protected few authors.",
    "We baked cookies for the whole street and sold them.",
    "Share prices fell on Monday after the bank cut its forecast.",
    "The source of the river was found in 1858.",
    "Comments from the public were mostly kind.",
    "The page was not found in the archive, so the historian gave up.",
    "Home is where the heart is.",
    "Related posts in the department were cut by the new dean.",
    "Next articles of the treaty deal with fishing.",
]


@pytest.mark.parametrize(("reason", "line"), FRAMES)
def test_a_frame_goes_with_its_reason(reason: Reason, line: str) -> None:
    found = clean_lines(f"{BODY}\n{line}\n{BODY}", title="")
    assert found.dropped == [(12, line, reason)]
    assert found.text == f"{BODY}\n{BODY}"


@pytest.mark.parametrize("line", NEAR_MISSES)
def test_a_sentence_that_mentions_such_words_stays(line: str) -> None:
    text = f"{BODY}\n{line}"
    assert clean_lines(text, title="").text == text


def test_titles_under_a_heading_of_related_links_go_and_sentences_stay() -> None:
    links = "相关阅读\n河流改道的历史\n平原上的村庄"
    assert {why for _, _, why in clean_lines(f"{BODY}\n{links}", title="").dropped} == {"related"}
    assert clean_lines(f"{BODY}\n{links}", title="").text == BODY
    assert clean_lines(f"{links}\n{BODY}", title="").text == f"河流改道的历史\n平原上的村庄\n{BODY}"


def test_a_short_page_that_is_gone_loses_every_line_and_a_long_one_none() -> None:
    gone = "抱歉，您访问的页面不存在\n请检查地址"
    assert [why for _, _, why in clean_lines(gone, title="").dropped] == ["soft404", "soft404"]
    assert clean_lines("Try our search instead.", title="404 Not Found").text == ""
    assert clean_lines(f"{gone}\n{BODY}", title="").dropped == []


def test_the_title_stays_in_the_text_whatever_it_says() -> None:
    assert clean_lines(f"下一篇 章节\n{BODY}", title="下一篇 章节").dropped == []


def test_a_line_frequent_within_the_site_goes() -> None:
    found = clean_lines(f"本镇新闻每日更新\n{BODY}", title="", frequent={line_key(" 本镇新闻每日更新 ")})
    assert found.dropped == [(0, "本镇新闻每日更新", "frequent")]


words = st.sampled_from(
    [line for _, line in FRAMES] + NEAR_MISSES + ["", "404", "相关阅读", "河流", "\ud800", "share on "]
)
texts = st.lists(st.lists(words, max_size=3).map("".join) | st.text(max_size=20), max_size=8).map("\n".join)


@settings(deadline=None)
@given(texts, st.text(max_size=8))
def test_lines_are_kept_or_dropped_and_never_changed(text: str, title: str) -> None:
    found = clean_lines(text, title=title)
    lines = text.split("\n")
    gone = {number for number, _, _ in found.dropped}
    assert all(lines[number] == line for number, line, _ in found.dropped)
    kept = [line for number, line in enumerate(lines) if number not in gone]
    assert found.text == "\n".join(kept)


def test_no_line_takes_exponential_time() -> None:
    started = time.process_time()
    for unit in (
        "share on ",
        "登录 | ",
        "首页 > ",
        "来源：",
        "a cookie we use ",
        "版权所有 ",
        "分享到",
        "上一篇 | ",
    ):
        for end in ("", "!", "。x", "%"):
            text = "\n".join([unit * (limit // len(unit)) + end for limit in (80, 110, 190, 390)] * 5)
            clean_lines(text, title="")
    assert time.process_time() - started < 5


def test_many_pages_of_a_site_show_its_frequent_lines() -> None:
    pages = [("a.example", f"菜单\n第{number}篇\n菜单") for number in range(10)]
    pages += [("b.example", f"另一篇{number}\n菜单") for number in range(3)]
    assert frequent_lines(pages) == {"a.example": {line_key("菜单")}, "b.example": frozenset()}


def test_what_was_counted_is_kept_in_a_file(tmp_path: Path) -> None:
    whole, merged = LineCounter(), LineCounter()
    for part in range(2):
        counter = LineCounter()
        for number in range(part, 12, 2):
            for one in (counter, whole):
                one.add("a.example" if number % 3 else "b\0.例子", ["菜单", f"第{number}篇"])
        counter.save(tmp_path / f"{part}.npz")
        merged.merge(LineCounter.load(tmp_path / f"{part}.npz"))
    assert merged.pages == whole.pages == {"a.example": 8, "b\0.例子": 4}
    assert merged.by_site(merged.pages, least=2) == whole.by_site(whole.pages, least=2)
    assert merged.frequent("a.example", 8) == {line_key("菜单")}
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.npz", "1.npz"]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 12).map(str), max_size=4), max_size=40), st.integers(2, 20))
def test_counts_are_never_too_high_and_short_by_no_more_than_the_error(
    pages: list[list[str]], capacity: int
) -> None:
    """Against a table without bound."""
    counter, other = LineCounter(capacity), LineCounter(capacity)
    for number, page in enumerate(pages):
        (counter if number % 2 else other).add("site", page)
    counter.merge(other)
    true = Counter(line for page in pages for line in set(page))
    for line, count in true.items():
        for least in range(1, count + 2):
            found = line_key(line) in counter.frequent("site", 0, least=least)
            if least > count:
                assert not found
            if least <= count - counter.error:
                assert found
