"""Which tokens a step sees, against a slow twin."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.model.loss import IGNORED
from feilun.text import FeilunError
from feilun.train.batches import Examples, PackedRows

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
    # The stream of the epoch, as one writes it down: document after document, EOS before and after each.
    order = np.random.Generator(np.random.PCG64([seed, 0])).permutation(sum(map(len, starts)))
    documents = [
        [EOS, *map(int, shard[begin : end if end else len(shard)])]
        for shard, begins in zip(tokens, starts, strict=True)
        for begin, end in zip(map(int, begins), [*map(int, begins[1:]), 0], strict=True)
    ]
    stream = [(token, number, place) for number in order for place, token in enumerate(documents[number])]
    seen = 0
    for step in range(10):
        work = rows.at(step)
        assert work.tokens == 2 * accumulate * length
        assert work.learnt == sum(batch.learnt for batch in work.batches)
        for batch in work.batches:
            for row in range(2):
                expected = stream[seen * length : (seen + 1) * length]
                seen += 1
                if seen > rows.rows_in_epoch:
                    return
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
    read = {int(token) for ids in rows.consumed(3) for token in ids}
    shown = {int(token) for step in range(3) for token in rows.at(step).batches[0].ids.flatten()}
    assert shown <= read
    assert len(read) <= len(shown) + 5
    assert len(rows.consumed(1000)) == 40


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(2, 20), min_size=1, max_size=50), rows=st.integers(1, 5))
def test_every_example_is_seen_once_an_epoch_and_only_answers_are_learnt(sizes: list[int], rows: int) -> None:
    examples = [
        ([100 * number + i for i in range(size)], [i % 2 == 1 for i in range(size)])
        for number, size in enumerate(sizes, 1)
    ]
    batches = Examples(examples, rows=rows, pad_id=7)
    found: list[int] = []
    for step in range(batches.steps_in_epoch):
        work = batches.at(step)
        (batch,) = work.batches
        assert work.learnt == batch.learnt
        for ids, targets in zip(batch.ids.tolist(), batch.targets.tolist(), strict=True):
            number = ids[0] // 100
            tokens, learnt = examples[number - 1]
            found.append(number)
            assert ids == tokens + [7] * (len(ids) - len(tokens))
            wanted = [token if yes else IGNORED for token, yes in zip(tokens, learnt, strict=True)][1:]
            assert targets == wanted + [IGNORED] * (len(ids) - len(wanted))
    assert sorted(found) == list(range(1, len(sizes) + 1))


def test_rows_to_keep_are_spread_evenly_and_marked() -> None:
    random = np.random.default_rng(0)
    sizes = [int(size) for size in random.integers(5, 60, 330)]
    examples = [([number] * size, [True] * size) for number, size in enumerate(sizes)]
    keep = [number % 3 == 0 for number in range(330)]
    batches = Examples(examples, rows=20, pad_id=0, keep=keep)
    found: list[int] = []
    for step in range(batches.steps_in_epoch):
        numbers: list[int] = []
        marked: list[bool] = []
        longest = 0
        for batch in batches.at(step).batches:
            assert batch.keep is not None
            assert len(batch.ids) <= Examples.PORTION
            numbers += batch.ids[:, 0].tolist()
            marked += batch.keep.tolist()
            lengths = [sizes[number] for number in batch.ids[:, 0].tolist()]
            assert min(lengths) >= longest  # of like length, for little padding
            longest = max(lengths)
        found += numbers
        assert marked == [keep[number] for number in numbers]
        assert abs(sum(marked) - len(numbers) / 3) <= 1
    assert sorted(found) == list(range(330))


@given(learnt=st.integers(1, 60), kept=st.integers(1, 30), rows=st.integers(1, 9), share=st.floats(0.05, 0.9))
@settings(max_examples=40, deadline=None)
def test_rows_to_keep_may_have_a_share_of_their_own(learnt: int, kept: int, rows: int, share: float) -> None:
    examples = [([number, number], [True, True]) for number in range(learnt + kept)]
    keep = [number >= learnt for number in range(learnt + kept)]
    batches = Examples(examples, rows=rows, pad_id=0, keep=keep, keep_share=share)
    seen: Counter[int] = Counter()
    for step in range(2 * batches.steps_in_epoch):
        for batch in batches.at(step).batches:
            seen.update(batch.ids[:, 0].tolist())
    assert {seen[number] for number in range(learnt)} == {2}
    drawn = sum(seen.values()) - 2 * learnt
    assert abs(drawn / 2 - learnt * share / (1 - share)) <= 0.5
    times = [seen[number] for number in range(learnt, learnt + kept)]
    assert max(times) - min(times) <= 1  # each as often as the others


def test_no_example_is_said_so() -> None:
    with pytest.raises(FeilunError, match="no example"):
        Examples([], rows=2, pad_id=0)


def test_like_lengths_share_a_batch() -> None:
    random = np.random.default_rng(0)
    examples = [([1] * int(size), [True] * int(size)) for size in random.integers(5, 200, 640)]
    batches = Examples(examples, rows=8, pad_id=0)
    shown = [batches.at(step) for step in islice(range(batches.steps_in_epoch), 80)]
    padded = sum(work.batches[0].ids.numel() for work in shown)
    assert padded < 1.1 * sum(work.tokens for work in shown)
