"""Means, intervals, paired differences."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.figures import Difference, Figure, mean_interval, student
from feilun.evaluate.paired import Paired
from feilun.evaluate.report import wilson


# python -c 'from scipy.stats import t; print(t.ppf(.975, [1, 2, 3, 4, 5, 10, 30, 1000]))'
@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (4, 2.7764),
        (5, 2.5706),
        (10, 2.2281),
        (30, 2.0423),
        (1000, 1.9623),
    ],
)
def test_students_quantile(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=4e-3)


def test_the_interval_of_a_mean() -> None:
    # By hand: mean 0.5, standard deviation 0.5, t 4.3027 of 2: 0.5 ± 4.3027 * 0.5 / sqrt(3)
    assert mean_interval([0, 0.5, 1]) == pytest.approx((0.5 - 1.2421, 0.5 + 1.2421), abs=1e-3)
    assert mean_interval([0.3]) == (-math.inf, math.inf)


def test_unscorable_items_are_counted_apart() -> None:
    shares = Figure.of([1.0, 0.0, None, 1.0])
    assert (shares.mean, shares.scored, shares.unscorable) == (pytest.approx(2 / 3), 3, 1)
    assert shares.interval == pytest.approx(wilson(2, 3))
    fractions = Figure.of([0.5, 1.0, None, 0.25])
    assert fractions.mean == pytest.approx(7 / 12)
    assert fractions.interval == pytest.approx((0.0, 1.0), abs=0.03)  # three values say little
    none = Figure.of([None, None])
    assert (none.mean, none.interval, none.scored, none.unscorable) == (None, None, 0, 2)
    assert Figure.of([0.5]).interval == (0, 1)


@given(st.lists(st.none() | st.floats(0, 1), min_size=1))
def test_the_interval_holds_the_mean(scores: list[float | None]) -> None:
    figure = Figure.of(scores)
    assert figure.scored + figure.unscorable == len(scores)
    if figure.mean is not None and figure.interval is not None:
        assert 0 <= figure.interval[0] <= figure.mean + 1e-9
        assert figure.mean - 1e-9 <= figure.interval[1] <= 1


def test_differences_are_paired() -> None:
    before = {"a": 1.0, "b": 0.0, "c": 0.0, "d": None, "e": 1.0}
    after = {"a": 0.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": None}
    found = Difference.of(("x", "y"), "s", before, after)
    assert found is not None
    assert (found.won, found.lost, found.scored) == (2, 1, 3)
    assert found.difference == pytest.approx(1 / 3)
    assert found.interval == Paired(both=0, won=2, lost=1, neither=0).interval()
    changes = [0.5, -0.25, 0.0]
    likeness = Difference.of(("x", "y"), "s", {"a": 0.5, "b": 0.5, "c": 0.2}, {"a": 1.0, "b": 0.25, "c": 0.2})
    assert likeness is not None
    assert (likeness.won, likeness.lost, likeness.difference) == (1, 1, pytest.approx(fmean(changes)))
    assert likeness.interval == pytest.approx((mean_interval(changes)[0], 1.0))
    assert Difference.of(("x", "y"), "s", {"a": None}, {"a": 1.0}) is None
