"""Questions of evaluation sets in a training text: found by long windows of words that both have.

GPT-3 (Brown et al., 2020, appendix C) looks for N words in a row, small letters without punctuation, N being the 5th
percentile of the lengths of a set's examples within 8 to 13. Chinese has no spaces; a window here is counted in
weight: a word counts 2, a Han character 1, since a Chinese word has some two characters. N is then 16 to 26: thirteen
words, 26 Han characters, or what a mixed sentence has of both. Thirteen Han characters would not do: set phrases,
names of laws and offices, and lines of famous poems are as long.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import orjson
import zstandard
from numpy.typing import NDArray

from feilun.data.dedup.hashing import Hashes, Rolling
from feilun.data.dedup.letters import folded, pieces
from feilun.data.repair.script import simplified
from feilun.text import FeilunError

LEAST, MOST = 16, 26
"""Weight of a window."""

FRAME = 10
"""A window in more items of a set than this is the set's frame ("Answer the following question ..."), no question."""


class Item(NamedTuple):
    """One question of an evaluation set."""

    name: str
    strings: Sequence[str]


class Hit(NamedTuple):
    """``text[start:end]`` stands in an item of a set; offsets in characters."""

    set: str
    item: str
    """The first of the set's items that has it."""
    start: int
    end: int


