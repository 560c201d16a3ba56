"""A twin of a model that only reads on, token by token.

What a product costs for a few rows is reading its weight. Training keeps weights in float32 and casts them each time;
here that is done once.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feilun.model.transformer import Attention, Linear, RMSNorm, Rotation, Transformer

FEW = 8
"""In float32 fewer rows than that are multiplied sooner the other way round."""


class FewRows(Linear):
    """A product with a few rows: the weight stands first, so that it is read as it lies. With 16 rows that takes half to two
    thirds of the time.
    """

    def __init__(self, weight: Tensor) -> None:
        with torch.device("meta"):
            super().__init__(weight.shape[1], weight.shape[0])
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        rows = input.flatten(0, -2)
        if len(rows) < FEW and rows.dtype == torch.float32:
            return super().forward(input)
        product: Tensor = torch.mm(self.weight, rows.T)
        return product.T.view(*input.shape[:-1], -1)


class JointHeads(Attention):
    """Norms and turns queries and keys as one: for a few rows it is the number of operations that counts."""

    def __init__(self, twin: Attention) -> None:
        self.__dict__ = twin.__dict__  # of which nothing else is left
        queries, keys, _ = self.sizes
        self.cuts = [queries, queries + keys]
        self.scales: Tensor | None = None
        """(heads + kv_heads, head_dim)."""
        if self.qk_norm:
            self.scales = torch.cat(
                [self.q_norm.scale.expand(queries, -1), self.k_norm.scale.expand(keys, -1)]
            )

    def projected(self, x: Tensor, rotate: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        both, v = self.qkv(x).unflatten(-1, (-1, self.head_dim)).tensor_split(self.cuts[1:], -2)
        if self.scales is not None:
            both = F.rms_norm(both, (self.head_dim,), None, self.q_norm.eps) * self.scales
        q, k = rotate(both).tensor_split(self.cuts[:1], -2)
        return q, k, v


def reader(model: Transformer, dtype: torch.dtype) -> Transformer:
    """A model that reads in ``dtype`` as ``model`` does now, for `Transformer.reading_on` without gradients.

    It shares all that needs no cast, adapters and the value head among it; what ``model`` learns later it may not know.
    """
    twin = _twin(model, dtype)
    assert isinstance(twin, Transformer)
    return twin


def _twin(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(module) is Linear:
        return FewRows(module.weight.detach().to(dtype))
    if isinstance(module, RMSNorm):
        norm = RMSNorm(len(module.weight), module.eps)
        norm.weight = nn.Parameter(module.scale.detach().to(dtype), requires_grad=False)
        return norm
    twin = copy.copy(module)  # shares its parameters
    twin._modules = {  # pyright: ignore[reportPrivateUsage]
        # Values of tokens are computed in float32.
        name: child if child is None or name == "value" else _twin(child, dtype)
        for name, child in module._modules.items()  # pyright: ignore[reportPrivateUsage]
    }
    return JointHeads(twin) if isinstance(twin, Attention) else twin
