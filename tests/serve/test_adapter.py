"""A release with a LoRA adapter answers in its own way, and changes nothing for the base it shares."""

from __future__ import annotations

import json
import random
import struct
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.support import Server, ask, content, error_of, say, warm_up

from feilun.registry import Registry
from feilun.registry.gguf import Header, read_header
from feilun.registry.sources import ensure
from feilun.workspace import Workspace, sha256_file

pytestmark = pytest.mark.xdist_group("own servers")

RANK = 2
ALIGNMENT = 32


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def random_adapter(base: Header, seed: int) -> bytes:
    """A GGUF LoRA adapter of noise on the base's query projections, strong enough to change any answer."""
    noise = random.Random(seed)
    width: int = base.metadata[f"{base.architecture}.embedding_length"]
    layers: int = base.metadata[f"{base.architecture}.block_count"]
    pairs = [
        _text("general.type") + struct.pack("<I", 8) + _text("adapter"),
        _text("general.architecture") + struct.pack("<I", 8) + _text(base.architecture),
        _text("adapter.type") + struct.pack("<I", 8) + _text("lora"),
        _text("adapter.lora.alpha") + struct.pack("<If", 6, float(RANK)),
    ]
    shapes = {"lora_a": (width, RANK), "lora_b": (RANK, width)}
    table, data = b"", b""
    for layer in range(layers):
        for part, shape in shapes.items():
            table += _text(f"blk.{layer}.attn_q.weight.{part}")
            table += struct.pack("<IQQIQ", 2, *shape, 0, len(data))  # 0: float32
            data += array("f", (noise.gauss(0, 0.5) for _ in range(width * RANK))).tobytes()
            data += bytes(-len(data) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2 * layers, len(pairs)) + b"".join(pairs) + table
    return head + bytes(-len(head) % ALIGNMENT) + data


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the default model, alone and with adapters: two that work, and one for another model."""
    workspace = tmp_path_factory.mktemp("adapted") / "workspace"
    base = Registry(Workspace(workspace)).default()
    header = read_header(ensure(base))
    narrow = Header({**header.metadata, f"{header.architecture}.embedding_length": 64})
    files = {
        "one": random_adapter(header, seed=1),
        "two": random_adapter(header, seed=2),
        "misfit": random_adapter(narrow, seed=3),
        "noise": b"not an adapter" * 100,
    }
    models: list[dict[str, Any]] = [base.model_dump(exclude_defaults=True)]
    for name, data in files.items():
        path = workspace / f"{name}.gguf"
        path.write_bytes(data)
        digest = sha256_file(path)
        models.append({**models[0], "name": name, "adapter": str(path), "adapter_sha256": digest})
    models.append({**models[0], "name": "gone", "adapter": str(workspace / "gone.gguf")})
    (workspace / "models.json").write_text(json.dumps({"default": base.name, "models": models}))
    server = Server(workspace)
    server.wait_until_ready()
    yield server
    server.stop()
    assert "Traceback" not in server.log, server.log


@pytest.fixture
def client(adapted: Server) -> Iterator[httpx.Client]:
    with adapted.client() as client:
        yield client


QUESTION = say("What is the capital of France?", max_tokens=6)


def test_an_adapter_changes_its_own_releases_answers_only(client: httpx.Client) -> None:
    for name in (None, "one"):
        warm_up(client, {**QUESTION, "model": name})
    base = ask(client, QUESTION)
    one = ask(client, {**QUESTION, "model": "one"})
    assert content(one) != content(base)
    assert one["system_fingerprint"] != base["system_fingerprint"]
    assert content(ask(client, QUESTION)) == content(base)
    assert content(ask(client, {**QUESTION, "model": "one"})) == content(one)


def test_base_and_adapter_do_not_mix_when_asked_at_once(client: httpx.Client) -> None:
    base = content(ask(client, QUESTION))
    names = ["one", None] * 4
    with ThreadPoolExecutor(len(names)) as threads:
        answers = list(threads.map(lambda name: content(ask(client, {**QUESTION, "model": name})), names))
    assert [answer == base for answer in answers] == [name is None for name in names]


@pytest.mark.slow
def test_more_models_than_are_kept_in_memory_take_turns(client: httpx.Client) -> None:
    for _ in range(2):
        answers = [content(ask(client, {**QUESTION, "model": name})) for name in (None, "one", "two")]
        assert len(set(answers)) == 3
    states = [model["feilun"]["state"] for model in client.get("/v1/models").json()["data"]]
    assert states.count("ready") == 2


@pytest.mark.parametrize("name", ["misfit", "noise", "gone"])
def test_an_adapter_that_does_not_fit_is_refused_in_one_line(client: httpx.Client, name: str) -> None:
    error = error_of(client.post("/v1/chat/completions", json=say("Hi", model=name)), 503)
    assert f"{name}.gguf" in error["message"]
    assert content(ask(client, say("Hi")))
