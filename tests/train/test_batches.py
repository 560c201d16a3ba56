"""Which tokens a step sees, against a slow twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.model.loss import IGNORED
from feilun.text import FeilunError
from feilun.train.batches import Examples
from feilun.train.objectives import Batch
from feilun.train.rows import STEP, arranged


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
        assert batch.packing
        assert batch.packing.documents is not None
        padding = batch.packing.documents == -1
        assert set(batch.ids[padding].tolist()) <= {7}
        assert set(batch.targets[padding].tolist()) <= {IGNORED}
        for ids, targets, positions in _texts(batch):
            number = ids[0] // 100
            tokens, learnt = examples[number - 1]
            found.append(number)
            assert ids == tokens
            assert positions == list(range(len(ids)))
            wanted = [token if yes else IGNORED for token, yes in zip(tokens, learnt, strict=True)][1:]
            assert targets == [*wanted, IGNORED]
    assert sorted(found) == list(range(1, len(sizes) + 1))


def _texts(batch: Batch) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Ids, targets and positions of each text of a batch."""
    assert batch.packing
    assert batch.packing.documents is not None
    for row, documents in enumerate(batch.packing.documents):
        for number in range(int(documents.max()) + 1):
            here = documents == number
            yield (
                batch.ids[row, here].tolist(),
                batch.targets[row, here].tolist(),
                batch.packing.positions[row, here].tolist(),
            )


def test_what_is_kept_is_spread_evenly_in_rows_of_its_own() -> None:
    random = np.random.default_rng(0)
    sizes = [int(size) for size in random.integers(5, 60, 330)]
    examples = [([number] * size, [True] * size) for number, size in enumerate(sizes)]
    keep = [number % 3 == 0 for number in range(330)]
    batches = Examples(examples, rows=20, pad_id=-1, keep=keep)
    found: list[int] = []
    for step in range(batches.steps_in_epoch):
        (batch,) = batches.at(step).batches
        assert batch.keep is not None
        for row, kept in zip(batch.ids, batch.keep, strict=True):
            assert {keep[number] for number in row.tolist() if number >= 0} == {bool(kept)}
        numbers = [ids[0] for ids, _, _ in _texts(batch)]
        found += numbers
        assert abs(sum(keep[number] for number in numbers) - len(numbers) / 3) <= 1
    assert sorted(found) == list(range(330))


@given(learnt=st.integers(1, 60), kept=st.integers(1, 30), rows=st.integers(1, 9), share=st.floats(0.05, 0.9))
@settings(max_examples=40, deadline=None)
def test_examples_to_keep_may_have_a_share_of_their_own(
    learnt: int, kept: int, rows: int, share: float
) -> None:
    examples = [([number, number], [True, True]) for number in range(learnt + kept)]
    keep = [number >= learnt for number in range(learnt + kept)]
    batches = Examples(examples, rows=rows, pad_id=0, keep=keep, keep_share=share)
    seen: Counter[int] = Counter()
    for step in range(2 * batches.steps_in_epoch):
        for batch in batches.at(step).batches:
            seen.update(ids[0] for ids, _, _ in _texts(batch))
    assert {seen[number] for number in range(learnt)} == {2}
    drawn = sum(seen.values()) - 2 * learnt
    assert abs(drawn / 2 - learnt * share / (1 - share)) <= 0.5
    times = [seen[number] for number in range(learnt, learnt + kept)]
    assert max(times) - min(times) <= 1  # each as often as the others


@given(kinds=st.lists(st.lists(st.integers(1, 700), max_size=20), min_size=1, max_size=3))
def test_texts_lie_in_rows_that_have_room_for_them(kinds: list[list[int]]) -> None:
    length, layout = arranged(kinds)
    assert length % STEP == 0
    for lengths, rows in zip(kinds, layout, strict=True):
        assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
        assert all(0 < sum(lengths[place] for place in row) <= length for row in rows)
        # Any two rows hold more than one could: at least half of the room is used.
        fills = sorted(sum(lengths[place] for place in row) for row in rows)
        assert len(fills) < 2 or fills[0] + fills[1] > length


def test_long_examples_are_computed_in_parts() -> None:
    examples = [([number] * 500, [True] * 500) for number in range(20)]
    keep = [number % 2 == 0 for number in range(20)]
    work = Examples(examples, rows=20, pad_id=-1, keep=keep).at(0)
    assert all(batch.ids.numel() <= Examples.TOGETHER for batch in work.batches)
    assert work.learnt == sum(batch.learnt for batch in work.batches) == 20 * 499
    found = [
        (ids[0], bool(kept))
        for batch in work.batches
        if batch.keep is not None
        for (ids, _, _), kept in zip(_texts(batch), batch.keep, strict=True)
    ]
    assert sorted(found) == [(number, keep[number]) for number in range(20)]


def test_no_example_is_said_so() -> None:
    with pytest.raises(FeilunError, match="no example"):
        Examples([], rows=2, pad_id=0)


def test_little_room_is_lost() -> None:
    random = np.random.default_rng(0)
    examples = [([1] * int(size), [True] * int(size)) for size in random.integers(5, 200, 640)]
    batches = Examples(examples, rows=8, pad_id=0)
    shown = [batches.at(step) for step in range(batches.steps_in_epoch)]
    room = sum(work.batches[0].ids.numel() for work in shown)
    # Eight short examples in rows of a multiple of 64: more than padding to the longest took (1.1), in far fewer shapes.
    assert room < 1.15 * sum(work.tokens for work in shown)
