"""The shape of a model, and its names in Hugging Face's ``config.json``. No torch: the planner reads it as well.

One class covers the Llama, Qwen3 and Gemma 3 families: a family is a set of values, not a subclass.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from feilun.text import FeilunError, Text
from feilun.validation import first_fault, invalid

Family = Literal["llama", "qwen3", "gemma3"]
Activation = Literal["silu", "gelu_tanh"]

_ARCHITECTURES: dict[str, Family] = {
    "LlamaForCausalLM": "llama",
    "Qwen3ForCausalLM": "qwen3",
    "Gemma3ForCausalLM": "gemma3",
}

_ACTIVATIONS: dict[Activation, tuple[str, ...]] = {
    "silu": ("silu", "swish"),
    "gelu_tanh": ("gelu_pytorch_tanh", "gelu_new", "gelu_accurate", "gelu_python_tanh"),
}
"""What Hugging Face calls each: the first is what a family's own models say, the others compute the same."""

_UNSUPPORTED = ("attention_bias", "mlp_bias", "final_logit_softcapping", "attn_logit_softcapping")
"""Options that must be absent or off."""


class _Named(BaseModel):
    """Which architecture a ``config.json`` names."""

    architectures: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _table(cls, hf: object) -> object:
        if not isinstance(hf, dict):
            raise invalid("it is no JSON object", "不是 JSON 对象（键和值）")
        return cast("object", hf)

    @property
    def name(self) -> str:
        return self.architectures[0] if self.architectures else "?"


class _Sizes(BaseModel):
    """What is computed with of a ``config.json``, under its own names; `ModelConfig` checks the rest."""

    model_config = ConfigDict(strict=True)

    hidden_size: int = Field(gt=0)
    num_hidden_layers: int = Field(gt=0)
    num_attention_heads: int = Field(gt=0)
    query_pre_attn_scalar: float | None = Field(default=None, ge=0)
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    layer_types: list[str] | None = None


