"""The header of a GGUF file: enough to refuse a bad file in one clear line before llama.cpp reads it, and to find the tensors in it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from feilun.text import FeilunError, Text

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24),
    8: (32, 34), 9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176),
    14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50),
    20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""GGML's number of each quantisation -> numbers in a block, and its bytes."""
_LIMIT = 1 << 31
"""No count or length in an honest header comes near this."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies and how it is stored."""

    shape: tuple[int, ...]
    """Rows first, as NumPy and PyTorch count; the file counts the other way round."""
    kind: int
    """GGML's number of its quantisation."""
    begin: int
    """Bytes from the start of the file."""

    @property
    def end(self) -> int:
        """The byte after its last one; ``begin`` for a quantisation that is not known."""
        block, size = _BLOCKS.get(self.kind, (1, 0))
        return self.begin + math.prod(self.shape) // block * size


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. Arrays (vocabularies, mostly) are passed over and stand as None unless asked for."""

    metadata: dict[str, Any]
    tensors: dict[str, TensorInfo] = field(default_factory=dict[str, TensorInfo])

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def is_adapter(self) -> bool:
        return self.metadata.get("general.type") == "adapter"

    @property
    def trained_context(self) -> int | None:
        """Tokens the model was trained to attend over."""
        return self._number("context_length")

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Upper bound of what one token of context takes in a 16-bit KV cache; None if the header does not say.

        Two (keys, values) x layers x KV heads x head size x 2 bytes; sliding windows and such make it less.
        """
        layers, width = self._number("block_count"), self._number("embedding_length")
        heads = self._number("attention.head_count")
        if not (layers and width and heads):
            return None
        kv_heads = self._number("attention.head_count_kv") or heads
        head_size = self._number("attention.key_length") or width // heads
        return 2 * layers * kv_heads * head_size * 2

    @property
    def chat_template(self) -> str | None:
        return self._text("tokenizer.chat_template")

    @property
    def license(self) -> str | None:
        return self._text("general.license")

    def _number(self, name: str) -> int | None:
        value = self.metadata.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) and value > 0 else None

    def _text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None


def read_header(path: Path, *, arrays: bool = False) -> Header:
    """Read and check a header, with ``arrays`` the vocabulary as well (a second or so for the largest).

    Raises `FeilunError` if the file is missing, not GGUF, damaged, or cut short.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, arrays)
    except FileNotFoundError:
        raise FeilunError(
            f"There is no file {path}.", f"文件 {path} 不存在。", status=503, code="model_file_missing"
        ) from None
    except OSError as error:
        raise FeilunError(
            f"Cannot read {path}: {error.strerror}.",
            f"无法读取 {path}：{error.strerror}。",
            status=503,
            code="model_file_unreadable",
        ) from None
    except BadHeader as error:
        raise bad_model_file(path, error.text) from None
    except struct.error:  # a number was to be read and fewer bytes were left than it takes
        raise bad_model_file(path, _cut_short().text) from None
    except ValueError as error:
        raise bad_model_file(path, str(error)) from None


class BadHeader(ValueError):
    """What is wrong with a header, in both languages, to be given to `bad_model_file`."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.text = Text(en, zh)


def nonsense() -> BadHeader:
    """The error for a header whose values no model can have."""
    return BadHeader("its header makes no sense", "文件头不合理")


def bad_model_file(path: Path, why: str | Text) -> FeilunError:
    """The error for a file that is no usable model; a ``why`` that is not ours to translate stands in both languages."""
    why = Text(why, why) if isinstance(why, str) else why
    return FeilunError(
        f"{path} is not a usable GGUF model ({why.en}). Download it again, or convert the original anew.",
        f"{path} 不是可用的 GGUF 模型（{why.zh}）。请重新下载，或从原始模型重新转换。",
        status=503,
        code="bad_model_file",
    )


def _cut_short() -> BadHeader:
    return BadHeader("the file is cut short", "文件被截断")


def _read(file: BinaryIO, size: int, arrays: bool) -> Header:
    if file.read(4) != b"GGUF":
        raise BadHeader("it does not begin with GGUF", "文件开头不是 GGUF")
    version, tensors, pairs = _take(file, "<I"), _take(file, "<Q"), _take(file, "<Q")
    if version not in (2, 3):
        raise BadHeader(f"version {version} is not supported", f"不支持版本 {version}")
    if tensors > 1_000_000 or pairs > 1_000_000:
        raise nonsense()
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = _string(file)
        metadata[key] = _value(file, _take(file, "<I"), size if arrays else None)
    found: list[tuple[str, tuple[int, ...], int, int]] = []
    for _ in range(tensors):
        name, dimensions = _string(file), _take(file, "<I")
        if dimensions > 8:
            raise nonsense()
        shape = tuple(_take(file, "<Q") for _ in range(dimensions))[::-1]
        found.append((name, shape, _take(file, "<I"), _take(file, "<Q")))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise nonsense()
    data = -(-file.tell() // alignment) * alignment
    header = Header(metadata, {name: TensorInfo(shape, kind, data + at) for name, shape, kind, at in found})
    if any(info.begin >= size or info.end > size for info in header.tensors.values()):
        raise _cut_short()
    if not _layers_are_there(header):
        raise BadHeader("it does not hold the layers that its header names", "文件中没有文件头所列的全部层")
    return header


def _layers_are_there(header: Header) -> bool:
    """Whether as many layers as the header names can be there: where they are not, llama.cpp ends the whole process."""
    named = header.metadata.get(f"{header.architecture}.block_count")
    blocks = {name.split(".")[1] for name in header.tensors if name.startswith("blk.")}
    elsewhere = (
        header.is_adapter or header.metadata.get("split.count", 1) != 1
    )  # layers of a base, or in other files
    if elsewhere or not isinstance(named, int) or not blocks:
        return True
    return 0 < named <= len(blocks)


def _take(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _string(file: BinaryIO) -> str:
    length = _take(file, "<Q")
    if length > _LIMIT:
        raise nonsense()
    return file.read(length).decode("utf-8", "replace")


def _value(file: BinaryIO, kind: int, keep: int | None) -> Any:
    """A value of type ``kind``; an array only with ``keep``, the size of the file, which no array can exceed."""
    if kind == _STRING:
        return _string(file)
    if kind in _SCALARS:
        return _take(file, _SCALARS[kind])
    if kind != _ARRAY:
        raise BadHeader(f"unknown value type {kind}", f"未知的值类型 {kind}")
    item, count = _take(file, "<I"), _take(file, "<Q")
    if count > _LIMIT or item == _ARRAY:
        raise nonsense()
    if item == _STRING:
        if keep is not None:
            return [_string(file) for _ in range(count)]
        for _ in range(count):
            length = _take(file, "<Q")
            if length > _LIMIT:
                raise nonsense()
            file.seek(length, 1)
    elif item in _SCALARS:
        form = _SCALARS[item]
        length = count * struct.calcsize(form)
        if keep is not None:
            if length > keep:
                raise _cut_short()
            return list(struct.unpack(f"<{count}{form[1]}", file.read(length)))
        file.seek(length, 1)
    else:
        raise BadHeader(f"unknown value type {item}", f"未知的值类型 {item}")
    return None
