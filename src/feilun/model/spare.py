# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's annotations of cholesky and others are partial.)
"""Let an adapter learn where other text does not look.

A row of A is a direction in a layer's input: what is learnt there changes the output of every text whose inputs have a
part in that direction. Inputs of ordinary text keep to few directions, so the rows are turned to the others: with the
second moment C = E[x x^T] of those inputs they are multiplied by

    P = (1 + C / (share * mean eigenvalue of C))^-1

scaled so that a random row keeps its length in the mean. This is the projector of orthogonal weights modification (G. Zeng
et al., Nature Machine Intelligence 1 (2019), equation 1), here before an A that learns; MEMIT's closed-form edit has the
same factor (K. Meng et al., ICLR 2023, equation 14), and AlphaEdit (J. Fang et al., ICLR 2025, section 3) projects onto
the null space of C outright.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import Any

import torch
from torch import Tensor

from feilun.model.attention import Packing
from feilun.model.lora import LoraLinear, adapters
from feilun.model.transformer import Transformer


def avoid(
    model: Transformer,
    rows: Iterable[tuple[Tensor, Packing, Tensor]],
    share: float,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Turn the parts of the adapter that learn away from what ``rows`` of other text use, in place.

    rows: batches of token ids (batch, length) int64, how they lie, and which of them count (batch, length) bool. ``share``, above 0: a
    direction with that share of the mean second moment is half as free as an unused one.
    """
    moments: dict[str, Tensor] = {}
    counted: list[Tensor] = []
    learning = {name: module for name, module in adapters(model).items() if module.a.requires_grad}

    def gather(name: str) -> Callable[[Any, tuple[Tensor]], None]:
        def hook(_: Any, inputs: tuple[Tensor]) -> None:
            x = inputs[0].flatten(0, -2)[counted[-1]].float()
            moment = x.T @ x
            moments[name] = moments[name].add_(moment) if name in moments else moment

        return hook

    with torch.no_grad(), _hooks(learning, gather):
        for ids, packing, counts in rows:
            counted.append(counts.flatten())
            model.through(model.embedded(ids, dtype), packing, range(model.config.layers))
    for name, module in learning.items():
        module.directions = spare_directions(moments[name], share)


def spare_directions(moment: Tensor, share: float) -> Tensor:
    """P of the module's text for a second moment (inputs, inputs), of any scale; float32, symmetric."""
    one = torch.eye(len(moment))
    used = one + moment / (share * moment.diagonal().mean())
    free = torch.cholesky_inverse(torch.linalg.cholesky(used))
    return free / free.square().sum().div(len(free)).sqrt()


@contextlib.contextmanager
def _hooks(
    modules: dict[str, LoraLinear], make: Callable[[str], Callable[[Any, tuple[Tensor]], None]]
) -> Generator[None]:
    handles = [module.register_forward_pre_hook(make(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
