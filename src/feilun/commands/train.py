"""``feilun train``: a recipe in, a model or an adapter out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from feilun.commands import launch
from feilun.commands.corpus import found
from feilun.commands.extras import need_train, quick_imports
from feilun.commands.jobs import follow, running, tell_stopped
from feilun.commands.pipeline import KIND, AskedPipeline
from feilun.commands.stage import AskedStage, kind_of
from feilun.jobs import Job
from feilun.recipe import find_recipe
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # PyTorch is imported by those who train only
    from feilun.commands.planned import Planned
    from feilun.train.distributed import World
    from feilun.train.recipe import PretrainRecipe

HELP = say(
    "Train what a recipe says. Killed or stopped (Ctrl+C), it goes on with --resume.\n\n"
    "Examples:\n\n`feilun train recipes/train/nano.toml --source FOLDER`\n\n"
    "`feilun train recipes/train/dpo.toml --source pairs.jsonl`\n\n"
    "`feilun train recipes/speedrun.toml --size nano`: from pages to an aligned chat model, every stage\n\n"
    "`feilun train recipes/train/nano.toml --processes 8` (or under torchrun, on several machines: "
    "`torchrun --nnodes 2 --nproc-per-node 8 ... -m feilun train recipes/train/nano.toml`)",
    "按配方训练。被终止或停止（Ctrl+C）后，可用 --resume 继续。\n\n"
    "示例：\n\n`feilun train recipes/train/nano.toml --source 文件夹`\n\n"
    "`feilun train recipes/train/dpo.toml --source pairs.jsonl`\n\n"
    "`feilun train recipes/speedrun.toml --size nano`：从网页到对齐的对话模型，全部阶段\n\n"
    "`feilun train recipes/train/nano.toml --processes 8`（多机时用 torchrun："
    "`torchrun --nnodes 2 --nproc-per-node 8 ... -m feilun train recipes/train/nano.toml`）",
)


def train(
    context: typer.Context,
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE.toml",
            parser=find_recipe,
            help=say(
                "The recipe: a file, or the name of one that comes with Feilun.",
                "配方：文件，或飞轮自带配方的名称。",
            ),
        ),
    ],
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help=say(
                "Data instead of the recipe's: files, folders, names of corpora; may be repeated.",
                "代替配方中的数据：文件、文件夹或语料库名称；可重复。",
            )
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help=say("Name of the result.", "结果的名称。"))] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Of a pipeline: a rung of its ladder, such as smoke, nano, micro.",
                "流水线的规模，例如 smoke、nano、micro。",
            )
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=say(
                "Stop after so many steps (PPO and GRPO: rounded up to whole rollouts).",
                "最多训练这么多步（PPO 与 GRPO 按整次采样向上取整）。",
            ),
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help=say("Processes that share the work (FSDP2).", "共同训练的进程数（FSDP2）。"),
        ),
    ] = 1,
    restarts: Annotated[
        int,
        typer.Option(
            min=0,
            help=say(
                "How often to go on from the last checkpoint when one of them dies.",
                "有进程意外退出时，从最近的检查点重新开始的次数。",
            ),
        ),
    ] = 3,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar=say("ADDRESS", "地址"),
            help=say(
                "Let the processes run on a Ray cluster: its address, `auto`, or `local`.",
                "在 Ray 集群上运行这些进程：集群地址、`auto` 或 `local`。",
            ),
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help=say("Go on with the newest unfinished run.", "继续最近未完成的训练。")),
    ] = False,
    only_dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help=say(
                "Train nothing: plan it, build the model without weights, say which process would hold and read what.",
                "不训练：只做计划，构建不含权重的模型，并说明每个进程将持有与读取的内容。",
            ),
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print the events as JSON lines.", "以 JSON 行输出事件。"))
    ] = False,
) -> None:
    need_train()
    with quick_imports():
        import torch._dynamo  # which the first optimiser would take  # noqa: F401  # pyright: ignore[reportUnusedImport]

        from feilun.train import prefer, pretrain, sft  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from feilun.train.distributed import in_world

    workspace = Workspace(context.obj)
    sources = [found(workspace.path, one) for one in source or []]
    asked = _asked(recipe, sources, name, size, max_steps, resume, workspace)
    if only_dry:
        _dry(asked, processes, workspace, as_json)
        return
    show = partial(follow, as_json=as_json)
    if ray is not None and not in_world():
        job = asked.job(workspace, resume)
        launch.on_ray(ray, processes, restarts, job, partial(work, asked, workspace, True), show)
        made = asked.made(job, workspace) if job.state == "finished" else None
    else:
        if processes > 1 and not in_world():
            launch.by_torchrun(processes, restarts)
            return
        plan = None if in_world() else _planned(asked, workspace, quiet=as_json)
        done = work(asked, workspace, resume or launch.restarted(), show)
        if done is None:  # what there is to say the first process says
            return
        job, made = done
        if plan is not None and made is not None and (said := plan.after(job)):
            typer.echo(said, err=True)
    if not as_json:
        _tell_left_out(job)
    if made is None:
        tell_stopped(job)
    elif not as_json:
        typer.echo(str(made))


class Work(Protocol):
    """What the command line asks for: one stage, or a pipeline of them."""

    def job(self, workspace: Workspace, resume: bool) -> Job:
        """A new job, or the one to go on with."""
        ...

    def run(self, job: Job, workspace: Workspace, world: World) -> Path | None:
        """Do it, as one of the world's processes. None: stopped before the end."""
        ...

    def made(self, job: Job, workspace: Workspace) -> Path:
        """Where a run that has finished has left what it made."""
        ...

    @property
    def pretraining(self) -> PretrainRecipe | None:
        """The part of it that can be planned."""
        ...


