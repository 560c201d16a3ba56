"""Documents out of files: what is read, in which order, and what is said of faults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from feilun.data.read import MAX_LINE, PIECE, Document, Tally, cut, language_of, read_texts
from feilun.text import FeilunError
from feilun.workspace import Manifest

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "corpus"


def write_lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return path


def fault(source: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FEILUN_LANG", language)
    with pytest.raises(FeilunError) as caught:
        list(read_texts(source))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_kind_of_file_below_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "a.md").write_text("# 标题\n\n正文", encoding="utf-8")
    (tmp_path / "c.TXT").write_bytes(b"\xef\xbb\xbfwindows\r\nfile\r\n")
    (tmp_path / "artifact.json").write_text("{}")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.txt").write_text("hidden")
    write_lines(
        tmp_path / "b.jsonl", {"text": "one", "id": "x1", "lang": "zh-Hans", "license": "MIT"}, {"text": " "}
    )
    write_lines(
        tmp_path / "b.json", {"text": "body", "title": "Head"}, {"text": "Head, body", "title": "Head"}
    )
    packed = json.dumps(
        {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
    )
    frames = [
        zstandard.compress(line.encode()) for line in (packed + "\n", '\n{"zh": "你好", "en": "Hello"}')
    ]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))  # as `cat` joins them
    tally = Tally()
    assert list(read_texts(tmp_path, tally=tally)) == [
        Document("问\n\n答", "a.jsonl.zst:1"),
        Document("你好\nHello", "a.jsonl.zst:3"),
        Document("Head\n\nbody", "b.json:1"),
        Document("Head, body", "b.json:2"),
        Document("one", "x1", "zh"),
        Document("windows\nfile", "c.TXT"),
        Document("# 标题\n\n正文", "z/a.md"),
    ]
    read = ("a.jsonl.zst", "b.json", "b.jsonl", "c.TXT", "z/a.md")
    assert tally.bytes_read == sum((tmp_path / name).stat().st_size for name in read)


def test_the_order_of_the_file_system_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(name)
        (tmp_path / f"{name}.txt").write_text(f"top {name}")
    expected = list(read_texts(tmp_path))
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            with scandir(path) as found:
                self._entries = iter(sorted(found, key=lambda entry: entry.name, reverse=True))

        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Any:
            return self._entries

        def __next__(self) -> Any:
            return next(self._entries)

        def close(self) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert list(read_texts(tmp_path)) == expected
    assert [document.text for document in expected] == ["top a", "top b", "top c", "a", "b", "c"]


@pytest.mark.parametrize(
    ("line", "english", "chinese"),
    [
        (b"{", "not valid JSON", "不是有效的 JSON"),
        (b'{"text": 5}', "text: Input should be a valid string", "text：应为字符串"),
        (b'{"messages": ["hi"]}', "messages.0: ", "messages.0："),
        (b'{"prompt": "a"}', 'neither "text"', "既没有“text”"),
        (b'[{"text": "a"}]', "jq -c '.[]'", "jq -c '.[]'"),
        (b'{"text": "\xff"}', "not valid JSON", "不是有效的 JSON"),
        (b'{"text": "\\ud800"}', "not valid JSON", "不是有效的 JSON"),
        (b'"text"', "bad.jsonl:3", "bad.jsonl:3"),
    ],
)
def test_a_bad_line_is_named_or_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, english: str, chinese: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"text": "first"}\n\n' + line + b'\n{"text": "last"}')
    for language, words in (("en", english), ("zh", chinese)):
        said = fault(path, language, monkeypatch)
        assert said.startswith(f"{path}:3")
        assert words in said
    tally = Tally()
    assert [found.text for found in read_texts(path, strict=False, tally=tally)] == ["first", "last"]
    assert tally.skipped == 1
    assert str(tally.first_fault) == fault(path, "zh", monkeypatch)


def test_text_that_is_not_utf8_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gbk.txt"
    path.write_bytes(b"fine\n" * 3 + "飞轮".encode("gbk"))
    assert f"{path}:4" in fault(path, "en", monkeypatch)
    (tmp_path / "good.txt").write_text("good")
    tally = Tally()
    assert [found.text for found in read_texts(tmp_path, strict=False, tally=tally)] == ["good"]
    assert tally.skipped == 1


@pytest.mark.parametrize("harm", ["truncated", "no zstd"])
def test_broken_archives_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    path = tmp_path / "a.jsonl.zst"
    text = "".join(json.dumps({"text": f"{number} {number**9}"}) + "\n" for number in range(5000))
    packed = zstandard.compress(text.encode())
    path.write_bytes(packed[: len(packed) // 2] if harm == "truncated" else b"no archive")
    assert str(path) in fault(path, "en", monkeypatch)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as pack:
        pack.write(b'{"text": "')
        for _ in range(MAX_LINE // 2**20 + 1):
            pack.write(b"a" * 2**20)
        pack.write(b'"}\n{"text": "after it"}\n')
    assert f"{path}:1: longer than 64 MiB" in fault(path, "en", monkeypatch)
    assert [found.text for found in read_texts(path, strict=False)] == ["after it"]


def test_sources_that_cannot_be_read_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    for path in (tmp_path / "missing", tmp_path / "a.pdf"):
        for language in ("en", "zh"):
            assert str(path) in fault(path, language, monkeypatch)


def test_a_long_text_becomes_documents_cut_at_paragraphs(tmp_path: Path) -> None:
    paragraphs = [f"{number} " + "字" * 5000 for number in range(200)]
    (tmp_path / "book.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    found = list(read_texts(tmp_path))
    assert len(found) > 1
    assert all(len(document.text) <= PIECE for document in found)
    assert [p for document in found for p in document.text.split("\n\n")] == paragraphs
    assert [document.id for document in found[:2]] == ["book.txt", "book.txt#2"]


@given(st.text(alphabet="a\n字", max_size=200), st.integers(2, 50))
def test_cutting_loses_nothing(text: str, size: int) -> None:
    pieces: list[str] = []
    rest = text
    while rest:
        piece, rest = cut(rest, size)
        assert 0 < len(piece) <= size + 1  # a paragraph's end may begin on the last character
        pieces.append(piece)
    assert "".join(pieces) == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("飞轮", "zh"),
        ("flywheel", "en"),
        ("使用 HashMap 时，put 方法会先计算 key 的 hash 值，再定位到数组下标。", "zh"),
        ("The Chinese word for flywheel is 飞轮, as in the name of this project.", "en"),
        ("12345 !?", "en"),
    ],
)
def test_the_language_is_told_by_the_share_of_han_characters(text: str, language: str) -> None:
    assert language_of(text) == language
    assert Document(text, "x").language == language
    assert Document(text, "x", "fr").language == "fr"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not here")
@pytest.mark.parametrize("name", ["javaguide_zh", "oi_wiki_zh", "c4_demo_en", "ml_engineering_en"])
def test_the_language_of_real_pages_about_programming(name: str) -> None:
    [path] = CORPUS.glob(f"{name}.jsonl*")
    told = [(document.lang, language_of(document.text)) for document in read_texts(path)]
    assert sum(given == found for given, found in told) >= 0.97 * len(told)


def table(path: Path, **columns: list[Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_rows_are_read_as_often_as_their_times_say(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", id=["x", "y", "z"], text=["一", "二", "三"], times=[2, 0, 3])
    found = [(one.id, one.text, one.again) for one in read_texts(path)]
    assert found == [
        ("x", "一", False), ("z", "三", False), ("x", "一", True), ("z", "三", True), ("z", "三", True)
    ]  # fmt: skip


def test_of_a_corpus_what_was_kept_is_read(tmp_path: Path) -> None:
    for name in ("kept-00000", "kept-00001", "dropped-00000"):
        table(tmp_path / "corpus" / f"{name}.parquet", text=[name], title=["题"])
    Manifest(kind="corpus", id="sha256:0", name="corpus").write(tmp_path / "corpus")
    assert [one.text for one in read_texts(tmp_path)] == ["题\n\nkept-00000", "题\n\nkept-00001"]
    (tmp_path / "corpus" / "artifact.json").unlink()
    assert len(list(read_texts(tmp_path / "corpus"))) == 3


@pytest.mark.parametrize("harm", ["no text", "cut"])
def test_broken_tables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    path = table(tmp_path / "a.parquet", **{"text" if harm == "cut" else "words": ["一"]})
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    said = fault(path, "en", monkeypatch)
    assert str(path) in said
    assert ("broken Parquet" if harm == "cut" else 'neither "text"') in said
    tally = Tally()
    assert list(read_texts(path, strict=False, tally=tally)) == []
    assert tally.skipped == 1
