"""Reading data files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from feilun.evaluate.rows import read_rows
from feilun.text import FeilunError

ROWS = [{"q": "一\u2028二", "a": ["x", 1]}, {"q": "b", "a": None}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\n\n")),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("a.jsonl.zst", zstandard.compress(LINES[:20]) + zstandard.compress(LINES[20:])),  # two frames
        ("a.json", json.dumps(ROWS).encode()),
    ],
)
def test_each_format_gives_the_same_rows(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_rows(tmp_path / name) == ROWS


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('q,a\n"one, and\ntwo",3\n', "utf-8")
    assert read_rows(tmp_path / "a.csv") == [{"q": "one, and\ntwo", "a": "3"}]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.jsonl", b'{"a": 1}\n\n{"a": ', "a.jsonl:3: not valid JSON"),
        ("a.jsonl", b"[1]", "a.jsonl:1: a row must be a JSON object"),
        ("a.json", b"[{}, 3]", "a.json:[1]: a row must"),
        ("a.csv", b"\xff", "not UTF-8"),
        ("a.jsonl.zst", zstandard.compress(LINES)[:-3], "cut off"),
        ("a.jsonl.zst", b"plain", "Cannot read the data"),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)[:-9], "Cannot read the data"),
        ("none.jsonl", None, "No such file"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, name: str, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FeilunError) as error:
        read_rows(tmp_path / name)
    assert error.value.code == "data_invalid"
    assert says in error.value.text.en
    assert str(tmp_path / name) in error.value.text.zh
