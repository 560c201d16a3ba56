"""Muon against PyTorch's own, and its polynomial against singular values."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from feilun.train.muon import COEFFICIENTS, ITERATIONS, Muon, orthogonal


def matrices(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(12, 12), (7, 20), (20, 7), (3, 9, 16)])
def test_it_changes_singular_values_alone(shape: tuple[int, ...]) -> None:
    x = matrices(*shape).double()
    left, values, right = torch.linalg.svd(x, full_matrices=False)
    values = values / values.square().sum(-1, keepdim=True).sqrt()
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        values = a * values + b * values**3 + c * values**5
    expected = left @ torch.diag_embed(values) @ right
    torch.testing.assert_close(orthogonal(x, torch.float64), expected, rtol=1e-6, atol=1e-6)


def trained(optimiser: str, steps: int = 5) -> list[torch.Tensor]:
    weights = [nn.Parameter(matrices(*shape)) for shape in ((16, 16), (32, 8), (8, 32), (16, 16))]
    chosen: torch.optim.Optimizer = (
        torch.optim.Muon(weights, lr=0.02, weight_decay=0.1, nesterov=True)
        if optimiser == "torch"
        else Muon(weights, lr=0.02, weight_decay=0.1, dtype=getattr(torch, optimiser))
    )
    for step in range(steps):
        for number, weight in enumerate(weights):
            weight.grad = matrices(*weight.shape) * (step + 1) + number
        chosen.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_it_goes_where_pytorch_goes(dtype: str) -> None:
    before = trained("torch", steps=0)
    for ours, theirs, begun in zip(trained(dtype), trained("torch"), before, strict=True):
        moved = (theirs - begun).norm()
        assert (ours - theirs).norm() < 0.02 * moved  # which rounds to bfloat16
        assert moved > 0.1
