"""``feilun train`` with a recipe of kind ``pipeline``: every stage of a chat model in one run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.commands.jobs import job_to_resume
from feilun.jobs import Job, list_jobs
from feilun.recipe import differences, read_recipe
from feilun.text import Text
from feilun.train.may_change import UNDER_WAY, other_recipe
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.train.distributed import World
    from feilun.train.pipeline.recipe import PipelineRecipe
    from feilun.train.recipe import PretrainRecipe

KIND = "pipeline"


@dataclass(frozen=True)
class AskedPipeline:
    """What the command line asks for: every stage. See `feilun.commands.train.Work`."""

    beside: Path
    """The recipe's folder."""
    wanted: PipelineRecipe

    @classmethod
    def of(
        cls,
        path: Path,
        size: str | None,
        name: str | None,
        sources: list[Path],
        resumed_in: Path | None = None,
    ) -> AskedPipeline:
        """The recipe with the values of the size, called after it if it is not given a name.

        ``resumed_in``: the folder ``runs`` with the run to go on with, if it is to go on: of it are size and sources that the
        command line does not say. Raises `FeilunError` for a fault in the recipe, or a size or a run that is not there.
        """
        from feilun.train.pipeline.recipe import PipelineRecipe, values_of

        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        called = name or f"{table.get('name')}-{size or table.get('size')}"
        begun: dict[str, Any] = {}
        if resumed_in is not None:
            begun = job_to_resume(resumed_in, KIND, called).record.recipe
        values: dict[str, Any] = values_of(table, size or begun.get("size"))
        wanted = read_recipe(path, PipelineRecipe, {**values, "name": called})
        if sources:
            wanted.corpus.sources = [str(source.absolute()) for source in sources]
        elif begun:
            before: list[str] = begun["corpus"]["sources"]
            if before and all(Path(source).is_absolute() for source in before):  # of the command line
                wanted.corpus.sources = before
        return cls(path.parent.absolute(), wanted)

    def job(self, workspace: Workspace, resume: bool) -> Job:
        """A new job, or the one to go on with, whose recipe may be another now where that costs nothing: see `_refusal`.

        Raises `FeilunError` if it would cost something, or one of this name is running.
        """
        from feilun.train.pipeline.resume import ORDER, begin_anew, made_by

        runs, asked = workspace.path / "runs", self.wanted.model_dump(mode="json")
        found = job_to_resume(runs, KIND, self.wanted.name) if resume else None
        for other in list_jobs(runs):  # which would put its models in the place of ours
            if (other.record.kind, other.record.name, other.state) == (KIND, self.wanted.name, "running"):
                raise other.already_running()
        if found is None:
            return Job.create(runs, KIND, self.wanted.name, asked)
        changed, made = differences(found.record.recipe, self.wanted), made_by(found)
        for key in changed:
            why = _refusal(found, key, made)
            if why is not None:
                raise other_recipe(found, key, found.record.recipe, why)
        for stage in ORDER:
            keys = [key.removeprefix(f"{stage}.") for key in changed if key.startswith(f"{stage}.")]
            if keys := [key for key in keys if key not in UNDER_WAY]:
                begin_anew(found, stage, keys)
        if changed:  # not before: killed in between, it finds again what has changed
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


def _refusal(job: Job, key: str, made: set[str]) -> Text | None:
    """Why a run may not go on with another value of a key of its recipe; None: it may. ``made``: what keeps its recipe."""
    from feilun.train.pipeline.resume import ALL_HANG_ON, to_lose

    stage, _, own = key.partition(".")
    if key in ALL_HANG_ON:
        return Text("All stages hang on it.", "各阶段都取决于它。")
    if stage == "evaluate" and made & {key, stage}:
        return Text("Models have been measured by it.", "已有模型据此评测。")
    if stage in made:
        return Text(
            f"What its stage {stage} made would not be what the recipe says.",
            f"阶段 {stage} 的产物将与配方不符。",
        )
    lost = to_lose(job, stage) if own not in UNDER_WAY else None
    if lost is None:
        return None
    return Text(
        f"Stage {stage} is under way, and {lost.en} would be lost. What may change there: {', '.join(UNDER_WAY)}.",
        f"阶段 {stage} 正在进行，改变将丢失{lost.zh}。该阶段可以改变的有：{'、'.join(UNDER_WAY)}。",
    )
