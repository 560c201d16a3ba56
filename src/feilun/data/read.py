"""Raw text in: documents out of files and folders, one at a time.

A folder is read in the order of its names, so that the same files give the same documents on every machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Literal

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from feilun.text import FeilunError
from feilun.validation import explain
from feilun.workspace import MANIFEST, Manifest

PLAIN = (".txt", ".md")
LINES = (".jsonl", ".jsonl.zst", ".json")
TABLES = (".parquet",)
KINDS = (*PLAIN, *LINES, *TABLES)

PIECE = 2**18
"""Characters. A longer plain text is read as several documents, cut where a paragraph or a line ends."""

MAX_LINE = 2**26
"""Bytes. A longer line of JSON is no document but a mistake, or an attempt to fill the memory."""

# Han characters (the extensions included), and letters of the alphabets that separate words by spaces.
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_LETTERS = re.compile("[A-Za-z\u00c0-\u052f]+")

# Other codes of the two; classical Chinese (lzh) and Cantonese (yue) are Chinese as well.
_SAME = {**dict.fromkeys(("zho", "chi", "cmn", "lzh", "yue"), "zh"), "eng": "en"}


def language_of(text: str) -> Literal["zh", "en"]:
    """The language by the share of Han characters among Han characters and letters.

    A tenth is enough: Chinese articles about programming are largely code, English ones hardly ever quote Chinese.
    """
    han = sum(map(len, _HAN.findall(text)))
    letters = sum(map(len, _LETTERS.findall(text)))
    return "zh" if han and han >= 0.1 * (han + letters) else "en"


@dataclass(frozen=True, slots=True)
class Document:
    """One text, and where it came from."""

    text: str
    id: str
    """What its source calls it, else ``file:line`` relative to the source."""
    lang: str | None = None
    """ISO 639 code in small letters ("zh", "en"), where the source tells it."""
    again: bool = False
    """It was read before: a corpus has some of its documents read more than once (column ``times``)."""

    @property
    def language(self) -> str:
        return self.lang or language_of(self.text)


@dataclass
class Tally:
    """How far a reading is."""

    bytes_read: int = 0
    """Of the files as they lie on the disk."""
    skipped: int = 0
    """Lines and files that could not be used (``strict=False``)."""
    first_fault: FeilunError | None = field(default=None)


class _Part(BaseModel):
    type: str
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class _Record(BaseModel):
    """One line. Corpora carry all kinds of other fields (source, licence, address, ...): those are let be."""

    model_config = ConfigDict(extra="ignore")

    text: str | None = None
    title: str | None = None
    messages: list[_Message] | None = None
    zh: str | None = None
    en: str | None = None
    id: Any = None
    lang: Any = None

    def document(self, place: str) -> Document | None:
        """The record as a document; None if it is empty, `LookupError` if it is something else altogether."""
        if self.text is not None:
            text = self.text
            if self.title and not text.startswith(self.title):
                text = f"{self.title}\n\n{text}"
        elif self.messages is not None:
            text = "\n\n".join(message.text for message in self.messages)
        elif self.zh is not None and self.en is not None:
            text = f"{self.zh}\n{self.en}"
        else:
            raise LookupError
        name = str(self.id) if isinstance(self.id, str | int) else place
        return Document(text.strip(), name, _iso(self.lang)) if text.strip() else None


def _iso(tag: object) -> str | None:
    """``zh`` of ``zh-Hans``, ``lzh``, ``ZH``; None for what is no language tag."""
    found = re.match("([a-z]{2,3})(?:[-_]|$)", tag.lower() if isinstance(tag, str) else "")
    if found is None or found[1] == "und":
        return None
    return _SAME.get(found[1], found[1])


def text_files(source: Path) -> Iterator[Path]:
    """The files that `read_texts` reads, in its order: the file itself, or those below a folder.

    Hidden files and folders, manifests and other kinds of files are passed over. Of a corpus (`feilun data build`) it is
    the shards of what was kept.

    Raises:
        FeilunError: there is no such file or folder, it may not be read, or it is a file of another kind.
    """
    if source.is_file():
        if not source.name.lower().endswith(KINDS):
            known = ", ".join(KINDS)
            raise FeilunError(
                f"{source} is not of a kind that can be read: {known}.",
                f"无法读取 {source} 这种文件，可读取的有：{known}。",
                code="unknown_file_kind",
            )
        yield source
        return

    def refuse(error: OSError) -> None:
        raise _unreadable(Path(error.filename or source), error)

    for folder, inner, files in os.walk(source, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        corpus = MANIFEST in files and _is_corpus(Path(folder))
        for name in sorted(files):
            known = name.lower().endswith(KINDS) and not (corpus and not name.startswith("kept-"))
            if known and not name.startswith(".") and name != MANIFEST:
                yield Path(folder, name)


def _is_corpus(folder: Path) -> bool:
    with contextlib.suppress(FeilunError):  # some other file of that name
        return Manifest.read(folder).kind == "corpus"
    return False


def read_texts(source: Path, *, strict: bool = True, tally: Tally | None = None) -> Iterator[Document]:
    """Documents of a file or of all files below a folder, streamed; empty ones are left out.

    Plain text (.txt, .md) is one document a file, or several if it is long (`PIECE`). JSON lines (.jsonl, .json,
    .jsonl.zst) are one document each, of ``text`` (``title`` goes before it), of ``messages`` (their contents), or
    of ``zh`` and ``en`` (both), and so are the rows of a table (.parquet), which are read as often as their ``times`` say,
    a pass over the table each time. Everything is UTF-8.

    Args:
        strict: whether a line or file that cannot be used ends the reading. If not, ``tally`` counts them.
        tally: how far the reading is, for progress bars.

    Raises:
        FeilunError: see `text_files`; with ``strict`` also for a fault, naming file and line.
    """
    tally = tally or Tally()
    for path in text_files(source):
        place = path.name if path == source else path.relative_to(source).as_posix()
        read = next(read for kinds, read in _READERS.items() if path.name.lower().endswith(kinds))
        before = tally.bytes_read
        try:
            with path.open("rb") as raw:
                for found in read(path, raw, place):
                    if isinstance(found, FeilunError):
                        _skip(found, strict, tally)
                    else:
                        yield found
                    tally.bytes_read = before + raw.tell()
            tally.bytes_read = before + path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from None


def _skip(fault: FeilunError, strict: bool, tally: Tally) -> None:
    if strict:
        raise fault
    tally.skipped += 1
    tally.first_fault = tally.first_fault or fault


def _plain(path: Path, raw: IO[bytes], place: str) -> Iterator[Document | FeilunError]:
    rest, count = "", 0
    with io.TextIOWrapper(raw, encoding="utf-8-sig") as file:
        while True:
            try:
                block = file.read(PIECE)
            except UnicodeDecodeError:
                yield _fault(path, _undecodable(path), "not UTF-8 text", "不是 UTF-8 文本")
                return
            rest += block
            while len(rest) > PIECE or (rest and not block):
                piece, rest = cut(rest, PIECE)
                count += 1
                if piece.strip():
                    yield Document(piece.strip(), place if count == 1 else f"{place}#{count}")
            if not block:
                return


def _undecodable(path: Path) -> int:
    """The number of the first line that is not UTF-8. No other character has the byte of a line's end in it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


