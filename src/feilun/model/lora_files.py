# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's own annotations of split, Function.apply and others are partial.)
"""Adapters in the field's formats: PEFT's folder and llama.cpp's GGUF adapter, both in and out."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

import gguf
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from feilun.model.checkpoint import names, save_tensors
from feilun.model.config import ModelConfig
from feilun.model.lora import ALL_TARGETS, Lora, Target, adapters, attach
from feilun.model.transformer import Transformer
from feilun.registry.gguf import Header, bad_model_file, nonsense, read_header
from feilun.text import FeilunError, Text
from feilun.validation import first_fault

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_PEFT_SUFFIX = {"a": "lora_A.weight", "b": "lora_B.weight", "magnitude": "lora_magnitude_vector"}

_GGUF_NAME: dict[Target, str] = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}

_NO_MATTER = {
    # Descriptions.
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type",
    # Which modules: the names of the tensors say it.
    "exclude_modules", "target_modules",
    # Of training only, or of a switch that is looked at by itself.
    "eva_config", "layers_pattern", "lora_dropout", "megatron_core", "qalora_group_size", "runtime_config",
}  # fmt: skip

_PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Values of PEFT's ``init_lora_weights`` that leave the base weights as they were; others (PiSSA, OLoRA) change them."""


class _PeftConfig(BaseModel):
    """What we use of ``adapter_config.json``. Other keys are looked at one by one: PEFT writes some forty."""

    model_config = ConfigDict(extra="allow")

    peft_type: Literal["LORA"]
    r: int = Field(gt=0)
    lora_alpha: float = Field(gt=0, allow_inf_nan=False)
    use_dora: bool = False
    init_lora_weights: Any = True

    def unsupported(self) -> str | None:
        """An option in use that would make another computation of the adapter, or None."""
        if self.init_lora_weights not in _PLAIN_STARTS:
            return f"init_lora_weights={self.init_lora_weights!r}"
        for key, value in (self.model_extra or {}).items():
            if key not in _NO_MATTER and value and value != "none":
                return key
        return None


def save_peft(model: Transformer, folder: Path, base_name: str | None = None) -> None:
    """Write the adapter into an existing folder as ``peft`` and vLLM read it, in float32.

    ``base_name``: path or name of the model it belongs to. Raises `FeilunError` if there is no adapter.
    """
    lora = _lora(model)
    tensors = {name: tensor.contiguous() for name, tensor in _peft_tensors(model)}
    save_tensors(tensors, folder / WEIGHTS)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "inference_mode": True,
        "r": lora.rank,
        "lora_alpha": int(lora.alpha) if lora.alpha.is_integer() else lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": [f"{target}_proj" for target in lora.targets],
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "use_dora": lora.dora,
        "use_rslora": False,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_peft(model: Transformer, folder: Path) -> Lora:
    """Attach the adapter in a folder of PEFT's to ``model``, in place; gives what it is made of.

    Dropout is ignored. Raises `FeilunError` if files are missing or damaged, use options of PEFT outside ours, or
    do not fit the model; the model is then as it was.
    """
    config = _read_config(folder / CONFIG)
    tensors = _read_weights(folder / WEIGHTS)
    targets: tuple[Target, ...] = tuple(
        part for part in ALL_TARGETS if any(f".{part}_proj." in name for name in tensors)
    )
    if not targets:
        _does_not_fit(folder, "no tensor belongs to a linear layer", "没有任何张量属于线性层")
    lora = Lora(rank=config.r, alpha=config.lora_alpha, targets=targets, dora=config.use_dora)
    _check_shapes(model.config, lora, tensors, folder)
    attach(model, lora)
    for name, place in _peft_tensors(model):
        place.copy_(tensors[name])
    return lora


def load_adapter(model: Transformer, path: Path) -> Lora:
    """Attach the adapter at ``path``, a folder of PEFT's or a GGUF file, to ``model``; gives what it is made of.

    Raises `FeilunError` as `load_peft` and `load_gguf` do.
    """
    return load_peft(model, path) if path.is_dir() else load_gguf(model, path)


