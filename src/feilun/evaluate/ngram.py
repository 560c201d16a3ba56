"""A 5-gram model of bytes, the baseline that a small neural language model has to beat.

Interpolated modified Kneser-Ney: S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language
modeling", Computer Speech & Language 13 (1999), section 3 and equations (26) to (28). For an n-gram of a context h and
a symbol w, with c its count and h' the context without its oldest symbol,

    p(w | h) = (c(hw) - D(c(hw))) / c(h.)  +  g(h) p(w | h')

    g(h) = (D1 N1(h.) + D2 N2(h.) + D3 N3+(h.)) / c(h.)

where Nk(h.) is how many symbols follow h exactly k times. At the highest order c counts occurrences; below it counts
the distinct symbols seen before the n-gram, which is Kneser and Ney's idea. Below order 1 is the uniform distribution.

Symbols are the 256 bytes and one for the borders of documents: it stands before a document as often as the context is
long, and is predicted at its end. An n-gram is packed into a uint64, 9 bits a symbol, the oldest uppermost. Sorted,
the n-grams of one context then lie side by side, and counting is sorting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feilun.text import FeilunError

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

BORDER = 256
SYMBOLS = 257
_BITS = 9
MAX_ORDER = 64 // _BITS
_SLICE = 1 << 23
"""Positions whose n-grams are sorted at a time: some 300 MB of working memory."""

# Where there is too little text to estimate discounts: what KenLM's `--discount_fallback` takes.
_FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class _Order:
    """The n-grams of one order. Both kinds of keys are sorted and occur once."""

    keys: Keys
    discounted: Floats
    """Of each n-gram: the first term of the equation."""
    contexts: Keys
    backoff: Floats
    """Of each context: g."""


class KneserNey:
    """The model, made by `fit`."""

    def __init__(self, orders: list[_Order]) -> None:
        self._orders = orders

    @property
    def order(self) -> int:
        return len(self._orders)

    @property
    def size(self) -> int:
        """How many n-grams of all orders it holds."""
        return sum(len(order.keys) for order in self._orders)

    @classmethod
    def fit(cls, documents: Iterable[bytes], order: int = 5) -> KneserNey:
        """Count the n-grams of the documents. Empty documents say nothing and are left out.

        Raises `FeilunError` (``no_text``) if there is no text, `ValueError` for an order that cannot be packed.
        """
        if not 1 <= order <= MAX_ORDER:
            raise ValueError(f"order {order} is not 1 to {MAX_ORDER}")
        keys, counts = _count(documents, order)
        if not len(keys):
            raise FeilunError(
                "There is no text to make an n-gram model of.",
                "没有可用于构建 n 元模型的文本。",
                code="no_text",
            )
        orders = [_smooth(keys, counts)]
        for n in range(order - 1, 0, -1):
            keys, counts = _unique(_newest(keys, n))  # how many distinct symbols stand before each
            orders.insert(0, _smooth(keys, counts))
        return cls(orders)

    def nats(self, documents: Iterable[bytes]) -> float:
        """Summed negative natural log-probability of the documents and of where each ends."""
        total = 0.0
        for keys in _ngrams(documents, self.order):
            kinds, counts = _unique(keys)
            total -= float(counts @ np.log(self._probability(kinds, self.order)))
        return total

    def log_probabilities(self, document: bytes) -> Floats:
        """Natural log-probability of each byte of a document after those before it, and of its end: len + 1 figures."""
        parts = [np.log(self._probability(keys, self.order)) for keys in _ngrams([document], self.order)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def next(self, text: bytes) -> Floats:
        """Probability of each byte, and of the end (`BORDER`), after the beginning of a document: 257 figures."""
        symbols = [BORDER] * (self.order - 1) + list(text)
        context = 0
        for symbol in symbols[len(text) :]:
            context = context << _BITS | symbol
        keys = np.uint64(context << _BITS) | np.arange(SYMBOLS, dtype=np.uint64)
        return self._probability(keys, self.order)

    def _probability(self, keys: Keys, n: int) -> Floats:
        """p(w | h) of packed n-grams, in any order; the look-ups are quickest in an ascending one."""
        if n == 0:
            return np.full(len(keys), 1 / SYMBOLS)
        order = self._orders[n - 1]
        shorter, where = np.unique(_newest(keys, n - 1), return_inverse=True)
        lower = self._probability(shorter, n - 1)[where]
        first = _look_up(order.keys, order.discounted, keys, 0.0)
        backoff = _look_up(order.contexts, order.backoff, keys >> np.uint64(_BITS), 1.0)  # unseen: all of it
        return first + backoff * lower


def _smooth(keys: Keys, counts: Counts) -> _Order:
    """Discount counts and spread what is taken from them."""
    discounts = np.array([0.0, *_discounts(counts)])
    taken = discounts[np.minimum(counts, 3)]
    contexts = keys >> np.uint64(_BITS)
    starts = np.flatnonzero(np.append(True, contexts[1:] != contexts[:-1]))
    totals = np.add.reduceat(counts, starts)
    of = np.repeat(totals, np.diff(np.append(starts, len(keys))))
    return _Order(
        keys=keys,
        discounted=(counts - taken) / of,
        contexts=contexts[starts],
        backoff=np.add.reduceat(taken, starts) / totals,
    )


def _discounts(counts: Counts) -> tuple[float, float, float]:
    """D1, D2 and D3+ from how many n-grams have count 1, 2, 3 and 4: equation (26) of Chen and Goodman.

    In little text these estimates can be missing, negative or above the count; then all three are `_FALLBACK`.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    # A discount of 0 would leave nothing for what has not been seen.
    return found if all(0 < d <= k for k, d in enumerate(found, 1)) else _FALLBACK


