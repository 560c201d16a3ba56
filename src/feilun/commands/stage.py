"""``feilun train`` with a recipe of one stage: which data and base it takes, and what it makes."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.commands.jobs import job_to_resume
from feilun.commands.verifier import share_of_checks
from feilun.jobs import Job
from feilun.recipe import differences, read_recipe
from feilun.text import FeilunError, Text
from feilun.train.may_change import MAY_CHANGE, other_recipe
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.train.distributed import World
    from feilun.train.recipe import PretrainRecipe, Recipe


@dataclass(frozen=True)
class AskedStage:
    """What the command line asks for: one stage. See `feilun.commands.train.Work`."""

    recipe: Path
    sources: list[Path]
    name: str | None
    max_steps: int | None
    resume: bool
    """Whether it goes on: with the data that it was begun with, if none are named."""

    def wanted(self) -> Recipe:
        """The recipe, as changed on the command line. Raises `FeilunError` if there is something wrong with it, or no data."""
        wanted = _read(self.recipe, {"name": self.name, "run.steps": self.max_steps})
        if not self.resume:
            self.data(wanted.data.sources)
        return wanted

    def data(self, named: Sequence[str]) -> list[Path]:
        """The files and folders to learn from: those of the command line, else those ``named``. Raises `FeilunError` for
        one that is not there, or if there are none.
        """
        sources = self.sources or [_beside(self.recipe, path) for path in named]
        missing = next((path for path in sources if not path.exists()), None)
        if missing is not None or not sources:
            raise FeilunError(
                f"There is no data at {missing}: name a file or folder with --source."
                if missing
                else "There is no data: give --source.",
                f"{missing} 处没有数据：请用 --source 指定文件或文件夹。"
                if missing
                else "没有数据：请用 --source 指定。",
                code="no_text",
            )
        return sources

    def job(self, workspace: Workspace, resume: bool) -> Job:
        """A new job, or the one to go on with. Raises `FeilunError` if that was begun with another recipe: only `MAY_CHANGE`."""
        wanted, runs = self.wanted(), workspace.path / "runs"
        found = job_to_resume(runs, wanted.kind, wanted.name) if resume else None
        before = dict(found.record.recipe) if found else wanted.model_dump(mode="json")
        named = before["data"]["sources"]
        before["data"] = {**before["data"], "sources": [str(_beside(self.recipe, path)) for path in named]}
        wanted.data.sources = [str(path) for path in self.data(named)]
        asked = wanted.model_dump(mode="json")
        if found is None:
            return Job.create(runs, wanted.kind, wanted.name, asked)
        changed = differences(before, wanted)
        for key in changed:
            if key not in MAY_CHANGE:
                why = Text(
                    f"What may change: {', '.join(MAY_CHANGE)}.", f"可以改变的有：{'、'.join(MAY_CHANGE)}。"
                )
                raise other_recipe(found, key, before, why)
        if changed:
            found.change(asked)
        return found

    def run(self, job: Job, workspace: Workspace, world: World) -> Path | None:
        from feilun.train.report import write_report

        def report() -> None:
            if world.first:
                job.emit("report", path=str(write_report(job)))

        try:
            made = _run(self.wanted(), self, job, workspace, world)
        except (FeilunError, OSError):
            # The curves of a run that went wrong are those one wants to see.
            with contextlib.suppress(OSError):
                report()
            raise
        report()
        return made

    def made(self, job: Job, workspace: Workspace) -> Path:
        return workspace.path / "models" / job.record.name

    @property
    def pretraining(self) -> PretrainRecipe | None:
        from feilun.train.recipe import PretrainRecipe

        wanted = self.wanted()
        return wanted if isinstance(wanted, PretrainRecipe) else None


def _read(recipe: Path, changes: dict[str, Any]) -> Recipe:
    from feilun.train import recipe as known

    kinds: dict[str, type[Recipe]] = {
        "pretrain": known.PretrainRecipe,
        "sft": known.SftRecipe,
        "reward": known.RewardRecipe,
        "dpo": known.DpoRecipe,
        "kto": known.KtoRecipe,
        "ppo": known.PpoRecipe,
        "grpo": known.GrpoRecipe,
    }
    kind = kind_of(recipe)
    if kind not in kinds:
        raise FeilunError(
            f"{recipe}: kind: '{kind}' is not known; known: {', '.join(kinds)}.",
            f"{recipe}：kind：没有“{kind}”；可用：{'、'.join(kinds)}。",
            code="recipe_invalid",
        )
    return read_recipe(recipe, kinds[kind], changes)


def _run(wanted: Recipe, asked: AskedStage, job: Job, workspace: Workspace, world: World) -> Path | None:
    from feilun.train import prefer, pretrain, recipe, reinforce, sft

    folder = workspace.path / "models" / wanted.name
    sources = asked.data(job.record.recipe["data"]["sources"])
    if isinstance(wanted, recipe.PretrainRecipe):
        if wanted.tokenizer.folder is not None:
            wanted.tokenizer.folder = str(_made(asked.recipe, wanted.tokenizer.folder, workspace))
        return pretrain.pretrain(wanted, sources, job, folder, world)
    with world.first_before_others():
        base = _base(asked.recipe, wanted.base, workspace)
    adapter = _made(asked.recipe, wanted.adapter, workspace) if wanted.adapter else None
    if isinstance(wanted, recipe.SftRecipe):
        return sft.fine_tune(wanted, base, sources, job, folder, world, adapter=adapter)
    if isinstance(wanted, recipe.RewardRecipe):
        return prefer.train_reward(wanted, base, sources, job, folder, world, adapter=adapter)
    if isinstance(wanted, recipe.DpoRecipe | recipe.KtoRecipe):
        return prefer.prefer(wanted, base, sources, job, folder, world, adapter=adapter)
    reward = share_of_checks if wanted.reward == "checks" else _made(asked.recipe, wanted.reward, workspace)
    return reinforce.reinforce(wanted, base, sources, job, folder, world, adapter=adapter, reward=reward)


def _base(recipe: Path, base: str, workspace: Workspace) -> Path:
    """Where the base model lies: a path beside the recipe, the name of one trained here, or a source that is fetched."""
    path = _made(recipe, base, workspace)
    if path.exists():
        return path
    from feilun.registry import Release
    from feilun.registry.sources import ensure, normalise

    return ensure(Release(name="base", source=normalise(base)))


def _made(recipe: Path, path: str, workspace: Workspace) -> Path:
    """A path beside the recipe; or, where there is none, what a run of that name has made in the workspace."""
    beside, made = _beside(recipe, path), workspace.path / "models" / path
    return made if made.exists() and not beside.exists() else beside


def _beside(recipe: Path, path: str) -> Path:
    return (recipe.parent / path).resolve()


def kind_of(recipe: Path) -> str:
    """The kind that a recipe says it is of. Raises `FeilunError` for what is no recipe."""
    try:
        return str(tomllib.loads(recipe.read_text(encoding="utf-8-sig")).get("kind"))
    except (OSError, ValueError):
        from feilun.train.recipe import PretrainRecipe

        read_recipe(recipe, PretrainRecipe)  # which says what is wrong with the file
        raise
