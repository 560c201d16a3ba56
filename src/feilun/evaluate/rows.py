"""Reading data files into rows: JSON lines, JSON, CSV, each also compressed as ``.zst`` or ``.gz``."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import cast

from feilun.evaluate.template import Row
from feilun.text import FeilunError


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; a JSON file holds a list of objects. Raises `FeilunError` (``data_invalid``) with file and line."""
    text = _text(path)
    kind = Path(path.stem).suffix if path.suffix in (".zst", ".gz") else path.suffix
    if kind == ".csv":
        return [cast("Row", row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    if kind == ".json":
        found = _json(text, str(path))
        rows = cast("list[object]", found) if isinstance(found, list) else [found]
        return [_object(row, f"{path}:[{at}]") for at, row in enumerate(rows)]
    # Split at line feeds only: texts hold U+2028 and other characters that Python takes for ends of lines.
    lines = enumerate(text.split("\n"), 1)
    places = [(f"{path}:{number}", line) for number, line in lines if line.strip()]
    return [_object(_json(line, place), place) for place, line in places]


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            data = _unzstd(data, path)
        return data.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _invalid(f"Cannot read the data {path}: {why}.", f"无法读取数据 {path}：{why}。") from None
    except UnicodeDecodeError:
        raise _invalid(
            f"{path} is not UTF-8 text. Save it as UTF-8.", f"{path} 不是 UTF-8 文本。请以 UTF-8 保存。"
        ) from None


def _unzstd(data: bytes, path: Path) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise FeilunError(
            f"Reading {path} needs a package: pip install zstandard",
            f"读取 {path} 需要安装软件包：pip install zstandard",
            code="zstandard_not_installed",
        ) from None
    parts: list[bytes] = []
    try:
        while data:
            frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(data))
            if not frame.eof:
                raise EOFError("the file is cut off")
            data = frame.unused_data
    except zstandard.ZstdError as error:
        raise _invalid(f"Cannot read the data {path}: {error}.", f"无法读取数据 {path}：{error}。") from None
    return b"".join(parts)


def _json(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(
            f"{place}: not valid JSON ({error}).", f"{place}：不是有效的 JSON（{error}）。"
        ) from None


def _object(value: object, place: str) -> Row:
    if not isinstance(value, dict):
        raise _invalid(f"{place}: a row must be a JSON object.", f"{place}：每行应为 JSON 对象。")
    return cast("Row", value)


def _invalid(en: str, zh: str) -> FeilunError:
    return FeilunError(en, zh, code="data_invalid")
