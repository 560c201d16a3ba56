"""One transformer for the Llama, Qwen3 and Gemma 3 families.

Notable choices:

- weights keep their own type (float32 when training); a `Linear` casts them to its input's type, so there
  is no autocast and no hidden copy;
- query, key and value are one matrix product, as are gate and up; Hugging Face's separate names exist only in
  `feilun.model.checkpoint`;
- several documents may share a row (`Packing`) and do not see each other;
- hidden states and vocabulary projection are apart (`hidden`, `head`), so that a loss (`nats`) projects only
  where there is something to learn, and never holds all logits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]

from feilun.model.attention import Packing, attend
from feilun.model.config import Activation, ModelConfig, RopeScaling
from feilun.model.gated import activate, gated_product
from feilun.model.logprobs import log_probabilities
from feilun.model.loss import IGNORED, Slope, cross_entropy, slope


class Linear(nn.Linear):
    """A product without bias, computed in the type of its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)  # pyright: ignore[reportUnknownMemberType]

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight.to(input.dtype))


class RMSNorm(nn.Module):
    """Root-mean-square norm (Zhang and Sennrich 2019) over the last dimension; ``offset`` is added to the weight."""

    def __init__(self, size: int, eps: float, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 1.0 - offset))
        self.eps = eps
        self.offset = offset

    @property
    def scale(self) -> Tensor:
        """What a normed value is multiplied by."""
        return self.weight + self.offset if self.offset else self.weight

    def forward(self, x: Tensor) -> Tensor:
        # Of one type, else it is not fused.
        return F.rms_norm(x, self.weight.shape, self.scale.to(x.dtype), self.eps)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Rotary position embedding (Su et al. 2021), for halves of a head: cos and signed sin, each (..., T, 1, head_dim)."""

    cos: Tensor
    sin: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate ``x`` (..., T, heads, head_dim)."""
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([second, first], -1) * self.sin


def rope_frequencies(head_dim: int, theta: float, scaling: RopeScaling | None) -> Tensor:
    """Angle per position of each pair of a head, float32 (head_dim / 2,)."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    if scaling is None:
        return frequencies
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    # Llama 3.1: long waves are stretched, short ones kept, those between interpolated.
    wavelength = 2 * math.pi / frequencies
    low = scaling.original_context / scaling.low_freq_factor
    high = scaling.original_context / scaling.high_freq_factor
    smooth = (scaling.original_context / wavelength - scaling.low_freq_factor) / (
        scaling.high_freq_factor - scaling.low_freq_factor
    )
    between = (1 - smooth) * frequencies / scaling.factor + smooth * frequencies
    stretched = torch.where(wavelength > low, frequencies / scaling.factor, frequencies)
    return torch.where((wavelength <= low) & (wavelength >= high), between, stretched)


class Attention(nn.Module):
    """Grouped-query attention (Ainslie et al. 2023) with optional norms on queries and keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.sizes = [config.heads, config.kv_heads, config.kv_heads]
        self.head_dim = config.head_dim
        self.scale = config.attention_scale or config.head_dim**-0.5
        self.qkv = Linear(config.hidden_size, sum(self.sizes) * config.head_dim)
        self.out = Linear(config.heads * config.head_dim, config.hidden_size)
        if config.qk_norm:
            self.q_norm = RMSNorm(config.head_dim, config.norm_eps, config.norm_offset)
            self.k_norm = RMSNorm(config.head_dim, config.norm_eps, config.norm_offset)
        self.qk_norm = config.qk_norm

    def forward(self, x: Tensor, rotate: Rotation, bias: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (-1, self.head_dim)).split(self.sizes, -2)
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        return self.out(attend(rotate(q), rotate(k), v, bias, self.scale).flatten(-2))


class FeedForward(nn.Module):
    """A gated feed-forward layer (Shazeer 2020): SwiGLU or GeGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = Linear(config.hidden_size, 2 * config.ffn_size)
        self.down = Linear(config.ffn_size, config.hidden_size)
        self.activation: Activation = config.activation

    def forward(self, x: Tensor) -> Tensor:
        gate_up = self.gate_up(x)
        if type(self.down) is Linear:
            return gated_product(gate_up, self.down.weight.to(x.dtype), self.activation)
        return self.down(activate(gate_up, self.activation))  # with an adapter


class Block(nn.Module):
    """Attention and feed-forward, each with a norm before it and, in Gemma, after it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

        def norm() -> RMSNorm:
            return RMSNorm(config.hidden_size, config.norm_eps, config.norm_offset)

        self.attention_norm, self.ffn_norm = norm(), norm()
        self.attention, self.ffn = Attention(config), FeedForward(config)
        self.attention_post_norm = norm() if config.sandwich_norms else nn.Identity()
        self.ffn_post_norm = norm() if config.sandwich_norms else nn.Identity()

    def forward(self, x: Tensor, rotate: Rotation, bias: Tensor | None) -> Tensor:
        x = x + self.attention_post_norm(self.attention(self.attention_norm(x), rotate, bias))
        return x + self.ffn_post_norm(self.ffn(self.ffn_norm(x)))


