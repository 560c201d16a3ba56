"""Compressed streams, unpacked in small steps: a cut is noticed, and so is a bomb."""

from __future__ import annotations

import io
import zlib
from typing import IO, Any

import zstandard

from feilun.data.sources.raw import Fault, too_long

_STEP = 2**11
"""Compressed bytes at a time. 2 KiB of Zstandard can be 64 MiB of equal characters."""

_BOMB_SIZE, _BOMB_RATIO = 2**28, 250
"""Unpacked bytes, and how many for each packed one. Text packs to a tenth, log files to a hundredth."""


def unpacked(file: io.BufferedReader, name: str) -> io.BufferedReader:
    """The file, or what is packed in it if its name ends with ``.gz`` or ``.zst``.

    Reading raises `Fault`: ``truncated`` after the last whole byte, ``broken``, ``bomb``.
    """
    if name.endswith(".gz"):
        return io.BufferedReader(_Unpacked(file, "gzip"), 2**17)
    if name.endswith(".zst"):
        return io.BufferedReader(_Unpacked(file, "Zstandard"), 2**17)
    return file


def read_all(file: IO[bytes], limit: int) -> bytes:
    """All bytes.

    Raises:
        Fault: ``too_long``, with no more than ``limit`` in memory.
    """
    parts: list[bytes] = []
    rest = limit + 1
    while rest and (part := file.read(min(rest, 2**20))):
        parts.append(part)
        rest -= len(part)
    if not rest:
        raise too_long(limit)
    return b"".join(parts)


def truncated(form: str) -> Fault:
    return Fault(
        "truncated",
        f"The {form} data ends in the middle; records before the cut, if there are any, were read.",
        f"{form} 数据不完整；断点之前若有完整记录，均已读取。",
    )


class _Unpacked(io.RawIOBase):
    """Several members or frames may follow each other, as several processes write them.

    The standard readers take a truncated Zstandard file for a whole one, and lose what precedes the cut in gzip.
    """

    def __init__(self, packed: IO[bytes], form: str) -> None:
        self._packed, self._form = packed, form
        self._frame: Any = None
        self._rest = b""
        self._text = memoryview(b"")
        self._read = self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            data = self._rest or self._packed.read(_STEP)
            if not data:
                if self._frame and not self._frame.eof:
                    raise truncated(self._form)
                return 0
            self._unpack(data)
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count

    def _unpack(self, data: bytes) -> None:
        if self._frame is None or self._frame.eof:
            if self._form == "gzip":
                if self._read and not data.strip(b"\0"):  # tapes and downloads pad with zeros
                    self._rest = b""
                    return
                self._frame = zlib.decompressobj(wbits=31)
            else:
                self._frame = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
        self._read += 0 if self._rest else len(data)
        try:
            self._text = memoryview(self._frame.decompress(data))
        except (zlib.error, zstandard.ZstdError, MemoryError) as error:
            raise Fault(
                "broken",
                f"The {self._form} data is broken ({error}); what precedes was read.",
                f"{self._form} 数据已损坏（{error}），此前的内容已读取。",
            ) from None
        self._rest = self._frame.unused_data if self._frame.eof else b""
        self._given += len(self._text)
        if self._given > _BOMB_SIZE and self._given > _BOMB_RATIO * self._read:
            raise Fault(
                "bomb",
                f"{self._read:,} bytes unpack to more than {self._given:,}: no text packs like that.",
                f"{self._read:,} 字节解压后超过 {self._given:,} 字节，正常文本不会如此。",
            )
