"""What a model is in numbers: weights, operations, bytes kept for the backward pass, bytes of the KV cache.

Shapes are `feilun.model.config.ModelConfig`, the class that is trained; of a model that is only a number of parameters a
shape is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from feilun.model.config import ModelConfig

Recompute = Literal["none", "selective", "full"]
"""What the backward pass computes again: nothing, attention's scores, or all of a layer."""

ASPECT = 128
"""Width over depth of a shape that is guessed; GPT-3 175B has it."""

ROWS = 128
"""Rows of a block of scores in `feilun.model.attention` on a processor."""


@dataclass(frozen=True)
class Model:
    """A model to be trained or served. Parameters are weights, not billions."""

    config: ModelConfig
    params: float
    """All of them: what memory holds."""
    active: float
    """Those that a token passes through: fewer in a mixture of experts."""
    name: str = ""
    moe: bool = False
    """Whether it is a mixture of experts."""

    @classmethod
    def of_size(
        cls, params: float, active: float | None = None, *, config: ModelConfig | None = None
    ) -> Model:
        """A model of so many parameters; its shape is guessed if not given."""
        active = active or params
        return cls(config or shape_of(active), params, active, _short(params), moe=active < params)

    @classmethod
    def of_config(cls, config: ModelConfig, name: str = "") -> Model:
        """A dense model of a known shape; a token passes through its matrices and reads one row of the embedding."""
        return cls(config, config.params, config.matmul_params, name or _short(config.params))


