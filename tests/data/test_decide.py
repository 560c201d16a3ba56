"""Rules over columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from feilun.data.decide import Rule, decide, epochs, times
from feilun.text import FeilunError

SHORT = Rule(reason="too_short", column="chars", min=100)
POOR = Rule(reason="poor", column="quality", min=0.5)


def table(**columns: list[Any]) -> dict[str, Any]:
    count = len(next(iter(columns.values())))
    given = {"id": [f"d{n}" for n in range(count)], "lang": ["zh"] * count, "reason": [""] * count}
    return {name: np.array(values) for name, values in (given | columns).items()}


def test_the_first_rule_that_is_broken_is_the_reason() -> None:
    columns = table(
        chars=[50, 500, 50, 100, 50], quality=[0.9, 0.1, 0.1, 0.5, 0.9], reason=["", "", "", "", "failed"]
    )
    reasons, effects = decide([SHORT, POOR], columns)
    assert reasons.tolist() == ["too_short", "poor", "too_short", "", "failed"]
    assert effects["too_short"].model_dump() == {"first": 2, "breaks": 2, "alone": 1}
    assert effects["poor"].model_dump() == {"first": 1, "breaks": 2, "alone": 1}
    assert decide([], columns)[0].tolist() == ["", "", "", "", "failed"]


def test_each_language_has_its_own_limit_of_one_reason() -> None:
    rules = [
        Rule(reason="too_short", column="chars", min=100, lang="zh"),
        Rule(reason="too_short", column="chars", min=200, lang="en"),
    ]
    columns = table(chars=[150, 150, 50], lang=["zh", "en", "fr"])
    reasons, effects = decide(rules, columns)
    assert reasons.tolist() == ["", "too_short", ""]
    assert effects["too_short"].alone == 1


def test_what_is_unknown_breaks_nothing() -> None:
    columns = table(quality=[float("nan"), 0.1])
    assert decide([POOR], columns)[0].tolist() == ["", "poor"]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(FeilunError, match=r"poor asks for quality.*There is: chars"):
        decide([POOR], table(chars=[1]))


@pytest.mark.parametrize("reason", ["no_text", "empty", "near_copy", "contaminated", "soft404"])
def test_a_rule_takes_no_reason_that_is_given_otherwise(reason: str) -> None:
    with pytest.raises(ValidationError, match="no rule gives"):
        Rule(reason=reason, column="score.chars.v1", min=1)


@pytest.mark.parametrize("limits", [{}, {"min": 0.1, "pareto": 9}])
def test_limits_or_a_draw(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Rule(reason="x", column="y", **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("score", "share"), [(0.0, 2**-9), (0.5, 1.5**-9), (0.7, 1.3**-9), (1.0, 1.0)])
def test_gpt3s_draw_keeps_what_the_paper_keeps(score: float, share: float) -> None:
    count = 20_000
    columns = table(quality=[score] * count)
    rule = Rule(reason="poor", column="quality", pareto=9)
    kept = (decide([rule], columns, seed=1)[0] == "").mean()
    assert kept == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5 + 1e-3)
    again = decide([rule], columns, seed=1)[0]
    assert (again == decide([rule], columns, seed=1)[0]).all()


@given(
    chars=st.lists(st.integers(0, 300), min_size=1, max_size=30),
    low=st.integers(0, 300),
    more=st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_a_stricter_limit_keeps_less(chars: list[int], low: int, more: int) -> None:
    columns = table(chars=chars)
    loose, strict = (
        decide([Rule(reason="short", column="chars", min=limit)], columns)[0] == ""
        for limit in (low, low + more)
    )
    assert (loose | ~strict).all()
    assert loose.tolist() == [one >= low for one in chars]


def test_parts_of_an_epoch_are_drawn_by_id() -> None:
    ids = np.array([f"d{n}" for n in range(10_000)])
    drawn = times(ids, 2.3)
    assert set(drawn) == {2, 3}
    assert drawn.mean() == pytest.approx(2.3, abs=0.02)
    assert (times(ids[::-1], 2.3)[::-1] == drawn).all()
    assert (times(ids, 2.5) >= drawn).all()  # more epochs only add
    assert not times(ids, 0).any()


def test_epochs_of_the_mixture_of_gpt3() -> None:
    """T. Brown et al. 2020, table 2.2: 300 billion tokens. Its epochs of WebText2 (2.9) do not follow from its weights."""
    sizes = {"web": 410, "webtext": 19, "books1": 12, "books2": 55, "wikipedia": 3}
    weights = {"web": 60, "webtext": 22, "books1": 8, "books2": 8, "wikipedia": 3}
    found = epochs(weights, sizes, most=3.4, units=300 * 1.01)  # the weights sum to 101%
    paper = {"web": 0.44, "books1": 1.9, "books2": 0.43, "wikipedia": 3.4}
    for name, value in paper.items():
        assert found[name] == pytest.approx(value, rel=0.15), name
    scaled = epochs(weights, {name: size / 1000 for name, size in sizes.items()}, most=3.4)
    assert max(scaled.values()) == pytest.approx(3.4)
    assert scaled["web"] / scaled["wikipedia"] == pytest.approx(found["web"] / found["wikipedia"])
    assert epochs(weights, {**sizes, "books1": 0}, most=3.4)["books1"] == 0


@pytest.mark.parametrize("limits", [{"min": 100, "max": 1}, {"min": float("nan")}, {"max": float("inf")}])
def test_limits_that_no_document_keeps_to_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"reason": "short", "column": "chars", **limits})
