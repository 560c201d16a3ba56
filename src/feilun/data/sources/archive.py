"""Files that are ZIP archives inside (DOCX, EPUB), with sizes looked at before anything is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO
from xml.etree import ElementTree

from feilun.data.sources.raw import LONGEST_FILE, Fault
from feilun.data.sources.unpack import read_all

LONGEST_PART = 2**26
"""Bytes of one part, unpacked. The text of the longest novels is a tenth of it."""

_LONGEST_DIRECTORY = 2**22
_END = struct.Struct("<4s4H2LH")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Archive:
    """The parts of a ZIP file.

    Raises:
        Fault: from the constructor and from `read`, whatever is wrong with the file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        content = read_all(file, LONGEST_FILE)
        if content.startswith(_OLE):
            raise Fault(
                "encrypted",
                "It is protected by a password, or in the format of Word before 2007.",
                "文件受密码保护，或是 Word 2007 之前的旧格式。",
            )
        # zipfile reads the whole directory into memory, some 500 bytes an entry.
        at = content.rfind(b"PK\5\6", max(0, len(content) - 2**16 - _END.size))
        if (
            at >= 0
            and len(content) >= at + _END.size
            and _END.unpack_from(content, at)[5] > _LONGEST_DIRECTORY
        ):
            raise Fault("bomb", "The archive has too many entries.", "压缩包内的文件过多。")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise _broken(error) from None

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def read(self, name: str, limit: int = LONGEST_PART) -> bytes:
        info = self._zip.NameToInfo.get(name)
        if info is None:
            raise Fault("broken", f"The part {name} is missing.", f"缺少部件 {name}。")
        if info.flag_bits & 1:
            raise Fault("encrypted", "It is protected by a password.", "文件受密码保护。")
        # zipfile stops at the declared size, so that size can be trusted as a bound.
        if info.file_size > limit:
            raise Fault(
                "bomb",
                f"The part {name} unpacks from {info.compress_size:,} to {info.file_size:,} bytes.",
                f"部件 {name} 解压后将从 {info.compress_size:,} 字节变为 {info.file_size:,} 字节。",
            )
        try:
            with self._zip.open(info) as part:
                return part.read(limit)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
            raise _broken(error) from None

    def xml(self, name: str) -> ElementTree.Element:
        """A small part as a tree. Expat loads nothing from outside and bounds the growth of entities."""
        try:
            return ElementTree.fromstring(self.read(name, 2**22))
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise _broken(error) from None


def _broken(error: Exception) -> Fault:
    reason = str(error) or type(error).__name__
    return Fault("broken", f"The archive is damaged: {reason}.", f"压缩包已损坏：{reason}。")
