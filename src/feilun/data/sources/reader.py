"""Any source as raw pages: which reader is for which file, and what is one unit of work."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO

from feilun.data.sources.docx import read_docx
from feilun.data.sources.epub import read_epub
from feilun.data.sources.files import Split, file_system, opened, unreadable, walk
from feilun.data.sources.pages import read_html, read_markdown, read_mhtml, read_text
from feilun.data.sources.parquet import group_sizes, read_parquet
from feilun.data.sources.pdf import read_pdf
from feilun.data.sources.raw import Failed, Fault, Raw, empty
from feilun.data.sources.records import read_lines
from feilun.data.sources.unpack import unpacked
from feilun.data.sources.warc import next_record, read_warc
from feilun.text import FeilunError

Reader = Callable[[Split, io.BufferedReader], Iterator[Raw | Failed]]

_PACKED = (".gz", ".zst")

_READERS: dict[str, Reader] = {
    **dict.fromkeys((".html", ".htm", ".xhtml", ".shtml"), read_html),
    **dict.fromkeys((".mhtml", ".mht"), read_mhtml),
    **dict.fromkeys((".txt", ".text"), read_text),
    **dict.fromkeys((".md", ".markdown"), read_markdown),
    **dict.fromkeys((".jsonl", ".ndjson"), read_lines),
    **dict.fromkeys((".warc", ".wet"), read_warc),
    ".parquet": read_parquet,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".epub": read_epub,
}
SUFFIXES = tuple(_READERS)
"""Of the files that are read; ``.gz`` or ``.zst`` may follow."""

UNIT = 2**26
"""Bytes. Larger files of records are shared out among workers in ranges of about this size."""


def read_raw(source: str, *, name: str, fields: Mapping[str, str] | None = None) -> Iterator[Raw | Failed]:
    """All pages of a source, one after the other; no file is in memory as a whole but those that are one page.

    Args:
        source: a file or folder, or any URL that fsspec knows (``s3://``, ``zip://::file://``, ...).
        name: what the source is called in the corpus.
        fields: what JSON and Parquet call ours (`records.NAMES`), for instance ``{"text": "story"}``.

    Raises:
        FeilunError: there is no such source, or its one file is of an unknown kind. Everything else that can be
            wrong is a `Failed`.
    """
    for split in splits(source, name=name, fields=fields, unit=None):
        yield from read_split(split)


def splits(
    source: str,
    *,
    name: str,
    fields: Mapping[str, str] | None = None,
    unit: int | None = UNIT,
    passed: Counter[str] | None = None,
) -> list[Split]:
    """The source's units of work, in order. What `read_split` gives for them, joined, is what `read_raw` gives.

    Files of unknown kinds are passed over, and counted in ``passed`` by their suffixes ("" for none).

    Args:
        unit: bytes of a range; None: files are not divided.

    Raises:
        FeilunError: see `read_raw`.
    """
    found: list[Split] = []
    _, top = file_system(source)
    for split in walk(source, name=name, passed=passed):
        if split.fault is None and _reader(split.path) is None:
            if split.path == top:
                known = ", ".join(SUFFIXES)
                raise FeilunError(
                    f"{source} is not of a kind that can be read: {known}.",
                    f"无法读取 {source} 这种文件，可读取的有：{known}。",
                    code="unknown_file_kind",
                )
            if passed is not None:
                passed[PurePosixPath(split.place).suffix.lower()] += 1
            continue
        split = replace(split, fields=tuple(sorted((fields or {}).items())))
        found += _divided(split, unit) if unit and split.fault is None and split.size > unit else [split]
    return found


def _divided(split: Split, unit: int) -> list[Split]:
    """Ranges that begin where a record does. If that cannot be found out the file stays whole; its reader says why."""
    path = split.path.lower()
    try:
        if path.endswith(".parquet"):
            with opened(split) as file:
                return _between(split, _grouped(group_sizes(file), unit))
        if path.endswith((".jsonl", ".ndjson")):
            return _between(split, list(range(0, split.size, unit)))
        if path.endswith((".warc", ".wet", ".warc.gz", ".wet.gz")):
            with opened(split) as file:
                return _between(split, _record_starts(file, split.size, unit, path.endswith(".gz")))
    except (OSError, Fault):
        pass
    return [split]


def _between(split: Split, starts: list[int]) -> list[Split]:
    ends = [*starts[1:], None]
    share = split.size // len(starts)
    return [replace(split, start=start, end=end, size=share) for start, end in zip(starts, ends, strict=True)]


def _grouped(sizes: list[int], unit: int) -> list[int]:
    """First row groups of runs of at least ``unit`` bytes."""
    starts, filled = [0], 0
    for number, size in enumerate(sizes):
        if filled >= unit:
            starts.append(number)
            filled = 0
        filled += size
    return starts


def _record_starts(file: IO[bytes], size: int, unit: int, packed: bool) -> list[int]:
    starts = [0]
    while starts[-1] + unit < size:
        start = next_record(file, starts[-1] + unit, packed=packed)
        if start is None:
            break
        starts.append(start)
    return starts


def read_split(split: Split) -> Iterator[Raw | Failed]:
    """The pages of one unit of work. Never raises; what is wrong is said in a `Failed`."""
    if split.fault is not None:
        yield split.fault
        return
    reader = _reader(split.path)
    assert reader is not None
    try:
        with opened(split) as file:
            # WARC has ways of its own: each record is packed apart, and may be sought.
            own = reader is read_warc and not split.path.lower().endswith(".zst")
            stream = file if own else unpacked(file, split.path.lower())
            if not stream.peek(1):
                raise empty()
            yield from reader(split, stream)
    except Fault as fault:
        yield fault.failed(split.place, split.source)
    except OSError as error:
        yield unreadable(error).failed(split.place, split.source)
    except Exception as error:  # a library on a hostile file may raise anything: the other files go on
        said = f"{type(error).__name__}: {error}"[:300]
        yield Fault("broken", f"It cannot be read: {said}", f"无法读取：{said}").failed(
            split.place, split.source
        )


def _reader(path: str) -> Reader | None:
    name = path.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return next((reader for suffix, reader in _READERS.items() if name.endswith(suffix)), None)
