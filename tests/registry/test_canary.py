"""Canaries in the list of models: who is drawn, and who may change what."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.registry.canaries import canary

from feilun.registry import SMALLEST, Canary, Registry
from feilun.text import FeilunError
from feilun.workspace import Workspace


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Workspace(tmp_path))


@settings(deadline=None, max_examples=20)
@given(share=st.floats(0.01, 0.5))
def test_its_share_of_the_conversations_is_drawn(share: float) -> None:
    one = canary(share=share)
    taken = sum(one.takes(f"conv_{n}") for n in range(4000))
    assert abs(taken / 4000 - share) < 5 * (0.25 / 4000) ** 0.5  # five standard deviations at the most
    assert [one.takes("x")] * 3 == [one.takes("x") for _ in range(3)]


def test_another_canary_draws_anew() -> None:
    both = [
        (canary(1, share=0.5).takes(key), canary(2, share=0.5).takes(key)) for key in map(str, range(4000))
    ]
    assert abs(sum(one == other for one, other in both) / 4000 - 0.5) < 0.04


@pytest.mark.parametrize("share", [0, 0.51, 1])
def test_the_present_release_keeps_at_least_half(share: float) -> None:
    with pytest.raises(ValidationError, match="share"):
        canary(share=share)


def test_it_begins_once_and_ends_once(registry: Registry) -> None:
    before = registry.default()
    assert registry.serving(None) == (before, None)
    registry.begin_canary(canary())
    registry.begin_canary(canary(votes=7))  # of the same turn: it runs already, under the rules it began with
    assert registry.serving(before.name) == (before, canary())
    with pytest.raises(FeilunError) as refused:
        registry.begin_canary(canary(2))
    assert refused.value.code == "canary_running"
    with pytest.raises(FeilunError) as refused:
        registry.replace(canary(2).release)
    assert refused.value.code == "canary_running"
    assert not registry.end_canary(canary(2), take_over=True)
    assert registry.end_canary(canary(), take_over=True)
    assert not registry.end_canary(canary(), take_over=False)
    assert registry.serving(None) == (canary().release, None)
    assert "canaries" not in registry._path.read_text()  # pyright: ignore[reportPrivateUsage]


def test_withdrawn_it_leaves_the_list_as_it_was(registry: Registry) -> None:
    before = registry.releases()
    registry.begin_canary(canary())
    assert registry.end_canary(canary(), take_over=False)
    assert (registry.releases(), registry.canaries()) == (before, [])


def test_it_goes_with_its_model(registry: Registry) -> None:
    other = SMALLEST.model_copy(update={"name": "other"})
    registry.add(other)
    registry.begin_canary(
        Canary(**{**dict(canary()), "release": other.model_copy(update={"context_length": 999})})
    )
    registry.begin_canary(canary())
    registry.remove("other")
    assert registry.canaries() == [canary()]
    with pytest.raises(FeilunError) as unknown:
        registry.begin_canary(Canary(**{**dict(canary()), "release": other}))
    assert unknown.value.code == "model_not_found"


def test_of_many_who_would_end_it_one_does(registry: Registry) -> None:
    registry.begin_canary(canary())
    ended: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: ended.append(registry.end_canary(canary(), take_over=n % 2 == 0)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [False] * 7 + [True]
