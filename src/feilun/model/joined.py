# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's annotations of qr and svd are partial.)
"""A new adapter on top of one that is there, and the two as one.

What was learnt before stays as it is, while the new one learns; a release is still a base and at most one adapter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from feilun.model.lora import Lora, Target, adapters, attach, merge
from feilun.model.transformer import Transformer
from feilun.text import FeilunError

Updates = dict[str, dict[Target, tuple[Tensor, Tensor]]]
"""Of each product, by its name in the model, and each target in it: A (rank, inputs) and scale B (outputs, rank)."""


def attach_above(model: Transformer, lora: Lora, seed: int = 0) -> Updates:
    """Put the adapter of ``model`` into its weights and give it a fresh one, in place; gives what is in the weights now.

    Raises `FeilunError` if there is none, or if one of the two is DoRA.
    """
    below = _updates(model)
    if lora.dora:
        raise _of_dora()
    merge(model)
    attach(model, lora, seed)
    return below


def join(model: Transformer, below: Updates, *, most: int) -> Lora:
    """Make one adapter of the one that learnt and the one ``below`` it, in place; gives what it is made of.

    Its rank is the sum of both, but at most ``most``, and at least that of the one below: then each product's update is the
    nearest one of that rank (C. Eckart and G. Young, 1936). The base weights are what they were, up to rounding.
    """
    above = _updates(model)
    rank = min(max(most, _rank(below)), _rank(below) + _rank(above))
    targets: set[Target] = {
        target for updates in (below, above) for product in updates.values() for target in product
    }
    for name, module in adapters(model).items():
        model.set_submodule(name, module.base)
    lora = Lora(rank=rank, alpha=rank, targets=tuple(targets))
    attach(model, lora)
    for name, module in adapters(model).items():
        for target, views in module.tensors():
            parts = [updates[name][target] for updates in (below, above) if target in updates.get(name, {})]
            if target in below.get(name, {}):
                a, b = below[name][target]
                begin, end = module.rows[target]
                module.base.weight.data[begin:end] -= (b @ a).to(module.base.weight.dtype)
            a, b = torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts], 1)
            if len(a) > rank:
                a, b = _nearest(a, b, rank)
            views["a"].zero_()[: len(a)] = a
            views["b"].zero_()[:, : len(a)] = b
    return lora


def _updates(model: Transformer) -> Updates:
    found: Updates = {}
    for name, module in adapters(model).items():
        if module.lora.dora:
            raise _of_dora()
        found[name] = {
            target: (views["a"].clone(), views["b"] * module.lora.scale) for target, views in module.tensors()
        }
    return found


def _rank(updates: Updates) -> int:
    return max(len(a) for product in updates.values() for a, _ in product.values())


def _nearest(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """A and B of ``rank`` whose product is nearest to that of ``a`` and ``b``, without forming it."""
    across, right = torch.linalg.qr(a.T)
    along, left = torch.linalg.qr(b)
    u, values, v = torch.linalg.svd(left @ right.T)
    roots = values[:rank].sqrt()
    return (v[:rank] * roots[:, None]) @ across.T, along @ (u[:, :rank] * roots)


def _of_dora() -> FeilunError:
    return FeilunError(
        "Adapters with magnitudes (DoRA) cannot be joined with another one.",
        "带幅度向量的适配器（DoRA）不能与其他适配器合并为一个。",
        code="dora_joined",
    )