class Transformer(nn.Module):
    """A decoder-only language model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps, config.norm_offset)
        self.head = Linear(config.hidden_size, config.vocab_size)
        if config.tied:
            self.head.weight = self.embedding.weight
        self.value: Linear | None = None
        """What gives a text's worth at each of its tokens (`add_value_head`): of a reward model, or beside a policy."""
        self.recompute = False
        """Whether the backward pass computes each block again instead of keeping what is in it (Chen et al. 2016)."""
        self.slope: Slope = slope
        """What is between the products of the loss: `feilun.model.loss.slope`, or what it was compiled to."""

    def initialise(self, seed: int = 0) -> None:
        """Fresh weights: normal with deviation 0.02, smaller into the residual stream (GPT-2, section 2.3)."""
        generator = torch.Generator().manual_seed(seed)
        into_residual = 0.02 / math.sqrt(2 * self.config.layers)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                deviation = into_residual if name.endswith(("out.weight", "down.weight")) else 0.02
                nn.init.normal_(weight, std=deviation, generator=generator)

    def add_value_head(self) -> None:
        """Give the model a value of each token, 0 everywhere until it has learnt."""
        value = Linear(self.config.hidden_size, 1)
        nn.init.zeros_(value.weight)
        self.value = value.to(self.device)

    def hidden(
        self, ids: Tensor, packing: Packing | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Hidden states (batch, length, hidden_size) in ``dtype`` of token ids (batch, length), int64."""
        packing = packing or Packing.whole(ids)
        return self.norm(self.through(self.embedded(ids, dtype), packing, range(self.config.layers)))

    def embedded(self, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """What the first block is given: (batch, length, hidden_size)."""
        x = self.embedding(ids).to(dtype)
        if self.config.embedding_scale != 1.0:
            x = x * torch.tensor(self.config.embedding_scale, dtype=dtype)
        return x

    def through(self, x: Tensor, packing: Packing, layers: range) -> Tensor:
        """``x`` (batch, length, hidden_size) after some of the blocks."""
        rotations = self.rotations(packing.positions, x.dtype)
        biases = {local: packing.bias(self.config.window if local else None, x.dtype) for local in rotations}
        for layer in layers:
            local, block = self.config.is_local(layer), self.blocks[layer]
            if self.recompute:
                x = cast(Tensor, checkpoint(block, x, rotations[local], biases[local], use_reentrant=False))
            else:
                x = block(x, rotations[local], biases[local])
        return x

    def nats(
        self,
        ids: Tensor,
        targets: Tensor,
        packing: Packing | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Sum of nats of ``targets`` (batch, length) int64 after ``ids``; nothing is learnt where they are `IGNORED`."""
        hidden, targets = self.hidden(ids, packing, dtype).flatten(0, 1), targets.flatten()
        learnt = targets != IGNORED
        if not bool(learnt.all()):
            hidden, targets = hidden[learnt], targets[learnt]
        return cross_entropy(hidden, self.head.weight, targets, slope=self.slope)

    def logprobs(
        self,
        ids: Tensor,
        targets: Tensor,
        packing: Packing | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Log-probabilities (batch, length) of ``targets`` after ``ids``, both (batch, length) int64; 0 where `IGNORED`."""
        return self.chosen(self.hidden(ids, packing, dtype), targets)

    def chosen(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The same, of hidden states (batch, length, hidden_size)."""
        learnt = targets != IGNORED
        found = log_probabilities(hidden[learnt], self.head.weight, targets[learnt])
        return found.new_zeros(targets.shape).masked_scatter(learnt, found)

    def values(
        self, ids: Tensor, packing: Packing | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """The value head's values (batch, length), at least float32, of the text up to each token."""
        return self.worth(self.hidden(ids, packing, dtype))

    def worth(self, hidden: Tensor) -> Tensor:
        """The same, of hidden states (batch, length, hidden_size)."""
        assert self.value is not None, "the model has no value head"
        return self.value(hidden.to(torch.promote_types(hidden.dtype, torch.float32)))[..., 0]

    def chosen_and_values(
        self,
        ids: Tensor,
        targets: Tensor,
        packing: Packing | None = None,
        dtype: torch.dtype = torch.float32,
        *,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """`logprobs` at a temperature, and `values` if there is a value head, in one reading."""
        hidden = self.hidden(ids, packing, dtype)
        values = self.worth(hidden) if self.value is not None else None
        return self.chosen(hidden / temperature, targets), values

    def forward(
        self, ids: Tensor, packing: Packing | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Logits (batch, length, vocab_size)."""
        return self.head(self.hidden(ids, packing, dtype))

    def following(self, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Logits (batch, vocab_size) of what follows ``ids`` (batch, length)."""
        return self.head(self.hidden(ids, dtype=dtype)[:, -1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def rotations(self, positions: Tensor, dtype: torch.dtype) -> dict[bool, Rotation]:
        """Rotations at ``positions`` (batch or 1, length) for global (False) and, where there are any, local (True) layers."""
        config = self.config
        tables = {False: rope_frequencies(config.head_dim, config.rope_theta, config.rope_scaling)}
        if config.window is not None:
            tables[True] = rope_frequencies(config.head_dim, config.rope_local_theta, None)
        return {
            local: _rotation(positions, table.to(positions.device), dtype) for local, table in tables.items()
        }


def _rotation(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> Rotation:
    angles = positions[..., None].float() * frequencies
    cos, sin = angles.cos(), angles.sin()
    cos, sin = torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
    return Rotation(cos[..., None, :].to(dtype), sin[..., None, :].to(dtype))
