"""Raw pages out of files of all kinds: ids, order, splits, and what is said of faults."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.sources import Failed, Raw, read_raw, read_split, splits
from feilun.data.sources import raw as limits
from feilun.text import FeilunError


def read(source: Path | str, **options: Any) -> list[Raw | Failed]:
    return list(read_raw(str(source), name="web", **options))


def pages(source: Path | str, **options: Any) -> list[Raw]:
    found = read(source, **options)
    assert all(isinstance(one, Raw) for one in found), found
    return [one for one in found if isinstance(one, Raw)]


def fault(source: Path | str) -> Failed:
    (found,) = read(source)
    assert isinstance(found, Failed)
    assert found.text.en
    assert any("\u4e00" <= one <= "\u9fff" for one in found.text.zh)
    assert found.source == "web"
    return found


def in_splits(source: Path | str, unit: int) -> list[Raw | Failed]:
    return [one for split in splits(str(source), name="web", unit=unit) for one in read_split(split)]


def save(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- folders ---


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in (
        "z/c.md",
        "z/a.txt",
        "b.HTML",
        "a.jsonl",
        ".git/x.txt",
        "z/.hidden.txt",
        "p.png",
        "artifact.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, '{"text": "雨"}' if name == "a.jsonl" else "雨")
    (tmp_path / "z" / "circle").symlink_to(tmp_path)
    (tmp_path / "z" / "b.html").symlink_to(tmp_path / "b.HTML")
    assert [(one.id, one.kind) for one in pages(tmp_path)] == [
        ("a.jsonl@0", "text"),
        ("b.HTML", "html"),
        ("z/a.txt", "text"),
        ("z/b.html", "html"),
        ("z/c.md", "markdown"),
    ]


def test_ids_are_the_same_wherever_the_files_lie(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for folder in ("one", "two"):
        (tmp_path / folder / "in").mkdir(parents=True)
        save(tmp_path / folder / "in" / "a.txt", "雨")
    memory.pipe("/three/in/a.txt", "雨".encode())
    sources = [str(tmp_path / "one"), (tmp_path / "two").as_uri(), "memory://three"]
    assert {tuple(pages(source)) for source in sources} == {(Raw("in/a.txt", "web", "text", "雨".encode()),)}
    archive = tmp_path / "all.zip"
    fsspec.filesystem("zip", fo=str(archive), mode="w").pipe("in/a.txt", "雨".encode())
    if archive.exists():
        assert [one.id for one in pages(f"zip://::{archive.as_uri()}")] == ["in/a.txt"]


def test_a_single_file_is_called_by_its_name(tmp_path: Path) -> None:
    assert pages(save(tmp_path / "a.txt", "雨"))[0].id == "a.txt"


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing", "unreadable"), ("a.png", "unknown_file_kind"), ("nope://x", "unknown_source")],
)
def test_a_source_that_is_none_is_the_callers_mistake(tmp_path: Path, name: str, code: str) -> None:
    save(tmp_path / "a.png", "x")
    with pytest.raises(FeilunError) as caught:
        read(name if "://" in name else tmp_path / name)
    assert caught.value.code == code


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(FeilunError, match="neither a file nor a folder"):
        read(tmp_path / "pipe.txt")


def test_half_a_character_costs_itself_alone(tmp_path: Path) -> None:
    """Of a text that was cut between the two halves of a character, as JavaScript does it."""
    save(tmp_path / "a.jsonl", '{"text": "cut \\ud83d here"}\n{"text": "whole \\ud83d\\ude00"}\n')
    assert [page.content for page in pages(tmp_path / "a.jsonl")] == ["cut \ufffd here", "whole \U0001f600"]
    deep = '{"text": "\\ud83d", "more": ' + "[" * 99_999 + "]" * 99_999 + "}"
    save(tmp_path / "b.jsonl", f'{deep}\n{{"text": "the next line is read"}}\n')
    broken, after = read(tmp_path / "b.jsonl")
    assert isinstance(broken, Failed)
    assert isinstance(after, Raw)


def test_what_may_not_be_read_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    save(tmp_path / "a.txt", "雨")
    save(tmp_path / "b.txt", "雪")
    local = type(fsspec.filesystem("file"))

    def refusing(method: Any) -> Any:
        def refuse(self: Any, path: str, *args: Any, **options: Any) -> Any:
            if path.endswith(("locked", "a.txt")):
                raise PermissionError(13, "Permission denied", path)
            return method(self, path, *args, **options)

        return refuse

    monkeypatch.setattr(local, "ls", refusing(local.ls))
    monkeypatch.setattr(local, "_open", refusing(local._open))
    first, second, third = read(tmp_path)
    assert isinstance(first, Failed)
    assert (first.id, first.reason) == ("a.txt", "unreadable")
    assert isinstance(second, Raw)
    assert isinstance(third, Failed)
    assert (third.id, third.reason) == ("locked", "unreadable")


# --- one page a file ---


@pytest.mark.parametrize(
    "name", ["a.html", "a.txt", "a.md", "a.jsonl", "a.warc.gz", "a.parquet", "a.pdf", "a.docx", "a.epub"]
)
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, name: str) -> None:
    found = fault(save(tmp_path / name, b""))
    assert (found.id, found.reason) == (name, "empty")


def test_binary_data_is_no_page_whatever_its_name(tmp_path: Path) -> None:
    for content in (b"\x89PNG\r\n\x1a\n" + b"x" * 99, bytes(range(256)) * 20, b"\0" * 500):
        for name in ("a.html", "a.txt", "a.md"):
            assert fault(save(tmp_path / name, content)).reason == "binary"
    assert "PNG" in fault(save(tmp_path / "a.html", b"\x89PNG" + b"x" * 99)).text.zh


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "big5", "utf-16", "utf-16-le"])
def test_text_in_wide_encodings_is_not_taken_for_binary(tmp_path: Path, codec: str) -> None:
    content = ("<p>山 a\n</p>" * 50).encode(codec)
    for name in ("a.html", "a.txt"):
        assert pages(save(tmp_path / name, content))[0].content == content


def test_a_page_longer_than_any_page_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.data.sources.pages.LONGEST_PAGE", 1000)
    assert fault(save(tmp_path / "a.html", "<p>" + "雨" * 400)).reason == "too_long"
    assert pages(save(tmp_path / "a.html", "<p>" + "雨" * 300))


def test_blank_files_have_no_content(tmp_path: Path) -> None:
    for name in ("a.html", "a.txt", "a.md"):
        assert fault(save(tmp_path / name, " \n\t\n")).reason == "no_content"


@pytest.mark.parametrize("codec", ["utf-8-sig", "gb18030", "big5", "utf-16"])
def test_a_long_text_comes_in_pieces_that_join_to_the_whole(tmp_path: Path, codec: str) -> None:
    text = "".join(f"第{number}段，河水慢慢地流過。\n\n" for number in range(120_000))
    found = pages(save(tmp_path / "a.txt", text.encode(codec)))
    assert [one.id for one in found] == ["a.txt", *(f"a.txt#{number}" for number in range(2, len(found) + 1))]
    assert len(found) >= 2
    assert all(len(one.content) <= limits.LONGEST_TEXT and one.content.endswith("\n\n") for one in found)  # type: ignore[arg-type]
    assert "".join(str(one.content) for one in found) == text


def test_a_saved_page_named_txt_is_markup(tmp_path: Path) -> None:
    assert pages(save(tmp_path / "a.txt", "<!-- x -->\n<!DOCTYPE html><p>雨"))[0].kind == "html"
    assert pages(save(tmp_path / "b.txt", "a <b> is a tag"))[0].kind == "text"


def test_markdown_keeps_its_marks_and_tells_what_its_front_matter_says(tmp_path: Path) -> None:
    body = "# 标题\n\n- 一\n- 二\n\n```python\nx = 1\n```\n"
    (found,) = pages(save(tmp_path / "a.md", f"---\ntitle: '雨'\ndate: 2024-01-02\nlang: zh-CN\n---\n{body}"))
    assert found == Raw("a.md", "web", "markdown", body, title="雨", date="2024-01-02", lang="zh")
    (found,) = pages(save(tmp_path / "a.md", f"---\n{body}"))  # a rule, not front matter
    assert found.content == f"---\n{body}"


def test_mhtml_gives_the_page_in_it(tmp_path: Path) -> None:
    content = (
        "From: <Saved by Browser>\r\nSnapshot-Content-Location: http://example.org/a\r\n"
        "Date: Tue, 02 Jan 2024 03:04:05 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/related; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0=\r\n"
        "--B\r\nContent-Type: text/html; charset=gbk\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "<p>=D3=EA</p>\r\n--B--\r\n"
    )
    (found,) = pages(save(tmp_path / "a.mhtml", content))
    assert isinstance(found.content, bytes)
    assert found.content.decode("gbk").strip() == "<p>雨</p>"
    assert (found.url, found.charset, found.date) == (
        "http://example.org/a",
        "gbk",
        "2024-01-02T03:04:05+00:00",
    )
    assert fault(save(tmp_path / "b.mhtml", "MIME-Version: 1.0\r\n\r\nplain")).reason == "no_content"


# --- JSON lines ---

RECORDS: list[dict[str, Any]] = [
    {"text": "雨" * 50, "title": "天气", "url": "http://a", "date": "2024-01-02", "lang": "zh-Hans"},
    {"html": "<p>雪", "text": "ignored", "id": 7},
    {"content": "<!doctype html><p>风"},
    {"text": "  "},
    {"title": "no text"},
    {"text": "霜", "id": "x"},
]


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def test_json_lines(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + lines(*RECORDS) + b"\n[1]\nnonsense\n" + lines({"text": "露"})[:-1]
    found = read(save(tmp_path / "a.jsonl", content))
    assert [one.kind if isinstance(one, Raw) else one.reason for one in found] == [
        "text",
        "html",
        "html",
        "no_content",
        "no_content",
        "text",
        "broken",
        "broken",
        "text",
    ]
    assert found[0] == Raw(
        "a.jsonl@0", "web", "text", "雨" * 50, url="http://a", title="天气", date="2024-01-02", lang="zh"
    )
    assert [found[1].id, found[5].id] == ["7", "x"]
    assert found[8].id == f"a.jsonl@{content.rfind(b'{')}"


@pytest.mark.parametrize("unit", [1, 40, 100, 1000])
def test_ids_and_order_do_not_depend_on_the_splits_of_json_lines(tmp_path: Path, unit: int) -> None:
    path = save(tmp_path / "a.jsonl", lines(*RECORDS * 3) + b"\n\nbroken\n" + lines(*RECORDS))
    assert in_splits(path, unit) == read(path)
    assert len(splits(str(path), name="web", unit=unit)) == -(-path.stat().st_size // unit)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_packed_lines_are_the_same_and_a_cut_loses_only_what_follows(tmp_path: Path, suffix: str) -> None:
    pack = gzip.compress if suffix == ".gz" else zstandard.compress
    records = [{"text": os.urandom(300).hex()} for _ in range(100)]
    plain = read(save(tmp_path / "a.jsonl", lines(*records)))
    packed = pack(lines(*records[:50])) + pack(lines(*records[50:]))
    path = save(tmp_path / f"a.jsonl{suffix}", packed)
    assert [one.content for one in pages(path)] == [one.content for one in plain if isinstance(one, Raw)]
    found = read(save(path, packed[: len(packed) * 3 // 4]))
    assert isinstance(found[-1], Failed)
    assert found[-1].reason == "truncated"
    assert 50 <= len(found) - 1 < 100
    assert [one.content for one in found[:-1]] == [one.content for one in plain[: len(found) - 1]]  # type: ignore[union-attr]
    found = read(save(path, packed[: len(pack(lines(*records[:50])))] + b"\xff" * 50))
    assert isinstance(found[-1], Failed)
    assert (found[-1].reason, len(found)) == ("broken", 51)


def test_a_bomb_is_found_before_it_fills_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.data.sources.unpack._BOMB_SIZE", 2**20)
    line = b'{"text": "' + b"a" * 2**21
    for suffix, pack in ((".gz", gzip.compress), (".zst", zstandard.compress)):
        assert fault(save(tmp_path / f"a.jsonl{suffix}", pack(line))).reason == "bomb"


def test_an_endless_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.data.sources.records.MAX_LINE", 1000)
    path = save(tmp_path / "a.jsonl", lines({"text": "雨"}, {"text": "a" * 5000}, {"text": "雪"}))
    first, second, third = read(path)
    assert isinstance(second, Failed)
    assert second.reason == "too_long"
    assert [getattr(one, "content", None) for one in (first, third)] == ["雨", "雪"]
    assert in_splits(path, 700) == [first, second, third]


def test_fields_may_be_called_otherwise(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", lines({"story": "雨", "text": "other", "key": 3}))
    (found,) = pages(path, fields={"text": "story", "id": "key"})
    assert (found.content, found.id) == ("雨", "3")


@settings(max_examples=60, deadline=None)
@given(content=st.lists(st.binary(max_size=30), max_size=8).map(b"\n".join), unit=st.integers(1, 40))
def test_any_bytes_in_any_splits_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, unit: int
) -> None:
    path = save(tmp_path_factory.mktemp("any") / "a.jsonl", content)
    assert in_splits(path, unit) == read(path)


# --- Parquet ---


def parquet(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def test_parquet(tmp_path: Path) -> None:
    texts = [f"雨{number}" for number in range(10)]
    path = parquet(
        tmp_path / "a.parquet", content=[*texts, None], url=[*"abcdefghij", None], extra=list(range(11))
    )
    found = read(path)
    assert [one.content for one in found if isinstance(one, Raw)] == texts
    assert [one.id for one in found] == [f"a.parquet@{row}" for row in range(11)]
    assert isinstance(found[-1], Failed)
    assert found[-1].reason == "no_content"
    assert len(splits(str(path), name="web", unit=1)) == 4
    for unit in (1, 100, 10**6):
        assert in_splits(path, unit) == found


def test_parquet_with_bytes_other_names_or_none_that_is_known(tmp_path: Path) -> None:
    (found,) = pages(parquet(tmp_path / "a.parquet", html=["<p>雨".encode("gbk")], charset=["gbk"], id=["x"]))
    assert (found.id, found.kind, found.content, found.charset) == ("x", "html", "<p>雨".encode("gbk"), "gbk")
    path = parquet(tmp_path / "b.parquet", story=["雪"])
    assert fault(path).reason == "no_content"
    assert "story" in fault(path).text.zh
    assert pages(path, fields={"text": "story"})[0].content == "雪"


def test_a_string_that_is_no_utf8_costs_its_bad_bytes_alone(tmp_path: Path) -> None:
    strings = pa.array([b"\xe9\x9b\xa8", b"bad \xff byte", None], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"text": strings, "id": ["a", "b", "c"]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert [one.content for one in found if isinstance(one, Raw)] == ["雨", "bad \ufffd byte"]
    assert [one.reason for one in found if isinstance(one, Failed)] == ["no_content"]


def test_a_broken_parquet_file(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet", text=["雨"] * 50).read_bytes()
    for content in (whole[:-30], b"PAR1nonsense", whole[:50] + b"\xff" * 50 + whole[100:]):
        found = read(save(tmp_path / "b.parquet", content))
        assert [one.reason for one in found if isinstance(one, Failed)][:1] == ["broken"]
        assert in_splits(tmp_path / "b.parquet", 1) == found


# --- WARC ---


def http(body: bytes, media: str | None = "text/html", status: int = 200, **headers: str) -> bytes:
    given_ = {"Content-Type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in given_.items() if value)
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def record(
    number: int | None, block: bytes, kind: str = "response", media: str = "application/http"
) -> bytes:
    own = "" if number is None else f"WARC-Record-ID: <urn:uuid:{number}>\r\n"
    return (
        (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\n{own}WARC-Date: 2024-01-02T03:04:05Z\r\nContent-Type: {media}\r\n"
            f"WARC-Target-URI: http://example.org/{number}\r\nContent-Length: {len(block)}\r\n\r\n"
        ).encode()
        + block
        + b"\r\n\r\n"
    )


def archive() -> Iterator[bytes]:
    yield record(0, b"software: x", "warcinfo", "application/warc-fields")
    for number in range(1, 20):
        body = "<html>" + f"第{number}页" * number * 20
        yield record(number, http(body.encode("gbk"), "text/html; charset=gb2312"))
        yield record(100 + number, b"GET / HTTP/1.1\r\n\r\n", "request")


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_warc(tmp_path: Path, suffix: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    path = save(tmp_path / f"a.warc{suffix}", b"".join(map(pack, archive())))
    found = pages(path)
    assert [one.id for one in found] == [f"urn:uuid:{number}" for number in range(1, 20)]
    body = ("<html>" + "第1页" * 20).encode("gbk")
    assert found[0] == Raw(
        "urn:uuid:1", "web", "html", body, "http://example.org/1", "gb2312", None
    )  # the record's date is the crawl's
    for unit in (1, 500, 3000):
        assert in_splits(path, unit) == found
    if suffix != ".zst":
        assert len(splits(str(path), name="web", unit=500)) > 3


def test_wet(tmp_path: Path) -> None:
    text = record(1, "雨\n雪".encode(), "conversion", "text/plain")
    assert pages(save(tmp_path / "a.warc.wet.gz", gzip.compress(text)))[0] == Raw(
        "urn:uuid:1",
        "web",
        "text",
        "雨\n雪".encode(),
        "http://example.org/1",
    )


def test_records_without_an_id_are_called_by_their_offset(tmp_path: Path) -> None:
    one = record(None, http(b"<p>a"))
    assert [page.id for page in pages(save(tmp_path / "a.warc", one * 2))] == [
        "a.warc@0",
        f"a.warc@{len(one)}",
    ]
    joined = save(tmp_path / "b.warc.gz", gzip.compress(one * 2))
    assert [page.id for page in pages(joined)] == ["b.warc.gz@0", f"b.warc.gz@{joined.stat().st_size}"]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (http(b"\x89PNG", "image/png"), []),
        (http(b"<html><p>a", None), ["html"]),
        (http(b"words", "text/plain"), ["text"]),
        (http(b"<html>not here", status=404), ["http_error"]),
        (http(b"  \r\n"), ["no_content"]),
        (http(b"\x89PNG" + b"x" * 50), ["binary"]),
        (http(gzip.compress(b"<p>packed", mtime=0), Content_Encoding="gzip"), ["html"]),
        (http(zlib.compress(b"<p>packed"), Content_Encoding="deflate"), ["html"]),
        (http(b"9\r\n<p>packed\r\n0\r\n\r\n", Transfer_Encoding="chunked"), ["html"]),
        (http(b"<p>packed", Content_Encoding="gzip"), ["html"]),
        (http(gzip.compress(bytes(2**24), mtime=0), Content_Encoding="gzip"), ["too_long"]),
        (http(bytes(2**23 + 1)), ["too_long"]),
    ],
    ids=range(12),
)
def test_what_a_response_holds(tmp_path: Path, block: bytes, expected: list[str]) -> None:
    path = save(tmp_path / "a.warc", record(1, block) + record(2, http(b"<p>next")))
    *found, last = read(path)
    assert last.id == "urn:uuid:2"
    assert [one.kind if isinstance(one, Raw) else one.reason for one in found] == expected
    if b"packed" in block or b"Encoding" in block:
        assert all(one.content == b"<p>packed" for one in found if isinstance(one, Raw))


@pytest.mark.parametrize("whole", [False, True])
def test_of_a_truncated_archive_what_precedes_the_cut_is_kept(tmp_path: Path, whole: bool) -> None:
    records = list(archive())
    packed = gzip.compress(b"".join(records)) if whole else b"".join(map(gzip.compress, records[:-1]))
    for cut in (12, 30, 60, len(packed) // 2):
        *found, last = read(save(tmp_path / "a.warc.gz", packed[:-cut]))
        assert isinstance(last, Failed)
        assert last.reason == "truncated"
        assert [one.id for one in found] == [f"urn:uuid:{number}" for number in range(1, len(found) + 1)]
        assert len(found) > 5 or whole


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_after_damage_the_next_record_is_found(tmp_path: Path, suffix: str) -> None:
    pack = gzip.compress if suffix else bytes
    members = [pack(one) for one in archive()]
    members[7] = b"\x1f\x8b\x08\0" + b"damage" * 20 if suffix else b"damage" * 20
    path = save(tmp_path / f"a.warc{suffix}", b"".join(members))
    found = read(path)
    faults = [one for one in found if isinstance(one, Failed)]
    assert [one.reason for one in faults] == ["broken"]
    kept = [one.id for one in found if isinstance(one, Raw)]
    assert kept == [f"urn:uuid:{number}" for number in range(1, 20) if number != 4]


def test_what_is_no_archive_is_said_to_be_broken(tmp_path: Path) -> None:
    for name, content in (
        ("a.warc", b"hello " * 100),
        ("a.warc.gz", b"hello " * 100),
        ("b.warc.gz", gzip.compress(b"x", mtime=0)),
    ):
        assert fault(save(tmp_path / name, content)).reason in ("broken", "truncated")