def _short(params: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if params >= size:
            return f"{params / size:.4g}{unit}"
    return f"{params:.0f}"


def shape_of(
    params: float, *, vocab_size: int = 51_200, context: int = 2048, kv_heads: int | None = None
) -> ModelConfig:
    """A decoder of about ``params`` weights: 12 L d^2 in its layers, d = 128 L (Brown et al. 2020, table 2.1), heads of 128.

    A small model's vocabulary shrinks with it, so that the embedding is no more than a third.
    """
    layers = max(2, round((params / (12 * ASPECT**2)) ** (1 / 3)))
    width = (params / (12 * layers)) ** 0.5
    step = 1024 if width >= 4096 else 128 if width >= 1024 else 64  # so that devices can share the heads
    width = max(64, int(width / step + 0.25) * step)
    while vocab_size > 1024 and vocab_size * width > params / 3:
        vocab_size //= 2
    inside = max(params - vocab_size * width, params / 2)
    layers = max(2, round(inside / (12 * width**2)))
    head_dim = 128 if width >= 1024 else 64
    heads = width // head_dim
    return ModelConfig(
        family="llama",
        vocab_size=vocab_size,
        hidden_size=width,
        layers=layers,
        heads=heads,
        kv_heads=heads if kv_heads is None or heads % kv_heads else kv_heads,
        head_dim=head_dim,
        ffn_size=max(1, round(8 * width / 3)),
        context=context,
    )


def attention_flops_per_token(config: ModelConfig, length: int) -> float:
    """Operations on scores and values, forward and backward: 6 L s d, half of the square, since attention is causal (12 L s d
    in A. Chowdhery et al. 2022, appendix B, which counts all of it). A layer with a window sees no more than that."""
    return 6.0 * _seen(config, length) * config.heads * config.head_dim


def train_flops_per_token(model: Model, length: int, recompute: Recompute = "none") -> float:
    """6 N + 6 L s d (Kaplan et al. 2020, section 2.1); a third more if the forward pass is done twice (D. Narayanan et al. 2021,
    equation 3: 96 of 72 L h^2), attention's third alone if that is what is done twice (V. Korthikanti et al. 2022, section 5)."""
    attention = attention_flops_per_token(model.config, length)
    plain = 6.0 * model.active + attention
    return plain + {"none": 0.0, "selective": attention / 3, "full": plain / 3}[recompute]


def finetune_flops_per_token(model: Model, length: int, *, adapter: bool) -> float:
    """Of an adapter 4 N: no gradient of the frozen weights is made (E. Hu et al. 2021); attention as ever."""
    return (4.0 if adapter else 6.0) * model.active + attention_flops_per_token(model.config, length)


def decode_flops_per_token(model: Model, length: int) -> float:
    """2 N + 4 L s d with ``length`` tokens in the cache."""
    return 2.0 * model.active + attention_flops_per_token(model.config, length) * 2 / 3


def _seen(config: ModelConfig, length: int) -> int:
    """Tokens that a layer looks back on at most, summed over the layers."""
    if config.window is None or config.window >= length:
        return config.layers * length
    return sum(config.window if config.is_local(i) else length for i in range(config.layers))


def kv_bytes_per_token(config: ModelConfig, bytes_per_element: float = 2) -> float:
    """Keys and values of one token in all layers: 2 L n_kv d_head."""
    return 2 * config.layers * config.kv_heads * config.head_dim * bytes_per_element


def kv_bytes(config: ModelConfig, length: int, bytes_per_element: float = 2) -> float:
    """Of a sequence of ``length`` tokens. Layers with a window keep no more than that."""
    return 2 * _seen(config, length) * config.kv_heads * config.head_dim * bytes_per_element


def activation_bytes_per_layer(
    config: ModelConfig,
    rows: int,
    length: int,
    *,
    tensor: int = 1,
    sequence: bool = False,
    recompute: Recompute = "none",
) -> float:
    """Bytes that a GPT layer in 16 bits keeps on each device for its backward pass (V. Korthikanti et al. 2022, "Reducing
    Activation Recomputation in Large Transformer Models", table 2).

    Args:
        rows: of the micro-batch.
        tensor: devices that share each product; with ``sequence`` they share norms and dropout as well.
    """
    s, b, h, a, t = length, rows, config.hidden_size, config.heads, tensor
    if recompute == "full":
        return 2.0 * s * b * h
    scores = 0.0 if recompute == "selective" else 5.0 * a * s / (h * t)
    return s * b * h * ((34 / t if sequence else 10 + 24 / t) + scores)


def interleaved_share(pipeline: int, chunks: int) -> float:
    """How much more activations the first of ``pipeline`` stages holds when each has ``chunks`` parts of the model: 1 + (p - 1) /
    (p v) (Korthikanti et al. 2022, section 4.2.3)."""
    return 1 + (pipeline - 1) / (pipeline * chunks) if chunks > 1 else 1.0


def feilun_saved_bytes(config: ModelConfig, rows: int, length: int, bytes_per_element: int = 4) -> float:
    """Bytes that our own training keeps for the backward pass on a processor, each row one document.

    Follows `feilun.model.transformer` tensor by tensor: norms keep what they are given and what they give before their weight,
    both in float32; products what they are given; attention scaled queries, keys, values, output and half of the square of
    probabilities, in blocks of rows; the feed-forward layer gate and up. In bfloat16 (2 bytes an element) every product and norm
    also keeps its weight in that type. The loss keeps its gradients.
    """
    tokens, width, element = rows * length, config.hidden_size, bytes_per_element
    q, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
    norms = 4 if config.sandwich_norms else 2
    norm = 2 * width * 4 + 4  # the last is the row's scale
    per_token = norms * norm
    per_token += (2 * width + q) * element  # what qkv, gate_up and the output projection are given
    if config.qk_norm:
        given = (
            (q + 2 * kv) if element == 4 else (q + kv)
        )  # in float32 qkv's output itself, which is one tensor
        per_token += (given + q + kv + config.heads + config.kv_heads) * 4
    per_token += (2 * q + 2 * kv) * element
    per_token += 2 * config.ffn_size * element
    blocks = [(begin, min(begin + ROWS, length)) for begin in range(0, length, ROWS)]
    scores = config.heads * sum((end - begin) * end for begin, end in blocks) * element
    weights = 0
    if element < 4:
        products = config.matmul_params - config.vocab_size * width
        scales = config.layers * (norms * width + (2 * config.head_dim if config.qk_norm else 0)) + width
        weights = (products + scales) * element
    rotations = (2 if config.window is not None else 1) * 2 * length * config.head_dim * element
    loss = tokens * width * element + config.vocab_size * width * 4
    return (
        config.layers * (tokens * per_token + rows * scores)
        + weights
        + rotations
        + tokens * (norm + 8)
        + loss
    )
