"""Word documents (ECMA-376): paragraphs, headings, lists and tables as text with light Markdown marks.

Headers, footers and comments are other parts and not read; deleted text of tracked changes is left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from feilun.data.sources.archive import Archive
from feilun.data.sources.files import Split
from feilun.data.sources.raw import Fault, Raw, in_pieces, language_code, no_text

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_DC = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"

_PIECES = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read_docx(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """One document."""
    archive = Archive(file)
    document = archive.read("word/document.xml").replace(_STRICT[1:-1].encode(), _W[1:-1].encode())
    try:
        text = "\n\n".join(_blocks(document, _headings(archive)))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise Fault(
            "broken", f"The document's XML is damaged: {error}.", f"文档的 XML 已损坏：{error}。"
        ) from None
    if not text.strip():
        raise no_text()
    told = archive.xml("docProps/core.xml") if "docProps/core.xml" in archive else ElementTree.Element("none")
    raw = Raw(
        split.place,
        split.source,
        "docx",
        text,
        title=(told.findtext(f"{_DC}title") or "").strip() or None,
        date=told.findtext(f"{_TERMS}modified") or told.findtext(f"{_TERMS}created"),
        lang=language_code(told.findtext(f"{_DC}language")),
    )
    yield from in_pieces(raw)


def _headings(archive: Archive) -> dict[str, int]:
    """Level of each heading style by its id. Ids are translated, names are not: ``1`` is ``heading 1``."""
    if "word/styles.xml" not in archive:
        return {}
    levels: dict[str, int] = {}
    for style in archive.xml("word/styles.xml").iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        found = re.fullmatch(r"(?:heading ([1-6])|title)", (_value(name) or "").lower())
        if found:
            levels[style.get(f"{_W}styleId", "")] = int(found[1] or 1)
    return levels


def _value(element: ElementTree.Element | None) -> str | None:
    return None if element is None else element.get(f"{_W}val")


def _blocks(document: bytes, headings: dict[str, int]) -> Iterator[str]:
    """Paragraphs and tables, while the tree is read; what has been given is thrown away."""
    tables, repeats, body = 0, 0, None
    rows: list[str] = []
    items: list[str] = []
    for event, element in ElementTree.iterparse(io.BytesIO(document), ("start", "end")):
        tag = element.tag
        if event == "start":
            tables += tag == f"{_W}tbl"
            repeats += tag == _FALLBACK  # says again what the choice before it says
            body = element if tag == f"{_W}body" else body
        elif tag == _FALLBACK:
            repeats -= 1
            element.clear()
        elif repeats and tag in (f"{_W}p", f"{_W}tr"):
            element.clear()
        elif tag == f"{_W}p":
            text, listed = _paragraph(element, headings)
            element.clear()
            if tables:
                element.text = text
                continue
            if items and not listed:
                yield "\n".join(items)
                items = []
            if listed:
                items.append(text)
            elif text:
                yield text
        elif tag == f"{_W}tr" and tables == 1:
            cells = [_cell(cell) for cell in element.findall(f"{_W}tc")]
            rows += ["| " + " | ".join(cells) + " |"] if any(cells) else []
            element.clear()
        elif tag == f"{_W}tbl":
            tables -= 1
            if not tables:
                yield from ("\n".join(block) for block in (items, rows) if block)
                rows, items = [], []
        if body is not None and event == "end" and not tables and tag in (f"{_W}p", f"{_W}tbl"):
            body.clear()
    if items:
        yield "\n".join(items)


def _paragraph(element: ElementTree.Element, headings: dict[str, int]) -> tuple[str, bool]:
    """Its text with a mark, and whether it is an item of a list."""
    style, listed, depth = None, False, 0
    properties = element.find(f"{_W}pPr")
    if properties is not None:
        style = _value(properties.find(f"{_W}pStyle"))
        numbers = properties.find(f"{_W}numPr")
        listed = numbers is not None
        level = _value(numbers.find(f"{_W}ilvl")) if numbers is not None else None
        depth = min(int(level), 8) if level and level.isdecimal() else 0
        element.remove(properties)  # it has tabs, too: tab stops
    parts = [
        (one.text or "") if one.tag in (f"{_W}t", _MATH_TEXT) else _PIECES.get(one.tag, "")
        for one in element.iter()
    ]
    text = "".join(parts).strip()
    if style in headings and text:
        return "#" * headings[style] + " " + text.replace("\n", " "), False
    return (f"{'  ' * depth}- {text}", True) if listed and text else (text, False)


def _cell(cell: ElementTree.Element) -> str:
    return " ".join(" ".join((one.text or "").split()) for one in cell.iter(f"{_W}p")).strip()
