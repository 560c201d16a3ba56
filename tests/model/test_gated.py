from __future__ import annotations

import pytest
import torch
from torch import Tensor

from feilun.model.config import Activation
from feilun.model.gated import activate, gated_product


@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
@pytest.mark.parametrize("learns", ["both", "input", "weight"])
def test_it_is_what_autograd_makes_of_the_same_formula(activation: Activation, learns: str) -> None:
    torch.manual_seed(0)
    gate_up = torch.randn(2, 3, 10, dtype=torch.float64, requires_grad=learns != "weight")
    down = torch.randn(4, 5, dtype=torch.float64, requires_grad=learns != "input")
    learnt = [x for x in (gate_up, down) if x.requires_grad]
    given = torch.randn(2, 3, 4, dtype=torch.float64)
    ours = gated_product(gate_up, down, activation)
    theirs = activate(gate_up, activation) @ down.T
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, learnt, given), torch.autograd.grad(theirs, learnt, given)
    )


def test_only_its_two_inputs_are_kept() -> None:
    gate_up, down = torch.randn(8, 64, requires_grad=True), torch.randn(16, 32, requires_grad=True)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        gated_product(gate_up, down, "silu")
    assert {tensor.data_ptr() for tensor in kept} == {gate_up.data_ptr(), down.data_ptr()}
