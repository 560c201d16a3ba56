"""``feilun train``: a recipe in, a model or an adapter out."""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from feilun.commands.extras import need_train
from feilun.commands.jobs import draw, job_to_resume
from feilun.jobs import Job
from feilun.recipe import read_recipe
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

HELP = say(
    "Train what a recipe says. Killed or stopped (Ctrl+C), it goes on with --resume.\n\n"
    "Example: `feilun train recipes/train/nano.toml --source FOLDER`",
    "按配方训练。被终止或停止（Ctrl+C）后，可用 --resume 继续。\n\n"
    "示例：`feilun train recipes/train/nano.toml --source 文件夹`",
)


def train(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(help=say("The recipe (TOML).", "配方（TOML）。"))],
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help=say("Data instead of the recipe's; may be repeated.", "代替配方中的数据；可重复。")
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help=say("Name of the result.", "结果的名称。"))] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help=say("Stop after so many steps.", "最多训练这么多步。"))
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help=say("Go on with the newest unfinished run.", "继续最近未完成的训练。")),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print the events as JSON lines.", "以 JSON 行输出事件。"))
    ] = False,
) -> None:
    need_train()
    from feilun.train.recipe import PretrainRecipe, SftRecipe
    from feilun.train.report import write_report

    kinds = {"pretrain": PretrainRecipe, "sft": SftRecipe}
    kind = _kind(recipe)
    if kind not in kinds:
        raise FeilunError(
            f"{recipe}: kind: '{kind}' is not known; known: {', '.join(kinds)}.",
            f"{recipe}：kind：没有“{kind}”；可用：{'、'.join(kinds)}。",
            code="recipe_invalid",
        )
    wanted = read_recipe(recipe, kinds[kind], {"name": name, "run.steps": max_steps})
    sources = source or [_beside(recipe, path) for path in wanted.data.sources]
    missing = next((path for path in sources if not path.exists()), None)
    if missing is not None or not sources:
        raise FeilunError(
            f"There is no data at {missing}." if missing else "There is no data: give --source.",
            f"{missing} 处没有数据。" if missing else "没有数据：请用 --source 指定。",
            code="no_text",
        )
    workspace = Workspace(context.obj)
    runs = workspace.path / "runs"
    found = job_to_resume(runs, kind, wanted.name) if resume else None
    job = found or Job.create(runs, kind, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        watching = threading.Thread(target=_show, args=(job, as_json))
        watching.start()
        made = _run(wanted, recipe, sources, job, workspace)
        job.emit("report", path=str(write_report(job)))
    watching.join()
    if made is None:
        typer.echo(
            say(
                f"Stopped. Go on with: feilun jobs resume {job.id}",
                f"已停止。继续：feilun jobs resume {job.id}",
            ),
            err=True,
        )
    elif not as_json:
        typer.echo(str(made))


def _run(wanted: Any, recipe: Path, sources: list[Path], job: Job, workspace: Workspace) -> Path | None:
    from feilun.train.pretrain import pretrain
    from feilun.train.recipe import PretrainRecipe
    from feilun.train.sft import fine_tune

    folder = workspace.path / "models" / wanted.name
    if isinstance(wanted, PretrainRecipe):
        return pretrain(wanted, sources, job, folder)
    return fine_tune(wanted, _base(recipe, wanted.base), sources, job, folder)


def _base(recipe: Path, base: str) -> Path:
    """Where the base model lies: a path beside the recipe, or a source that is fetched."""
    path = _beside(recipe, base)
    if path.exists():
        return path
    from feilun.registry import Release
    from feilun.registry.sources import ensure, normalise

    return ensure(Release(name="base", source=normalise(base)))


def _beside(recipe: Path, path: str) -> Path:
    return (recipe.parent / path).resolve()


def _kind(recipe: Path) -> str:
    try:
        return str(tomllib.loads(recipe.read_text(encoding="utf-8-sig")).get("kind"))
    except (OSError, ValueError):
        from feilun.train.recipe import PretrainRecipe

        read_recipe(recipe, PretrainRecipe)  # which says what is wrong with the file
        raise


def _show(job: Job, as_json: bool) -> None:
    events = job.events(follow=True)
    if as_json:
        import json

        for event in events:
            typer.echo(json.dumps(event, ensure_ascii=False))
    else:
        draw(events, Console(highlight=False))
