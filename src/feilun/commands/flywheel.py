"""``feilun turn`` and ``feilun rollback``: the flywheel from the command line."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text as Line

from feilun.commands.extras import need_train, quick_imports
from feilun.commands.jobs import follow, job_to_resume, running
from feilun.commands.review import opened
from feilun.jobs import Job, list_jobs
from feilun.recipe import find_recipe
from feilun.registry import Registry
from feilun.text import say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for the store
    from feilun.flywheel.recipe import Rule, TurnRecipe
    from feilun.store import Store

TURN_HELP = say(
    "Make the next release from what people said of the answers: collect, build, train, gate, promote.\n\n"
    "A turn that was interrupted goes on where it was. Without `--yes` only accepted items count (`feilun review`).\n\n"
    "Examples:\n\n`feilun turn --yes`\n\n`feilun turn --estimate` says what it would cost and bring\n\n"
    "`feilun turn recipes/flywheel/preferences.toml` also learns which answers were preferred",
    "用大家对回答的意见制作下一个版本：收集、构建、训练、把关、上线。\n\n"
    "中断的一轮会从中断处继续。不加 `--yes` 时只使用已接受的反馈（见 `feilun review`）。\n\n"
    "示例：\n\n`feilun turn --yes`\n\n`feilun turn --estimate` 估计代价与收益\n\n"
    "`feilun turn recipes/flywheel/preferences.toml` 还会学习更受偏好的回答",
)
ROLLBACK_HELP = say(
    "Let the release before the present one serve again; a running server needs no restart.\n\n"
    "Example: `feilun rollback`",
    "恢复上一个版本；运行中的服务器无需重启。\n\n示例：`feilun rollback`",
)

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help=say("Which model learns (default: the default).", "学习的模型（默认：默认模型）。"),
    ),
]


def turn(
    context: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE.toml",
            parser=find_recipe,
            help=say(
                "How (default: the workspace's flywheel.toml, if there is one).",
                "配方（默认：工作区的 flywheel.toml，若存在）。",
            ),
        ),
    ] = None,
    model: Model = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help=say("Accept all that waits for review.", "接受所有待审核的反馈。")),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", hidden=True)] = False,
    only_estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help=say(
                "Say what the turn would cost and is likely to bring, and begin nothing.",
                "只估计这一轮的代价与可能的收益，不开始。",
            ),
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help=say(
                "Print the events as JSON lines, an estimate as JSON.",
                "以 JSON 行输出事件，估计则输出 JSON。",
            ),
        ),
    ] = False,
) -> None:
    from feilun.flywheel.recipe import turn_recipe

    workspace = Workspace(context.obj)
    wanted = turn_recipe(workspace, recipe)
    name = Registry(workspace).get(model).name if model else Registry(workspace).default().name
    if only_estimate:
        _estimate(workspace, wanted, name, yes=yes, as_json=as_json)
    else:
        need_train()
        _turn(workspace, wanted, name, yes=yes, resume=resume, as_json=as_json)


def _turn(
    workspace: Workspace, wanted: TurnRecipe, name: str, *, yes: bool, resume: bool, as_json: bool
) -> None:
    from feilun.flywheel.accept import accept_by_rules
    from feilun.flywheel.energy import Meter
    from feilun.flywheel.promote import no_canary
    from feilun.flywheel.recipe import TurnRecipe
    from feilun.flywheel.stages import need_enough
    from feilun.flywheel.turn import KIND, Turn, turning

    console = Console(highlight=False)
    with turning(workspace), opened(workspace) as store:
        runs = workspace.path / "runs"
        job = job_to_resume(runs, KIND, KIND) if resume else _unfinished(runs, KIND, store)
        by_rule: Counter[Rule] = Counter()
        if job is None:
            no_canary(Registry(workspace), name)
            with store.writing() as session:
                by_rule = accept_by_rules(session, wanted.review)
            if yes:
                _accept_all(store, wanted)
            with store.reading() as session:  # a turn that cannot begin leaves no job behind
                need_enough(session, wanted)
            job = Job.create(runs, KIND, KIND, {"model": name, **wanted.model_dump(mode="json")})
        asked = dict(job.record.recipe)
        learner = str(asked.pop("model"))
        made = Turn(workspace, store, job, TurnRecipe.model_validate(asked), learner)
        with quick_imports():
            import torch._dynamo  # noqa: F401  # pyright: ignore[reportUnusedImport]

            from feilun.train import prefer, sft  # noqa: F401  # pyright: ignore[reportUnusedImport]
        with running(job, partial(follow, as_json=as_json)):
            if by_rule:
                job.emit("accepted", by_rule=by_rule)
            meter = Meter()
            verdict = made.run()
            if verdict is not None:
                job.emit("cost", **meter.stop())
    if verdict is None:
        typer.echo(say("Stopped. Go on with: feilun turn", "已停止。继续：feilun turn"), err=True)
    elif not as_json:
        for line in verdict.words():
            console.print(Line(str(line)))


def _estimate(workspace: Workspace, wanted: TurnRecipe, name: str, *, yes: bool, as_json: bool) -> None:
    from feilun.flywheel.estimate import estimate

    with opened(workspace) as store:
        like = estimate(workspace, store, wanted, name, pending=yes)
    if as_json:
        typer.echo(json.dumps(like and like.model_dump(mode="json"), indent=2))
    elif like is None:
        typer.echo(
            say(
                "Nothing is accepted yet that a turn could learn. With all that waits: feilun turn --estimate --yes",
                "还没有可供一轮学习的已接受反馈。若接受所有待审核的：feilun turn --estimate --yes",
            )
        )
    else:
        for line in like.words():
            typer.echo(str(line))


def _unfinished(runs: Path, kind: str, store: Store) -> Job | None:
    """The last turn, if it has taken items and not come to its end: killed, stopped or failed, it goes on."""
    from feilun.store.reviews import items

    last = next((job for job in reversed(list_jobs(runs)) if job.record.kind == kind), None)
    if last is None or last.state == "finished":
        return None
    with store.reading() as session:  # not from the events: it may have died before it could tell
        return last if items(session, turn=last.id) else None


def rollback(context: typer.Context, model: Model = None) -> None:
    from feilun.flywheel.promote import roll_back

    workspace = Workspace(context.obj)
    registry = Registry(workspace)
    name = registry.get(model).name if model else registry.default().name
    with opened(workspace) as store:
        earlier = roll_back(registry, store, name)
    typer.echo(say(f"{name} serves {earlier.id} again.", f"{name} 已恢复为 {earlier.id}。"))


def _accept_all(store: Store, wanted: TurnRecipe) -> None:
    from feilun.flywheel.stages import teaches
    from feilun.store import LOCAL_OWNER
    from feilun.store.reviews import decide, items

    with store.writing() as session:
        for item in items(session, state="pending"):
            if (item.answer or "").strip() or teaches(item, wanted.train.objectives):
                decide(session, item.id, "accept", reviewer=LOCAL_OWNER, thumbs=True)
