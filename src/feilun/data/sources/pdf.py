"""PDF through pdfium: the text layer page by page, made into paragraphs.

The order is that of the content stream, which nearly all writers keep in reading order, columns included. pdfium is
C++ in this process. It is fuzzed without pause, as it is Chrome's, but a hostile file could still bring the process
down; sizes and time are bounded here, and the job starts a worker that died again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any

from feilun.data.sources.files import Split
from feilun.data.sources.layout import paragraphs, without_running_lines
from feilun.data.sources.raw import LONGEST_FILE, Failed, Fault, Raw, in_pieces
from feilun.data.sources.unpack import read_all

_MOST_PAGES = 5_000
_LONGEST_PAGE = 2**18
"""Characters of one page. A dense newspaper page has some 20,000."""
_LONGEST_BOOK = 2**24
_MOST_SECONDS = 120.0
"""CPU time of one file, looked at after each page."""
_SCANNED = 10
"""Characters a page: fewer on the average, and it is pictures of text."""

_PASSWORD = 4  # FPDF_ERR_PASSWORD


def read_pdf(split: Split, file: IO[bytes]) -> Iterator[Raw | Failed]:
    """One document."""
    content = read_all(file, LONGEST_FILE)
    if b"%PDF-" not in content[:1024]:
        raise Fault("broken", "It does not begin as a PDF file does.", "文件开头不是 PDF 格式。")
    pdfium = import_module("pypdfium2")
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD or "password" in str(error).lower():
            raise Fault("encrypted", "It is protected by a password.", "文件受密码保护。") from None
        raise Fault("broken", f"It is damaged: {_said(error)}.", f"文件已损坏：{_said(error)}。") from None
    try:
        told: dict[str, str] = document.get_metadata_dict(skip_empty=True)
        pages = _pages(document)
    except pdfium.PdfiumError as error:
        raise Fault("broken", f"It is damaged: {_said(error)}.", f"文件已损坏：{_said(error)}。") from None
    finally:
        document.close()
    letters = sum(len(line) for page in pages for line in page)
    if letters < _SCANNED * len(pages):
        raise Fault(
            "scanned",
            f"It has {len(pages)} pages and next to no text: scanned, or pictures.",
            f"共 {len(pages)} 页，几乎没有文字：可能是扫描件或图片。",
        )
    lines = _flowing(without_running_lines(pages))
    raw = Raw(
        split.place,
        split.source,
        "pdf",
        "\n\n".join(paragraphs(lines)),
        title=told.get("Title", "").strip() or None,
        date=_date(told.get("CreationDate", "")),
    )
    yield from in_pieces(raw)


def _pages(document: Any) -> list[list[str]]:
    """The lines of each page."""
    count = len(document)
    if not count:
        raise Fault("broken", "It has no pages.", "文件没有页面。")
    if count > _MOST_PAGES:
        raise Fault("too_long", f"It has {count:,} pages.", f"共有 {count:,} 页。")
    pages: list[list[str]] = []
    letters, began = 0, time.process_time()
    for number in range(count):
        page = document[number]
        layer = page.get_textpage()
        length = layer.count_chars()
        letters += length
        if length > _LONGEST_PAGE or letters > _LONGEST_BOOK:
            raise Fault(
                "too_long", f"Page {number + 1} has too much text.", f"第 {number + 1} 页的文字过多。"
            )
        text = layer.get_text_range() if length > 0 else ""
        layer.close()
        page.close()
        # pdfium puts U+FFFE for the hyphen and the line's end after it.
        lines = text.replace("\0", "").replace("\ufffe", "\ufffe\n").splitlines()
        pages.append([line.rstrip() for line in lines if line.strip()])
        if time.process_time() - began > _MOST_SECONDS:
            seconds = int(_MOST_SECONDS)
            raise Fault(
                "timeout",
                f"Page {number + 1} of {count} was not done after {seconds} s.",
                f"{seconds} 秒后仍未读完，停在第 {number + 1} 页（共 {count} 页）。",
            )
    return pages


def _flowing(pages: list[list[str]]) -> list[str]:
    """All lines, so that a paragraph may go on over the page."""
    return [line for page in pages for line in page]


def _date(value: str) -> str | None:
    """``D:20240102030405+08'00'`` (ISO 32000-1, 7.9.4) as a date."""
    found = re.match(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?", value)
    return "-".join(part for part in found.groups() if part) if found else None


def _said(error: Exception) -> str:
    return str(error).rstrip(".")
