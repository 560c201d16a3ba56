# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
# (torch.ops has no annotations.)
"""The second half of a gated feed-forward layer, keeping little for the backward pass."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from feilun.model.config import Activation


def activate(gate_up: Tensor, activation: Activation) -> Tensor:
    """``activation(gate) * up`` (..., size) of ``gate_up`` (..., 2 size)."""
    gate, up = gate_up.chunk(2, -1)
    return _activated(gate, activation) * up


def gated_product(gate_up: Tensor, down: Tensor, activation: Activation) -> Tensor:
    """``activate(gate_up) @ down.T`` for ``gate_up`` (..., 2 size) and ``down`` (out, size), both of one type.

    Only these two are kept; what lies between is computed again, element by element, when the gradient is wanted.
    Plain autograd keeps as much again as ``gate_up``.
    """
    return cast(Tensor, _GatedProduct.apply(gate_up, down, activation))


def _activated(gate: Tensor, activation: Activation) -> Tensor:
    return F.silu(gate) if activation == "silu" else F.gelu(gate, approximate="tanh")


def _slope(given: Tensor, gate: Tensor, activation: Activation) -> Tensor:
    if activation == "silu":
        return torch.ops.aten.silu_backward(given, gate)
    return torch.ops.aten.gelu_backward(given, gate, approximate="tanh")


class _GatedProduct(Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor, down: Tensor, activation: Activation) -> Tensor:
        ctx.save_for_backward(gate_up, down)
        ctx.activation = activation
        gate, up = gate_up.chunk(2, -1)
        return F.linear(_activated(gate, activation).mul_(up), down)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gate_up, down = ctx.saved_tensors
        given = gradients[0]
        gate, up = gate_up.chunk(2, -1)
        activated = _activated(gate, ctx.activation)
        d_gate_up = d_down = None
        if ctx.needs_input_grad[0]:
            d_inner = given @ down
            d_up = activated * d_inner
            d_gate_up = torch.cat([_slope(d_inner.mul_(up), gate, ctx.activation), d_up], -1)
        if ctx.needs_input_grad[1]:
            inner = activated.mul_(up)
            d_down = given.flatten(0, -2).T @ inner.flatten(0, -2)
        return d_gate_up, d_down, None
