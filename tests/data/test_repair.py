"""Every repair mends its damage, leaves what only looks like it, and signs a receipt that replays."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feilun.data.repair import Edit, repair, replay, shifted_score, simplified
from feilun.data.repair.edits import narrowed
from feilun.data.repair.script import COMMON, GB2312

ARTICLE = "春天来得很晚，河边的柳树到四月才发芽。村里的人说，去年的雪下得太久。"


def mended(text: str) -> str:
    return repair("", text).text


def causes(text: str) -> set[str]:
    return {edit.cause for edit in repair("", text).edits}


# Text in which every repair finds something to do, mixed at random.
DAMAGE = st.sampled_from(
    [
        *"汉字現實國,，。、;；:：!！?？.()（） \n\r\t&;#x3aＡ９éÃ©\u200b\u200d\u202e\u0301\u0308\u1161\u0958\ud800가각",
        "(xiàn)", "(guó)", "(hǎo)", "&amp;", "&nbsp;", "&#8203;", "nbsp", "amp;", "https://a.cn/?", "```", "ä½\xa0", "ÖÐ¹ú", "â€™",
        "鏄ュぉ鍒颁簡", "涓", "\ufffd", "锟斤拷", "烫烫烫", "景毞善賸ㄛ", "\ue0de挥芯",
        "?晃煌?", "/p>", "\U0001f469\u200d\U0001f680", "百家乐", "bet365", " - ",
    ]
)  # fmt: skip
DAMAGED = st.lists(DAMAGE | st.characters(), max_size=40).map("".join)


@settings(deadline=None)
@given(DAMAGED, DAMAGED)
@example("", "&amp;amp;amp;#38;nbsp;")
@example("", "，，\u200b，,,。")
@example("", "e\u200b\u0301")
@example("百家乐,&amp;汉,```", "汉&amp;```")
def test_any_text_is_mended_once_and_never_grows(title: str, text: str) -> None:
    found = repair(title, text)
    assert len(found.text) <= len(text)
    assert len(found.title) <= len(title)
    again = repair(found.title, found.text)
    assert (again.text, again.edits) == (found.text, [])
    assert again.title == found.title


@settings(deadline=None)
@given(DAMAGED, DAMAGED)
def test_the_receipt_replays(title: str, text: str) -> None:
    found = repair(title, text)
    assert replay(text, found.edits) == found.text
    assert replay(title, found.title_edits) == found.title
    assert all(len(edit.replacement) <= edit.end - edit.start for edit in found.edits + found.title_edits)
    assert all(0 < edit.confidence <= 1 for edit in found.edits)


@settings(deadline=None)
@given(st.data(), st.text(max_size=20))
def test_replaying_is_applying_one_edit_after_the_other(data: st.DataObject, original: str) -> None:
    text, edits = original, list[Edit]()
    for _ in range(data.draw(st.integers(0, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        edits.append(Edit(start, end, data.draw(st.text(max_size=2)), "control", 1.0))
        text = text[:start] + edits[-1].replacement + text[end:]
    assert replay(original, edits) == text


def test_a_receipt_of_another_text_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        replay("short", [Edit(2, 9, "", "control", 1.0)])


@settings(deadline=None)
@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_a_narrowed_edit_says_what_changed(before: str, after: str) -> None:
    edit = narrowed("x" + before, "x" + after, 0, "mojibake", 1.0)
    assert replay("x" + before, [edit]) == "x" + after
    if before == after:
        assert edit.start == edit.end
        assert edit.replacement == ""


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        ("AT&amp;T", "AT&T"),
        ("a&nbsp;b& nbsp;c&nbsp d", "a b c  d"),
        ("&amp;amp;ldquo;好&amp;rdquo;", "“好”"),
        ("&#20013;&#x56fd;", "中国"),
        ("fish\u200b and\ufeff chips\x07", "fish and chips"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\u202e左\u202c右\u200e", "左右"),
        ("字\u200d符", "字符"),
        ("cafe\u0301", "café"),
        ("\uf900", "\u8c48"),
        ("ＡＢＣ第１２３号", "ABC第123号"),
        ("It wasnâ€™t Ã©vident", "It wasn’t évident"),
        ("ä½\xa0å¥½ï¼Œä¸–ç•Œ", "你好，世界"),
        ("ÖÐ»ªÈËÃñ¹²ºÍ¹ú", "中华人民共和国"),
        ("他说，，好的。,对,，对,、错", "他说，好的。对，对、错"),
        ("天冷,。风大，。雪停。。走。", "天冷。风大。雪停。走。"),
        ("it rained,, but not for long", "it rained, but not for long"),
        ("你好,世界!今天冷吗?我们去公园.\n他说:“不去.”", "你好，世界！今天冷吗？我们去公园。\n他说：“不去。”"),
        ("第一章(上),共3,000字", "第一章（上），共3,000字"),
        ("鏄ュぉ鍒颁簡锛岄洩鍖栦簡", "春天到了，雪化了"),
        ("一年四季都下着一样的雪".encode().decode("gbk", "replace"), "一年四季都下着一样的\ufffd"),
    ],
)  # fmt: skip
def test_damage_is_mended(damaged: str, whole: str) -> None:
    assert mended(damaged) == whole


@pytest.mark.parametrize(
    "text",
    [
        "in HTML, &lt; stands for a bracket",
        "用 `&nbsp;` 表示空格",
        "page?a=1&copy=2&reg=3",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525",
        "می\u200cخواهم",
        "naïve café, Ærøskøbing, ÀÁÂÃÄÅÆÇÈÉ",
        "罚款××××××元",
        "\u0958",  # NFC would make two characters of it
        "等等。。。再说！！！真的？！",
        "a,,b\n1,,2",
        'print("你好,世界")',
        "见 https://example.com/?q=春,夏 一文，很好。",
        "价格3,000元，时间12:30，好。",
        "“Yes”, she said: “No”; and “Why?”, naïve",
        "标题: 混排的,文字，有全角，也有半角。；：！",
        "用错了编码，“春天到了”四个字就会变成“鏄ュぉ鍒颁簡”这样的一串。",
        "鐘樓、銅鑼、鋼鐵、錢鏡、鍛鍊",
    ],
)
def test_what_only_looks_damaged_stays(text: str) -> None:
    assert mended(text) == text


def test_code_between_fences_is_left_alone() -> None:
    text = "说明文字,如下:\n```\n输出 你好,世界\n```\n完了,谢谢"
    assert mended(text) == "说明文字，如下：\n```\n输出 你好,世界\n```\n完了，谢谢"


@pytest.mark.parametrize(
    ("glossed", "whole"),
    [
        ("現(xiàn)實", "現實"),
        ("社會(huì)的發(fā)展，為(wèi)人們(men)", "社會的發展，為人們"),
        ("國(ɡuó)際(jì)間(jiān)", "國際間"),  # GBK's own letter g
        ("發(fā)展是好(hào)奇心所致(zhì)，現(xiàn)實(shí)如此", "發展是好(hào)奇心所致(zhì)，現實如此"),
    ],
)
def test_a_converters_glosses_go(glossed: str, whole: str) -> None:
    assert mended(glossed) == whole


@pytest.mark.parametrize(
    "text",
    [
        "贲(bēn)临寒舍，好(hào)学不倦",  # inside GB2312
        "陶喆(zhé)的歌，朱镕(róng)基的书",  # outside, but in a Simplified text: a person's gloss
        "國(guó)是国的旧字形，说的是都城",
        "饕餮(tāo tiè)是古代傳說中的獸",
        "現(now)實(real)",  # no reading
        "現(xiāng)實",  # another reading
        "傳說那時間長遠，請諸位來賓聽講，讓這個故事從頭開始，說到結尾為止；龍門陣裡頭，還(huán)錢",
        "還(huán)錢，長(cháng)短，好(hǎo)人，行(háng)業，重(chóng)來，樂(yuè)曲，和(hè)詩，好(hào)客",
    ],
)
def test_a_real_gloss_is_untouched(text: str) -> None:
    assert "gloss" not in causes(text)


def test_every_gloss_of_a_converter_is_removed() -> None:
    """The tool's work done again: the reading of each character that GB2312 lacks, on a page of our own."""
    from pypinyin import Style, lazy_pinyin

    page = "這個項目從開始到結束經過了許多年，參與的人來自各個國家。他們說，現實比計劃複雜，但結果還是讓大家滿意。"
    glossed = "".join(
        f"{one}({lazy_pinyin(one, style=Style.TONE)[0]})"
        if "\u4e00" <= one <= "\u9fff" and one not in GB2312
        else one
        for one in page
    )
    assert glossed.count("(") > 15
    assert mended(glossed) == page


