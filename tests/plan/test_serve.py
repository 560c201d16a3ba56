"""What it takes to answer."""

from __future__ import annotations

import pytest

from feilun.plan import facts, serve
from feilun.plan.presets import model_named
from feilun.plan.serve import decode_step_s, plan_serve, speculation_gain
from feilun.text import FeilunError

A100, H100 = facts.device("A100-80G"), facts.device("H100")


def test_decoding_alone_reads_the_weights_once_a_token() -> None:
    """Llama 2 7B in 16 bits on an A100: 13.21 GB without the embedding, at 2,039 GB/s, and 32 layers of 0.1 ms."""
    model = model_named("llama-2-7b")
    step = decode_step_s(model, A100, 1, 0, bytes_per_param=2)
    assert step == pytest.approx(13.214e9 / 2039e9 + 32 * 1e-4, rel=0.001)


def test_more_users_take_more_devices_and_an_answer_costs_less() -> None:
    model = model_named("qwen3-8b")
    plans = [plan_serve(model, H100, users, 8192, usd_per_hour=2.5) for users in (1, 10_000, 100_000_000)]
    assert plans[0].devices == 1
    assert plans[0].devices < plans[1].devices < plans[2].devices
    costs = [plan.cost_usd_per_answer or 0 for plan in plans]
    assert costs[0] > costs[1] >= costs[2] > 0
    assert plan_serve(model, H100, 10_000, 8192, usd_per_hour=2.5, revenue_usd_per_answer=1).pays is True
    assert plan_serve(model, H100, 1, 8192, usd_per_hour=2.5, revenue_usd_per_answer=1e-9).pays is False
    small = plan_serve(model, H100, 10_000, 8192, quantisation="int4")
    assert small.weights_gb < plans[1].weights_gb / 3
    with pytest.raises(FeilunError) as refused:
        plan_serve(model_named("llama-3.1-405b"), facts.device("4090"), 1, 8192)
    assert "int4" in refused.value.text.en


def test_speculation_is_worth_the_guesses_that_are_taken() -> None:
    """Y. Leviathan et al. 2023, theorem 3.8, against its own expectation summed over where the first guess fails."""
    accept, guesses = 0.8, 5
    tokens = sum(accept**k * (1 - accept) * (k + 1) for k in range(guesses)) + accept**guesses * (guesses + 1)
    assert speculation_gain(accept, guesses, 0.0) == pytest.approx(tokens)
    assert speculation_gain(0.0, guesses, 0.1) < 1


def test_guessing_ahead_helps_who_waits_for_the_weights_and_not_who_waits_for_products() -> None:
    model = model_named("qwen3-8b")
    alone = plan_serve(model, H100, 1, 1 << 15, speculative=True)
    assert alone.speculation is not None
    assert alone.speculation > 1.5
    full = plan_serve(model, H100, 1_000_000, 128, speculative=True)
    plain = plan_serve(model, H100, 1_000_000, 128)
    assert full.speculation is not None
    assert full.speculation < 1
    assert full.decode_tokens_per_second_busy < plain.decode_tokens_per_second_busy
    assert plain.speculation is None
    tight = H100.model_copy(
        update={"memory_gb": 141.2 / 16 / 0.9 + 0.3}
    )  # without the small model it just fits
    large = model_named("llama-3.1-70b")
    assert plan_serve(large, tight, 1, 8192).devices == 16
    with pytest.raises(FeilunError) as refused:
        plan_serve(large, tight, 1, 8192, speculative=True)
    assert "fp8" in refused.value.text.en  # what would


@pytest.mark.parametrize("users", [1, 10_000, 1_000_000])
def test_replicas_are_of_the_size_that_takes_the_fewest_devices(
    users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that just fits leaves no room for many answers at once."""
    model = model_named("llama-3.1-70b")
    best = plan_serve(model, H100, users, 8192)
    needed: list[int] = []
    for size in (2, 4, 8, 16):
        monkeypatch.setattr(serve, "_sizes", lambda _, size=size: (size,))
        needed.append(plan_serve(model, H100, users, 8192).devices)
    assert best.devices == min(needed)
    assert (best.devices == needed[0]) is (users == 1)
    assert best.busy_users <= users
    low, mid, high = best.cost_usd_per_answer_low, best.cost_usd_per_answer, best.cost_usd_per_answer_high
    assert low is not None
    assert mid is not None
    assert high is not None
    assert low < mid < high
