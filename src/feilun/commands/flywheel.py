"""``feilun turn`` and ``feilun rollback``: the flywheel from the command line."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text as Line

from feilun.commands.extras import need_train, quick_imports
from feilun.commands.jobs import follow, job_to_resume, running
from feilun.commands.review import opened
from feilun.jobs import Job
from feilun.recipe import find_recipe
from feilun.registry import Registry, Release
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for the store
    from feilun.flywheel.recipe import Rule, TurnRecipe
    from feilun.store import Store

TURN_HELP = say(
    "Make the next release from what people said of the answers: collect, build, train, gate, promote.\n\n"
    "A turn that was stopped, interrupted or has failed goes on where it was, by its recipe, unless it is given up "
    "(`--discard`). Without `--yes` only accepted items count (`feilun review`).\n\n"
    "Examples:\n\n`feilun turn --yes`\n\n`feilun turn --estimate` says what it would cost and bring\n\n"
    "`feilun turn recipes/flywheel/preferences.toml` also learns which answers were preferred\n\n"
    "`feilun turn --until build` makes the data set and stops; `feilun turn` goes on from there",
    "用大家对回答的意见制作下一个版本：收集、构建、训练、把关、上线。\n\n"
    "已停止、中断或失败的一轮会按其原有配方从中断处继续，除非将其放弃（`--discard`）。"
    "不加 `--yes` 时只使用已接受的反馈（见 `feilun review`）。\n\n"
    "示例：\n\n`feilun turn --yes`\n\n`feilun turn --estimate` 估计代价与收益\n\n"
    "`feilun turn recipes/flywheel/preferences.toml` 还会学习更受偏好的回答\n\n"
    "`feilun turn --until build` 生成数据集后停止；`feilun turn` 从该处继续",
)
ROLLBACK_HELP = say(
    "Let the release before the present one serve again; a running server needs no restart.\n\n"
    "Example: `feilun rollback`",
    "恢复上一个版本；运行中的服务器无需重启。\n\n示例：`feilun rollback`",
)

Step = Literal["collect", "build", "train", "gate"]
"""As in `feilun.flywheel.turn`, for which `--help` must not wait."""

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
    until: Annotated[
        Step | None,
        typer.Option(
            help=say(
                "Stop after this step; `feilun turn` goes on.", "完成此步骤后停止；`feilun turn` 会继续。"
            )
        ),
    ] = None,
    give_up: Annotated[
        bool,
        typer.Option(
            "--discard",
            help=say(
                "Give the unfinished turn up: what it took waits for another one.",
                "放弃未完成的一轮：其所用的反馈留给下一轮。",
            ),
        ),
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
    if give_up:
        _discard(workspace)
        return
    wanted = turn_recipe(workspace, recipe)
    release = Registry(workspace).get(model) if model else Registry(workspace).default()
    if only_estimate:
        _estimate(workspace, wanted, release, yes=yes, as_json=as_json)
    else:
        need_train()
        named = None if resume else (recipe is not None, model is not None)
        _turn(workspace, wanted, release, named, yes=yes, until=None if resume else until, as_json=as_json)


def _turn(
    workspace: Workspace,
    wanted: TurnRecipe,
    release: Release,
    named: tuple[bool, bool] | None,
    *,
    yes: bool,
    until: Step | None,
    as_json: bool,
) -> None:
    """``named``: whether recipe and model were given on the command line. None: the turn is the one to resume."""
    from feilun.flywheel.accept import accept_by_rules
    from feilun.flywheel.energy import Meter
    from feilun.flywheel.promote import no_canary
    from feilun.flywheel.recipe import TurnRecipe
    from feilun.flywheel.stages import need_enough
    from feilun.flywheel.turn import KIND, Turn, need_learner, turning, unfinished

    console = Console(highlight=False)
    with turning(workspace), opened(workspace) as store:
        runs = workspace.path / "runs"
        job = job_to_resume(runs, KIND, KIND) if named is None else unfinished(workspace, store)
        by_rule: Counter[Rule] = Counter()
        if job is not None:
            _tell_of(job, wanted, release, named or (False, False))
        else:
            need_learner(release)
            no_canary(Registry(workspace), release.name)
            with store.writing() as session:
                by_rule = accept_by_rules(session, wanted.review)
            if yes:
                _accept_all(store, wanted)
            with store.reading() as session:  # a turn that cannot begin leaves no job behind
                need_enough(session, wanted)
            job = Job.create(runs, KIND, KIND, {"model": release.name, **wanted.model_dump(mode="json")})
        asked = dict(job.record.recipe)
        learner = str(asked.pop("model"))
        made = Turn(workspace, store, job, TurnRecipe.model_validate(asked), learner, until)
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
        typer.echo(
            say(
                "Stopped. Go on with: feilun turn; or give the turn up: feilun turn --discard",
                "已停止。继续：feilun turn；放弃这一轮：feilun turn --discard",
            ),
            err=True,
        )
    elif not as_json:
        for line in verdict.words():
            console.print(Line(str(line)))


def _tell_of(job: Job, wanted: TurnRecipe, release: Release, named: tuple[bool, bool]) -> None:
    """Say which unfinished turn is gone on with.

    Raises `FeilunError` (409) if the recipe or the model was ``named`` on the command line and is not the turn's.
    """
    from feilun.flywheel.recipe import TurnRecipe

    asked = dict(job.record.recipe)
    learner = asked.pop("model")
    since = f"{datetime.fromisoformat(job.record.created).astimezone():%Y-%m-%d %H:%M}"
    other = TurnRecipe.model_validate(asked) != wanted, learner != release.name
    if any(differs and given for differs, given in zip(other, named, strict=True)):
        raise FeilunError(
            f"The turn {job.id} of {learner}, begun {since}, has not come to its end, and its recipe or model is another one. "
            "Go on with it, without naming these: feilun turn; or give it up: feilun turn --discard",
            f"{since} 开始的轮次 {job.id}（模型 {learner}）尚未完成，其配方或模型与所给的不同。"
            "不指定配方和模型即可继续：feilun turn；或放弃它：feilun turn --discard",
            status=409,
            code="turn_unfinished",
        )
    typer.echo(
        say(
            f"Going on with the turn {job.id} of {learner}, begun {since}; what has gathered since waits for the next one.",
            f"继续 {since} 开始的轮次 {job.id}（模型 {learner}）；此后收集的反馈留待下一轮。",
        ),
        err=True,
    )
    if other[0]:
        typer.echo(
            say(
                "It keeps the recipe that it began with; the workspace's present one is another.",
                "它沿用开始时的配方；工作区现在的配方与之不同。",
            ),
            err=True,
        )


def _discard(workspace: Workspace) -> None:
    from feilun.flywheel.turn import discard

    with opened(workspace) as store:
        job, count = discard(workspace, store)
    typer.echo(
        say(
            f"The turn {job.id} is given up. What it took ({count}) waits for another one.",
            f"已放弃轮次 {job.id}。其所用的 {count} 条反馈留给下一轮。",
        )
    )


def _estimate(
    workspace: Workspace, wanted: TurnRecipe, release: Release, *, yes: bool, as_json: bool
) -> None:
    from feilun.flywheel.estimate import estimate
    from feilun.flywheel.turn import need_learner

    need_learner(release)
    with opened(workspace) as store:
        like = estimate(workspace, store, wanted, release.name, pending=yes)
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
