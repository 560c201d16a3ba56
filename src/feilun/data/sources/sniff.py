"""Is it what its name says: a picture renamed .html is no page."""

from __future__ import annotations

import re

from feilun.data.sources.raw import Fault

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"\x7fELF", "ELF"),
    (b"MZ\x90", "EXE"),
    (b"\xd0\xcf\x11\xe0", "OLE (.doc, .xls)"),
    (b"RIFF", "RIFF (WebP, WAV, AVI)"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"SQLite format 3", "SQLite"),
    (b"PAR1", "Parquet"),
    (b"wOF", "WOFF"),
    (b"CWS", "Flash"),
)
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_CONTROLS = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:(?!-->).){0,2000}-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.I | re.S,
)


def check_text(head: bytes) -> None:
    """Raises `Fault` (``binary``) if the file that begins so is no text. Judged by a known signature, else by
    control characters: more than one in fifty, where NULs are not those of UTF-16.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            raise Fault("binary", f"It is no text but {kind} data.", f"不是文本，而是 {kind} 数据。")
    if head.startswith(_WIDE):
        return
    count = len(head) - len(head.translate(None, _CONTROLS))
    halves = [half.count(0) for half in (head[::2], head[1::2])]
    wide = min(halves) * 20 <= max(halves) and max(halves) >= 0.02 * len(head)
    if count - (max(halves) if wide else 0) > 0.02 * len(head):
        raise Fault("binary", "It is no text but binary data.", "不是文本，而是二进制数据。")


def is_markup(head: bytes | str) -> bool:
    """Whether a page begins here."""
    start = head[:4096].encode("utf-8", "replace") if isinstance(head, str) else head[:4096]
    return _MARKUP.match(start.removeprefix(b"\xef\xbb\xbf")) is not None
