"""WARC and WET: archives of what crawlers fetched (ISO 28500)."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from fastwarc.stream_io import BrotliReader, ChunkedReader
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from feilun.data.sources.files import Split, unreadable
from feilun.data.sources.raw import (
    LONGEST_PAGE,
    Failed,
    Fault,
    Raw,
    in_pieces,
    language_code,
    no_text,
    too_long,
)
from feilun.data.sources.sniff import check_text, is_markup
from feilun.data.sources.unpack import truncated

_KINDS = WarcRecordType.response | WarcRecordType.conversion
_HTML = ("text/html", "application/xhtml+xml")
_SEARCH = 2**20


def read_warc(split: Split, file: io.BufferedReader) -> Iterator[Raw | Failed]:
    """Pages and texts among the records of the split, which begins and ends where a record does; pictures and the
    like are passed over. After damage the reading goes on with the next record that can be found.
    """
    packed = split.path.lower().endswith(".gz")
    start: int | None = split.start
    while start is not None and (split.end is None or start < split.end):
        size = file.seek(0, io.SEEK_END) if packed else 0
        if packed or start:
            file.seek(start)
        at, cut = start, False
        try:
            for found, place in _records(split, file):
                at = place if place < size or not packed else at  # in a member of several fastwarc runs ahead
                cut = isinstance(found, Failed) and found.reason == "truncated"
                if found is not None:
                    yield from in_pieces(found) if isinstance(found, Raw) else (found,)
            if packed and not cut and not _whole(file, at, split.end):
                yield truncated("gzip").failed(f"{split.place}@{at}", split.source)
            return
        except OSError as error:
            yield _broken(error).failed(f"{split.place}@{at}", split.source)
            start = next_record(file, at + 1, packed=packed) if file.seekable() else None


def _whole(file: io.BufferedReader, at: int, end: int | None) -> bool:
    """Whether the gzip members from this one on are complete: fastwarc does not say."""
    file.seek(at)
    member = zlib.decompressobj(wbits=31)
    try:
        while block := file.read(_SEARCH if end is None else min(_SEARCH, end - file.tell())):
            while block:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                    block = block.lstrip(b"\0")
                member.decompress(block, 2**22)
                block = member.unconsumed_tail or member.unused_data
    except zlib.error:
        return True  # that is another fault, if it is one
    return member.eof


def _records(split: Split, file: io.BufferedReader) -> Iterator[tuple[Raw | Failed | None, int]]:
    """Each record with its offset in the file; None for one that holds no text."""
    before, count = -1, 0
    stream = _Guarded(file, split.end)
    records = ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False)  # type: ignore[arg-type]
    for record in records:
        at = record.stream_pos
        count = count + 1 if at == before else 0  # several records in one gzip member
        before = at
        if not record.record_type & _KINDS:
            yield None, at
            continue
        own = (record.headers.get("WARC-Record-ID") or "").strip("<> ")
        id = own if 0 < len(own) <= 400 else f"{split.place}@{at}" + (f".{count}" if count else "")
        try:
            yield _page(record, id, split.source), at
        except Fault as fault:
            yield fault.failed(id, split.source), at
    if stream.fault is not None:
        raise stream.fault


class _Guarded:
    """The split's part of a stream for fastwarc, which takes an exception in it for a bug of its own and panics."""

    def __init__(self, file: io.BufferedReader, end: int | None) -> None:
        self._file, self._end = file, end
        self._at = file.tell() if file.seekable() else 0
        self.fault: Fault | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self._end is not None:
            size = max(0, min(size, self._end - self._at) if size >= 0 else self._end - self._at)
        try:
            data = b"" if self.fault else self._file.read1(size)
        except Fault as fault:
            self.fault, data = fault, b""
        except OSError as error:
            self.fault, data = unreadable(error), b""
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at


