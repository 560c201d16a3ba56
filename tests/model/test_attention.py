"""Our attention and loss against PyTorch's own, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from feilun.model.attention import Packing, attend
from feilun.model.loss import CHUNK_ROWS, IGNORED, Candidates, cross_entropy, divergence, slope


def reference(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """Scores, mask, softmax, as one writes it on paper."""
    group = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)))
    scores = q @ k.transpose(-1, -2) * scale
    length = q.shape[-2]
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    if bias is not None:
        scores = scores + bias[:, None]
    return (scores.softmax(-1) @ v).transpose(1, 2)


@settings(max_examples=25, deadline=None)
@given(
    length=st.sampled_from([1, 2, 127, 128, 129, 300]),
    kv_heads=st.sampled_from([1, 2]),
    group=st.sampled_from([1, 3]),
    window=st.sampled_from([None, 1, 50, 400]),
    packed=st.booleans(),
)
def test_blocked_attention_is_attention(
    length: int, kv_heads: int, group: int, window: int | None, packed: bool
) -> None:
    torch.manual_seed(length)
    shape = (2, length, kv_heads, 8)
    q = torch.randn(2, length, kv_heads * group, 8, dtype=torch.float64, requires_grad=True)
    k, v = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    documents = torch.randint(0, 3, (2, length)).sort(1).values if packed else None
    bias = Packing(torch.arange(length)[None], documents).bias(window, torch.float64)
    assert (bias is None) == (not packed and (window is None or window >= length))
    given_gradient = torch.randn(2, length, kv_heads * group, 8, dtype=torch.float64)
    ours, theirs = (f(q, k, v, bias, 0.3) for f in (attend, reference))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    mine = torch.autograd.grad(ours, (q, k, v), given_gradient)
    true = torch.autograd.grad(theirs, (q, k, v), given_gradient)
    torch.testing.assert_close(mine, true, rtol=1e-8, atol=1e-11)
    with torch.no_grad():  # the path of evaluation
        torch.testing.assert_close(attend(q, k, v, bias, 0.3), theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("learns", ["both", "hidden", "weight", "nothing"])
def test_cross_entropy_in_chunks_is_cross_entropy(learns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.model.loss.CHUNK_ROWS", 7)
    assert CHUNK_ROWS > 7
    torch.manual_seed(0)
    hidden = torch.randn(23, 12, dtype=torch.float64, requires_grad=learns in ("both", "hidden"))
    weight = torch.randn(50, 12, dtype=torch.float64, requires_grad=learns in ("both", "weight"))
    targets = torch.randint(0, 50, (23,))
    ours = cross_entropy(hidden, weight, targets)
    theirs = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    learnt = [x for x in (hidden, weight) if x.requires_grad]
    if learnt:
        torch.testing.assert_close(
            torch.autograd.grad(ours / 23, learnt), torch.autograd.grad(theirs / 23, learnt)
        )


@pytest.mark.parametrize("biased", [False, True])
def test_the_slope_is_the_same_compiled(biased: bool) -> None:
    torch.manual_seed(0)
    logits, wanted = torch.randn(300, 16), torch.randint(0, 300, (1, 16))
    bias = torch.randn(300) if biased else None
    expected = slope(logits.clone(), wanted, bias)
    compiled = torch.compile(slope, dynamic=False)
    torch.testing.assert_close(compiled(logits.clone(), wanted, bias), expected)
    less = logits.bfloat16()
    for found in (slope(less.clone(), wanted, bias), compiled(less.clone(), wanted, bias)):
        assert found[1].dtype is torch.bfloat16
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2, check_dtype=False)


@pytest.mark.parametrize("biased", [False, True])
def test_divergence_in_chunks_is_divergence(biased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feilun.model.loss.CHUNK_ROWS", 14)
    torch.manual_seed(0)
    hidden = torch.randn(23, 12, dtype=torch.float64, requires_grad=True)
    weight, reference = (torch.randn(n, 12, dtype=torch.float64) for n in (50, 23))
    bias = torch.randn(50, dtype=torch.float64) if biased else None
    ours = divergence(hidden, weight, reference, bias)
    added = 0 if bias is None else bias
    q, p = ((rows @ weight.T + added).log_softmax(-1) for rows in (hidden, reference))
    theirs = F.kl_div(q, p, reduction="sum", log_target=True)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours / 23, hidden), torch.autograd.grad(theirs / 23, hidden)
    )


def test_candidates_that_are_all_tokens_change_nothing_and_a_sample_stands_for_the_rest() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(40, 12) / 4, torch.randn(5000, 12)
    targets = torch.randint(0, 300, (40,))
    whole = float(cross_entropy(hidden, weight, targets))

    def estimated(sample: int, seed: int = 0) -> float:
        chosen = Candidates(targets, 5000, sample=sample, seed=seed)
        assert len(chosen.ids) == len(targets.unique()) + min(sample, 5000 - len(targets.unique()))
        assert torch.equal(chosen.ids[chosen.places(targets)], targets)
        return float(cross_entropy(hidden, weight[chosen.ids], chosen.places(targets), chosen.bias))

    assert estimated(5000) == pytest.approx(whole, rel=1e-5)
    guesses = [estimated(500, seed) for seed in range(8)]
    assert sum(guesses) / 8 == pytest.approx(whole, rel=0.01)
    assert max(guesses) > whole > min(guesses)


def test_no_learnt_position_is_no_loss() -> None:
    assert float(cross_entropy(torch.zeros(0, 4), torch.zeros(9, 4), torch.zeros(0, dtype=torch.long))) == 0
    assert IGNORED == -100  # the field's number
