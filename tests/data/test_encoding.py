"""Encodings of pages: proved, declared, detected."""

from __future__ import annotations

from codecs import BOM_UTF8

import pytest
from bench.data_encoding import CHARSETS, pages
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.encoding import decode


def test_of_720_pages_without_charset_tags_98_in_a_hundred_come_out_as_they_went_in() -> None:
    right: dict[str, int] = dict.fromkeys(CHARSETS, 0)
    for page in pages(240):
        found = decode(page.content, html=True)
        right[page.charset] += found.text == page.text and found.replaced == 0
    assert all(count >= 236 for count in right.values()), right


@pytest.mark.parametrize(
    ("text", "codec", "charset"),
    [
        ("公司简介", "gbk", "gb18030"),
        ("今天𠮷日，䶮", "gb18030", "gb18030"),
        ("關於我們", "big5", "big5"),
        ("佢哋喺嗰度食嘢", "big5hkscs", "big5"),
        ("これは日本語の文章です。", "euc_jp", "euc-jp"),
        ("これは日本語の文章です。", "cp932", "shift_jis"),
        ("これは日本語の文章です。", "iso2022_jp", "iso-2022-jp"),
        ("이것은 한국어로 쓴 문장입니다.", "cp949", "euc-kr"),
        ("Le café où elle déjeunait fermera l’été.", "cp1252", "windows-1252"),
        ("She said “hello” – and left…", "cp1252", "windows-1252"),
        ("Завтра утром мы поедем на вокзал встречать гостей.", "cp1251", "windows-1251"),
        ("明天早上我们去车站接客人。", "utf-8-sig", "utf-8"),
        ("明天早上我们去车站接客人。", "utf-16", "utf-16le"),
        ("明天早上我们去车站接客人。", "utf-32", "utf-32le"),
        ("Tomorrow we meet them. 明天见。", "utf-16-be", "utf-16be"),
        ("明天早上我们去车站接客人，下午三点回来。", "utf-16-le", "utf-16le"),
        ("plain", "ascii", "utf-8"),
        ("", "ascii", "utf-8"),
    ],
)
def test_each_encoding_is_found_without_a_hint(text: str, codec: str, charset: str) -> None:
    found = decode(text.encode(codec))
    assert (found.text, found.charset, found.replaced) == (text, charset, 0)
    assert found.confidence > 0.9


PAGE = '<html><head><meta http-equiv="Content-Type" content="text/html; charset={}"></head><p>{}</p></html>'


@pytest.mark.parametrize(
    "declared", ["utf-8", "iso-8859-1", "big5", "shift_jis", "no-such-charset", "utf-16", ""]
)
def test_a_wrong_tag_is_overruled(declared: str) -> None:
    text = PAGE.format(declared, "村口的石桥下面住着一窝鸭子，每天早上排着队去河里。")
    for charset, codec in (("gb18030", "gbk"), ("utf-8", "utf-8")):
        for hint in (declared, None):
            found = decode(text.encode(codec), hint, html=True)
            assert (found.text, found.charset) == (text, charset)


@pytest.mark.parametrize(("declared", "text"), [("GB2312", "鸭"), ("windows-1252", "Ñ1"), ("big5", "鴨")])
def test_a_tag_decides_where_there_is_too_little_to_see(declared: str, text: str) -> None:
    codec = {"GB2312": "gbk", "big5": "big5"}.get(declared, "cp1252")
    assert decode(text.encode(codec), declared).text == text
    page = PAGE.format(declared, text)
    assert decode(page.encode(codec), html=True).text == page


def test_a_tag_decides_between_encodings_of_one_script() -> None:
    text = "Wczoraj późnym wieczorem wróciliśmy z gór. " * 50
    assert decode(text.encode("cp1250"), "windows-1250").text == text


