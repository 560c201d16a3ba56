# pyright: reportUnknownMemberType=false
# (PyTorch's annotations of optimisers are partial.)
"""Muon in the precision that the processor has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
EPS = 1e-7


class Muon(torch.optim.Muon):
    """PyTorch's Muon (K. Jordan et al. 2024), in ``dtype`` instead of always in bfloat16, and of matrices of one shape together.

    A processor without bfloat16 computes it a hundred times slower than float32: there a step of a small model was five parts
    Muon and one part model.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], *, lr: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        super().__init__(weights, lr=lr, weight_decay=weight_decay, nesterov=True)
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            momentum, lr = group["momentum"], group["lr"]
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight.grad)
                state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
                update = weight.grad.lerp(state["momentum_buffer"], momentum)
                alike[weight.shape].append((weight, _whole(update)))
            for shape, pairs in alike.items():
                updates = orthogonal(torch.stack([update for _, update in pairs]), self._dtype)
                scale = math.sqrt(max(1, shape[0] / shape[1]))
                for (weight, _), update in zip(pairs, updates, strict=True):
                    weight.mul_(1 - lr * group["weight_decay"])
                    weight.add_(_spread_as(weight, update.to(weight.dtype)), alpha=-lr * scale)


def _whole(tensor: Tensor) -> Tensor:
    """Brought together once, where processes share it: cheaper than for each of the products."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _spread_as(weight: Tensor, whole: Tensor) -> Tensor:
    if not isinstance(weight, DTensor):
        return whole
    return distribute_tensor(whole, weight.device_mesh, weight.placements, src_data_rank=None)


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """What is near the closest matrix with orthogonal rows or columns, of one (rows, columns) or several (n, rows, columns).

    Five Newton-Schulz steps of fifth degree whose coefficients make small singular values grow fast: they end between 0.7 and 1.2
    (K. Jordan et al. 2024, "Muon: An optimizer for hidden layers", section on Newton-Schulz).
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.to(dtype)
    x = x.mT if tall else x
    x = x / x.square().sum((-2, -1), keepdim=True).sqrt().clamp(min=EPS)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x
