"""``feilun train`` with a recipe of kind ``pipeline``: every stage of a chat model in one run."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.commands.jobs import job_to_resume
from feilun.jobs import Job, list_jobs
from feilun.recipe import differences, read_recipe
from feilun.text import FeilunError
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.train.distributed import World
    from feilun.train.pipeline.recipe import PipelineRecipe
    from feilun.train.recipe import PretrainRecipe

KIND = "pipeline"


@dataclass(frozen=True)
class AskedPipeline:
    """What the command line asks for: as `feilun.commands.train.Asked`, of all stages."""

    beside: Path
    """The recipe's folder."""
    wanted: PipelineRecipe

    @classmethod
    def of(cls, path: Path, size: str | None, name: str | None, sources: list[Path]) -> AskedPipeline:
        """The recipe with the values of the size, called after it if it is not given a name.

        Raises `FeilunError` for a fault in it, or a size that it does not have.
        """
        from feilun.train.pipeline.recipe import PipelineRecipe, values_of

        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        values: dict[str, Any] = values_of(table, size)
        called = name or f"{table.get('name')}-{values['size']}"
        wanted = read_recipe(path, PipelineRecipe, {**values, "name": called})
        if sources:
            wanted.corpus.sources = [str(source.absolute()) for source in sources]
        return cls(path.parent.absolute(), wanted)

    def job(self, workspace: Workspace, resume: bool) -> Job:
        """A new job, or the one to go on with. Stages that it has not ended yet may have another recipe now. Raises
        `FeilunError` if one that has ended has another, or one of this name is running."""
        from feilun.train.pipeline.run import ORDER, begun

        runs, asked = workspace.path / "runs", self.wanted.model_dump(mode="json")
        found = job_to_resume(runs, KIND, self.wanted.name) if resume else None
        for other in list_jobs(runs):  # which would put its models in the place of ours
            if (other.record.kind, other.record.name, other.state) == (KIND, self.wanted.name, "running"):
                raise other.already_running()
        if found is None:
            return Job.create(runs, KIND, self.wanted.name, asked)
        changed = differences(found.record.recipe, self.wanted)
        made = begun(found)
        for key in changed:
            stage = key.split(".")[0]
            if key in made or stage in made:
                raise FeilunError(
                    f"The run {found.id} was begun with another recipe: {key} is not what it was. What its stage {stage} made "
                    "would not be what the recipe says. Put it back, or start anew without --resume.",
                    f"运行 {found.id} 开始时的配方与现在不同：{key} 已改变，阶段 {stage} 的产物将与配方不符。"
                    "请改回，或去掉 --resume 重新开始。",
                    code="other_recipe",
                )
        for stage in {key.split(".")[0] for key in changed} & set(ORDER):
            shutil.rmtree(found.folder / stage, ignore_errors=True)  # what was begun by the old recipe
        if changed:
            found.change(asked)
        return found

    def run(self, job: Job, workspace: Workspace, world: World) -> Path | None:
        from feilun.train.pipeline.run import Pipeline

        made = Pipeline(self.wanted, self.beside, workspace, job, world).run()
        if made is not None and world.first:
            job.emit("report", path=str(made))
        return made

    def made(self, job: Job, workspace: Workspace) -> Path:
        """What a run that has ended has left: the report."""
        from feilun.train.pipeline.run import REPORT

        return job.folder / REPORT

    @property
    def pretraining(self) -> PretrainRecipe:
        """What takes most of the time."""
        return self.wanted.pretrain