def _asked(
    recipe: Path,
    sources: list[Path],
    name: str | None,
    size: str | None,
    max_steps: int | None,
    resume: bool,
    workspace: Workspace,
) -> AskedStage | AskedPipeline:
    if kind_of(recipe) == KIND:
        if max_steps is not None:
            raise FeilunError(
                "A pipeline runs to its end: --max-steps is for recipes of one stage.",
                "流水线运行到底：--max-steps 用于单阶段的配方。",
                code="no_max_steps",
            )
        return AskedPipeline.of(recipe, size, name, sources, workspace.path / "runs" if resume else None)
    if size is not None:
        raise FeilunError(
            f"{recipe} has no sizes: --size is for a pipeline, such as recipes/speedrun.toml.",
            f"{recipe} 没有规模可选：--size 用于流水线，例如 recipes/speedrun.toml。",
            code="no_sizes",
        )
    asked = AskedStage(recipe.absolute(), [path.absolute() for path in sources], name, max_steps, resume)
    asked.wanted()  # which says what is wrong before anything is begun
    return asked


def _dry(asked: AskedStage | AskedPipeline, processes: int, workspace: Workspace, as_json: bool) -> None:
    from feilun.commands.dry_run import show_dry_run

    pretraining, device = asked.pretraining, "here"
    if isinstance(asked, AskedPipeline):
        device, count = asked.wanted.machine.device, asked.wanted.machine.count
        processes = processes if processes > 1 else count
    if pretraining is None:
        raise FeilunError(
            "--dry-run is for pre-training and pipelines; what the recipes of other kinds take: feilun plan finetune.",
            "--dry-run 用于预训练与流水线；其他种类配方的代价请用 feilun plan finetune。",
            code="not_planned",
        )
    show_dry_run(pretraining, device, processes, workspace, as_json=as_json)


def _planned(asked: AskedStage | AskedPipeline, workspace: Workspace, *, quiet: bool) -> Planned | None:
    """Say what a run on this machine's processor will take; None on a GPU, whose speed nobody has measured. Raises
    `FeilunError` if the machine cannot hold the model by far.
    """
    import torch

    from feilun.commands.planned import Planned

    if torch.cuda.is_available():
        return None
    if asked.pretraining is None:
        return None
    recipe, whole = asked.pretraining.model_dump(mode="json"), isinstance(asked, AskedStage)
    plan = Planned(recipe, workspace.path, whole=whole)
    plan.check()
    if quiet:
        return None
    if said := plan.before():
        typer.echo(said, err=True)
    return plan


def _tell_left_out(job: Job) -> None:
    """Say on stderr what of the texts could not be read, if anything."""
    for event in job.events():
        if event["event"] == "left_out":
            said = say(
                f"Left out what could not be read, {event['count']} times; first: {event['first']}",
                f"跳过无法读取的内容 {event['count']} 处；第一处：{event['first_zh']}",
            )
            typer.echo(said, err=True)


def work(
    asked: Work, workspace: Workspace, resume: bool, show: Callable[[Job], None] | None = None
) -> tuple[Job, Path | None] | None:
    """Do what was asked, together with the other processes of the run if there are any.

    Gives the job and what it has made (None: stopped before the end); nothing in any process but the first. The
    events are shown in a thread of their own.
    """
    from feilun.train.distributed import joined

    with joined() as world, launch.mistakes_left():
        job = Job.open(world.of_first(asked.job(workspace, resume).folder if world.first else workspace.path))
        if not world.first:
            with job.helping():
                asked.run(job, workspace, world)
            return None
        with running(job, show):
            made = asked.run(job, workspace, world)
        return job, made
