"""The recipe of the smallest model: what it says of itself, and what it says where its own texts are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.forks import run_feilun

from feilun.recipe import read_recipe
from feilun.train.recipe import PretrainRecipe

NANO = Path(__file__).parents[2] / "recipes" / "train" / "nano.toml"


def test_its_parameters_are_as_many_as_it_says() -> None:
    recipe = read_recipe(NANO, PretrainRecipe)
    config = recipe.model.config(recipe.tokenizer.vocab_size, (0,), 0)
    outside = config.params - config.vocab_size * config.hidden_size
    said = f"{outside / 1e6:.1f} M parameters outside the embedding, {config.params / 1e6:.1f} M in all"
    assert said in NANO.read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "sentence"), [("en", "There is no data"), ("zh", "处没有数据")])
def test_without_the_projects_texts_it_names_the_option(language: str, sentence: str, tmp_path: Path) -> None:
    """As from an installed wheel, which has the recipe and neither README nor docs."""
    recipe = tmp_path / "recipes" / "train" / "nano.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_bytes(NANO.read_bytes())
    result = run_feilun("-w", tmp_path / "w", "train", recipe, FEILUN_LANG=language)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "README.md" in result.stderr
    assert "--source" in result.stderr
    assert result.stderr.count("\n") == 1
