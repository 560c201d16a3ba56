"""GGUF files of a few bytes, written as the format's description says and not by what we test."""

from __future__ import annotations

import struct
from typing import Any

ALIGNMENT = 32


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def value(content: Any) -> bytes:
    """A value with its type in front. Integers are uint32, lists hold strings or float32."""
    match content:
        case bool():
            return struct.pack("<I?", 7, content)
        case int():
            return struct.pack("<II", 4, content)
        case float():
            return struct.pack("<If", 6, content)
        case str():
            return struct.pack("<I", 8) + _string(content)
        case list() if all(isinstance(item, str) for item in content):
            return struct.pack("<IIQ", 9, 8, len(content)) + b"".join(map(_string, content))
        case list():
            return struct.pack(f"<IIQ{len(content)}f", 9, 6, len(content), *content)
    raise TypeError(content)


def header(metadata: dict[str, Any], tensors: int = 2, version: int = 3) -> bytes:
    """Everything before the tensors' data; each tensor is a vector of eight float32."""
    data = b"GGUF" + struct.pack("<IQQ", version, tensors, len(metadata))
    for name, content in metadata.items():
        data += _string(name) + (content if isinstance(content, bytes) else value(content))
    for number in range(tensors):
        data += _string(f"tensor.{number}") + struct.pack("<IQIQ", 1, 8, 0, number * ALIGNMENT)
    return data


def gguf(metadata: dict[str, Any] | None = None, tensors: int = 2, fill: bytes = b"\0") -> bytes:
    """A whole file. ``fill``: what its weights are, to make files that differ."""
    named = {"general.architecture": "llama", **(metadata or {})}
    head = header(named, tensors)
    return head + b"\0" * (-len(head) % ALIGNMENT) + fill * (ALIGNMENT * tensors)
