"""Hugging Face folders in and out: the field's tensor names live here and nowhere else.

Safetensors only; a pickle is never opened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator, BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from feilun.model.config import ModelConfig
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.validation import first_fault, invalid

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def load(folder: Path, dtype: torch.dtype | None = torch.float32) -> Transformer:
    """A model from a Hugging Face folder, its weights in ``dtype`` (None: as stored).

    Raises `FeilunError` if files are missing or damaged, or do not fit the config.
    """
    config = ModelConfig.read(folder)
    with torch.device("meta"):
        model = Transformer(config)
    state, expected = from_hf(config, _read(folder), dtype), model.state_dict()
    if config.tied:
        del expected["head.weight"]
    for name in sorted(expected.keys() | state.keys()):
        shapes = [list(tensors[name].shape) if name in tensors else None for tensors in (state, expected)]
        if shapes[0] != shapes[1]:
            raise FeilunError(
                f"{folder}: the weights do not fit config.json ({name} is {shapes[0]}, expected {shapes[1]}).",
                f"{folder}：权重与 config.json 不符（{name} 为 {shapes[0]}，应为 {shapes[1]}）。",
                code="weights_do_not_fit",
            )
    model.load_state_dict(state, strict=False, assign=True)
    if config.tied:
        model.head.weight = model.embedding.weight
    return model


def save(model: Transformer, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder. Raises `FeilunError` for a model with an adapter."""
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in to_hf(model)}
    save_tensors(tensors, folder / WEIGHTS)
    config = model.config.to_hf() | {"torch_dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file. Raises `OSError` if it cannot be written: a full disk, a folder one may not write to."""
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # An error of its own, which has the system's number in its words only.
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def from_hf(
    config: ModelConfig, tensors: dict[str, Tensor], dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """Our state from tensors under Hugging Face's names. Raises `FeilunError` for a shape that does not fit."""
    state: dict[str, Tensor] = {}
    for ours, theirs in names(config).items():
        parts = [tensors.pop(name) for name in theirs if name in tensors]
        if len(parts) == len(theirs):
            state[ours] = parts[0] if len(parts) == 1 else torch.cat(parts)
            if dtype is not None:
                state[ours] = state[ours].to(dtype)
    if config.tied:
        tensors.pop("lm_head.weight", None)
    state |= {name: tensor for name, tensor in tensors.items() if not name.endswith("rotary_emb.inv_freq")}
    return state


def to_hf(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Our weights under Hugging Face's names."""
    config, state = model.config, model.state_dict()
    if any(ours not in state for ours in names(config)):
        raise FeilunError(
            "The model carries an adapter: merge it before saving, or save the adapter alone.",
            "模型带有适配器：请先合并再保存，或只保存适配器。",
            code="adapter_attached",
        )
    sizes = [n * config.head_dim for n in (config.heads, config.kv_heads, config.kv_heads)]
    for ours, theirs in names(config).items():
        parts = state[ours].split(sizes) if len(theirs) == 3 else state[ours].chunk(len(theirs))
        yield from zip(theirs, parts, strict=True)


def names(config: ModelConfig) -> dict[str, list[str]]:
    """Our name of each tensor -> Hugging Face's; several of theirs are rows of one of ours."""
    table = {"embedding.weight": ["model.embed_tokens.weight"], "norm.weight": ["model.norm.weight"]}
    if not config.tied:
        table["head.weight"] = ["lm_head.weight"]
    norms = {"attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    if config.sandwich_norms:
        norms |= {
            "attention_post_norm": "post_attention_layernorm",
            "ffn_norm": "pre_feedforward_layernorm",
            "ffn_post_norm": "post_feedforward_layernorm",
        }
    if config.qk_norm:
        norms |= {"attention.q_norm": "self_attn.q_norm", "attention.k_norm": "self_attn.k_norm"}
    for i in range(config.layers):
        ours, theirs = f"blocks.{i}", f"model.layers.{i}"
        table[f"{ours}.attention.qkv.weight"] = [f"{theirs}.self_attn.{part}_proj.weight" for part in "qkv"]
        table[f"{ours}.attention.out.weight"] = [f"{theirs}.self_attn.o_proj.weight"]
        table[f"{ours}.ffn.gate_up.weight"] = [f"{theirs}.mlp.{part}_proj.weight" for part in ("gate", "up")]
        table[f"{ours}.ffn.down.weight"] = [f"{theirs}.mlp.down_proj.weight"]
        table |= {f"{ours}.{name}.weight": [f"{theirs}.{other}.weight"] for name, other in norms.items()}
    return table


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights: one, or those that its index names. Raises `FeilunError` if that is damaged."""
    index = folder / INDEX
    return [folder / name for name in (_named(index) if index.exists() else [WEIGHTS])]


def _read(folder: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for file in weight_files(folder):
        if not file.is_file():
            others = [path.name for path in folder.glob("*.bin")] + [
                path.name for path in folder.glob("*.pt*")
            ]
            hint = (
                f"; {others[0]} may run code when opened and is not read: convert it to safetensors"
                if others
                else ""
            )
            hint_zh = f"；{others[0]} 打开时可能执行代码，因此不读取：请转换为 safetensors" if others else ""
            raise FeilunError(
                f"{folder} has no {file.name}{hint}.",
                f"{folder} 中没有 {file.name}{hint_zh}。",
                code="no_weights",
            )
        try:
            with safe_open(file, framework="pt") as weights:
                tensors |= {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118 (no dict)
        except SafetensorError:
            raise FeilunError(
                f"{file} is damaged, cut short or no safetensors file.",
                f"{file} 不是 safetensors 格式，或文件不完整、已损坏。",
                code="weights_damaged",
            ) from None
    return tensors


def _inside(name: str) -> str:
    if name in ("", "..") or Path(name).name != name:
        raise invalid(f"'{name}' is no name of a file in this folder", f"“{name}”不是此文件夹中的文件名")
    return name


class _Index(BaseModel):
    """Which file holds each tensor, where there are several files."""

    weight_map: dict[str, Annotated[str, AfterValidator(_inside)]]


def _named(index: Path) -> list[str]:
    """The files that an index names, each once. Raises `FeilunError` if it is damaged or a name leaves the folder."""
    try:
        return sorted(set(_Index.model_validate_json(index.read_bytes()).weight_map.values()))
    except ValidationError as error:
        said = first_fault(error)
        raise FeilunError(
            f"{index} cannot be used: {said.en}. Download it again.",
            f"{index} 无法使用：{said.zh}。请重新下载。",
            code="weights_damaged",
        ) from None
