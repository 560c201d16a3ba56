"""Where pages lie: files and folders, local or behind any fsspec URL, in the order of their names."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from feilun.data.sources.raw import Failed, Fault
from feilun.text import FeilunError
from feilun.workspace import MANIFEST

FOLDER_LINK = "link to a folder"


@dataclass(frozen=True, slots=True)
class Split:
    """A unit of work: a file, or a range of one. Small, and may be sent to another process or machine."""

    source: str
    """The name that the caller gave to the source."""
    root: str
    """The source itself: an fsspec URL, or an absolute path."""
    path: str
    """Of the file, as its file system calls it."""
    place: str
    """The file relative to the source, with ``/``: what ids are made of."""
    size: int = 0
    """Bytes of work, roughly."""
    start: int = 0
    end: int | None = None
    """Records that begin in ``start <= offset < end``: bytes, in Parquet row groups. None: to the file's end."""
    fields: tuple[tuple[str, str], ...] = ()
    """See `read_raw`."""
    fault: Failed | None = None
    """In place of a file: a folder that cannot be read."""
    version: str = ""
    """When it was changed, or what its server calls its content: another one is another file."""

    @property
    def alone(self) -> bool:
        """Whether this file is the whole source."""
        return self.root.rstrip("/").rsplit("/", 1)[-1] == self.place

    @property
    def address(self) -> str:
        """The file as a URL."""
        return self.root if self.alone else f"{self.root.rstrip('/')}/{self.place}"


def file_system(source: str) -> tuple[Any, str]:
    """fsspec's file system for a source, and the source's path in it.

    Raises:
        FeilunError: no such protocol, or what it needs is not installed.
    """
    try:
        return import_module("fsspec.core").url_to_fs(source)
    except (ValueError, ImportError) as error:
        raise FeilunError(
            f"Cannot open {source}: {error}.", f"无法打开 {source}：{error}。", code="unknown_source"
        ) from None
    except OSError as error:
        raise _missing(source, error) from None


def walk(source: str, *, name: str, passed: Counter[str] | None = None) -> Iterator[Split]:
    """The files of a source, one split each. Hidden ones and manifests are passed over; a folder that cannot be
    read is a split with a fault. Links to folders are not followed, since they may lead in circles, but counted in ``passed``.

    Raises:
        FeilunError: there is no such source.
    """
    files, top = file_system(source)
    try:
        info = files.info(top) if top else {"type": "directory"}
    except OSError as error:
        raise _missing(source, error) from None
    root = source if "::" in source else str(files.unstrip_protocol(top))
    if info["type"] not in ("directory", "file") and not info.get("islink"):
        raise FeilunError(
            f"{source} is neither a file nor a folder.",
            f"{source} 既不是文件也不是文件夹。",
            code="unreadable",
        )
    if info["type"] != "directory" and not _links_to_folder(files, info):
        place, size = top.rsplit("/", 1)[-1], int(info.get("size") or 0)
        yield Split(name, root, top, place, size, version=_version(info))
        return
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(files.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        except OSError as error:
            place = _relative(folder, top) or "."
            yield Split(name, root, folder, place, fault=unreadable(error).failed(place, name))
            continue
        inner: list[str] = []
        for entry in entries:
            path = str(entry["name"]).rstrip("/")
            base = path.rsplit("/", 1)[-1]
            if base.startswith(".") or base == MANIFEST or path == folder.rstrip("/"):
                continue
            if entry["type"] == "directory":
                inner.append(path)
            elif entry["type"] == "file" or (entry.get("islink") and files.isfile(path)):
                size = int(entry.get("size") or 0)
                yield Split(name, root, path, _relative(path, top), size, version=_version(entry))
            elif passed is not None and _links_to_folder(files, entry):
                passed[FOLDER_LINK] += 1
        folders += reversed(inner)


def _version(info: dict[str, Any]) -> str:
    return str(
        next((info[name] for name in ("mtime", "ETag", "LastModified", "updated") if info.get(name)), "")
    )


def _links_to_folder(files: Any, info: dict[str, Any]) -> bool:
    return bool(info.get("islink")) and bool(files.isdir(info["name"]))


def _relative(path: str, top: str) -> str:
    """Names that are not UTF-8 are escaped: ids are text."""
    place = path.removeprefix(top.rstrip("/")).lstrip("/") if top else path.lstrip("/")
    return place.encode("utf-8", "backslashreplace").decode()


@contextmanager
def opened(split: Split) -> Generator[io.BufferedReader]:
    """The file, to read and to seek in.

    Raises:
        OSError: it cannot be opened.
    """
    files, _ = file_system(split.root)  # held while the file is open: a ZIP archive closes when it is let go
    with files.open(split.path, "rb") as file:
        yield io.BufferedReader(file, 2**20)  # fsspec's own readline knows no limit


def unreadable(error: OSError) -> Fault:
    reason = error.strerror or str(error) or type(error).__name__
    return Fault("unreadable", f"It cannot be read: {reason}.", f"无法读取：{reason}。")


def _missing(source: str, error: OSError) -> FeilunError:
    reason = error.strerror or type(error).__name__
    return FeilunError(
        f"Cannot read {source}: {reason}.", f"无法读取 {source}：{reason}。", code="unreadable"
    )
