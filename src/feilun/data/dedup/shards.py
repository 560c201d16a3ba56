"""Sketches on disk: a folder of shards, each a folder of arrays that appears at once and whole.

Documents are numbered in the order of the shards' names and within a shard as they came. A table of (hash, document)
pairs is sorted by hash within its shard, so that any range of hashes is one slice of each shard: how many parts a
join is done in is decided when it is done, from the number of pairs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from feilun.data.dedup.hashing import Hashes
from feilun.data.dedup.minhash import Sketch
from feilun.workspace import new_artifact

Table = Literal["exact", "bands", "passages"]

PART = 2_000_000
"""Pairs joined at once: some 100 MB."""


class Writer(AbstractContextManager["Writer"]):
    """Collects one shard (some 10,000 documents: they are held in memory) and writes it when the block ends well.

    The same documents give the same bytes; a shard of that name is replaced.
    """

    def __init__(self, folder: Path, shard: str) -> None:
        self._path = folder / shard
        self._ids: list[bytes] = []
        self._quality: list[float] = []
        self._sketches: list[Sketch] = []
        self._passages: list[Hashes] = []

    def add(self, id: str, sketch: Sketch, quality: float = 0.0, passages: Hashes | None = None) -> None:
        """The next document. Of copies the one with the highest quality is kept (NaN is the lowest)."""
        self._ids.append(id.encode("utf-8", "surrogatepass"))
        self._quality.append(-math.inf if math.isnan(quality) else quality)
        self._sketches.append(sketch)
        self._passages.append(np.empty(0, dtype=np.uint64) if passages is None else passages)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with new_artifact(self._path) as draft:

            def save(name: str, values: NDArray[Any]) -> None:
                with (draft / f"{name}.npy").open("wb") as file:
                    npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(values))
                    file.write(np.ascontiguousarray(values).data)  # np.save() hides that a disk is full

            def save_table(name: Table, parts: list[Hashes]) -> None:
                hashes = _joined(parts, np.uint64)
                documents = np.repeat(np.arange(len(parts), dtype=np.uint32), _sizes(parts))
                by_hash = np.argsort(hashes, kind="stable")
                save(name, hashes[by_hash])
                save(f"{name}_of", documents[by_hash])

            shingles = [one.shingles for one in self._sketches]
            quality = np.array(self._quality, dtype=np.float64)
            save("quality", quality)
            save("order", _order(quality, self._ids))
            save("hash", np.array([one.exact for one in self._sketches], dtype=np.uint64))
            save("ids", np.frombuffer(b"".join(self._ids), dtype=np.uint8))
            save("ids_end", np.cumsum([len(id) for id in self._ids], dtype=np.int64))
            save("shingles", _joined(shingles, np.uint32))
            save("shingles_end", np.cumsum(_sizes(shingles), dtype=np.int64))
            save_table("exact", [np.array([one.exact], dtype=np.uint64) for one in self._sketches])
            save_table("bands", [one.bands for one in self._sketches])
            save_table("passages", self._passages)


def _sizes(parts: Iterable[NDArray[Any]]) -> NDArray[np.int64]:
    return np.array([part.size for part in parts], dtype=np.int64)


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


def _order(quality: NDArray[np.float64], ids: list[bytes]) -> Hashes:
    """One integer per document, smaller for better ones: the quality's bits (float32), then 32 bits of the id's hash."""
    bits = quality.astype(np.float32).view(np.uint32)
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    tie = b"".join(hashlib.blake2b(id, digest_size=4).digest() for id in ids)
    return (~rising).astype(np.uint64) << np.uint64(32) | np.frombuffer(tie, dtype="<u4")


class Shards:
    """The finished shards of a folder, read a little at a time."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        sizes = [self._map(path, "quality").size for path in self._paths]
        self._base = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        """Documents."""
        return int(self._base[-1])

    @property
    def names(self) -> list[str]:
        return [path.name for path in self._paths]

    def numbers(self, shard: str) -> range:
        """The numbers of a shard's documents."""
        at = self.names.index(shard)
        return range(int(self._base[at]), int(self._base[at + 1]))

    def column(
        self, name: Literal["quality", "order", "hash"], numbers: NDArray[np.int64] | None = None
    ) -> NDArray[Any]:
        """One value per document, of all or of those with these numbers (rising)."""
        if numbers is None:
            return _joined([np.load(path / f"{name}.npy") for path in self._paths], np.uint64)
        return _joined([self._map(path, name)[local] for path, local in self._local(numbers)], np.uint64)

    def ids(self, numbers: NDArray[np.int64]) -> list[str]:
        """The ids of these documents (numbers rising)."""
        found: list[str] = []
        for path, local in self._local(numbers):
            raw, ends = np.load(path / "ids.npy").tobytes(), self._map(path, "ids_end")
            for start, stop in zip(_starts(ends, local).tolist(), ends[local].tolist(), strict=True):
                found.append(raw[start:stop].decode("utf-8", "surrogatepass"))
        return found

    @cached_property
    def sizes(self) -> NDArray[np.int32]:
        """How many shingles the sketch of each document has."""
        ends = (np.load(path / "shingles_end.npy") for path in self._paths)
        return _joined([np.diff(one, prepend=0).astype(np.int32) for one in ends], np.int32)

    def shingles(self, numbers: NDArray[np.int64]) -> list[NDArray[np.uint32]]:
        """The shingles of these documents' sketches (numbers rising)."""
        found: list[NDArray[np.uint32]] = []
        for path, local in self._local(numbers):
            flat, ends = self._map(path, "shingles"), self._map(path, "shingles_end")
            for start, stop in zip(_starts(ends, local).tolist(), ends[local].tolist(), strict=True):
                found.append(np.array(flat[start:stop]))  # a copy: the mapping may end
        return found

    def parts(self, table: Table, alive: NDArray[np.bool_]) -> Iterator[tuple[Hashes, NDArray[np.int64]]]:
        """(hashes, document numbers), sorted by hash, then number: a range of hashes at a time.

        Only documents with ``alive[number]``, and only hashes that at least two of them share.
        """
        total = sum(self._map(path, table).size for path in self._paths)
        count = max(1, -(-total // PART))
        cuts = np.array([(at << 64) // count for at in range(1, count)], dtype=np.uint64)
        # Where each part begins in each shard; [shards, parts + 1].
        begins = [
            np.concatenate([[0], np.searchsorted(hashes, cuts), [hashes.size]])
            for hashes in (self._map(path, table) for path in self._paths)
        ]
        for part in range(count):
            hashes: list[Hashes] = []
            numbers: list[NDArray[np.int64]] = []
            for path, base, begin in zip(self._paths, self._base[:-1], begins, strict=True):
                here = slice(begin[part], begin[part + 1])
                documents = self._map(path, f"{table}_of")[here] + base
                chosen = alive[documents]
                hashes.append(self._map(path, table)[here][chosen])
                numbers.append(documents[chosen])
            yield _shared(_joined(hashes, np.uint64), _joined(numbers, np.int64))

    def _local(self, numbers: NDArray[np.int64]) -> Iterator[tuple[Path, NDArray[np.int64]]]:
        """The shards that hold some of these documents, and their places within."""
        cuts = np.searchsorted(numbers, self._base)
        for at in np.flatnonzero(cuts[:-1] < cuts[1:]).tolist():
            yield self._paths[at], numbers[cuts[at] : cuts[at + 1]] - self._base[at]

    def _map(self, path: Path, name: str) -> NDArray[Any]:
        return np.load(path / f"{name}.npy", mmap_mode="r")


def _starts(ends: NDArray[np.int64], local: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(local > 0, ends[local - 1], 0)


def _shared(hashes: Hashes, numbers: NDArray[np.int64]) -> tuple[Hashes, NDArray[np.int64]]:
    by_hash = np.argsort(hashes, kind="stable")
    hashes, numbers = hashes[by_hash], numbers[by_hash]
    same = np.zeros(hashes.size + 1, dtype=np.bool_)
    np.equal(hashes[1:], hashes[:-1], out=same[1:-1]) if hashes.size else None
    shared = same[:-1] | same[1:]
    return hashes[shared], numbers[shared]
