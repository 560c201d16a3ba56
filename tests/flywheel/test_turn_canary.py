"""The last step of a turn that is to begin with a canary. The steps before it are the same (test_turn.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from feilun.flywheel.promote import roll_back
from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.turn import KIND, Turn
from feilun.jobs import Job
from feilun.registry import SMALLEST, Registry
from feilun.store import Store
from feilun.store.served import history
from feilun.workspace import Workspace, sha256_file


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    """One whose adapter is made and has passed the gate."""
    workspace = Workspace(tmp_path)
    store = Store(tmp_path / "feilun.db")
    recipe = TurnRecipe.model_validate({"promote": {"canary": 0.25, "votes": 7}})
    job = Job.create(tmp_path / "runs", KIND, KIND, {})
    adapter = tmp_path / "models" / job.id / "adapter.gguf"
    adapter.parent.mkdir(parents=True)
    adapter.write_bytes(b"an adapter")
    yield Turn(workspace, store, job, recipe, SMALLEST.name)
    store.close()


def events(turn: Turn) -> list[str]:
    return [event["event"] for event in turn.job.events()]


def test_what_passes_the_gate_becomes_a_canary_once(turn: Turn, tmp_path: Path) -> None:
    registry = Registry(turn.workspace)
    with turn.job.running():
        turn._promote()  # pyright: ignore[reportPrivateUsage]
    release, canary = registry.serving(None)
    assert release == SMALLEST  # which answers the rest
    assert canary is not None
    assert canary.release.adapter_sha256 == sha256_file(tmp_path / "models" / turn.name / "adapter.gguf")
    assert (canary.turn, canary.share, canary.votes) == (turn.name, 0.25, 7)
    assert (canary.per_user, canary.alpha) == (5, 0.05)
    assert "canary" in events(turn)
    assert "promoted" not in events(turn)

    assert roll_back(registry, turn.store, SMALLEST.name) == SMALLEST
    with turn.job.running():  # again, as when it was killed before it could say that it had ended
        turn._promote()  # pyright: ignore[reportPrivateUsage]
    assert registry.serving(None) == (SMALLEST, None)
    with turn.store.reading() as session:
        assert [(row.reason, row.turn) for row in history(session)] == [
            ("first", None), ("canary", turn.name), ("canary_withdrawn", None),
        ]  # fmt: skip


def test_without_a_share_it_takes_over_at_once(turn: Turn) -> None:
    turn.recipe.promote.canary = 0
    with turn.job.running():
        turn._promote()  # pyright: ignore[reportPrivateUsage]
    release, canary = Registry(turn.workspace).serving(None)
    assert (release.adapter_sha256 is not None, canary) == (True, None)
    assert "promoted" in events(turn)
