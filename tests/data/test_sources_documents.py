"""PDF, DOCX and EPUB: files made here byte by byte, and what comes out of them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.sources import Failed, Raw, read_raw
from feilun.data.sources.layout import join, paragraphs, without_running_lines


def read(path: Path) -> Raw | Failed:
    (found,) = read_raw(str(path), name="books")
    return found


def text(path: Path) -> str:
    found = read(path)
    assert isinstance(found, Raw), found
    return str(found.content)


def reason(path: Path) -> str:
    found = read(path)
    assert isinstance(found, Failed), found
    assert found.text.en
    assert found.text.zh
    return found.reason


# --- PDF ---


def pdf(path: Path, *pages: list[str], password: bytes | None = None) -> Path:
    """A minimal PDF file (ISO 32000-1): a line of text every 14 points, Chinese in a font that is not embedded."""
    key = _key(password) if password is not None else None
    objects: dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        3: b"<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts[4 0 R]>>",
        4: b"<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo"
        b"<</Registry(Adobe)/Ordering(GB1)/Supplement 4>>/DW 1000/W[1[500]2 94 500]/FontDescriptor 5 0 R>>",
        5: b"<</Type/FontDescriptor/FontName/STSong-Light/Flags 6/FontBBox[-25 -254 1000 880]/ItalicAngle 0"
        b"/Ascent 880/Descent -120/CapHeight 880/StemV 93>>",
    }
    for at, lines in enumerate(pages):
        number = 10 + 2 * at
        shown = b"".join(
            b"1 0 0 1 60 %d Tm <%s> Tj\n" % (780 - 14 * row, line.encode("utf-16-be").hex().encode())
            for row, line in enumerate(lines)
        )
        stream = b"BT /F1 12 Tf\n" + shown + b"ET"
        if key is not None:
            stream = _rc4(
                hashlib.md5(key + struct.pack("<I", number + 1)[:3] + b"\0\0").digest()[:10], stream
            )
        objects[number] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (number + 1)
        )
        objects[number + 1] = b"<</Length %d>>stream\n" % len(stream) + stream + b"\nendstream"
    kids = b" ".join(b"%d 0 R" % (10 + 2 * at) for at in range(len(pages)))
    objects[2] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)
    out = b"%PDF-1.4\n"
    offsets: dict[int, int] = {}
    for number, content in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in offsets.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    locked = b""
    if key is not None:
        locked = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>/ID[<00><00>]" % (
            (b"o" * 32).hex().encode(),
            _rc4(key, _PAD).hex().encode(),
        )
    out += b"trailer<</Size 999/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (locked, table)
    path.write_bytes(out)
    return path


_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _key(password: bytes) -> bytes:
    """Algorithm 2 of ISO 32000-1, 7.6.3.3, for 40 bits."""
    return hashlib.md5((password + _PAD)[:32] + b"o" * 32 + struct.pack("<i", -4) + b"\0").digest()[:5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


CHINESE = [
    "清晨的渡口只有一盏灯亮着，船夫把缆绳解开，等第一个",
    "客人。雾很大，对岸的树看不见，只听得到水的声音，还",
    "有远处的鸡叫。",
    "后来桥修好了，渡口就没有人再来。",
]


def test_wrapped_lines_are_joined_and_running_lines_are_dropped(tmp_path: Path) -> None:
    pages = [[name + line[1:] for line in CHINESE] for name in "春夏秋冬"]
    path = pdf(
        tmp_path / "a.pdf", *([f"渡口 第{at}章", *page, f"- {at} -"] for at, page in enumerate(pages, 1))
    )
    assert text(path) == "\n\n".join("".join(page[:3]) + "\n\n" + page[3] for page in pages)


def test_english_lines_are_joined_with_spaces_and_hyphens_go(tmp_path: Path) -> None:
    lines = [
        "The ferry left at dawn with only one passenger, and the ferry-",
        "man did not speak. There was a long silence, since the docu-",
        "ment had been lost.",
        "Nobody came after that.",
    ]
    assert text(pdf(tmp_path / "a.pdf", lines)) == (
        "The ferry left at dawn with only one passenger, and the ferryman did not speak. There was a long silence, "
        "since the document had been lost.\n\nNobody came after that."
    )


def test_a_paragraph_goes_on_over_the_page(tmp_path: Path) -> None:
    path = pdf(tmp_path / "a.pdf", [*CHINESE[:2], "1"], [*CHINESE[2:], "2"])
    assert text(path) == "".join(CHINESE[:3]) + "\n\n" + CHINESE[3]


def test_a_pdf_without_text_is_said_to_be_scanned(tmp_path: Path) -> None:
    assert reason(pdf(tmp_path / "a.pdf", [], ["1"])) == "scanned"


def test_a_pdf_behind_a_password(tmp_path: Path) -> None:
    assert reason(pdf(tmp_path / "a.pdf", CHINESE, password=b"secret")) == "encrypted"
    # With an empty password everybody may read it.
    assert "渡口" in text(pdf(tmp_path / "b.pdf", CHINESE, password=b""))


def test_a_broken_pdf(tmp_path: Path) -> None:
    for content in (b"%PDF-1.4\n" + b"nonsense " * 50, b"hello"):
        (tmp_path / "a.pdf").write_bytes(content)
        assert reason(tmp_path / "a.pdf") == "broken"


@pytest.mark.parametrize("limit", ["_MOST_PAGES", "_LONGEST_PAGE", "_LONGEST_BOOK"])
def test_a_pdf_without_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"feilun.data.sources.pdf.{limit}", 1)
    assert reason(pdf(tmp_path / "a.pdf", CHINESE, CHINESE)) == "too_long"


def test_a_pdf_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.data.sources.pdf._MOST_SECONDS", 0.0)
    assert reason(pdf(tmp_path / "a.pdf", CHINESE, CHINESE)) == "timeout"


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("船夫把缆绳", "解开", "船夫把缆绳解开"),
        ("one", "two", "one two"),
        ("用 Python", "写成", "用 Python写成"),
        ("docu-", "ment", "document"),
        ("docu\ufffe", "ment", "document"),
        ("Anglo-", "American", "Anglo-American"),
    ],
)
def test_two_lines_joined(before: str, after: str, whole: str) -> None:
    assert join(before, after) == whole


def test_lists_and_headings_begin_anew() -> None:
    full = "这一行和别的行一样长所以不知道有没有完"
    lines = [full, "一、" + full[2:], "第三章 " + full[4:], "（2）" + full[3:], "• " + full[2:]]
    assert paragraphs(lines) == lines


def test_on_two_pages_only_numbers_are_dropped() -> None:
    assert (
        without_running_lines([["标题", "正文", "1"], ["标题", "正文", "第 2 页"]]) == [["标题", "正文"]] * 2
    )


@given(
    st.lists(st.lists(st.text(max_size=40).map(lambda one: " ".join(one.split())), max_size=8), max_size=6)
)
def test_no_letter_is_invented(pages: list[list[str]]) -> None:
    lines = [line for page in without_running_lines(pages) for line in page]
    before, after = ("".join("".join(part).split()) for part in (lines, paragraphs(lines)))
    assert len(after) <= len(before)
    assert set(after) <= {*before, "-"}


# --- DOCX ---


def zipped(path: Path, **parts: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def test_docx(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "渡口"
    document.core_properties.language = "zh-CN"
    document.add_heading("第一章", 1)
    document.add_paragraph("清晨的渡口\t只有一盏灯。")
    document.add_paragraph("")
    for item in ("船", "桨"):
        document.add_paragraph(item, style="List Bullet")._p.get_or_add_pPr().get_or_add_numPr()
    table = document.add_table(rows=2, cols=2)
    for cell, word in zip(table._cells, ("名称", "数量", "船", "2"), strict=True):
        cell.text = word
    document.add_paragraph("完。")
    document.save(str(tmp_path / "a.docx"))
    found = read(tmp_path / "a.docx")
    assert isinstance(found, Raw)
    assert found.content == (
        "# 第一章\n\n清晨的渡口\t只有一盏灯。\n\n- 船\n- 桨\n\n| 名称 | 数量 |\n| 船 | 2 |\n\n完。"
    )
    assert (found.id, found.kind, found.title, found.lang) == ("a.docx", "docx", "渡口", "zh")


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def word(path: Path, body: str, **parts: bytes) -> Path:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return zipped(
        path, **{"word/document.xml": f"{head}<w:document {W}><w:body>{body}</w:body></w:document>", **parts}
    )


def test_docx_deleted_text_and_fallbacks_are_left_out(tmp_path: Path) -> None:
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>雨</w:t></w:r>"
        "<w:del><w:r><w:delText>雪</w:delText></w:r></w:del><w:r><w:br/><w:t>风</w:t></w:r></w:p>"
        f"<mc:AlternateContent {mc}><mc:Choice><w:p><w:r><w:t>框</w:t></w:r></w:p></mc:Choice>"
        "<mc:Fallback><w:p><w:r><w:t>框</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>"
    )
    assert text(word(tmp_path / "a.docx", body)) == "雨\n风\n\n框"


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    assert reason(zipped(tmp_path / "a.docx", **{"word/document.xml": b"\0" * (2**26 + 1)})) == "bomb"
    assert reason(zipped(tmp_path / "a.epub", **{"META-INF/container.xml": b" " * (2**22 + 1)})) == "bomb"
    nested = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<!DOCTYPE x [<!ENTITY e0 "ha">{nested}]><w:document {W}><w:t>&e11;</w:t></w:document>'
    assert reason(zipped(tmp_path / "b.docx", **{"word/document.xml": laughs})) == "broken"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"hello", "broken"),
        (b"PK\x03\x04 hello", "broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes, expected: str) -> None:
    for name in ("a.docx", "a.epub"):
        (tmp_path / name).write_bytes(content)
        assert reason(tmp_path / name) == expected


def test_archives_with_something_wrong(tmp_path: Path) -> None:
    assert reason(zipped(tmp_path / "a.docx", other="x")) == "broken"
    assert reason(zipped(tmp_path / "a.docx", **{"word/document.xml": "<w:"})) == "broken"
    assert reason(word(tmp_path / "a.docx", "<w:p/>")) == "no_content"
    whole = word(tmp_path / "b.docx", "<w:p><w:r><w:t>雨</w:t></w:r></w:p>").read_bytes()
    (tmp_path / "b.docx").write_bytes(whole[:60] + b"\xff\xff\xff\xff" + whole[64:])
    assert reason(tmp_path / "b.docx") == "broken"


def test_xml_nested_without_end_ends(tmp_path: Path) -> None:
    found = read(
        word(tmp_path / "a.docx", "<w:p>" * 100_000 + "<w:r><w:t>雨</w:t></w:r>" + "</w:p>" * 100_000)
    )
    assert isinstance(found, Failed) or found.content == "雨"


# --- EPUB ---

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>渡口</dc:title><dc:language>zh-CN</dc:language><dc:date>2024-01-02</dc:date></metadata><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="two%20.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="c" href="cover.png" media-type="image/png"/>
<item id="g" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="c"/><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="g"/>
<itemref idref="x"/></spine></package>"""