def test_a_few_broken_bytes_do_not_change_the_encoding() -> None:
    text = "图书馆今年买了三千本新书，其中一半是给孩子们的。" * 20
    for codec, charset in (("utf-8", "utf-8"), ("gbk", "gb18030")):
        whole = text.encode(codec)
        found = decode(whole[:100] + b"\xff" + whole[100:-1])
        assert found.charset == charset
        assert 1 <= found.replaced <= 6
        assert found.text.count("\ufffd") == found.replaced


def test_the_mark_of_utf8_is_no_proof() -> None:
    text = PAGE.format("gb2312", "渡口的船夫每天摆渡六次，风大的时候只有四次。")
    found = decode(BOM_UTF8 + text.encode("gbk"), html=True)
    assert (found.text, found.charset, found.replaced) == (text, "gb18030", 0)
    assert decode(BOM_UTF8 + "渡口的船夫".encode("gbk")).text == "渡口的船夫"
    broken = decode(BOM_UTF8 + text.encode() + b"\xff")
    assert (broken.text, broken.charset, broken.replaced) == (text + "\ufffd", "utf-8", 1)
    assert decode(BOM_UTF8 + b"plain").text == "plain"


@pytest.mark.parametrize("more", [b"\xff", b""])
def test_where_bytes_are_lost_or_too_many_pairs_are_found_again(more: bytes) -> None:
    lines = [
        "图书馆今年买了三千本新书，其中一半是给孩子们的。",
        "渡口的船夫每天摆渡六次，风大的时候只有四次。",
    ] * 4
    page = b"".join(
        b"<p>%s</p>" % (raw[:19] + more + raw[20 - bool(more) :])
        for raw in (one.encode("gbk") for one in lines)
    )
    found = decode(page, html=True)
    assert found.charset == "gb18030"
    assert found.replaced == found.text.count("\ufffd") <= 3 * len(lines)
    for line in lines:
        assert line[:9] in found.text
        assert line[11:] in found.text


def test_other_encodings_are_not_taken_for_broken_gbk() -> None:
    for text, codec, charset in (
        ("巷口的麵店開了三十年，老闆娘記得每一位熟客的口味。", "big5", "big5"),
        ("駅前の喫茶店で友達を待つ間、古い雑誌を読んだ。", "euc_jp", "euc-jp"),
        ("駅前の喫茶店で友達を待つ間、古い雑誌を読んだ。", "cp932", "shift_jis"),
        ("이것은 한국어로 쓴 문장입니다.", "cp949", "euc-kr"),
    ):
        raw = (text * 4).encode(codec)
        found = decode(raw[:40] + b"\xff" + raw[40:])
        assert (found.charset, found.text[-10:]) == (charset, text[-10:])


def test_markup_does_not_hide_the_text() -> None:
    style = "<style>" + "p { margin: 0 }\n" * 5000 + "</style>"
    page = style + "<p>渡口的船夫每天摆渡六次，风大的时候只有四次。</p>"
    assert decode(page.encode("gbk"), html=True).text == page


@pytest.mark.parametrize(
    "label", ["zlib", "rot13", "unicode_escape", "utf-7", "idna", "base64", "x" * 10**6, "\udcff"]
)
def test_a_label_that_is_no_charset_of_pages_is_ignored(label: str) -> None:
    assert decode("雨".encode("gbk") * 10, label).text == "雨" * 10


@settings(max_examples=300)
@given(
    content=st.binary(max_size=300),
    declared=st.none() | st.text(max_size=12) | st.sampled_from(["gbk", "utf-16"]),
)
def test_it_never_raises(content: bytes, declared: str | None) -> None:
    found = decode(content, declared, html=True)
    assert 0 <= found.confidence <= 1
    assert found.replaced <= found.text.count("\ufffd") <= len(content)
    assert decode(content, declared, html=True) == found


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=4))
def test_utf8_is_proved_whatever_the_tag_says(text: str) -> None:
    assert decode(text.encode(), "gb2312").text == text
