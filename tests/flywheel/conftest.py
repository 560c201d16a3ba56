"""A workspace that has nothing but its list of models and its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.flywheel.lineage_world import world  # noqa: F401
from tests.store.conftest import postgres, where  # noqa: F401  what needs a world is tested on both databases

from feilun.registry import Registry
from feilun.store import Store
from feilun.workspace import Workspace


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Workspace(tmp_path))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "feilun.db")
    yield store
    store.close()