class RopeScaling(BaseModel):
    """How rotary angles are stretched beyond the trained context."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["linear", "llama3"]
    factor: float = Field(gt=0)
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192


class ModelConfig(BaseModel):
    """Sizes and choices of a decoder-only transformer. Dimensions count elements, lengths tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family = "qwen3"
    vocab_size: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    ffn_size: int = Field(gt=0)
    context: int = Field(default=2048, gt=0)
    norm_eps: float = Field(default=1e-6, gt=0)
    rope_theta: float = Field(default=10_000.0, gt=0)
    rope_scaling: RopeScaling | None = None
    rope_local_theta: float = Field(default=10_000.0, gt=0)
    """Of layers with a sliding window (Gemma 3)."""
    window: int | None = None
    """Tokens a local layer looks back, itself included; None: every layer sees everything before it."""
    global_every: int = 6
    """With a window: every so many layers one is global."""
    attention_scale: float | None = None
    """What scores are multiplied by; None: head_dim ** -0.5."""
    tied: bool = True
    """Whether the output projection is the embedding."""
    bos_id: int | None = None
    eos_ids: tuple[int, ...] = ()
    pad_id: int | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if self.heads % self.kv_heads:
            raise invalid(
                f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})",
                f"heads（{self.heads}）必须是 kv_heads（{self.kv_heads}）的倍数",
            )
        if self.head_dim % 2:
            raise invalid(
                f"head_dim ({self.head_dim}) must be even", f"head_dim（{self.head_dim}）必须是偶数"
            )
        return self

    # What a family is.

    @property
    def qk_norm(self) -> bool:
        """Queries and keys are normalised per head."""
        return self.family in ("qwen3", "gemma3")

    @property
    def sandwich_norms(self) -> bool:
        """A norm after each sublayer as well as before it."""
        return self.family == "gemma3"

    @property
    def norm_offset(self) -> float:
        """Added to norm weights: Gemma stores them as distance from one."""
        return 1.0 if self.family == "gemma3" else 0.0

    @property
    def embedding_scale(self) -> float:
        return math.sqrt(self.hidden_size) if self.family == "gemma3" else 1.0

    @property
    def activation(self) -> Activation:
        return "gelu_tanh" if self.family == "gemma3" else "silu"

    def is_local(self, layer: int) -> bool:
        """Whether layer ``layer`` (from 0) looks back no further than ``window``."""
        return self.window is not None and (layer + 1) % self.global_every != 0

    # What follows from the sizes.

    @property
    def matmul_params(self) -> int:
        """Weights that take part in matrix products for each token, the output projection included."""
        attention = self.hidden_size * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return (
            self.layers * (attention + 3 * self.hidden_size * self.ffn_size)
            + self.vocab_size * self.hidden_size
        )

    @property
    def params(self) -> int:
        """All weights."""
        norms = (4 if self.sandwich_norms else 2) * self.hidden_size + (
            2 * self.head_dim if self.qk_norm else 0
        )
        embedding = 0 if self.tied else self.vocab_size * self.hidden_size
        return self.matmul_params + self.layers * norms + self.hidden_size + embedding

    def flops_per_token(self, length: int) -> float:
        """Floating-point operations to train on one token of documents of ``length``: forward and backward.

        6 per matmul weight (Kaplan et al. 2020, section 2.1) plus causal attention at half of its square.
        """
        attended = sum(
            min(length, self.window or length) if self.is_local(i) else length for i in range(self.layers)
        )
        return 6 * self.matmul_params + 6 * attended * self.heads * self.head_dim

    # Hugging Face's words for it.

    @classmethod
    def read(cls, folder: Path) -> ModelConfig:
        """The config of a Hugging Face folder. Raises `FeilunError` if there is none or it is of another family."""
        path = folder / "config.json"
        try:
            return cls.from_hf(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise FeilunError(
                f"{folder} is no model folder: it has no config.json.",
                f"{folder} 不是模型文件夹：缺少 config.json。",
            ) from None
        except ValidationError as error:
            raise _unusable(path, first_fault(error)) from None
        except UnicodeDecodeError:
            raise _unusable(path, Text("it is not UTF-8 text", "不是 UTF-8 文本")) from None
        except json.JSONDecodeError as error:
            said = Text(f"not valid JSON ({error})", f"不是有效的 JSON（{error}）")
            raise _unusable(path, said) from None
        except KeyError as error:
            raise _unusable(path, Text(f"{error.args[0]} is missing", f"缺少 {error.args[0]}")) from None
        except (ValueError, TypeError, AttributeError, ArithmeticError):  # whose words nobody is helped by
            raise _unusable(path, Text("its values make no sense", "其中的值不合理")) from None

    @classmethod
    def from_hf(cls, hf: dict[str, Any]) -> ModelConfig:
        """From the content of a ``config.json``. Raises `FeilunError` for an architecture or option outside our families,
        `ValidationError` and its like for values that no model has.
        """
        name = _Named.model_validate(hf).name
        family = _ARCHITECTURES.get(name)
        if family is None:
            known = ", ".join(_ARCHITECTURES)
            raise FeilunError(
                f"Architecture {name} is not supported. Supported: {known}.",
                f"不支持架构 {name}。支持：{known}。",
                code="unsupported_architecture",
            )
        gemma = family == "gemma3"
        _Sizes.model_validate(hf)
        _need_supported(hf, name, gemma)
        heads = hf["num_attention_heads"]
        layers = hf["num_hidden_layers"]
        head_dim = hf.get("head_dim") or hf["hidden_size"] // heads
        theta, local_theta, scaling = _rope_from_hf(hf, gemma)
        every = _global_every(hf, layers) if gemma else 1
        window = hf.get("sliding_window") if every > 1 else None
        eos: Any = hf.get("eos_token_id")
        return cls(
            family=family,
            vocab_size=hf["vocab_size"],
            hidden_size=hf["hidden_size"],
            layers=layers,
            heads=heads,
            kv_heads=hf.get("num_key_value_heads") or heads,
            head_dim=head_dim,
            ffn_size=hf["intermediate_size"],
            context=hf.get("max_position_embeddings") or 2048,
            norm_eps=hf.get("rms_norm_eps", 1e-6),
            rope_theta=theta,
            rope_local_theta=local_theta,
            rope_scaling=scaling,
            window=window,
            global_every=6 if window is None else every,
            attention_scale=(hf.get("query_pre_attn_scalar") or 256) ** -0.5 if gemma else None,
            tied=bool(hf.get("tie_word_embeddings", gemma)),
            bos_id=hf.get("bos_token_id"),
            eos_ids=() if eos is None else tuple(cast(list[int], eos if isinstance(eos, list) else [eos])),
            pad_id=hf.get("pad_token_id"),
        )

    def to_hf(self) -> dict[str, Any]:
        """The content of a ``config.json`` that transformers, vLLM and llama.cpp read."""
        name = next(name for name, family in _ARCHITECTURES.items() if family == self.family)
        kind = {"llama": "llama", "qwen3": "qwen3", "gemma3": "gemma3_text"}[self.family]
        eos: Any = list(self.eos_ids) if len(self.eos_ids) > 1 else next(iter(self.eos_ids), None)
        hf: dict[str, Any] = {
            "architectures": [name],
            "model_type": kind,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.ffn_size,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.norm_eps,
            "tie_word_embeddings": self.tied,
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "use_cache": True,
            "rope_theta": self.rope_theta,
            "bos_token_id": self.bos_id,
            "eos_token_id": eos,
            "pad_token_id": self.pad_id,
            "torch_dtype": "float32",
        }
        if self.rope_scaling:
            hf["rope_scaling"] = _scaling_to_hf(self.rope_scaling)
        if self.family == "gemma3":
            scale = self.attention_scale or self.head_dim**-0.5
            full, local = "full_attention", "sliding_attention"
            del hf["hidden_act"]
            hf |= {
                "hidden_activation": "gelu_pytorch_tanh",
                # transformers asks for one even where no layer is local.
                "sliding_window": self.window or self.context,
                "layer_types": [local if self.is_local(i) else full for i in range(self.layers)],
                "query_pre_attn_scalar": round(scale**-2),
                "rope_local_base_freq": self.rope_local_theta,
                "attn_logit_softcapping": None,
                "final_logit_softcapping": None,
            }
        return hf


def _unusable(path: Path, why: Text) -> FeilunError:
    return FeilunError(
        f"{path} cannot be used: {why.en}.", f"{path} 无法使用：{why.zh}。", code="config_invalid"
    )


def _need_supported(hf: dict[str, Any], name: str, gemma: bool) -> None:
    """Raises `FeilunError` for an option with which the model computes something else than its family does."""
    for option in _UNSUPPORTED if gemma else (*_UNSUPPORTED, "use_sliding_window"):
        if hf.get(option):
            raise FeilunError(
                f"config.json: {option} is not supported.",
                f"config.json：不支持 {option}。",
                code="unsupported_option",
            )
    key = "hidden_activation" if gemma else "hidden_act"
    same = _ACTIVATIONS["gelu_tanh" if gemma else "silu"]
    activation = hf.get(key) or same[0]
    if activation not in same:
        raise FeilunError(
            f"config.json: {key} is '{activation}'; {name} is supported with '{same[0]}' only.",
            f"config.json：{key} 为“{activation}”；{name} 仅支持“{same[0]}”。",
            code="unsupported_option",
        )


def _rope_from_hf(hf: dict[str, Any], gemma: bool) -> tuple[float, float, RopeScaling | None]:
    """Theta of global and of local layers, and the scaling: transformers 4 and 5 write them differently."""
    rope: dict[str, Any] = hf.get("rope_parameters") or {}
    whole: dict[str, Any] = rope.get("full_attention") or rope
    local: dict[str, Any] = rope.get("sliding_attention") or {}
    theta = hf.get("rope_theta") or whole.get("rope_theta") or (1_000_000.0 if gemma else 10_000.0)
    local_theta = hf.get("rope_local_base_freq") or local.get("rope_theta") or 10_000.0
    scaling: dict[str, Any] = hf.get("rope_scaling") or whole
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return theta, local_theta, None
    if kind == "linear":
        return theta, local_theta, RopeScaling(kind="linear", factor=scaling["factor"])
    if kind == "llama3":
        found = RopeScaling(
            kind="llama3",
            factor=scaling["factor"],
            low_freq_factor=scaling["low_freq_factor"],
            high_freq_factor=scaling["high_freq_factor"],
            original_context=scaling["original_max_position_embeddings"],
        )
        return theta, local_theta, found
    raise FeilunError(
        f"config.json: rope scaling '{kind}' is not supported.",
        f"config.json：不支持 rope 缩放“{kind}”。",
        code="unsupported_option",
    )


def _scaling_to_hf(scaling: RopeScaling) -> dict[str, Any]:
    if scaling.kind == "linear":
        return {"rope_type": "linear", "factor": scaling.factor}
    return {
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_freq_factor,
        "high_freq_factor": scaling.high_freq_factor,
        "original_max_position_embeddings": scaling.original_context,
    }


def _global_every(hf: dict[str, Any], layers: int) -> int:
    """How often a layer is global. Raises `FeilunError` if it is not at regular intervals, as in every Gemma 3."""
    kinds: list[str] | None = hf.get("layer_types")
    if not kinds:
        return hf.get("sliding_window_pattern") or hf.get("_sliding_window_pattern") or 6
    whole = [i for i, kind in enumerate(kinds) if kind == "full_attention"]
    every = whole[0] + 1 if whole else layers + 1
    if whole != list(range(every - 1, layers, every)):
        raise FeilunError(
            "config.json: layer_types: global layers at irregular intervals are not supported.",
            "config.json：layer_types：不支持间隔不规则的全局层。",
            code="unsupported_option",
        )
    return every