def _look_up(keys: Keys, values: Floats, wanted: Keys, default: float) -> Floats:
    """The values at the wanted keys, ``default`` where a key is missing."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], default)


def _newest(keys: Keys, n: int) -> Keys:
    """The last n symbols of packed n-grams."""
    return keys & np.uint64((1 << _BITS * n) - 1)


def _count(documents: Iterable[bytes], order: int) -> tuple[Keys, Counts]:
    """The distinct n-grams, sorted, and how often each occurs."""
    keys, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    pending = [(keys, counts)]
    size = 0
    for part in _ngrams(documents, order):
        pending.append(_unique(part))
        size += len(pending[-1][0])
        if size > len(
            keys
        ):  # as in a growing array: each n-gram is merged a few times, however long the text is
            keys, counts = _merge([(keys, counts), *pending])
            pending, size = [], 0
    return _merge([(keys, counts), *pending])


def _merge(parts: list[tuple[Keys, Counts]]) -> tuple[Keys, Counts]:
    keys = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    order = np.argsort(keys, kind="stable")  # which is quick on runs that are sorted already
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts], np.add.reduceat(counts, starts)


def _unique(keys: Keys) -> tuple[Keys, Counts]:
    """`np.unique` with counts; it would hash, which is slower here than to sort."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def _ngrams(documents: Iterable[bytes], order: int) -> Iterator[Keys]:
    """The packed n-gram that ends at each byte and at the end of each document, in order, a slice at a time."""
    for symbols in _symbols(documents, max(1, order - 1)):
        # Of a run of borders only the first is an end; the others are the context of what follows.
        predicted = np.append(False, (symbols[1:] != BORDER) | (symbols[:-1] != BORDER))
        for start in range(order - 1, len(symbols), _SLICE):
            stop = min(start + _SLICE, len(symbols))
            keys = np.zeros(stop - start, np.uint64)
            for back in range(order - 1, -1, -1):
                keys <<= np.uint64(_BITS)
                keys |= symbols[start - back : stop - back]
            yield keys[predicted[start:stop]]


def _symbols(documents: Iterable[bytes], borders: int) -> Iterator[NDArray[np.uint16]]:
    """Documents as symbols with so many borders before, between and after them, some `_SLICE` at a time."""
    border = np.full(borders, BORDER, np.uint16)
    parts, size = [border], 0
    for document in documents:
        if document:
            parts += [np.frombuffer(document, np.uint8).astype(np.uint16), border]
            size += len(document) + borders
        if size >= _SLICE:
            yield np.concatenate(parts)
            parts, size = [border], 0
    if size:
        yield np.concatenate(parts)
