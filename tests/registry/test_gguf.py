"""Reading the header of a GGUF file: whatever the bytes, a header or one clear line."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.registry.tiny_gguf import gguf, header, value

from feilun.registry.gguf import Header, TensorInfo, read_header
from feilun.text import FeilunError

METADATA: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "小模型",
    "llama.context_length": 2048,
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.tokens": ["a", "飞轮", ""],
    "tokenizer.ggml.scores": [0.0, 0.5, 1.0],
    "llama.rope.freq_base": 10000.0,
    "general.flag": True,
}


def read(path: Path, data: bytes) -> Header:
    path.write_bytes(data)
    return read_header(path)


def read_or_refuse(path: Path, data: bytes) -> Header | None:
    """The header, or None if the file is refused as it should be; fails for any other end."""
    refusal: FeilunError | None = None
    try:
        return read(path, data)
    except FeilunError as error:
        refusal = error
    assert refusal.code == "bad_model_file"
    return None


def test_a_header_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read(tmp_path / "m.gguf", gguf(METADATA))
    assert found.architecture == "llama"
    assert found.trained_context == 2048
    assert found.chat_template == "{{ messages }}"
    assert not found.is_adapter
    assert found.metadata["general.name"] == "小模型"
    assert found.metadata["general.flag"] is True
    assert found.metadata["tokenizer.ggml.scores"] is None  # arrays are passed over


@pytest.mark.parametrize("layers", [0, 3, 4_000_000_000])
def test_layers_that_are_not_there_are_refused_before_llama_cpp_sees_them(
    tmp_path: Path, layers: int
) -> None:
    def with_layers(count: int, **more: int) -> bytes:
        data = gguf(METADATA | {"llama.block_count": count} | more)
        return data.replace(b"tensor.0", b"blk.0.ab").replace(b"tensor.1", b"blk.1.ab")

    read(tmp_path / "m.gguf", with_layers(2))
    read(tmp_path / "m.gguf", with_layers(3, **{"split.count": 2}))  # the others are in the next file
    with pytest.raises(FeilunError, match="does not hold the layers"):
        read(tmp_path / "m.gguf", with_layers(layers))


def test_a_file_of_the_formats_own_library_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("gguf", reason="gguf is not installed")
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    writer = library.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_context_length(512)
    writer.add_chat_template("{{ messages }}")
    writer.add_token_list(["a", "b"])
    writer.add_tensor("t", numpy.zeros((4, 8), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_header(tmp_path / "m.gguf")
    assert (found.architecture, found.trained_context, found.chat_template) == (
        "llama",
        512,
        "{{ messages }}",
    )


def test_the_memory_of_a_context_is_told_by_the_header(tmp_path: Path) -> None:
    shape = {"llama.block_count": 30, "llama.embedding_length": 576, "llama.attention.head_count": 9}
    found = read(tmp_path / "m.gguf", gguf({**shape, "llama.attention.head_count_kv": 3}))
    assert found.kv_bytes_per_token == 2 * 30 * 3 * 64 * 2
    assert read(tmp_path / "m.gguf", gguf()).kv_bytes_per_token is None


def test_an_adapter_says_so(tmp_path: Path) -> None:
    assert read(tmp_path / "a.gguf", gguf({"general.type": "adapter"})).is_adapter


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = gguf(METADATA)
    for length in range(len(whole)):
        with pytest.raises(FeilunError) as refused:
            read(tmp_path / "m.gguf", whole[:length])
        assert refused.value.code == "bad_model_file"


def test_the_end_of_a_tensor_is_where_the_formats_own_library_has_it() -> None:
    library = pytest.importorskip("gguf", reason="gguf is not installed")
    for kind, (block, size) in library.GGML_QUANT_SIZES.items():
        assert TensorInfo((3, 2 * block), int(kind), begin=100).end == 100 + 6 * size, kind
    assert TensorInfo((3, 32), 99, begin=100).end == 100


NONSENSE = [
    b"",
    b"GGML" + bytes(100),
    b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    b"GGUF" + struct.pack(">IQQ", 3, 1, 1),  # big-endian
    b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0),
    b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
    b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63),
    b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**31),
    header({"x": struct.pack("<I", 99)}),
    header({"x": struct.pack("<IIQ", 9, 8, 2**62)}),
    header({"x": struct.pack("<IIQ", 9, 9, 1)}),
    header({"x": struct.pack("<IIQ", 9, 99, 1)}),
    gguf({"general.alignment": 0}),
    gguf({"general.alignment": float("inf")}),
    gguf({"general.alignment": float("nan")}),
    gguf({"general.alignment": "many"}),
    gguf({"general.alignment": [32.0]}),
]


@pytest.mark.parametrize("data", NONSENSE, ids=range(len(NONSENSE)))
def test_a_header_that_makes_no_sense_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FeilunError) as refused:
        read(tmp_path / "m.gguf", data)
    assert refused.value.code == "bad_model_file"
    assert str(tmp_path / "m.gguf") in str(refused.value)
    assert "\n" not in str(refused.value)
    why = refused.value.text.zh.partition("（")[2].partition("）")[0]
    assert re.search("[\u4e00-\u9fff]", why), why


KEYS = [
    "general.architecture",
    "general.alignment",
    "general.license",
    "general.type",
    "llama.attention.head_count",
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "tokenizer.chat_template",
]
VALUES = st.one_of(
    st.integers(0, 2**32 - 1),
    st.floats(width=32),
    st.text(max_size=4),
    st.booleans(),
    st.lists(st.text(max_size=2), max_size=2),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.sampled_from(KEYS), VALUES), tensors=st.integers(0, 3))
def test_whatever_the_values_what_is_read_of_them_is_of_the_promised_kind(
    tmp_path: Path, metadata: dict[str, Any], tensors: int
) -> None:
    found = read_or_refuse(tmp_path / "m.gguf", gguf(metadata, tensors))
    if found is None:
        return
    assert isinstance(found.architecture, str)
    assert isinstance(found.trained_context, int | None)
    assert isinstance(found.chat_template, str | None)
    assert isinstance(found.license, str | None)
    assert isinstance(found.kv_bytes_per_token, int | None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(gguf(METADATA))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 9, 0x7F, 0x80, 0xFF]))
    read_or_refuse(tmp_path / "m.gguf", bytes(whole))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=200))
@example(tail=value("x"))
def test_random_bytes_end_in_a_header_or_one_clear_line(tmp_path: Path, tail: bytes) -> None:
    with pytest.raises(FeilunError):
        read(tmp_path / "m.gguf", b"GGU" + tail.lstrip(b"F"))
    read_or_refuse(tmp_path / "m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + tail)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "no.gguf", "model_file_missing"), (tmp_path, "model_file_unreadable")):
        with pytest.raises(FeilunError) as refused:
            read_header(path)
        assert (refused.value.status, refused.value.code) == (503, code)
