"""Files that are one page: HTML, MHTML, Markdown, plain text."""

from __future__ import annotations

import codecs
import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import IO

from feilun.data.encoding import decode
from feilun.data.read import cut
from feilun.data.sources.files import Split
from feilun.data.sources.raw import (
    LONGEST_FILE,
    LONGEST_PAGE,
    LONGEST_TEXT,
    Fault,
    Raw,
    language_code,
    no_text,
    too_long,
)
from feilun.data.sources.sniff import check_text, is_markup
from feilun.data.sources.unpack import read_all

_HEAD = 2**12


def read_html(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """One page. Its charset is its own affair (``<meta>``)."""
    content = read_all(file, LONGEST_PAGE)
    _check(content)
    yield Raw(split.place, split.source, "html", content)


def read_mhtml(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """The page that a browser saved with its pictures (RFC 2557): the first part that is HTML."""
    content = read_all(file, LONGEST_FILE)
    _check(content)
    message = email.message_from_bytes(content, EmailMessage, policy=email.policy.compat32)
    for part in message.walk():
        if part.get_content_type() != "text/html":
            continue
        page = part.get_payload(decode=True)
        if not isinstance(page, bytes) or not page.strip():
            break
        if len(page) > LONGEST_PAGE:
            raise too_long(LONGEST_PAGE)
        url = part.get("Content-Location") or message.get("Snapshot-Content-Location")
        yield Raw(
            split.place,
            split.source,
            "html",
            page,
            url=str(url) if url else None,
            charset=part.get_content_charset(),
            date=_mail_date(message.get("Date")),
        )
        return
    raise Fault("no_content", "There is no HTML part in it.", "其中没有 HTML 部分。")


def _mail_date(value: object) -> str | None:
    try:
        return parsedate_to_datetime(str(value)).isoformat() if value else None
    except ValueError:
        return None


def read_text(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """Plain text in any encoding; a saved page that was named .txt is HTML all the same.

    A long one is given in pieces (ids ``place``, ``place#2``, ...) and decoded on the way; its encoding is that of its
    first MiB.
    """
    head = file.read(LONGEST_TEXT)
    _check(head)
    if is_markup(head):
        yield Raw(split.place, split.source, "html", head + _rest(file, LONGEST_PAGE - len(head)))
        return
    block = file.read(LONGEST_TEXT)
    if not block:
        yield Raw(split.place, split.source, "text", head)
        return
    found = decode(head)
    # The first block may end inside a character; the codec has to see both halves.
    codec = {"big5": "big5hkscs", "shift_jis": "cp932", "euc-kr": "cp949"}.get(found.charset, found.charset)
    decoder = codecs.getincrementaldecoder(codec)("replace")
    rest, count = decoder.decode(head).removeprefix("\ufeff"), 0
    while block or rest:
        rest += decoder.decode(block, final=not block)
        while len(rest) > LONGEST_TEXT or (rest and not block):
            piece, rest = cut(rest, LONGEST_TEXT)
            if piece.strip():
                count += 1
                yield Raw(
                    split.place if count == 1 else f"{split.place}#{count}", split.source, "text", piece
                )
        block = file.read(LONGEST_TEXT) if block else b""
    if not count:
        raise no_text()


def read_markdown(split: Split, file: IO[bytes]) -> Iterator[Raw]:
    """The text with its marks: code, tables, lists and headings are written so in the answers that a model shall
    learn to give, and without the marks code is no code. Only front matter goes; title, date and language are taken
    from it.
    """
    content = read_all(file, LONGEST_PAGE)
    _check(content)
    text = decode(content).text
    matter = _FRONT_MATTER.match(text)
    told = {key.lower(): value.strip(" \t'\"") for key, value in _PAIR.findall(matter[0])} if matter else {}
    body = text[matter.end() :] if matter else text
    if not body.strip():
        raise no_text()
    yield Raw(
        split.place,
        split.source,
        "markdown",
        body,
        title=told.get("title") or None,
        date=told.get("date") or None,
        lang=language_code(told.get("lang") or told.get("language")),
    )


# Of Jekyll and its heirs: YAML between two lines of dashes, at the very beginning.
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?:(?!---|\.\.\.)[^\n]*\n){0,200}(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_PAIR = re.compile(r"^(title|date|lang|language)[ \t]*:[ \t]*(\S[^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def _check(content: bytes) -> None:
    check_text(content[:_HEAD])
    if not content.strip():
        raise no_text()


def _rest(file: IO[bytes], limit: int) -> bytes:
    try:
        return read_all(file, limit)
    except Fault as fault:
        raise too_long(LONGEST_PAGE) if fault.reason == "too_long" else fault from None