def read_items(path: Path, fields: Collection[str] | None = None) -> Iterator[Item]:
    """The items of a file of JSON lines (``.jsonl``, also ``.gz`` and ``.zst``) or of JSON (a list, or an object of lists).

    Args:
        fields: the fields of a record whose strings count, however deep within; None for all strings.

    Raises `FeilunError` naming the line when the file cannot be read.
    """
    lines = path.name.removesuffix(".gz").removesuffix(".zst").endswith(".jsonl")
    try:
        with _opened(path) as file:
            if lines:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _item(_parsed(line, path, number), number, fields)
            else:
                for number, record in enumerate(_records(_parsed(file.read(), path, 1)), 1):
                    yield _item(record, number, fields)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise FeilunError(
            f"Cannot read the evaluation set {path}: {error}.",
            f"无法读取评测集 {path}：{error}。",
            code="unreadable_set",
        ) from None


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of one weight of all sets."""

    weight: int
    hashes: Hashes
    """Sorted."""
    item: NDArray[np.int32]
    """Place in the list of items."""
    screen: NDArray[np.bool_]
    """Whether any hash begins with these bits: spares most look-ups."""
    shift: np.uint64


class Index:
    """The windows of evaluation sets, in Simplified characters.

    Args:
        sets: items by the name of their set.
    """

    def __init__(self, sets: dict[str, Iterable[Item]]) -> None:
        self._items: list[tuple[str, str]] = []
        self.count: dict[str, int] = {}
        """Items of each set."""
        self.short: dict[str, int] = {}
        """Items of each set that are too short to be found at all: no string of theirs fills a window."""
        by_weight: dict[int, list[tuple[Hashes, NDArray[np.int32]]]] = {}
        for name, items in sets.items():
            weight, hashes, item = self._add(name, list(items))
            by_weight.setdefault(weight, []).append((hashes, item))
        self._windows = [_windows(weight, parts) for weight, parts in sorted(by_weight.items())]

    def _add(self, name: str, items: list[Item]) -> tuple[int, Hashes, NDArray[np.int32]]:
        texts = [
            [_Units(piece) for string in item.strings for _, piece in pieces(simplified(string))]
            for item in items
        ]
        longest = [max((one.weight for one in units), default=0) for units in texts]
        weight = int(np.clip(np.percentile(longest, 5), LEAST, MOST)) if longest else MOST
        self.count[name] = len(items)
        self.short[name] = sum(length < weight for length in longest)
        base = len(self._items)
        self._items += [(name, item.name) for item in items]
        found = [
            np.unique(np.concatenate([np.empty(0, np.uint64), *(u.windows(weight)[0] for u in units)]))
            for units in texts
        ]
        hashes = np.concatenate([np.empty(0, np.uint64), *found])
        item = np.repeat(np.arange(base, base + len(items), dtype=np.int32), [one.size for one in found])
        by_hash = np.argsort(hashes, kind="stable")
        hashes, first, count = np.unique(hashes[by_hash], return_index=True, return_counts=True)
        own = count <= FRAME
        return weight, hashes[own], item[by_hash][first[own]]

    def find(self, text: str) -> list[Hit]:
        """What the text, in Simplified characters, has of the sets, in its order; overlapping windows of an item are one hit.

        A window across a cut of a text of more than 2**18 characters is not seen.
        """
        hits: list[Hit] = []
        for offset, piece in pieces(text) if self._windows else ():
            units = _Units(piece)
            for windows in self._windows:
                hits += self._hits(windows, units, offset)
        return sorted(hits, key=lambda hit: (hit.start, hit.end, hit.set, hit.item))

    def _hits(self, windows: _Windows, units: _Units, offset: int) -> Iterator[Hit]:
        found, starts, ends = units.windows(windows.weight)
        seen = np.flatnonzero(windows.screen.take((found >> windows.shift).astype(np.intp)))
        if not seen.size:
            return
        at = np.minimum(np.searchsorted(windows.hashes, found[seen]), windows.hashes.size - 1)
        same = windows.hashes[at] == found[seen]
        seen, at = seen[same], at[same]
        spans: dict[int, list[int]] = {}
        for item, start, end in zip(
            windows.item[at].tolist(), starts[seen].tolist(), ends[seen].tolist(), strict=True
        ):
            span = spans.get(item)
            if span and start <= span[1]:
                span[1] = end
                continue
            if span:
                yield self._hit(item, span, offset)
            spans[item] = [start, end]
        for item, span in spans.items():
            yield self._hit(item, span, offset)

    def _hit(self, item: int, span: list[int], offset: int) -> Hit:
        return Hit(*self._items[item], span[0] + offset, span[1] + offset)


def remainder(
    text: str, hits: Iterable[Hit], margin: int = 200, shortest: int = 200, most: int = 10
) -> list[str]:
    """What GPT-3 trains on of a text with hits (appendix C): the pieces between, ``margin`` characters away from them.

    Pieces below ``shortest`` characters are left out; a text in more than ``most`` pieces is dropped whole.
    """
    parts: list[str] = []
    at = 0
    for start, end in sorted((hit.start, hit.end) for hit in hits):
        parts.append(text[at : max(at, start - margin)])
        at = max(at, end + margin)
    kept = [part for part in [*parts, text[at:]] if len(part) >= shortest]
    return kept if len(kept) <= most else []


class _Units:
    """A text as words and single Han characters: hashes, weights, and where they stand."""

    def __init__(self, text: str) -> None:
        letters = folded(text)
        place, han = letters.places, letters.han
        new = han.copy()
        new[1:] |= han[:-1]
        new[1:] |= place[1:] - place[:-1] > 1
        new[:1] = True
        first = new.nonzero()[0]
        last = np.empty_like(first)
        last[:-1] = first[1:]
        last[-1:] = place.size
        self._hashes = Rolling(letters.rolling.between(first, last))
        self._starts, self._ends = place[first], place[last - 1] + 1
        self._before = np.zeros(first.size + 1, np.int64)
        (2 - han[first]).cumsum(out=self._before[1:])

    @property
    def weight(self) -> int:
        return int(self._before[-1])

    def windows(self, weight: int) -> tuple[Hashes, NDArray[np.intp], NDArray[np.intp]]:
        """(hash, start, end) of the shortest window of at least this weight from each unit on."""
        stop = np.searchsorted(self._before, self._before + weight)
        begin = np.flatnonzero(stop < stop.size)
        stop = stop[begin]
        return self._hashes.between(begin, stop), self._starts[begin], self._ends[stop - 1]


def _windows(weight: int, parts: list[tuple[Hashes, NDArray[np.int32]]]) -> _Windows:
    hashes = np.concatenate([part[0] for part in parts])
    item = np.concatenate([part[1] for part in parts])
    hashes, first = np.unique(hashes, return_index=True)
    bits = min(24, max(10, (16 * hashes.size).bit_length()))
    screen = np.zeros(1 << bits, dtype=np.bool_)
    shift = np.uint64(64 - bits)
    screen[(hashes >> shift).astype(np.intp)] = True
    return _Windows(weight, hashes, item[first], screen, shift)


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(cast("Any", zstandard.ZstdDecompressor().stream_reader(path.open("rb"))))
    return path.open("rb")


def _parsed(raw: bytes, path: Path, line: int) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise FeilunError(
            f"{path}, line {line}: not JSON ({error}).",
            f"{path} 第 {line} 行：不是 JSON（{error}）。",
            code="bad_set",
        ) from None


def _records(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from cast("list[Any]", value)
    elif isinstance(value, dict) and any(
        isinstance(one, list) for one in cast("dict[str, Any]", value).values()
    ):
        for one in cast("dict[str, Any]", value).values():
            yield from _records(one) if isinstance(one, list) else ()
    else:
        yield value


def _item(record: Any, number: int, fields: Collection[str] | None) -> Item:
    named = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    wanted = cast("Any", record)
    if fields is not None:
        wanted = [value for key, value in named.items() if key in fields]
    id = named.get("id")
    return Item(str(number if id is None else id), list(_strings(wanted)))


def _strings(value: Any) -> Iterator[str]:
    """Depth first. orjson refuses what is nested deeper than 1,024, and a stack of our own needs no recursion."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            stack += reversed(cast("dict[str, Any]", one).values())
        elif isinstance(one, list):
            stack += reversed(cast("list[Any]", one))
