"""A canary beside the present release: it answers its conversations, and comes, goes and takes over unnoticed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import StartServer
from tests.forks import run_feilun
from tests.serve.test_adapter import random_adapter
from tests.support import ENDLESS, Server, ask, content, error_of, eventually, say, talk

from feilun.flywheel.promote import begin_canary
from feilun.registry import Canary, Registry
from feilun.registry.gguf import read_header
from feilun.registry.sources import ensure
from feilun.store import Store
from feilun.store.tables import now_ms
from feilun.workspace import Workspace, sha256_file

pytestmark = pytest.mark.xdist_group("own servers")

Begin = Callable[..., Canary]


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path) -> Server:
    return start_server(tmp_path / "workspace")


@pytest.fixture
def registry(server: Server) -> Registry:
    return Registry(Workspace(server.workspace))


@pytest.fixture
def begin(server: Server, registry: Registry, tmp_path: Path) -> Begin:
    """Begin a canary, the default model with an adapter of noise, and wait until it can answer."""
    base = registry.default()
    path = tmp_path / "noise.gguf"
    path.write_bytes(random_adapter(read_header(ensure(base)), seed=7))
    release = base.model_copy(update={"adapter": str(path), "adapter_sha256": sha256_file(path)})

    def begin(*, wait: bool = True, **rules: Any) -> Canary:
        rules = {"share": 0.5, "votes": 40, "per_user": 5, "alpha": 0.05, "turn": "turn-1", **rules}
        canary = Canary(release=release, since_ms=now_ms(), **rules)
        store = Store(server.workspace / "feilun.db")
        begin_canary(registry, store, canary)
        store.close()
        if wait:
            with server.client() as client:
                eventually(lambda: client.get("/health").is_success and state(client)["state"] == "ready")
        return canary

    return begin


def state(client: httpx.Client) -> dict[str, Any]:
    return client.get("/api/flywheel/canary").json()["canary"] or {"state": None}


def stored(server: Server, answer: dict[str, Any]) -> tuple[str, str]:
    """Conversation and release of an answer."""
    row = server.message(answer["id"])
    return row["conversation_id"], row["release"]


@pytest.mark.slow
def test_a_conversation_has_one_release_from_end_to_end(
    server: Server, registry: Registry, begin: Begin
) -> None:
    canary = begin()
    seen: defaultdict[str, set[str]] = defaultdict(set)
    conversation = ""
    with server.client() as client:
        for n in range(12):
            history: list[dict[str, Any]] = []
            for question in ("Hello", "Why?"):
                history.append({"role": "user", "content": f"{question} {n}"})
                answer = ask(client, talk(*history, max_tokens=3))
                history.append({"role": "assistant", "content": content(answer)})
                conversation, release = stored(server, answer)
                seen[conversation].add(release)
        named = ask(client, say("And?", max_tokens=3, metadata={"conversation_id": conversation}))
        seen[conversation].add(stored(server, named)[1])
        vectors = {
            tuple(client.post("/v1/embeddings", json={"input": "Hello"}).json()["data"][0]["embedding"][:3])
            for _ in range(4)
        }
    assert len(seen) == 12
    releases = {conversation: releases.pop() for conversation, releases in seen.items() if len(releases) == 1}
    assert releases == {one: (canary.release if canary.takes(one) else registry.default()).id for one in seen}
    assert len(set(releases.values())) == 2
    assert len(vectors) == 1  # those of two releases cannot be compared


@pytest.mark.slow  # `test_succession` has the same of a release that takes over
@pytest.mark.parametrize("take_over", [True, False])
def test_it_comes_and_goes_without_a_dropped_request(
    server: Server, registry: Registry, begin: Begin, take_over: bool
) -> None:
    before = registry.default()
    over, decided = threading.Event(), threading.Event()
    answers: list[dict[str, Any]] = []
    asked_later: list[dict[str, Any]] = []

    def keep_asking() -> None:
        with server.client() as client:
            while not over.is_set():
                later = decided.is_set()
                answer = ask(client, say("Hello", max_tokens=4))  # fails unless it is 200
                answers.append(answer)
                if later:
                    asked_later.append(answer)

    def newest() -> str:
        assert all(thread.is_alive() for thread in threads)
        return stored(server, answers[-1])[1]

    threads = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answers) > 2)
    canary = begin(wait=False)
    left, stays = (before, canary.release) if take_over else (canary.release, before)
    eventually(lambda: newest() == canary.release.id, what="for the canary to answer")
    with server.client() as client:
        # One that the release answers that is about to go.
        mine = next(
            conversation
            for conversation in (stored(server, answer)[0] for answer in reversed(answers))
            if canary.takes(conversation) is (left == canary.release)
        )
        body = say(
            "Count.", **{**ENDLESS, "max_tokens": 200}, stream=True, metadata={"conversation_id": mine}
        )
        with client.stream("POST", "/v1/chat/completions", json=body) as old:
            lines = old.iter_lines()
            next(lines)
            verb = "promote" if take_over else "withdraw"
            done = client.post(f"/api/flywheel/canary/{verb}").json()
            assert done == {"model": before.name, "release": stays.id}
            decided.set()
            eventually(lambda: len(asked_later) > 4)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        over.set()
        for thread in threads:
            thread.join()
        assert {stored(server, answer)[1] for answer in asked_later} == {stays.id}
        assert {stored(server, answer)[1] for answer in answers} == {before.id, canary.release.id}
        again = error_of(client.post(f"/api/flywheel/canary/{verb}"), 409)
        assert again["code"] == "no_canary"
        history = client.get("/api/flywheel").json()["history"]
    reason = "canary_promoted" if take_over else "canary_withdrawn"
    assert (history[0]["reason"], history[0]["release"]) == (reason, stays.id)


def test_one_that_cannot_be_loaded_leaves_all_to_the_present_release(
    server: Server, registry: Registry, begin: Begin, tmp_path: Path
) -> None:
    (tmp_path / "noise.gguf").unlink()
    canary = begin(wait=False)
    with server.client() as client:
        eventually(lambda: client.get("/health").is_success and state(client)["state"] == "error")
        assert "noise.gguf" in state(client)["error"]
        # Each conversation draws its arm: none of twenty for the canary is one time in a million.
        answers = [stored(server, ask(client, say("Hello", max_tokens=2))) for _ in range(20)]
        assert any(canary.takes(conversation) for conversation, _ in answers)
        assert {release for _, release in answers} == {registry.default().id}


def test_by_thumbs_it_is_withdrawn_and_the_server_needs_nobody_for_it(
    server: Server, registry: Registry, begin: Begin
) -> None:
    canary = begin()
    with server.client() as client:

        def ended() -> bool:
            answer = ask(client, say("Hello", max_tokens=2))
            good = stored(server, answer)[1] != canary.release.id
            opinion = {"message_id": answer["id"], "rating": 1 if good else -1}
            assert client.post("/v1/feedback", json=opinion).is_success
            return state(client)["state"] is None

        eventually(ended, what="for the votes to decide")
        rows = client.get("/api/flywheel").json()["history"]
        assert [row["reason"] for row in rows] == ["canary_worse", "canary", "first"]
        assert client.get("/health").is_success
    assert registry.serving(None) == (registry.default(), None)
    assert "by the votes" in server.log
    said = run_feilun("-w", server.workspace, "canary", "status")
    assert "has no canary" in said.stdout
