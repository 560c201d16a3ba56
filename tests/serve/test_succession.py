"""A model that gets another release while it serves: nobody waits for it, nobody is turned away."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import StartServer
from tests.serve.test_adapter import random_adapter
from tests.support import Server, ask, eventually, say

from feilun.registry import Registry, Release
from feilun.registry.gguf import read_header
from feilun.registry.sources import ensure
from feilun.workspace import Workspace, sha256_file

pytestmark = pytest.mark.xdist_group("own servers")


@pytest.fixture
def other(tmp_path: Path) -> Release:
    """The default model with an adapter of noise."""
    base = Registry(Workspace(tmp_path / "workspace")).default()
    path = tmp_path / "noise.gguf"
    path.write_bytes(random_adapter(read_header(ensure(base)), seed=7))
    return base.model_copy(update={"adapter": str(path), "adapter_sha256": sha256_file(path)})


def release_of(server: Server, answer: dict[str, Any]) -> str:
    return str(server.message(answer["id"])["release"])


def test_a_new_release_takes_over_without_a_dropped_request(
    start_server: StartServer, tmp_path: Path, other: Release
) -> None:
    server = start_server(tmp_path / "workspace")
    registry = Registry(Workspace(server.workspace))
    before = registry.default()
    answers: list[dict[str, Any]] = []
    over = threading.Event()

    def keep_asking() -> None:
        with server.client() as client:
            while not over.is_set():
                answers.append(ask(client, say("Hello", max_tokens=8)))  # fails unless it is 200

    def took_over() -> bool:
        assert all(thread.is_alive() for thread in threads)
        return release_of(server, answers[-1]) == other.id

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answers) > 5)
    with (
        server.client() as client,
        client.stream(
            "POST",
            "/v1/chat/completions",
            json=say("Count.", max_tokens=200, stream=True, logit_bias={"0": -100, "2": -100}),
        ) as old,
    ):
        lines = old.iter_lines()
        next(lines)
        assert registry.replace(other) == before
        eventually(took_over, what="for the new release to answer")
        assert client.get("/health").status_code == 200
        assert [line for line in lines if line][
            -1
        ] == "data: [DONE]"  # what the old one had begun it has finished
    over.set()
    for thread in threads:
        thread.join()
    seen = [release_of(server, answer) for answer in sorted(answers, key=lambda answer: answer["id"])]
    assert set(seen) == {before.id, other.id}
    assert seen == sorted(seen, key=lambda release: release == other.id)  # never back and forth


def test_one_that_cannot_be_loaded_leaves_the_present_one_serving(
    start_server: StartServer, tmp_path: Path, other: Release
) -> None:
    server = start_server(tmp_path / "workspace")
    registry = Registry(Workspace(server.workspace))
    before = registry.default()
    Path(str(other.adapter)).unlink()
    registry.replace(other)
    with server.client() as client:
        for _ in range(3):
            assert release_of(server, ask(client, say("Hello"))) == before.id
        registry.replace(before)
        assert release_of(server, ask(client, say("Hello"))) == before.id
        assert json.loads(client.get("/health").content) == {"status": "ok"}