def shift(text: str, start: int, end: int) -> str:
    """What is seen when ``text[start:end]`` has lost its first byte and its last, in GBK."""
    return f"{text[:start]}?{text[start:end].encode('gbk')[1:-1].decode('gb18030')}?{text[end:]}"


def test_shifted_bytes_are_found_and_left_to_the_judge() -> None:
    damaged = shift(ARTICLE, 11, 21)
    assert "４" in damaged  # which another repair would fold
    assert shifted_score(damaged) == repair("", damaged).shifted > 0
    assert shifted_score("他走了?!?/p>后来") > 0
    assert shifted_score(ARTICLE * 20 + damaged) < shifted_score(damaged)


LONG = (
    ARTICLE
    + "桥头的老人每天早上都来钓鱼，从来没有人见过他钓到什么。孩子们放学以后在桥上看船，数到十条才肯回家。"
)
HANT = "巷口的麵店開了許多年，老闆記得每一位客人的口味。颱風過後，鄰居們把倒下的樹鋸成小段搬走。" * 3


@pytest.mark.parametrize(
    "text",
    [
        LONG.encode().decode("gbk", "ignore"),
        LONG.encode().decode("gbk", "replace").replace("\ufffd", "?"),
        "\n".join(LONG[at : at + 20].encode().decode("gb18030", "replace") for at in range(0, len(LONG), 20)),
        HANT.encode().decode("gbk", "ignore"),
        LONG.encode("gbk").decode(errors="replace"),
        LONG.encode("gbk").decode(errors="replace").encode().decode("gbk", "replace"),
        LONG.encode("gbk").decode("big5", "replace"),
        HANT.encode("big5", "ignore").decode("gb18030", "replace"),
        LONG[:40] + LONG[40:].encode("gbk")[1:-1].decode("gb18030", "replace"),
        "烫" * 80,
        shift(LONG, 5, 70),
    ],
)
def test_any_text_read_in_the_wrong_encoding_is_found(text: str) -> None:
    assert repair("", text).shifted > 5
    assert repair("", LONG * 5 + text).shifted > 0


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        HANT,
        "魑魅魍魉，饕餮貔貅，鸑鷟鹓鶵，麒麟獬豸，皆古人所記。蜾蠃、螟蛉、蟪蛄、蜉蝣，虫之屬也。" * 5,
        "東京は雨が降っている。駅前の喫茶店で友達を待つ間、古い雑誌を読んだ。㍿ﾃｽﾄ、鱒鰯鯖鰹鮪鰻。" * 5,
        "囗囗囗囗囗囗囗，□□□□□。囗囗囗囗囗囗囗。",
        "이것은 한국어로 쓴 문장입니다. 大韓民國 漢字. مرحبا بالعالم. Привет, мир.",
        "\ue5e5\ue5e5一、开头\n\ue5e5\ue5e5二、结尾" * 5,
        f"{LONG}\n������\n{LONG}\n������\n{LONG}",
        f"{LONG * 2}常见的乱码有“锟斤拷”和“烫烫烫”。",
        "caf\ufffd " + LONG,
    ],
)
def test_rare_characters_and_a_lost_one_are_no_wrong_encoding(text: str) -> None:
    assert shifted_score(text) == 0


