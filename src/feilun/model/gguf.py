"""GGUF files, llama.cpp's format, in and out.

In: any quantisation the ``gguf`` package can undo becomes float32 weights under a config and a tokenizer.
Out: float16, or blocks of 8 or 4 bits. How much the rounding changes is measured on what the file holds
(`divergence`), not guessed.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from feilun.model import checkpoint
from feilun.model.config import ModelConfig
from feilun.model.gguf_names import (
    ROPE_FACTORS,
    config_from,
    from_gguf,
    names,
    rope_factors,
    to_gguf,
    write_config,
)
from feilun.model.gguf_tokenizer import (
    end_of_turn,
    read_tokenizer,
    write_tokenizer,
)
from feilun.model.tokenizer import CONFIG, TEMPLATE, TOKENIZER, Tokenizer
from feilun.model.transformer import Transformer
from feilun.registry.builtin import GEMMA_TEMPLATE
from feilun.registry.gguf import BadHeader, Header, TensorInfo, bad_model_file, nonsense, read_header
from feilun.text import FeilunError, Text
from feilun.validation import explain
from feilun.workspace import MANIFEST, Manifest

Quantisation = Literal["f16", "q8_0", "q4_0"]

_Q = GGMLQuantizationType
_TYPES = {
    "f16": (_Q.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (_Q.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (_Q.Q4_0, LlamaFileType.MOSTLY_Q4_0),
}
_VOCABULARY = ("token_embd.weight", "output.weight")
_CHUNK = 128
"""Positions whose logits are held at once."""


# In.


def read_model(path: Path) -> Transformer:
    """The model of a GGUF file, weights in float32.

    Raises `FeilunError` if the file is missing or damaged, or of an architecture or quantisation that is not supported.
    """
    header = read_header(path)
    return _model(path, header, _config(path, header))


def import_gguf(path: Path, folder: Path, template: str | None = None) -> ModelConfig:
    """Write a GGUF file into the existing ``folder`` as Hugging Face has it: weights, config, tokenizer, chat template.

    ``template`` takes the place of the file's own chat template. Raises `FeilunError` as `read_model` does,
    and for a tokenizer that is not supported.
    """
    header = read_header(path, arrays=True)
    if header.is_adapter:
        raise bad_model_file(path, Text("it is an adapter, not a base model", "它是适配器，不是基座模型"))
    config = _config(path, header)
    try:
        tokenizer, settings = read_tokenizer(header.metadata, config)
    except BadHeader as error:
        raise bad_model_file(path, error.text) from None
    except ValueError:
        raise bad_model_file(path, nonsense().text) from None
    turn = end_of_turn(tokenizer)
    if turn is not None and turn not in config.eos_ids:
        config = config.model_copy(update={"eos_ids": (*config.eos_ids, turn)})
    checkpoint.save(_model(path, header, config), folder)
    (folder / TOKENIZER).write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    (folder / CONFIG).write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    template = template or header.chat_template
    if template is None and tokenizer.token_to_id("<start_of_turn>") is not None:
        template = GEMMA_TEMPLATE
    if template is not None:
        (folder / TEMPLATE).write_text(template, encoding="utf-8")
    return config


def _model(path: Path, header: Header, config: ModelConfig) -> Transformer:
    with torch.device("meta"):
        model = Transformer(config)
    table, found = names(config), header.tensors.keys() - {ROPE_FACTORS}
    expected = {theirs: tuple(tensor.shape) for theirs, tensor in checkpoint.to_hf(model)}
    for name in sorted(found | table.keys()):
        shape = header.tensors[name].shape if name in found else None
        wanted = expected[table[name]] if name in table else None
        if shape != wanted:
            why = Text(f"{name} is {shape}, expected {wanted}", f"{name} 为 {shape}，应为 {wanted}")
            raise bad_model_file(path, why)
    with _mapped(path) as data:
        tensors = {
            theirs: from_gguf(config, name, _tensor(path, data, name, header.tensors[name]))
            for name, theirs in table.items()
        }
    model.load_state_dict(checkpoint.from_hf(config, tensors), strict=not config.tied, assign=True)
    if config.tied:
        model.head.weight = model.embedding.weight
    return model


def _config(path: Path, header: Header) -> ModelConfig:
    try:
        factors = None
        if ROPE_FACTORS in header.tensors:
            with _mapped(path) as data:
                factors = _tensor(path, data, ROPE_FACTORS, header.tensors[ROPE_FACTORS])
        return config_from(header, factors)
    except ValidationError as error:
        raise bad_model_file(path, explain(error.errors()[0])) from None
    except BadHeader as error:
        raise bad_model_file(path, error.text) from None
    except (ValueError, KeyError, TypeError, ZeroDivisionError):  # whose words nobody is helped by
        raise bad_model_file(path, nonsense().text) from None


@contextmanager
def _mapped(path: Path) -> Generator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _tensor(path: Path, data: mmap.mmap, name: str, info: TensorInfo) -> Tensor:
    """A tensor in float32, a copy."""
    try:
        kind = GGMLQuantizationType(info.kind)
        block, size = GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError):
        raise _unknown_quantisation(name, str(info.kind)) from None
    length = info.shape[-1] if info.shape else 1
    if length % block:
        raise bad_model_file(
            path,
            Text(
                f"rows of {length} in {name} are not whole blocks of {kind.name}",
                f"{name} 的行长 {length} 不是 {kind.name} 块的整数倍",
            ),
        )
    shape = (*info.shape[:-1], length // block * size)
    end = info.begin + int(np.prod(shape, dtype=np.float64))
    if end > len(data):
        raise bad_model_file(path, Text(f"the file is cut short in {name}", f"文件在 {name} 处被截断"))
    raw = np.frombuffer(data[info.begin : end], np.uint8).reshape(shape)
    try:
        whole = np.array(dequantize(raw, kind), np.float32).reshape(info.shape)
    except NotImplementedError:
        raise _unknown_quantisation(name, kind.name) from None
    return torch.from_numpy(whole)  # pyright: ignore[reportUnknownMemberType]


def _unknown_quantisation(name: str, kind: str) -> FeilunError:
    return FeilunError(
        f"{name} is stored in the quantisation {kind}, which cannot be read. Use a Q8_0, F16 or K-quant file of the model.",
        f"{name} 采用无法读取的量化类型 {kind}。请使用该模型的 Q8_0、F16 或 K-quant 文件。",
        code="unknown_quantisation",
    )


# Out.


def export_gguf(folder: Path, path: Path, quantisation: Quantisation) -> None:
    """Write the model and tokenizer of a Hugging Face folder as a GGUF file, whole or not at all.

    Norms stay float32. With q4_0 embedding and output keep 8 bits, as llama.cpp gives them more as well.
    Raises `FeilunError` for what is no model folder, or nothing llama.cpp can run, or if there is no space.
    """
    model = checkpoint.load(folder, dtype=None)
    config = model.config
    kind, file_type = _TYPES[quantisation]
    with _draft(path) as draft:
        writer = GGUFWriter(draft, config.family)
        try:
            writer.add_type(GGUFType.MODEL)
            writer.add_name(folder.name)
            license = Manifest.read(folder).license if (folder / MANIFEST).exists() else None
            if license is not None:
                writer.add_license(license)
            writer.add_file_type(file_type)
            writer.add_quantization_version(2)
            write_config(config, writer)
            write_tokenizer(folder, config, writer)
            plan = [(name, tensor, _stored_as(name, tensor, kind)) for name, tensor in _stored(model)]
            for name, tensor, type in plan:
                block, size = GGML_QUANT_SIZES[type]
                writer.add_tensor_info(
                    name, tensor.shape, np.dtype(np.float32), tensor.numel() // block * size, raw_dtype=type
                )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for name, tensor, type in plan:
                whole: NDArray[np.float32] = to_gguf(config, name, tensor.float()).numpy()
                writer.write_tensor_data(np.ascontiguousarray(quantize(whole, type)))
        finally:
            writer.close()


def _stored(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """GGUF's tensors, not yet in GGUF's form."""
    ours = {theirs: name for name, theirs in names(model.config).items()}
    for theirs, tensor in checkpoint.to_hf(model):
        yield ours[theirs], tensor.detach()
    scaling = model.config.rope_scaling
    if scaling is not None and scaling.kind == "llama3":
        yield ROPE_FACTORS, rope_factors(model.config.head_dim, model.config.rope_theta, scaling)


def _stored_as(name: str, tensor: Tensor, kind: GGMLQuantizationType) -> GGMLQuantizationType:
    if tensor.ndim == 1:
        return _Q.F32
    if tensor.shape[-1] % GGML_QUANT_SIZES[kind][0]:
        return _Q.F16
    return _Q.Q8_0 if kind == _Q.Q4_0 and name in _VOCABULARY else kind


@contextmanager
def _draft(path: Path) -> Generator[Path]:
    """A hidden file beside ``path`` that takes its name only when the block ends well."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FeilunError(
            f"Cannot write {path}: {error.strerror}.", f"无法写入 {path}：{error.strerror}。"
        ) from None


