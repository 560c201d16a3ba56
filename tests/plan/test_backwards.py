"""Backwards from a budget or a deadline."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.plan import facts
from feilun.plan.arithmetic import Model
from feilun.plan.budget import COMPUTE_OPTIMAL, TOGETHER, expected_loss, solve_budget
from feilun.plan.deadline import cheapest, even, in_time, solve_deadline
from feilun.plan.train import plan_train
from feilun.text import FeilunError

A100, H100 = facts.device("A100-80G"), facts.device("H100")


def test_a_budget_is_spent_and_no_more() -> None:
    found = solve_budget(50_000, H100)
    assert [one.kind for one in found.variants] == ["compute_optimal", "over_trained"]
    for one in found.variants:
        assert one.plan.cost_usd.expected == pytest.approx(50_000, rel=0.02)
        assert one.plan.tokens == pytest.approx(one.tokens_per_param * one.plan.model.params)
    assert found.variants[0].loss < found.variants[1].loss
    with pytest.raises(FeilunError) as refused:
        solve_budget(1e-6, H100)
    assert refused.value.code == "budget_too_small"
    with pytest.raises(FeilunError) as refused:
        solve_budget(1000, facts.device("K200"))
    assert refused.value.code == "no_price"


@settings(max_examples=30, deadline=None)
@given(
    st.floats(1, 9),
    st.sampled_from(["H100", "A100-80G", "4090", "T4", "TPU v4"]),
    st.sampled_from([None, 8, 1024]),
    st.sampled_from([None, 30.0]),
    st.sampled_from([None, 50.0]),
)
def test_no_budget_is_overdrawn(
    digits: float, name: str, count: int | None, within: float | None, tflops: float | None
) -> None:
    budget, device = 10**digits, facts.device(name)
    try:
        found = solve_budget(budget, device, count, deadline_days=within, tflops=tflops)
    except FeilunError as refused:
        assert refused.code in ("budget_too_small", "does_not_fit")  # noqa: PT017
        return
    for plan in (one.plan for one in found.variants):
        assert (plan.cost_usd.expected or 0) <= budget * (1 + 1e-9)
        assert within is None or plan.days.expected <= within
        assert plan.layout is not None
        spent = (plan.cost_usd.expected or 0) / budget
        assert spent > 0.9 or plan.notes, "what is left over is explained"


@pytest.mark.parametrize(
    ("budget", "count", "within"), [(1e9, 32_768, None), (1e8, None, None), (1e9, None, 90)]
)
def test_large_budgets_buy_large_models(budget: float, count: int | None, within: float | None) -> None:
    found = solve_budget(budget, H100, count, deadline_days=within)
    best = found.variants[0].plan
    assert best.count == (count or best.count)
    assert best.model.params > 2e11
    spent = (best.cost_usd.expected or 0) / budget
    assert spent > 0.97 or (within and best.count == TOGETHER and best.days.expected > 0.97 * within)
    if count is None and within is None:
        assert best.days.expected <= 31
    assert any("Trial runs" in note.en for note in best.notes)


def test_twenty_tokens_a_parameter_are_near_the_best_use_of_compute() -> None:
    """The law's own optimum by brute force, at the compute of Chinchilla: 70B parameters, 1.4T tokens (J. Hoffmann et al. 2022)."""
    compute = 6 * 70e9 * 1.4e12
    best = min((10 ** (8 + k / 100) for k in range(500)), key=lambda n: expected_loss(n, compute / (6 * n)))
    assert best == pytest.approx(70e9, rel=0.35)
    ours = (compute / 6 / COMPUTE_OPTIMAL) ** 0.5
    assert expected_loss(ours, compute / 6 / ours) - expected_loss(best, compute / 6 / best) < 0.005


def test_the_smallest_cluster_makes_the_deadline_and_a_smaller_one_does_not() -> None:
    plan = solve_deadline(Model.of_size(7e9), 1e12, A100, 30)
    assert plan.days.expected <= 30
    assert plan.layout is not None
    fewer = plan_train(Model.of_size(7e9), 1e12, A100, plan.count - plan.count // 8, must_fit=False)
    assert fewer.days.expected > 30
    ranked = cheapest(Model.of_size(7e9), 1e11, 30, among=[A100, H100, facts.device("V100")])
    costs = [one.cost_usd.expected or 0 for one in ranked]
    assert len(ranked) == 3
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("params", "tokens", "name", "deadline"),
    [
        (7e9, 1e12, "T4", 90),
        (70e9, 1e12, "5090", 30),
        (70e9, 15e12, "H100", 20),
        (175e9, 300e9, "A100-80G", 60),
        (13e9, 1e12, "V100", 2),
    ],
)
def test_no_smaller_cluster_makes_it(params: float, tokens: float, name: str, deadline: float) -> None:
    """Beside a search that begins with one device and plans each in full."""
    model, device = Model.of_size(params), facts.device(name)
    found = in_time(model, tokens, device, deadline)
    count = 1
    while count <= (found.count if found else 20_000):
        plan = plan_train(model, tokens, device, count, must_fit=False)
        if plan.layout is not None and plan.days.expected <= deadline:
            break
        count = even(count + max(1, count // 32))
    assert (found and found.count) == (count if found else None)
    assert found is None or found.days.expected <= deadline