def test_what_was_mended_is_no_longer_counted() -> None:
    found = repair("", LONG.encode().decode("gb18030", "replace"))
    assert (found.text, found.shifted) == (f"{LONG[:-1]}\ufffd", 0)
    assert {edit.cause for edit in found.edits} == {"mojibake"}


@pytest.mark.parametrize(
    "text", [ARTICLE, "你好吗?我很好,你呢?他也很好?", "是嗎?還沒有說完呢?對不對?", "what?! really?", "?!?", "どうして?わかりません?"]
)  # fmt: skip
def test_a_question_is_no_shifted_byte(text: str) -> None:
    assert shifted_score(text) == 0


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("北京赛车pk10开奖_春天的柳树发芽", "春天的柳树发芽"),
        ("河边的柳树 - 澳门葡京娱乐官网", "河边的柳树"),
        ("河边的柳树|百家乐投注平台|去年的雪", "河边的柳树 去年的雪"),
        ("時時彩平台註冊", ""),
        ("河边的柳树", "河边的柳树"),
    ],
)
def test_a_hijacked_title_is_cut(title: str, kept: str) -> None:
    found = repair(title, ARTICLE)
    assert (found.title, found.text) == (kept, ARTICLE)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        ("北京赛车pk10开奖", ""),
        ("\n  澳门葡京娱乐官网_百家乐投注平台\n時時彩平台註冊", ""),
        ("河边的柳树 - 澳门葡京娱乐官网", "河边的柳树"),
    ],
)
def test_where_there_is_no_title_it_is_the_first_line(head: str, kept: str) -> None:
    found = repair("", f"{head}\n{ARTICLE}")
    assert (found.title, found.text.strip()) == ("", f"{kept}\n{ARTICLE}".strip())
    assert repair("河边的柳树", f"{head}\n{ARTICLE}").text.startswith(head)


def test_a_title_that_the_body_bears_out_stays() -> None:
    title = "百家乐平台被查"
    assert repair(title, "警方查处了一个赌博网站，嫌疑人利用百家乐平台组织赌博，参赌者众多。").title == title
    assert repair("澳门赌场去年收入下降", ARTICLE).title == "澳门赌场去年收入下降"


def test_the_shadow_is_simplified_and_the_text_keeps_its_script() -> None:
    assert simplified("現實\ud800abc") == "现实?abc"
    assert mended("現實比計劃複雜。") == "現實比計劃複雜。"
    assert len(COMMON) == 3755
    assert len(GB2312) == 6763


def test_hostile_text_takes_linear_time_and_little_memory() -> None:
    for unit in (
        "，",
        "汉,",
        "&amp;",
        "a\u0301",
        "Ã©",
        "現(xiàn)",
        "?晃",
        "(",
        "汉(",
        "\u0315\u0300",
        "鏄ュぉ",
        "涓\ufffd",
        "景毞",
        "\ue0de挥",
        "锟斤拷",
    ):
        text = unit * (20_000 // len(unit))
        assert len(mended(text)) <= len(text)
