"""Lines that many pages of one site share: menus, slogans, footers that no lexicon knows."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from xxhash import xxh3_64_intdigest


def line_key(line: str) -> int:
    """The hash by which `clean_lines` knows a frequent line: XXH3, 64 bits, of the line without outer space."""
    return xxh3_64_intdigest(line.strip().encode("utf-8", "replace"))


class LineCounter:
    """Counts pages per (site, line) in bounded memory, for any number of sites and pages.

    Misra and Gries, Finding Repeated Elements (1982), with the batched decrement of Anderson et al., A
    High-Performance Algorithm for Identifying Frequent Items in Data Streams (2017): when the table is full,
    its median is subtracted from every count and what is used up leaves. A count is never too high, and too
    low by at most `error`; so a line reported as frequent is frequent.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        """``capacity`` is the number of lines remembered, about 150 bytes each."""
        self._capacity = capacity
        self._counts: dict[tuple[int, int], int] = {}
        self.error = 0
        self.pages: Counter[str] = Counter()
        """Of each site."""

    def add(self, site: str, lines: Iterable[str]) -> None:
        """One page of a site; a line counts once a page."""
        self.pages[site] += 1
        place = xxh3_64_intdigest(site.encode("utf-8", "replace"))
        counts = self._counts
        for key in {line_key(line) for line in lines if line.strip()}:
            counts[place, key] = counts.get((place, key), 0) + 1
        if len(counts) > self._capacity:
            self._shrink()

    def merge(self, other: LineCounter) -> None:
        """Adds the counts of another worker (Agarwal et al., Mergeable Summaries, 2012)."""
        for key, count in other._counts.items():
            self._counts[key] = self._counts.get(key, 0) + count
        self.pages.update(other.pages)
        self.error += other.error
        if len(self._counts) > self._capacity:
            self._shrink()

    def save(self, path: Path) -> None:
        """What was counted, as an ``.npz`` file: workers count parts of the pages, and one merges them."""
        table = np.array([(*key, count) for key, count in self._counts.items()], np.uint64).reshape(-1, 3)
        pages = np.frombuffer(json.dumps(self.pages).encode(), np.uint8)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with draft.open("wb") as file:
            np.savez(file, table=table, pages=pages, error=np.int64(self.error))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        found = cls()
        with np.load(path, allow_pickle=False) as file:
            found._counts = {(place, key): count for place, key, count in file["table"].tolist()}
            found.pages.update(json.loads(file["pages"].tobytes()))
            found.error = int(file["error"])
        return found

    def frequent(self, site: str, pages: int, *, least: int = 5, share: float = 0.2) -> frozenset[int]:
        """Keys of the lines on at least ``least`` pages and that ``share`` of the site's ``pages``."""
        return self.by_site({site: pages}, least=least, share=share)[site]

    def by_site(
        self, pages: dict[str, int], *, least: int = 5, share: float = 0.2
    ) -> dict[str, frozenset[int]]:
        """`frequent` for many sites in one pass over the table."""
        names = {xxh3_64_intdigest(site.encode("utf-8", "replace")): site for site in pages}
        found: dict[str, set[int]] = {site: set() for site in pages}
        for (place, key), count in self._counts.items():
            site = names.get(place)
            if site is not None and count >= max(least, share * pages[site]):
                found[site].add(key)
        return {site: frozenset(keys) for site, keys in found.items()}

    def _shrink(self) -> None:
        cut = sorted(self._counts.values())[len(self._counts) // 2]
        self._counts = {key: count - cut for key, count in self._counts.items() if count > cut}
        self.error += cut


def frequent_lines(
    pages: Iterable[tuple[str, str]], *, capacity: int = 1_000_000, least: int = 5, share: float = 0.2
) -> dict[str, frozenset[int]]:
    """Site to the keys of its frequent lines, from a stream of (site, text)."""
    counter = LineCounter(capacity)
    seen: dict[str, int] = {}
    for site, text in pages:
        counter.add(site, text.split("\n"))
        seen[site] = seen.get(site, 0) + 1
    return counter.by_site(seen, least=least, share=share)
