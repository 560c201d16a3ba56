"""Pass rates and their intervals."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.report import Graded, Report, wilson


# From the closed form by hand, and the well-known 3.84 / (n + 3.84) for none of n.
@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (5, 10, 0.23659, 0.76341), (81, 263, 0.25530, 0.36622)],
)
def test_wilson(passed: int, total: int, low: float, high: float) -> None:
    assert wilson(passed, total) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_ends_of_the_interval_are_the_shares_at_which_the_count_is_just_likely(a: int, b: int) -> None:
    passed, total = min(a, b), max(a, b)
    low, high = wilson(passed, total)
    assert 0 <= low <= passed / total <= high <= 1
    for share in (low, high):  # Wilson's definition: |p - p0| = z sqrt(p0 (1 - p0) / n)
        distance = abs(passed / total - share)
        assert distance == pytest.approx(1.959964 * math.sqrt(share * (1 - share) / total), abs=1e-6)


@pytest.mark.parametrize(("passed", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(passed: int, total: int) -> None:
    with pytest.raises(ValueError, match="of"):
        wilson(passed, total)


def graded(topic: str, lang: str, checked: str, failed: str = "") -> Graded:
    return Graded(
        id="x",
        lang=lang,
        topic=topic,
        answer="",
        ended=True,
        seconds=0,
        checked=checked.split(),
        failed=failed.split(),
    )


def test_rates_by_topic_language_and_check() -> None:
    report = Report(
        answers=[
            graded("cite", "zh", "ends cites"),
            graded("cite", "en", "ends cites", "cites"),
            graded("code", "en", "ends code", "ends code"),
        ]
    )
    said = json.loads(report.model_dump_json())
    assert (said["all"]["passed"], said["all"]["total"]) == (1, 3)
    assert said["all"]["rate"] == pytest.approx(1 / 3)
    assert said["all"]["interval"] == pytest.approx(wilson(1, 3))
    for group, counts in {
        "by_topic": {"cite": (1, 2), "code": (0, 1)},
        "by_language": {"zh": (1, 1), "en": (0, 2)},
        "by_check": {"ends": (2, 3), "cites": (1, 2), "code": (0, 1)},
    }.items():
        assert {name: (rate["passed"], rate["total"]) for name, rate in said[group].items()} == counts
