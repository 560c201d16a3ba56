"""What GGUF calls things: the names of tensors and settings, and the few that are stored differently.

Tensors go by way of Hugging Face's names (`feilun.model.checkpoint.names`), of which each has exactly one
counterpart. Settings as of llama.cpp, src/llama-arch.cpp and src/llama-model.cpp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter, RopeScalingType
from torch import Tensor

from feilun.model import checkpoint
from feilun.model.config import Family, ModelConfig, RopeScaling
from feilun.model.transformer import rope_frequencies
from feilun.registry.gguf import BadHeader, Header, nonsense
from feilun.text import FeilunError

ROPE_FACTORS = "rope_freqs.weight"
"""By what Llama 3.1 divides each rotary frequency, float32 (head_dim / 2,): its RopeScaling, worked out."""

_FAMILIES: dict[str, Family] = {"llama": "llama", "qwen3": "qwen3", "gemma3": "gemma3"}
_WHOLE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_LARGEST_GEMMA = 62
"""Layers of Gemma 3 27B, by which llama.cpp knows that its scores are scaled otherwise."""


def names(config: ModelConfig) -> dict[str, str]:
    """GGUF's name of each tensor -> Hugging Face's."""
    after = "post_attention_norm" if config.sandwich_norms else "ffn_norm"
    parts = _PARTS | {"post_attention_layernorm": after}
    table: dict[str, str] = {}
    for theirs in checkpoint.names(config).values():
        for name in theirs:
            stem = name.removesuffix(".weight")
            if stem in _WHOLE:
                table[f"{_WHOLE[stem]}.weight"] = name
            else:
                _, _, layer, part = stem.split(".", 3)
                table[f"blk.{layer}.{parts[part]}.weight"] = name
    return table


def from_gguf(config: ModelConfig, name: str, tensor: Tensor) -> Tensor:
    """A tensor as we hold it, from what GGUF stores under ``name``."""
    heads = _interleaved(config, name)
    if heads:
        return tensor.view(heads, -1, 2, tensor.shape[-1]).transpose(1, 2).reshape(tensor.shape)
    return tensor - config.norm_offset if name.endswith("norm.weight") else tensor


def to_gguf(config: ModelConfig, name: str, tensor: Tensor) -> Tensor:
    """The inverse of `from_gguf`."""
    heads = _interleaved(config, name)
    if heads:
        return tensor.view(heads, 2, -1, tensor.shape[-1]).transpose(1, 2).reshape(tensor.shape)
    return tensor + config.norm_offset if name.endswith("norm.weight") else tensor


def _interleaved(config: ModelConfig, name: str) -> int | None:
    """Heads whose rows lie otherwise: under ``llama``, rotary pairs are neighbours (2i, 2i + 1), not halves apart."""
    if config.family != "llama":
        return None
    if name.endswith("attn_q.weight"):
        return config.heads
    return config.kv_heads if name.endswith("attn_k.weight") else None


def config_from(header: Header, factors: Tensor | None) -> ModelConfig:
    """The config of a GGUF model; ``factors`` is its tensor `ROPE_FACTORS`, if it has one.

    Raises `FeilunError` for an architecture or option outside our families, `BadHeader` for a header that
    lacks something or makes no sense (`ValueError` and its like for values of the wrong kind).
    """
    metadata, family = header.metadata, _FAMILIES.get(header.architecture)
    if family is None:
        known, name = ", ".join(_FAMILIES), header.architecture or "?"
        raise FeilunError(
            f"Architecture {name} is not supported. Supported in GGUF files: {known}.",
            f"不支持架构 {name}。GGUF 文件支持：{known}。",
            code="unsupported_architecture",
        )

    def setting(name: str, default: Any = None) -> Any:
        value = metadata.get(f"{family}.{name}")
        if value is None and default is None:
            raise BadHeader(f"its header lacks {family}.{name}", f"文件头缺少 {family}.{name}")
        value = default if value is None else value
        return float(str(np.float32(value))) if isinstance(value, float) else value  # 1e-6, not 9.9999e-7

    def token(name: str) -> int | None:
        return metadata.get(f"tokenizer.ggml.{name}_token_id")

    hidden, heads, layers = (
        setting("embedding_length"),
        setting("attention.head_count"),
        setting("block_count"),
    )
    if layers > len(header.tensors):
        raise nonsense()
    head_dim = setting("attention.key_length", hidden // heads)
    rotated, values = (
        setting("rope.dimension_count", head_dim),
        setting("attention.value_length", head_dim),
    )
    if rotated != head_dim or values != head_dim:
        raise _unsupported(f"heads of {head_dim} with {rotated} rotated and {values} for values")
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise BadHeader("it has no token_embd.weight", "文件中没有 token_embd.weight")
    gemma, gemma_scale = family == "gemma3", hidden // heads if layers == _LARGEST_GEMMA else head_dim
    eos = dict.fromkeys(id for id in (token("eos"), token("eot")) if id is not None)
    return ModelConfig(
        family=family,
        vocab_size=embedding.shape[0],
        hidden_size=hidden,
        layers=layers,
        heads=heads,
        kv_heads=setting("attention.head_count_kv", heads),
        head_dim=head_dim,
        ffn_size=setting("feed_forward_length"),
        context=setting("context_length"),
        norm_eps=setting("attention.layer_norm_rms_epsilon"),
        rope_theta=setting("rope.freq_base", 10_000.0),
        rope_local_theta=setting("rope.freq_base_swa", 10_000.0),
        rope_scaling=_scaling(header, factors, head_dim),
        window=metadata.get("gemma3.attention.sliding_window") if gemma else None,
        global_every=setting("attention.sliding_window_pattern", 6) if gemma else 6,
        attention_scale=gemma_scale**-0.5 if gemma else None,
        tied="output.weight" not in header.tensors,
        bos_id=token("bos"),
        eos_ids=tuple(eos),
        pad_id=token("padding"),
    )


def _scaling(header: Header, factors: Tensor | None, head_dim: int) -> RopeScaling | None:
    kind = header.metadata.get(f"{header.architecture}.rope.scaling.type", "none")
    if kind == "linear":
        factor = header.metadata[f"{header.architecture}.rope.scaling.factor"]
        return RopeScaling(kind="linear", factor=factor) if factor != 1.0 else None
    if kind != "none":
        raise _unsupported(f"rope scaling '{kind}'")
    if factors is None:
        return None
    # The file has the factors and not what made them: all Llama 3.1, 3.2 and 3.3 have these but for the largest.
    theta = header.metadata.get(f"{header.architecture}.rope.freq_base", 10_000.0)
    scaling = RopeScaling(kind="llama3", factor=float(factors.max()))
    if not torch.allclose(rope_factors(head_dim, theta, scaling), factors, rtol=1e-4):
        raise _unsupported("rope_freqs.weight of another kind than Llama 3's")
    return scaling


def rope_factors(head_dim: int, theta: float, scaling: RopeScaling) -> Tensor:
    """By what ``scaling`` divides each rotary frequency, float32 (head_dim / 2,)."""
    return rope_frequencies(head_dim, theta, None) / rope_frequencies(head_dim, theta, scaling)


def write_config(config: ModelConfig, writer: GGUFWriter) -> None:
    """The settings of ``config``. Raises `FeilunError` for what llama.cpp cannot be told."""
    gemma = config.family == "gemma3"
    usual = (
        config.hidden_size // config.heads if gemma and config.layers == _LARGEST_GEMMA else config.head_dim
    )
    scale = config.attention_scale or config.head_dim**-0.5
    if abs(scale * usual**0.5 - 1) > 1e-4:
        raise _unsupported(f"attention_scale {scale:.5g} (llama.cpp takes {usual**-0.5:.5g})")
    if config.rope_scaling is not None and config.rope_scaling.kind == "llama3" and config.family != "llama":
        raise _unsupported(f"rope scaling 'llama3' in a {config.family} model")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ffn_size)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    if config.rope_scaling is not None and config.rope_scaling.kind == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling.factor)
    if config.window is not None:
        writer.add_sliding_window(config.window)
        writer.add_sliding_window_pattern(config.global_every)
        writer.add_rope_freq_base_swa(config.rope_local_theta)


def _unsupported(what: str) -> FeilunError:
    return FeilunError(
        f"This model has {what}, which is not supported in GGUF files.",
        f"此模型使用 {what}，GGUF 转换不支持。",
        code="unsupported_option",
    )
