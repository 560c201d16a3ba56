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
    ("navigation", "回到首页"),
    ("advert", "Buy Now"),
    ("advert", "Order now and save 20%!"),
    ("advert", "Limited time offer: 20% off"),
    ("advert", "Call us: 5 Mill Lane"),
    ("advert", "微信扫一扫，分享到朋友圈"),
    ("advert", "扫描下方二维码"),
    ("advert", "更多资讯请下载飞轮客户端"),
    ("advert", "关注我们的微信公众号获取资料"),
    ("repost", "本文来源：飞轮报 责任编辑：李小明_NB123"),
    ("repost", "(责编：李小明、王芳)"),
    ("repost", "校对：李小明 审核：新媒体编辑部"),
    ("repost", "原标题：这座桥 为何说“了不得”？"),
    ("repost", "来源：《飞轮日报》"),
    ("repost", "声明：该文观点仅代表作者本人，本平台仅提供信息存储服务。"),
    ("repost", "【版权声明】本站内容均来自网络"),
    ("repost", "如有侵权，请联系删除。"),
    ("repost", "Source: Office of Bridges, 2014"),
    ("repost", "First published in The Daily Example"),
    ("repost", "Disclaimer: The views of the guests are their own."),
    ("copyright", "(c) 2019 Example Inc."),
    ("copyright", "（C）2004-2010 飞轮网"),
    ("copyright", "Copyright (c) Example Foundation"),
    ("copyright", "Photo: © Example - stock.example.com"),
    ("copyright", "版权归原作者所有，未经允许不得使用。"),
    ("copyright", "本文版权归飞轮网所有"),
    ("copyright", "Powered by Example.com"),
    ("copyright", "powered by wordpress"),
    ("copyright", "增值电信业务经营许可证：京B2-20200001"),
    ("related", "推荐阅读：他为什么离开？"),
    ("cookie", "我们使用 Cookie 来改善您的浏览体验。"),
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
    "(c) the tenant shall sweep the stairs;",
    "（C）上海",
    "(c) 1,500 dollars for each further day;",
    "(c) 2010年1月1日以后签订的合同",
    "(c) 2010 shall be the year of the first count",
    "The © sign stands before the year.",
    "Copyright 1710 is when the first such law came into force.",
    "版权归画家所有，是这份合同的要点，公司不得另作他用。",
    "版权所有人可以要求网站删除侵权内容。",
    "著作权归属问题由公司章程另行规定",
    "出版物经营许可证由县级以上的主管部门颁发。",
    "The words all rights reserved were once asked for by treaty.",
    "Powered by water",
    "Powered by two old mills",
    "声明说，作者和平台将在三个月内再谈一次。",
    "声明称，本文提到的工厂已经停产。",
    "声明中说，版权问题另案处理。",
    "说明：这个平台的接口由作者维护，参数见下表。",
    "编辑：你为什么回到村里？",
    "审核：核对发票上的金额和税号",
    "来源：《后汉书》",
    "来源：菊科植物的干燥头状花序",
    "source: the lake behind the mill",
    "source: './switches',",
    "First published in 1859, the book sold out in a day.",
    "Disclaimer: if two sizes are shown, that is how they were drawn.",
    "如果侵权人接到通知后仍未删除，应当承担责任",
    "凡是已经发表的作品，其他报刊可以转载，但应当支付报酬。",
    "We use three dozen cookies for the roof of the house, held together with icing.",
    "我们使用 cookie 来保存会话编号，服务器收到以后就知道是谁。",
    "Buy now, pay later is how most of the street got its stoves.",
    "Call us today was what the sign on the empty shop still said.",
    "Order now reigned in the streets of the capital.",
    "微信扫一扫就能付钱，连卖菜的都用上了",
    "扫描二维码即可付款，商家很快就收到了钱。",
    "更多的人开始关注微信上的谣言",
    "关注公众号的人越来越多",
    "相关内容：见第三章，这里不再重复。",
    "See also: the rules of 1920 were changed twice.",
    "相关阅读：[桥的历史](../bridge.md)",
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


def test_in_markdown_a_heading_goes_with_its_links_or_not_at_all() -> None:
    links = (
        "## 相关阅读\n\n- [河流改道的历史](../river/history-of-the-river-on-the-plain.md)\n- [为什么？](b.md)"
    )
    assert clean_lines(f"{BODY}\n{links}", title="").text.strip() == BODY
    for text in (
        f"{BODY}\n{links}\n\n## 河床\n\n{BODY}",
        f"{BODY}\n{links}\n- [村庄](c.md)：写得很细，也有很多照片。值得一看。",
        f"{BODY}\n相关阅读：\n\n- [村庄](c.md)\n\n{BODY}",
    ):
        assert clean_lines(text, title="").text == text


@pytest.mark.parametrize("fence", ["```", "  ~~~~ js", "> ```text"])
def test_code_between_fences_stays(fence: str) -> None:
    close = fence.rstrip(" jstex")
    code = "\n".join([fence, "// Copyright (C) 2019 Example", "评论", "分享到： 微信 微博", "a = 1", close])
    frequent = {line_key("a = 1")}
    assert clean_lines(f"{BODY}\n{code}\n{BODY}", title="", frequent=frequent).dropped == []
    assert len(clean_lines(code.replace(close, ""), title="", frequent=frequent).dropped) == 4
    after = clean_lines(f"{code}\n返回顶部", title="", frequent=frequent)
    assert [why for _, _, why in after.dropped] == ["navigation"]


def test_neighbours_tell_an_item_from_a_notice_and_a_speaker_from_a_credit() -> None:
    items = "(a) 1998 Nagano\n(b) 2002 Salt Lake\n(c) 2006 Turin\n(d) none of these"
    assert clean_lines(items, title="").dropped == []
    talk = "编辑：这本书写了几年？\n李明：三年。\n编辑：谢谢"
    assert clean_lines(talk, title="").dropped == []
    assert [why for _, _, why in clean_lines(f"{BODY}\n编辑：李明", title="").dropped] == ["repost"]


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
        "编辑：李明 ",
        "编辑：a_",
        "copyright (c) 2019, ",
        "© a.",
        "call us 5",
        "更多 关注 ",
        "扫码二维码领",
        "Source: A.",
        "相关阅读：[a](",
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