def cut(text: str, size: int) -> tuple[str, str]:
    """The text's first piece of at most ``size`` characters, and the rest.

    The cut is where a paragraph, else a line, ends in the piece's second half; else anywhere.
    """
    if len(text) <= size:
        return text, ""
    for border in ("\n\n", "\n"):
        end = text.rfind(border, size // 2, size)
        if end > 0:
            return text[: end + len(border)], text[end + len(border) :]
    return text[:size], text[size:]


def _lines(path: Path, raw: IO[bytes], place: str) -> Iterator[Document | FeilunError]:
    number = 0
    try:
        packed = path.name.lower().endswith(".zst")
        with io.BufferedReader(_Unpacked(raw), 2**17) if packed else contextlib.nullcontext(raw) as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    size = MAX_LINE >> 20
                    yield _fault(path, number, f"longer than {size} MiB", f"超过 {size} MiB")
                    while not line.endswith(b"\n") and (line := file.readline(MAX_LINE)):
                        pass
                    continue
                line = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
                if line and (found := _parse(line, path, number, f"{place}:{number}")) is not None:
                    yield found
    except (zstandard.ZstdError, EOFError) as error:
        yield _fault(path, number + 1, f"broken Zstandard data ({error})", f"Zstandard 数据已损坏（{error}）")


def _table(path: Path, raw: IO[bytes], place: str) -> Iterator[Document | FeilunError]:
    parquet: Any = import_module("pyarrow.parquet")  # which has no annotations
    try:
        with parquet.ParquetFile(raw) as table:
            there = set(table.schema_arrow.names)
            wanted = [name for name in (*_Record.model_fields, "times") if name in there]
            done, most = 0, 1
            while done < most:
                number = 0
                for batch in table.iter_batches(batch_size=1000, columns=wanted):
                    for row in batch.to_pylist():
                        number += 1
                        times = row.pop("times", 1)
                        most = max(most, times)
                        if times <= done:
                            continue
                        found = _checked(
                            partial(_Record.model_validate, row), path, number, f"{place}:{number}"
                        )
                        if found is not None:
                            yield replace(found, again=done > 0) if isinstance(found, Document) else found
                done += 1
    except (ValueError, OSError) as error:  # ArrowInvalid is a ValueError
        yield _fault(path, 1, f"broken Parquet ({error})", f"Parquet 已损坏（{error}）")


class _Unpacked(io.RawIOBase):
    """Zstandard data, also several frames one after the other (as several processes write them).

    zstandard's own reader takes a truncated file for a whole one.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._rest = b""
        self._text = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            # 2 KiB can be 64 MiB of equal characters: more at a time could fill the memory.
            data = self._rest or self._packed.read(2**11)
            if not data:
                if self._frame and not self._frame.eof:
                    raise EOFError("truncated")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._text = memoryview(self._frame.decompress(data))
            self._rest = self._frame.unused_data if self._frame.eof else b""
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count


def _parse(line: bytes, path: Path, number: int, place: str) -> Document | FeilunError | None:
    if line.startswith(b"["):
        return _fault(
            path,
            number,
            "an array; write one object a line, for instance with: jq -c '.[]'",
            "是数组；请每行写一个对象，例如用：jq -c '.[]'",
        )
    return _checked(lambda: _Record.model_validate_json(line), path, number, place)


def _checked(
    record: Callable[[], _Record], path: Path, number: int, place: str
) -> Document | FeilunError | None:
    try:
        return record().document(place)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        said = explain(problem)
        return _fault(
            path,
            number,
            f"{where}: {said.en}" if where else said.en,
            f"{where}：{said.zh}" if where else said.zh,
        )
    except LookupError:
        return _fault(
            path,
            number,
            'has neither "text" nor "messages" nor "zh" and "en"',
            "既没有“text”，也没有“messages”或“zh”与“en”",
        )


_READERS = {PLAIN: _plain, LINES: _lines, TABLES: _table}


def _fault(path: Path, line: int, en: str, zh: str) -> FeilunError:
    place = f"{path}:{line}" if line else str(path)
    return FeilunError(f"{place}: {en}.", f"{place}：{zh}。", code="bad_document")


def _unreadable(path: Path, error: OSError) -> FeilunError:
    return FeilunError(
        f"Cannot read {path}: {error.strerror or error}.",
        f"无法读取 {path}：{error.strerror or error}。",
        code="unreadable",
    )
