"""Recipes: what a file may hold, and the one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from feilun.recipe import find_recipe, read_recipe, shipped
from feilun.text import FeilunError
from feilun.validation import invalid


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Optimiser(Strict):
    lr: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)


class Stage(Strict):
    steps: int = Field(ge=1)
    optimiser: Optimiser | None = None


class Pretrain(Strict):
    kind: Literal["pretrain"]
    heldout: float = 0.01


class Sft(Strict):
    kind: Literal["sft"]
    packing: bool = True


class Recipe(Strict):
    name: str
    source: Path | None = None
    optimiser: Optimiser = Optimiser()
    stages: list[Stage] = []
    objective: Annotated[Pretrain | Sft, Field(discriminator="kind")] | None = None
    named: dict[str, Stage] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.name == "both" and self.stages:
            raise invalid("'both' takes no stages", "“both”不能有阶段")
        return self


WHOLE = """
name = "nano"
source = "语料/文本"
[optimiser]
lr = 3e-4
[[stages]]
steps = 10
[[stages]]
steps = 20
optimiser = { lr = 1 }
[objective]
kind = "sft"
"""


def read(folder: Path, text: str | bytes, overrides: dict[str, Any] | None = None) -> Recipe:
    path = folder / "r.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_recipe(path, Recipe, overrides or {})


def refused(folder: Path, text: str | bytes, overrides: dict[str, Any] | None = None) -> FeilunError:
    with pytest.raises(FeilunError) as fault:
        read(folder, text, overrides)
    assert fault.value.code == "recipe_invalid"
    for said in (fault.value.text.en, fault.value.text.zh):
        assert str(folder / "r.toml") in said
        assert "\n" not in said
    return fault.value


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = read(tmp_path, WHOLE)
    assert (recipe.name, recipe.source) == ("nano", Path("语料/文本"))
    assert recipe.optimiser == Optimiser(lr=3e-4, betas=(0.9, 0.95))
    assert [stage.steps for stage in recipe.stages] == [10, 20]
    assert recipe.stages[1].optimiser == Optimiser(lr=1)
    assert recipe.objective == Sft(kind="sft")


def test_a_recipe_saved_by_notepad_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, b'\xef\xbb\xbfname = "nano"\r\n').name == "nano"


def test_overrides_take_the_place_of_what_the_file_says(tmp_path: Path) -> None:
    changes = {"optimiser.lr": "0.5", "name": None, "objective.kind": "pretrain", "source": Path("x")}
    recipe = read(tmp_path, WHOLE, changes)
    assert recipe.optimiser.lr == 0.5
    assert recipe.name == "nano"  # None is an option that was not given
    assert recipe.objective == Pretrain(kind="pretrain")
    assert recipe.source == Path("x")
    assert read(tmp_path, 'name = "n"', {"optimiser.lr": 2}).optimiser.lr == 2  # a table of its own


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("[optimiser]\nlrr = 1", "unknown key 'optimiser.lrr'; known: lr, betas (did you mean 'lr'?)",
         "未知的键“optimiser.lrr”；可用的键：lr、betas（您是否想用“lr”？）"),
        ("nmae = 'x'", "unknown key 'nmae'; known: name, source, optimiser, stages, objective, named (did you mean 'name'?) (1 more",
         "您是否想用“name”？）（另有 1 处）"),
        ("name = 'x'\n[[stages]]\nsteps = 1\nzzz = 1", "unknown key 'stages.0.zzz'; known: steps, optimiser.",
         "未知的键“stages.0.zzz”；可用的键：steps、optimiser。"),
        ("name = 'x'\n[[stages]]\nsteps = 1\noptimiser = { beta = 1 }",
         "unknown key 'stages.0.optimiser.beta'; known: lr, betas (did you mean 'betas'?)",
         "您是否想用“betas”？"),
        ("name = 'x'\n[named.first]\nsteps = 1\nstep = 2",
         "unknown key 'named.first.step'; known: steps, optimiser (did you mean 'steps'?)",
         "您是否想用“steps”？"),
        ("name = 'x'\nobjective = { kind = 'sft', pack = true }", "did you mean 'packing'?", "您是否想用“packing”？"),
        ("", "r.toml: name: Field required.", "r.toml：name：缺少此项。"),
        ("name = 'x'\n[optimiser]\nlr = -1", "optimiser.lr: Input should be greater than 0 (found -1).",
         "optimiser.lr：应大于 0"),
        ("name = 'x'\n[[stages]]\nsteps = 'ten'", 'stages.0.steps: Input should be a valid integer',
         'stages.0.steps：应为整数（现为 "ten"）。'),
        ("name = 'x'\nobjective = { kind = 'dpo' }", "objective: Input tag 'dpo'", "'pretrain', 'sft'"),
        ("name = 'both'\n[[stages]]\nsteps = 1", "r.toml: 'both' takes no stages.", "r.toml：“both”不能有阶段。"),
        ("name = ", "r.toml is not valid TOML: Invalid value (at ", "r.toml 不是有效的 TOML"),
        ("name = 'x'\nname = 'y'", "is not valid TOML: ", "不是有效的 TOML"),
        ("name = '飞轮'".encode("gbk"), "is not UTF-8 text. Save it as UTF-8.", "不是 UTF-8 文本。请以 UTF-8 保存。"),
        ("a = " + "[" * 5000, "is not valid TOML: ", "不是有效的 TOML"),
    ],
)  # fmt: skip
def test_a_fault_names_the_file_the_key_and_what_is_allowed(
    tmp_path: Path, text: str | bytes, english: str, chinese: str
) -> None:
    fault = refused(tmp_path, text)
    assert english in fault.text.en
    assert chinese in fault.text.zh


def test_an_override_is_checked_like_the_file(tmp_path: Path) -> None:
    fault = refused(tmp_path, WHOLE, {"optimiser.learning_rate": 1})
    assert "unknown key 'optimiser.learning_rate'; known: lr, betas" in fault.text.en
    fault = refused(tmp_path, "name = 'x'\noptimiser = 3", {"optimiser.lr": 1})
    assert "optimiser must be a table, since optimiser.lr is to be set in it" in fault.text.en


def test_a_recipe_that_is_not_there_or_no_file_is_one_line(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FeilunError, match=why) as fault:
            read_recipe(path, Recipe)
        assert fault.value.code == "recipe_invalid"
        assert str(path) in fault.value.text.zh


def test_a_recipe_that_comes_with_feilun_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ppo", "train/ppo", "train/ppo.toml", "recipes/train/ppo.toml"):
        assert find_recipe(name) == shipped("train/ppo.toml")
    assert find_recipe("web") == shipped("data/web.toml")
    assert find_recipe("recipes/eval/regression.jsonl") == shipped("eval/regression.jsonl")
    for unknown in ("nothing", "../pyproject", "data", "*", str(tmp_path / "ppo")):
        assert find_recipe(unknown) == Path(unknown)
    (tmp_path / "ppo").write_text("")  # the user's own comes first
    assert find_recipe("ppo") == Path("ppo")
