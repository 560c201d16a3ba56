"""Packed rows against a slow twin, and their order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.model.loss import IGNORED
from feilun.text import FeilunError
from feilun.train.order import Permutation
from feilun.train.packed import PackedRows

EOS = 0


def corpus(lengths: list[list[int]]) -> tuple[list[Any], list[Any]]:
    """Shards of documents, all tokens of which differ; each ends with `EOS`."""
    tokens, starts, following = [], [], 1
    for shard in lengths:
        ids: list[int] = []
        begins: list[int] = []
        for length in shard:
            begins.append(len(ids))
            ids += [*range(following, following + length), EOS]
            following += length
        tokens.append(np.array(ids, np.uint16))
        starts.append(np.array(begins, np.uint64))
    return tokens, starts


LENGTHS = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, length=st.integers(2, 12), accumulate=st.integers(1, 3), seed=st.integers(0, 3))
def test_an_epoch_shows_every_document_once_and_mixes_none(
    lengths: list[list[int]], length: int, accumulate: int, seed: int
) -> None:
    tokens, starts = corpus(lengths)
    total = sum(len(shard) for shard in tokens) + sum(map(len, starts))
    if total < 2 * length:
        with pytest.raises(FeilunError, match="less than one batch"):
            PackedRows(tokens, starts, eos_id=EOS, length=length, rows=2)
        return
    rows = PackedRows(tokens, starts, eos_id=EOS, length=length, rows=2, accumulate=accumulate, seed=seed)
    # The stream, as one writes it down: document after document, EOS before and after each.
    documents = [
        [EOS, *map(int, shard[begin : end if end else len(shard)])]
        for shard, begins in zip(tokens, starts, strict=True)
        for begin, end in zip(map(int, begins), [*map(int, begins[1:]), 0], strict=True)
    ]
    stream = [
        (token, number, place) for number, ids in enumerate(documents) for place, token in enumerate(ids)
    ]
    whole = len(stream) // length
    order = [place for epoch in range(40) for place in map(Permutation(whole, [seed, epoch]), range(whole))]
    seen = 0
    for step in range(10):
        work = rows.at(step)
        assert work.tokens == 2 * accumulate * length
        assert work.learnt == sum(batch.learnt for batch in work.batches)
        for batch in work.batches:
            for row in range(2):
                expected = stream[order[seen] * length : (order[seen] + 1) * length]
                seen += 1
                assert batch.ids[row].tolist() == [token for token, _, _ in expected]
                targets = [after[0] if after[1] == here[1] else IGNORED for here, after in pairwise(expected)]
                assert batch.targets[row].tolist() == [*targets, IGNORED]
                if batch.packing is None:
                    assert len({number for _, number, _ in expected}) == 1
                else:
                    assert batch.packing.documents is not None
                    groups = batch.packing.documents[row].tolist()
                    same = [a == b for a, b in pairwise(groups)]
                    assert same == [a[1] == b[1] for a, b in pairwise(expected)]


@settings(max_examples=20, deadline=None)
@given(lengths=LENGTHS, step=st.integers(0, 20))
def test_processes_share_the_rows_of_one(lengths: list[list[int]], step: int) -> None:
    tokens, starts = corpus([*lengths, [40]])
    options: dict[str, Any] = {"eos_id": EOS, "length": 5, "rows": 4, "seed": 1}
    whole = PackedRows(tokens, starts, **options).at(step)
    halves = [PackedRows(tokens, starts, **options, rank=rank, world=2).at(step) for rank in range(2)]
    assert [half.learnt for half in halves] == [whole.learnt] * 2
    joined = torch.cat([half.batches[0].ids for half in halves])
    assert joined.tolist() == whole.batches[0].ids.tolist()


def test_epochs_differ_and_what_was_consumed_is_told() -> None:
    tokens, starts = corpus([[5] * 40])
    rows = PackedRows(tokens, starts, eos_id=EOS, length=7, rows=4)
    assert rows.at(0).batches[0].ids.tolist() != rows.at(rows.rows_in_epoch // 4).batches[0].ids.tolist()
    read = [int(token) for ids in rows.consumed(3) for token in ids if token != EOS]
    shown = [
        int(token) for step in range(3) for token in rows.at(step).batches[0].ids.flatten() if token != EOS
    ]
    assert sorted(read) == sorted(shown)
    everything = [int(token) for ids in rows.consumed(1000) for token in ids if token != EOS]
    assert everything == list(range(1, len(everything) + 1))
    assert len(everything) > 40 * 5 - 7


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 3000), seed=st.integers(0, 2**40), epoch=st.integers(0, 5))
def test_an_order_has_every_number_once(size: int, seed: int, epoch: int) -> None:
    order = Permutation(size, [seed, epoch])
    assert sorted(map(order, range(size))) == list(range(size))
    with pytest.raises(IndexError):
        order(size)


def test_an_order_looks_like_chance() -> None:
    size = 4000
    orders = np.array([[Permutation(size, [seed])(n) for n in range(size)] for seed in range(40)])
    # Where each number stands is uniform over the seeds (mean and deviation), and neighbours know nothing of one another.
    assert abs(orders.mean(0).mean() - (size - 1) / 2) < 1
    assert abs(orders.std(0).mean() / (size / np.sqrt(12)) - 1) < 0.05
    related = [np.corrcoef(order[:-1], order[1:])[0, 1] for order in orders]
    assert abs(np.mean(related)) < 4 / np.sqrt(size * 40)
    kept = [(order == np.arange(size)).sum() for order in orders]
    assert 0.5 < np.mean(kept) < 1.6  # one fixed point on average


def test_an_order_of_a_trillion_rows_needs_no_memory() -> None:
    order = Permutation(10**12, [1, 0])
    found = [order(place) for place in range(1000)]
    assert len(set(found)) == 1000
    assert max(found) > 9 * 10**11
    assert min(found) < 10**11