def book(path: Path, **parts: str) -> Path:
    return zipped(
        path,
        **{
            "META-INF/container.xml": CONTAINER,
            "OPS/book.opf": PACKAGE,
            "OPS/two .xhtml": "<html><head><title>x</title></head><body><h1>第二章</h1><p>桥修好了。</p></body></html>",
            "OPS/text/one.xhtml": "<html><body><h1>第一章</h1><p>船来了。</p></body></html>",
            "OPS/nav.xhtml": "<html><body>目录</body></html>",
            **parts,
        },
    )


def test_epub(tmp_path: Path) -> None:
    found = read(book(tmp_path / "a.epub"))
    assert found == Raw(
        "a.epub",
        "books",
        "epub",
        "第一章\n\n船来了。\n\n第二章\n\n桥修好了。",
        title="渡口",
        date="2024-01-02",
        lang="zh",
    )


def test_a_protected_epub(tmp_path: Path) -> None:
    def lock(part: str) -> dict[str, str]:
        return {"META-INF/encryption.xml": f'<e xmlns:c="x"><c:CipherReference URI="{part}"/></e>'}

    assert reason(book(tmp_path / "a.epub", **lock("OPS/text/one.xhtml"))) == "encrypted"
    assert "船来了" in text(book(tmp_path / "a.epub", **lock("OPS/font.otf")))


def test_an_epub_without_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.data.sources.epub._LONGEST_BOOK", 100)
    assert reason(book(tmp_path / "a.epub")) == "bomb"


# --- anything at all ---


def _samples(folder: Path) -> list[bytes]:
    docx_, epub_ = word(folder / "s.docx", "<w:p><w:r><w:t>雨</w:t></w:r></w:p>"), book(folder / "s.epub")
    return [docx_.read_bytes(), epub_.read_bytes(), pdf(folder / "s.pdf", CHINESE).read_bytes()]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_give_a_page_or_a_reason(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    samples = _samples(folder)
    content = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) // 2, len(content)))]
    for suffix in (".docx", ".epub", ".pdf"):
        path = folder / f"d{suffix}"
        path.write_bytes(io.BytesIO(content).getvalue())
        assert all(isinstance(one, Raw | Failed) for one in read_raw(str(path), name="books"))