# What the rounding costs.


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far one model's predictions are from another's over the same text."""

    nats: float
    """Mean Kullback-Leibler divergence of a token's distribution, KL(reference || other), in nats."""
    same_top: float
    """Share of positions with the same likeliest token."""
    tokens: int


@torch.no_grad()
def divergence(reference: Transformer, other: Transformer, ids: Tensor) -> Divergence:
    """Compare predictions after every position of ``ids`` (rows, length) int64.

    Both compute in float32, so that nothing but the stored weights differs; llama.cpp rounds activations
    as well, which comes on top.
    """
    nats, same, models = 0.0, 0, (reference, other)
    for row in ids:
        hidden = [model.hidden(row[None])[0] for model in models]
        for begin in range(0, len(row), _CHUNK):
            at = slice(begin, begin + _CHUNK)
            p, q = (model.head(h[at]).log_softmax(-1) for model, h in zip(models, hidden, strict=True))
            same += int((p.argmax(-1) == q.argmax(-1)).sum())
            nats += float((p.exp() * (p - q)).sum(-1).double().sum())
    return Divergence(nats / ids.numel(), same / ids.numel(), ids.numel())


def probe(folder: Path, text: str, length: int, rows: int) -> Tensor:
    """Token ids (rows or fewer, length) int64 of the beginning of ``text``, by the tokenizer in ``folder``.

    Raises `FeilunError` if the text does not fill one row.
    """
    ids = Tokenizer.load(folder).encode(text[: 32 * length * rows])
    count = min(rows, len(ids) // length)
    if count == 0:
        raise FeilunError(
            f"The text to compare on has {len(ids)} tokens; at least {length} are needed.",
            f"用于比较的文本只有 {len(ids)} 个 token，至少需要 {length} 个。",
            code="text_too_short",
        )
    return torch.tensor(ids[: count * length]).view(count, length)