def load_gguf(model: Transformer, path: Path) -> Lora:
    """Attach the adapter in a GGUF file, as `save_gguf` writes it, to ``model``, in place; gives what it is made of.

    Raises `FeilunError` if the file is damaged or no adapter, or does not fit the model; the model is then as it was.
    """
    header = read_header(path)
    if not header.is_adapter:
        raise bad_model_file(path, Text("it is no adapter", "它不是适配器"))
    alpha = _alpha(path, header)
    reader = gguf.GGUFReader(path)
    found = {tensor.name: torch.from_numpy(np.array(tensor.data, np.float32)) for tensor in reader.tensors}
    ranks = {tensor.shape[0] for name, tensor in found.items() if name.endswith("lora_a")}
    targets: tuple[Target, ...] = tuple(
        part for part in ALL_TARGETS if any(f".{_GGUF_NAME[part]}." in name for name in found)
    )
    if len(ranks) != 1 or not targets:
        _does_not_fit(path, f"its ranks are {sorted(ranks)}", f"其秩为 {sorted(ranks)}")
    lora = Lora(rank=ranks.pop(), alpha=alpha, targets=targets)
    with torch.device("meta"):
        shape = Transformer(model.config)
    attach(shape, lora)
    _compare({name: tensor.shape for name, tensor in _gguf_tensors(shape)}, found, path)
    attach(model, lora)
    for name, place in _gguf_tensors(model):
        heads = _rotated(model.config, name)
        place.copy_(_halves(found[name], heads) if heads else found[name])
    return lora


def _alpha(path: Path, header: Header) -> float:
    key = gguf.Keys.Adapter.LORA_ALPHA
    alpha = header.metadata.get(key)
    if alpha is None:
        raise bad_model_file(path, Text(f"its header lacks {key}", f"文件头缺少 {key}"))
    if not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
        raise bad_model_file(path, nonsense().text)
    return float(alpha)


def save_gguf(model: Transformer, path: Path, *, half: bool = False) -> None:
    """Write the adapter as a GGUF file for llama.cpp, in float32 or, half as large, float16.

    It belongs to a GGUF of the same base. llama.cpp rotates neighbouring elements of a head where Hugging Face
    rotates halves, for the architecture ``llama`` only: there the rows of q and k change places.
    Raises `FeilunError` for DoRA, which the format cannot express.
    """
    lora = _lora(model)
    if lora.dora:
        raise FeilunError(
            "A DoRA adapter cannot be a GGUF adapter: llama.cpp has no magnitudes. Merge it into the model instead: "
            "feilun models export BASE --adapter FOLDER --gguf q8_0 --out MODEL.gguf",
            "DoRA 适配器不能导出为 GGUF 适配器：llama.cpp 不支持幅度向量。请改为把它合并到模型中："
            "feilun models export 基座模型 --adapter 文件夹 --gguf q8_0 --out 模型.gguf",
            code="dora_in_gguf",
        )
    draft = path.with_name(f".{path.name}.tmp")
    writer = gguf.GGUFWriter(draft, model.config.family)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, lora.alpha)
    for name, tensor in _gguf_tensors(model):
        heads = _rotated(model.config, name)
        array = (_pairs(tensor, heads) if heads else tensor).cpu().contiguous().numpy()
        writer.add_tensor(name, array.astype(np.float16 if half else np.float32))
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _pairs(b: Tensor, heads: int) -> Tensor:
    """Rows of B (heads * head_dim, rank) with the two halves of each head interleaved."""
    return b.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(b.shape)


def _halves(b: Tensor, heads: int) -> Tensor:
    """What `_pairs` was given."""
    return b.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(b.shape)


