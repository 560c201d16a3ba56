"""The n-gram model against the equations of the paper, written down as slowly as they can be."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.evaluate import ngram
from feilun.evaluate.ngram import BORDER, SYMBOLS, KneserNey
from feilun.text import FeilunError

Gram = tuple[int, ...]

TEXTS = st.lists(st.text("abc飞", max_size=40).map(str.encode), min_size=1, max_size=6).filter(any)


class Twin:
    """Interpolated modified Kneser-Ney with dictionaries: one n-gram at a time, no packing, no sorting."""

    def __init__(self, documents: list[bytes], order: int) -> None:
        self.order = order
        counts: Counter[Gram] = Counter()
        for document in filter(None, documents):
            symbols = [BORDER] * (order - 1) + [*document, BORDER]
            counts.update(tuple(symbols[i : i + order]) for i in range(len(document) + 1))
        self.counts = {order: counts}
        for n in range(order - 1, 0, -1):
            before: dict[Gram, set[int]] = defaultdict(set)
            for gram in self.counts[n + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[n] = Counter({gram: len(seen) for gram, seen in before.items()})
        self.discounts = {n: self._discounts(list(self.counts[n].values())) for n in self.counts}

    @staticmethod
    def _discounts(counts: list[int]) -> list[float]:
        n = [counts.count(k) for k in range(5)]
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
            if all(0 < found[k - 1] <= k for k in (1, 2, 3)):
                return [0, *found]
        return [0, 0.5, 1.0, 1.5]

    def p(self, context: Gram, symbol: int) -> float:
        n = len(context) + 1
        lower = 1 / SYMBOLS if n == 1 else self.p(context[1:], symbol)
        followers = {gram[-1]: c for gram, c in self.counts[n].items() if gram[:-1] == context}
        total = sum(followers.values())
        if not total:
            return lower
        discount = self.discounts[n]
        count = followers.get(symbol, 0)
        first = max(count - discount[min(count, 3)], 0) / total
        gamma = sum(discount[min(c, 3)] for c in followers.values()) / total
        return first + gamma * lower

    def log_probabilities(self, document: bytes) -> list[float]:
        symbols = [BORDER] * (self.order - 1) + [*document, BORDER]
        grams = [symbols[i : i + self.order] for i in range(len(document) + 1)]
        return [math.log(self.p(tuple(gram[:-1]), gram[-1])) for gram in grams]


@given(TEXTS, st.text("abcd飞轮", min_size=1, max_size=20).map(str.encode), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_it_gives_what_the_equations_give(documents: list[bytes], unseen: bytes, order: int) -> None:
    model, twin = KneserNey.fit(documents, order), Twin(documents, order)
    for text in (unseen, max(documents, key=len)):
        np.testing.assert_allclose(model.log_probabilities(text), twin.log_probabilities(text), rtol=1e-10)


@given(TEXTS, st.binary(max_size=8), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_probabilities_are_positive_and_sum_to_one(documents: list[bytes], text: bytes, order: int) -> None:
    chances = KneserNey.fit(documents, order).next(text)
    assert chances.shape == (SYMBOLS,)
    assert chances.min() > 0
    assert chances.sum() == pytest.approx(1, abs=1e-12)


def english(seed: int, size: int) -> bytes:
    """Text of a known source: each letter depends on the one before it."""
    random = np.random.default_rng(seed)
    steps = random.choice(4, size, p=[0.5, 0.25, 0.125, 0.125])
    return bytes((97 + np.cumsum(steps) % 26).astype(np.uint8))


def test_the_discounts_are_estimated_where_there_is_text_enough() -> None:
    documents = [english(1, 300)]
    twin = Twin(documents, 5)
    assert twin.discounts[5] != [0, 0.5, 1.0, 1.5]
    model = KneserNey.fit(documents)
    unseen = english(2, 100)
    np.testing.assert_allclose(model.log_probabilities(unseen), twin.log_probabilities(unseen), rtol=1e-10)


def test_it_comes_close_to_the_entropy_of_its_source() -> None:
    model = KneserNey.fit([english(1, 400_000)])
    bits = model.nats([english(2, 50_000)]) / math.log(2) / 50_000
    assert 1.73 < bits < 1.80  # 0.5 * 1 + 0.25 * 2 + 0.25 * 3 = 1.75; no model is below, but for chance


def test_slices_and_merges_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [english(seed, size) for seed, size in enumerate([700, 1, 0, 64, 2000, 65, 63])]
    whole = KneserNey.fit(documents)
    monkeypatch.setattr(ngram, "_SLICE", 64)
    sliced = KneserNey.fit(iter(documents))
    assert sliced.size == whole.size
    np.testing.assert_allclose(
        sliced.log_probabilities(documents[4]), whole.log_probabilities(documents[4]), rtol=1e-12
    )


def test_summed_nats_are_those_of_the_documents_one_by_one() -> None:
    model = KneserNey.fit([english(1, 3000)])
    documents = [english(2, 500), b"", "飞轮 and words".encode(), b"\x00\xff"]
    each = [model.log_probabilities(document) for document in documents]
    assert [len(part) for part in each] == [501, 0, len(documents[2]) + 1, 3]
    assert model.nats(documents) == pytest.approx(-sum(part.sum() for part in each))
    assert model.nats([b"", b""]) == 0


def test_what_comes_next_is_what_the_text_was_given() -> None:
    model = KneserNey.fit([english(1, 3000), b"abcabc"])
    text = b"abcab"
    stepwise = [math.log(model.next(text[:i])[text[i]]) for i in range(len(text))]
    stepwise.append(math.log(model.next(text)[BORDER]))
    np.testing.assert_allclose(model.log_probabilities(text), stepwise, rtol=1e-12)


def test_a_document_knows_nothing_of_the_one_before_it() -> None:
    after = KneserNey.fit([b"aaaa", b"bbbb"] * 50)
    assert after.next(b"")[ord("a")] == pytest.approx(after.next(b"")[ord("b")])
    assert after.next(b"aaaa")[ord("b")] < 0.01


def test_no_text_is_an_error_one_can_read() -> None:
    for documents in ([], [b"", b""]):
        with pytest.raises(FeilunError) as error:
            KneserNey.fit(documents)
        assert error.value.code == "no_text"


@pytest.mark.parametrize("order", [0, 8])
def test_an_order_that_cannot_be_packed_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match="order"):
        KneserNey.fit([b"abc"], order)
