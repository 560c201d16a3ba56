"""``feilun train`` with a recipe of kind ``pipeline``: every stage of a chat model in one run."""

from __future__ import annotations

import threading
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from feilun.commands.jobs import follow, job_to_resume, tell_stopped
from feilun.jobs import Job
from feilun.recipe import read_recipe
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.train.pipeline.recipe import PipelineRecipe

KIND = "pipeline"


def read_pipeline(path: Path, size: str | None, name: str | None) -> PipelineRecipe:
    """The recipe with the values of the size, called after it if it is not given a name.

    Raises `FeilunError` for a fault in it, or a size that it does not have.
    """
    from feilun.train.pipeline.recipe import PipelineRecipe, values_of

    table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    values: dict[str, Any] = values_of(table, size)
    called = name or f"{table.get('name')}-{values['size']}"
    return read_recipe(path, PipelineRecipe, {**values, "name": called})


def run_pipeline(
    workspace: Workspace,
    recipe: Path,
    wanted: PipelineRecipe,
    sources: list[str],
    *,
    resume: bool,
    as_json: bool,
) -> None:
    from feilun.train.pipeline.recipe import first_difference
    from feilun.train.pipeline.run import REPORT, Pipeline

    if sources:
        wanted.corpus.sources = [str(Path(path).absolute()) for path in sources]
    runs, asked = workspace.path / "runs", wanted.model_dump(mode="json")
    found = job_to_resume(runs, KIND, wanted.name) if resume else None
    if found and (key := first_difference(found.record.recipe, asked)):
        stage = key.split(".")[0]
        raise FeilunError(
            f"The run {found.id} was begun with another recipe: {key} is not what it was. What its stage {stage} made would not "
            "be what the recipe says. Put it back, or start anew without --resume.",
            f"运行 {found.id} 开始时的配方与现在不同：{key} 已改变，其阶段 {stage} 的产物将与配方不符。请改回，或去掉 --resume 重新开始。",
            code="other_recipe",
        )
    job = found or Job.create(runs, KIND, wanted.name, asked)
    if not as_json and (plan := _planned(wanted, workspace)):
        typer.echo(say(f"Base model: {plan}", f"基座模型：{plan}"), err=True)
    watching = threading.Thread(target=partial(follow, as_json=as_json), args=(job,))
    with job.running():
        watching.start()
        made = Pipeline(wanted, recipe.parent, workspace, job).run()
        if made is not None:
            job.emit("report", path=str(made / REPORT))
    watching.join()
    if made is None:
        tell_stopped(job)
    elif not as_json:
        typer.echo(say(f"Report: {made / REPORT}", f"报告：{made / REPORT}"))


def _planned(wanted: PipelineRecipe, workspace: Workspace) -> str | None:
    """What the longest stage will take on this machine's processor; None on a GPU, whose speed nobody has measured."""
    import torch

    from feilun.commands.planned import Planned

    if torch.cuda.is_available():
        return None
    return Planned(wanted.pretrain.model_dump(mode="json"), workspace.path).before()
