"""Every reason that the engine or a shipped recipe gives has words in both languages."""

from __future__ import annotations

from typing import get_args

import pytest

from feilun.data.reasons import COPIES, GIVEN, REASONS, named
from feilun.data.recipe import CorpusRecipe
from feilun.data.sources import Reason
from feilun.recipe import read_recipe, shipped


def test_what_fails_is_named() -> None:
    assert REASONS.keys() >= GIVEN >= {*get_args(Reason), *COPIES}


@pytest.mark.parametrize("name", ["web", "docs", "gpt3-mix"])
def test_what_a_shipped_recipe_drops_is_named(name: str) -> None:
    rules = read_recipe(shipped(f"data/{name}.toml"), CorpusRecipe).rules
    assert REASONS.keys() >= {rule.reason for rule in rules}


def test_a_reason_of_ones_own_stays_as_it_is() -> None:
    assert (named("boring").en, named("boring").zh) == ("boring", "boring")
    assert "(spam)" in named("spam").en