def _page(record: WarcRecord, id: str, source: str) -> Raw | None:
    headers = record.headers
    charset, media = None, ""
    if record.is_http:
        record.parse_http(auto_decode="none")  # pyright: ignore[reportUnknownMemberType]
        http = record.http_headers
        if not record.is_http_parsed:
            raise Fault("broken", "The HTTP header cannot be read.", "无法解析 HTTP 头。")
        media = (record.http_content_type or "").lower()
        if media and media not in _HTML and media != "text/plain":
            return None
        status = http.status_code or 200
        if not 200 <= status < 300:
            raise Fault("http_error", f"The server answered {status}.", f"服务器返回 {status}。")
        charset = record.http_charset
        content = _plain(_payload(record), http.get("Transfer-Encoding"), http.get("Content-Encoding"))
    else:
        media = (headers.get("Content-Type") or "").split(";")[0].strip().lower()
        if media not in ("text/plain", *_HTML):
            return None
        content = _payload(record)
    if not content.strip():
        raise no_text()
    check_text(content[:4096])
    return Raw(
        id,
        source,
        "html" if media in _HTML or is_markup(content) else "text",
        content,
        url=headers.get("WARC-Target-URI"),
        charset=charset,
        lang=language_code(headers.get("WARC-Identified-Content-Language")),
    )


def _payload(record: WarcRecord) -> bytes:
    length = record.content_length
    if length > LONGEST_PAGE:
        raise too_long(LONGEST_PAGE)
    content = record.reader.read(length)
    if len(content) < length:
        raise Fault(
            "truncated",
            f"The archive ends after {len(content):,} of {length:,} bytes of this page.",
            f"归档在此页 {length:,} 字节中的第 {len(content):,} 字节处中断。",
        )
    return content


def _plain(content: bytes, *encodings: str | None) -> bytes:
    """Without chunks and compression, which crawlers other than Common Crawl's keep as they came."""
    for names in encodings:
        for name in reversed([name.strip().lower() for name in (names or "").split(",")]):
            if (reader := _READERS.get(name)) is None:
                continue
            try:
                plain = reader(content)
            except (OSError, zlib.error) as error:
                # Some crawlers unpack and leave the header.
                if not _packed(name, content):
                    continue
                raise Fault("broken", f"{name}: {error}.", f"{name}：{error}。") from None
            if len(plain) > LONGEST_PAGE:
                raise too_long(LONGEST_PAGE)
            content = plain or content
    return content


def _packed(name: str, content: bytes) -> bool:
    return name == "br" or content.startswith(b"\x1f\x8b" if name in ("gzip", "x-gzip") else b"\x78")


def _inflated(content: bytes) -> bytes:
    """gzip or zlib, by its header; some servers call bare deflate so, too."""
    try:
        return zlib.decompressobj(wbits=47).decompress(content, LONGEST_PAGE + 1)
    except zlib.error:
        return zlib.decompressobj(wbits=-15).decompress(content, LONGEST_PAGE + 1)


def _through(reader: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    return lambda content: reader(io.BytesIO(content)).read(LONGEST_PAGE + 1)


_READERS: dict[str, Callable[[bytes], bytes]] = {
    "chunked": _through(ChunkedReader),
    "br": _through(BrotliReader),
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), _inflated),
}


def _broken(error: OSError) -> Fault:
    return Fault(
        "broken",
        f"The archive is damaged here ({error}); reading went on with the next record.",
        f"归档在此处损坏（{error}），已从下一条记录继续读取。",
    )


_GZIP = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
_PLAIN = re.compile(rb"\r\n\r\n(?=WARC/1\.[01]\r\n)")


def next_record(file: IO[bytes], start: int, *, packed: bool) -> int | None:
    """The offset of the first record at or after ``start``; None if there is none.

    With ``packed`` a gzip member that begins with a record; else a record's first line after two line ends. A page
    that is a WARC file itself could be taken for its contents; among pages of text there is none.
    """
    pattern, overlap = (_GZIP, 64) if packed else (_PLAIN, 16)
    at = max(0, start - (0 if packed else 4))
    while True:
        file.seek(at)
        block = file.read(_SEARCH)
        for found in pattern.finditer(block):
            where = at + (found.start() if packed else found.end())
            if not packed or _begins_record(file, where):
                return where
        if len(block) < _SEARCH:
            return None
        at += len(block) - overlap


def _begins_record(file: IO[bytes], at: int) -> bool:
    file.seek(at)
    try:
        return zlib.decompressobj(wbits=31).decompress(file.read(512), 8).startswith(b"WARC/1.")
    except zlib.error:
        return False
