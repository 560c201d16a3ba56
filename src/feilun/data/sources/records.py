"""Records with named fields (JSON lines, Parquet) as pages."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import IO, Any

import orjson

from feilun.data.read import MAX_LINE
from feilun.data.sources.files import Split
from feilun.data.sources.raw import LONGEST_PAGE, Failed, Fault, Raw, in_pieces, language_code, too_long
from feilun.data.sources.sniff import is_markup

NAMES: dict[str, tuple[str, ...]] = {
    "html": ("html", "raw_html", "html_content"),
    "text": ("text", "content", "raw_content", "body"),
    "title": ("title", "headline"),
    "url": ("url", "source_url", "link"),
    "date": ("date", "publish_date", "published", "timestamp", "created"),
    "id": ("id", "_id", "doc_id"),
    "lang": ("lang", "language"),
    "charset": ("charset", "encoding"),
}
"""What corpora call the fields, the likelier name first. Markup goes before text: it tells more."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def names_of(split: Split) -> dict[str, tuple[str, ...]]:
    """The names to look for: those that were given for this source, else the usual ones."""
    return NAMES | {field: (theirs,) for field, theirs in split.fields}


def page(split: Split, place: str, names: Mapping[str, Collection[str]], record: Mapping[str, Any]) -> Raw:
    """The record as a page.

    Raises:
        Fault: it has no content, or too much.
    """

    def get(field: str) -> Any:
        return next((record[name] for name in names[field] if record.get(name) is not None), None)

    def words(field: str) -> str | None:
        value = get(field)
        return value.strip() or None if isinstance(value, str) else None

    html = get("html")
    content = html if _filled(html) else get("text")
    if not _filled(content):
        fields = " / ".join([*names["html"], *names["text"]])
        raise Fault(
            "no_content", f"There is nothing in any of the fields {fields}.", f"字段 {fields} 均无内容。"
        )
    markup = content is html or is_markup(content)
    if markup and len(content) > LONGEST_PAGE:
        raise too_long(LONGEST_PAGE)
    when = get("date")
    own = get("id")
    own = str(own).strip() if isinstance(own, str | int) else ""
    return Raw(
        # A page that was fetched twice has its address twice: an address is no id. And several files may count from 0.
        id=(own if split.alone else f"{split.place}#{own}") if 0 < len(own) <= 400 else place,
        source=split.source,
        kind="html" if markup else "text",
        content=content,
        url=words("url"),
        charset=words("charset") if isinstance(content, bytes) else None,
        title=words("title"),
        date=when.isoformat() if isinstance(when, date) else words("date"),
        lang=language_code(words("lang")),
    )


def _filled(value: object) -> bool:
    return isinstance(value, str | bytes) and bool(value.strip())


def read_lines(split: Split, file: IO[bytes]) -> Iterator[Raw | Failed]:
    """JSON lines that begin in the split's range. Offsets, also those in ids, are of the unpacked text."""
    names, at = names_of(split), 0
    if split.start:
        # The line that holds the byte before the range began earlier, and is another split's.
        at = split.start - 1
        file.seek(at)
        while part := file.readline(2**20):
            at += len(part)
            if part.endswith(b"\n"):
                break
    while split.end is None or at < split.end:
        line = file.readline(MAX_LINE + 1)
        if not line:
            return
        place, length = f"{split.place}@{at}", len(line)
        if length > MAX_LINE:
            while not line.endswith(b"\n") and (line := file.readline(MAX_LINE)):
                length += len(line)
            yield too_long(MAX_LINE).failed(place, split.source)
        else:
            line = line.removeprefix(b"\xef\xbb\xbf").strip() if at == 0 else line.strip()
            try:
                if line:
                    yield from in_pieces(page(split, place, names, _parsed(line)))
            except Fault as fault:
                yield fault.failed(place, split.source)
        at += length


def _without_surrogates(line: bytes) -> bytes:
    """JSON that names half of a character that has two halves (a text was cut there) with U+FFFD in its place."""
    text = json.dumps(json.loads(line), ensure_ascii=False)
    return _SURROGATE.sub("\ufffd", text).encode()


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line if b"\\ud" not in line.lower() else _without_surrogates(line))
    except (ValueError, RecursionError) as error:
        raise Fault("broken", f"The line is no JSON: {error}.", f"该行不是 JSON：{error}。") from None
    if not isinstance(record, dict):
        raise Fault("broken", "The line is no JSON object.", "该行不是 JSON 对象。")
    return record  # pyright: ignore[reportUnknownVariableType]