def _rotated(config: ModelConfig, name: str) -> int | None:
    """How many heads' rows change places in this tensor of a GGUF file, if any do."""
    heads = {"attn_q": config.heads, "attn_k": config.kv_heads}
    _, _, part, _, letter = name.split(".")
    return heads.get(part) if config.family == "llama" and letter == "lora_b" else None


def _gguf_tensors(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Views of the adapter's tensors under llama.cpp's names."""
    for name, module in adapters(model).items():
        layer = int(name.split(".")[1])
        for part, views in module.tensors():
            for letter in ("a", "b"):
                yield f"blk.{layer}.{_GGUF_NAME[part]}.weight.lora_{letter}", views[letter]


def _lora(model: Transformer) -> Lora:
    return next(iter(adapters(model).values())).lora


def _peft_tensors(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Views of the adapter's tensors under PEFT's names."""
    theirs = names(model.config)
    for name, module in adapters(model).items():
        # Hugging Face calls the parts of a product as we do, and "_proj" for what they are.
        stems = {re.split(r"[._]", stem)[-3]: stem for stem in theirs[f"{name}.weight"]}
        for part, views in module.tensors():
            stem = stems[part].removesuffix(".weight")
            for kind, tensor in views.items():
                yield f"base_model.model.{stem}.{_PEFT_SUFFIX[kind]}", tensor


def _read_config(path: Path) -> _PeftConfig:
    try:
        config = _PeftConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FeilunError(
            f"{path.parent} is no adapter folder: it has no {CONFIG}.",
            f"{path.parent} 不是适配器文件夹：缺少 {CONFIG}。",
            code="no_adapter",
        ) from None
    except ValidationError as error:
        said = first_fault(error)
        raise FeilunError(
            f"{path} cannot be used: {said.en}.",
            f"{path} 无法使用：{said.zh}。",
            code="config_invalid",
        ) from None
    option = config.unsupported()
    if option:
        raise FeilunError(
            f"{path}: {option} is not supported. Merge that adapter with PEFT and use the whole model.",
            f"{path}：不支持 {option}。请用 PEFT 合并该适配器，再使用整个模型。",
            code="unsupported_option",
        )
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise FeilunError(
            f"{path.parent} has no {WEIGHTS}. A .bin may run code when opened and is not read: convert it to safetensors.",
            f"{path.parent} 中没有 {WEIGHTS}。.bin 文件打开时可能执行代码，因此不读取：请转换为 safetensors。",
            code="no_weights",
        ) from None
    except SafetensorError:
        raise FeilunError(
            f"{path} is damaged, cut short or no safetensors file.",
            f"{path} 不是 safetensors 格式，或文件不完整、已损坏。",
            code="weights_damaged",
        ) from None


def _check_shapes(config: ModelConfig, lora: Lora, tensors: dict[str, Tensor], folder: Path) -> None:
    """Compare with the adapter that ``lora`` makes of a model of this shape, without memory for it."""
    with torch.device("meta"):
        model = Transformer(config)
    attach(model, lora)
    _compare({name: tensor.shape for name, tensor in _peft_tensors(model)}, tensors, folder)


def _compare(wanted: Mapping[str, torch.Size], tensors: dict[str, Tensor], folder: Path) -> None:
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors:
            _does_not_fit(folder, f"{name} is missing", f"缺少 {name}")
        if name not in wanted:
            _does_not_fit(folder, f"there is no place for {name}", f"没有 {name} 的位置")
        shape, expected = tuple(tensors[name].shape), tuple(wanted[name])
        if shape != expected:
            _does_not_fit(
                folder, f"{name} is {shape} instead of {expected}", f"{name} 为 {shape}，应为 {expected}"
            )


def _does_not_fit(folder: Path, en: str, zh: str) -> NoReturn:
    raise FeilunError(
        f"The adapter {folder} does not fit this model: {en}.",
        f"适配器 {folder} 与此模型不符：{zh}。",
        code="adapter_does_not_fit",
    )
