"""EPUB books (2 and 3): the chapters in the order of the spine, as text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import IO
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from resiliparse.extract.html2text import extract_plain_text

from feilun.data.encoding import decode
from feilun.data.sources.archive import Archive
from feilun.data.sources.files import Split
from feilun.data.sources.raw import LONGEST_PAGE, Fault, Raw, in_pieces, language_code, no_text

_LONGEST_BOOK = 2**26
_MOST_CHAPTERS = 10_000
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_epub(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """One book. Tables of contents and parts beside the reading order are left out."""
    archive = Archive(file)
    root = archive.xml("META-INF/container.xml").find(".//{*}rootfile")
    package = unquote(root.get("full-path", "")) if root is not None else ""
    book = archive.xml(package)
    folder = posixpath.dirname(package)
    locked = _locked(archive)
    chapters: list[str] = []
    size = 0
    for path in _spine(book, folder):
        if path in locked:
            raise Fault("encrypted", "The book is protected (DRM).", "该书受 DRM 保护。")
        if path not in archive:
            continue
        content = archive.read(path, LONGEST_PAGE)
        size += len(content)
        if size > _LONGEST_BOOK:
            raise Fault("bomb", "The chapters are more than 64 MiB.", "各章合计超过 64 MiB。")
        text = extract_plain_text(decode(content, html=True).text, alt_texts=False).strip()
        chapters += [text] if text else []
    if not chapters:
        raise no_text()
    raw = Raw(
        split.place,
        split.source,
        "epub",
        "\n\n".join(chapters),
        title=_told(book, "title"),
        date=_told(book, "date"),
        lang=language_code(_told(book, "language")),
    )
    yield from in_pieces(raw)


def _spine(book: ElementTree.Element, folder: str) -> Iterator[str]:
    items = {item.get("id"): item for item in book.iterfind("{*}manifest/{*}item")}
    for number, reference in enumerate(book.iterfind("{*}spine/{*}itemref")):
        item = items.get(reference.get("idref"))
        if number >= _MOST_CHAPTERS:
            raise Fault("bomb", "The book has too many chapters.", "该书的章节过多。")
        if item is None or reference.get("linear") == "no" or "nav" in item.get("properties", "").split():
            continue
        if item.get("media-type", _PAGES[0]) in _PAGES:
            yield _joined(folder, item.get("href", ""))


def _joined(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(urlsplit(href).path)))


def _locked(archive: Archive) -> set[str]:
    """Parts that are encrypted. Fonts often are in books that anybody can read."""
    if "META-INF/encryption.xml" not in archive:
        return set()
    found = archive.xml("META-INF/encryption.xml").iterfind(".//{*}CipherReference")
    return {_joined("", reference.get("URI", "")) for reference in found}


def _told(book: ElementTree.Element, name: str) -> str | None:
    return (book.findtext(f"{{*}}metadata/{{*}}{name}") or "").strip() or None
