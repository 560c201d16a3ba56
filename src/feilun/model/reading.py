"""A model that only reads on, token by token, for many texts at once.

With a few rows a product costs what reading its weight costs, and everything else what calling it costs. Training keeps
weights in float32 and casts them each time; here that is done once, and a block is one plain function of as few
operations as there can be. It computes what `feilun.model.transformer.Block` does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feilun.model.cache import Begun, Cache, Going
from feilun.model.config import Activation
from feilun.model.gated import activate
from feilun.model.transformer import Attention, Block, Linear, RMSNorm, Rotation, Transformer

FEW, MANY = 8, 128
"""With so many rows, and fewer than that, a product takes half to two thirds of the time when the weight stands first, for it is
read as it lies. What comes out then lies across, which with many rows slows down what follows.
"""

SMALL = 2**15
"""Values of a norm that is called sooner than computed."""

Step = Callable[[Tensor], Tensor]
"""Something with each row of (rows, size)."""


class Reader:
    """``model`` as it is now, reading in ``dtype`` without gradients.

    It shares all that needs no cast, adapters among it; what the model learns later it may not know.
    """

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self._model, self._dtype = model, dtype
        self._layers = [_Layer(block, dtype) for block in model.blocks if isinstance(block, Block)]
        self._norm = _norm(model.norm, dtype)
        self._head = _product(model.head, dtype)

    def read(self, ids: Tensor, cache: Cache) -> Tensor:
        """Hidden states (rows, length, hidden_size) of tokens that follow those in ``cache``, which then holds them too."""
        model = self._model
        x = model.embedded(ids, self._dtype)
        new = cache.read(ids)
        rotations = model.rotations(new.places, x.dtype)
        biases = {local: new.bias(model.config.window if local else None, x.dtype) for local in rotations}
        shape, x = x.shape, x.flatten(0, 1)
        for number, layer in enumerate(self._layers):
            local = model.config.is_local(number)
            x = layer(x, shape[:2], rotations[local], biases[local], new.layer(number))
        return self._norm(x).view(shape)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (rows, vocab_size) of ``hidden`` (rows, hidden_size), at least float32."""
        wide = torch.promote_types(self._dtype, torch.float32)
        return self._head(hidden).to(wide, memory_format=torch.contiguous_format)


class _Layer:
    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        attention, ffn = block.attention, block.ffn
        self.attention_norm, self.ffn_norm = _norm(block.attention_norm, dtype), _norm(block.ffn_norm, dtype)
        self.attention_post_norm = _norm(block.attention_post_norm, dtype)
        self.ffn_post_norm = _norm(block.ffn_post_norm, dtype)
        self.qkv, self.out = _product(attention.qkv, dtype), _product(attention.out, dtype)
        self.gate_up, self.down = _product(ffn.gate_up, dtype), _product(ffn.down, dtype)
        self.activation: Activation = ffn.activation
        self.scale, self.head_dim = attention.scale, attention.head_dim
        queries, keys, _ = attention.sizes
        self.queries, self.heads = queries, queries + keys
        self.joint_norm = _joint_norm(attention, dtype)

    def __call__(
        self, x: Tensor, shape: torch.Size, rotate: Rotation, bias: Tensor | None, new: Begun | Going
    ) -> Tensor:
        """``x`` (rows * length, hidden_size), and ``shape`` (rows, length)."""
        qkv = self.qkv(self.attention_norm(x)).view(*shape, -1, self.head_dim)
        # Queries and keys are normed and turned as one.
        both, v = qkv[:, :, : self.heads], qkv[:, :, self.heads :]
        both = rotate(self.joint_norm(both))
        q, k = both[:, :, : self.queries], both[:, :, self.queries :]
        y = new.attend(q, k, v, bias, self.scale)
        x = x + self.attention_post_norm(self.out(y.reshape(len(x), -1)))
        inner = activate(self.gate_up(self.ffn_norm(x)), self.activation)
        return x + self.ffn_post_norm(self.down(inner))


def _product(module: nn.Module, dtype: torch.dtype) -> Step:
    if type(module) is not Linear:
        return module  # with an adapter
    weight = module.weight.detach().to(dtype)
    few = 1 if dtype == torch.bfloat16 else FEW

    def product(x: Tensor) -> Tensor:
        return torch.mm(weight, x.T).T if few <= len(x) < MANY else F.linear(x, weight)

    return product


def _norm(module: nn.Module, dtype: torch.dtype) -> Step:
    if not isinstance(module, RMSNorm):
        return lambda x: x
    return partial(_rms_norm, scale=module.scale.detach().to(dtype), eps=module.eps)


def _joint_norm(attention: Attention, dtype: torch.dtype) -> Step:
    """The norms of queries and keys, (..., heads + kv_heads, head_dim), as one."""
    if not attention.qk_norm:
        return lambda x: x
    queries, keys, _ = attention.sizes
    scales = [attention.q_norm.scale.expand(queries, -1), attention.k_norm.scale.expand(keys, -1)]
    return partial(_rms_norm, scale=torch.cat(scales).detach().to(dtype), eps=attention.q_norm.eps)


def _rms_norm(x: Tensor, *, scale: Tensor, eps: float) -> Tensor:
    """``scale``: (size,), or (n, size) for ``x`` (..., n, size).

    PyTorch has no kernel for it on a CPU, but seven operations. For a few values, where calling them is what costs, its kernel
    for layer norms serves: the values beside their negatives have a mean of 0, and their mean square as variance.
    """
    size = x.shape[-1]
    if x.device.type == "cpu" and x.numel() < SMALL:
        return F.layer_norm(torch.cat([x, -x], -1), (2 * size,), None, None, eps)[..., :size] * scale
    return F.rms_norm(x, (size,), None, eps) * scale
