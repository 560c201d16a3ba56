"""``feilun train`` says what a run will take, and afterwards how that was off."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tests.commands.conftest import Run

from feilun.commands.planned import Planned

RECIPE = """
kind = "pretrain"
name = "tiny"
baseline = false
[data]
heldout = 0.1
[tokenizer]
vocab_size = 320
[model]
hidden_size = 32
layers = 2
heads = 2
[run]
steps = 12
rows = 2
length = 32
"""


def test_the_plan_before_and_its_error_after_and_the_next_plan_knows(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    recipe, text = tmp_path / "tiny.toml", Path(__file__).parents[2] / "README.md"
    recipe.write_text(RECIPE)
    command = ("-w", tmp_path / "w", "train", recipe, "--source", text)
    first, second = run(*command), run(*command)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "Plan: " in first.stderr
    assert "no earlier run" in first.stderr
    assert "Planned " in first.stderr
    assert "by 1 earlier runs" in second.stderr
    assert first.stdout.strip().endswith("tiny")
    quiet = run(*command, "--json")
    assert "Plan: " not in quiet.stderr


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Plan of pre-training, not of the other stages: "),
        ("zh", "预训练的计划（不含其他阶段）：训练步共 "),
    ],
)
def test_of_a_pipeline_the_plan_is_said_to_be_of_pre_training(
    language: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    found = Planned(tomllib.loads(RECIPE), tmp_path, whole=False).before()
    assert found is not None
    assert found.startswith(said)
