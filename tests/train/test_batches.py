"""Which tokens a step sees, against a slow twin."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.model.loss import IGNORED
from feilun.text import FeilunError
from feilun.train.batches import Examples


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
