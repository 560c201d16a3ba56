"""``feilun turn``, ``feilun review`` and ``feilun rollback``: the flywheel from the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.commands.extras import need_train, quick_imports
from feilun.commands.jobs import draw, job_to_resume
from feilun.jobs import Job, list_jobs
from feilun.registry import Registry
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for the store
    from feilun.store import Store
    from feilun.store.reviews import Decision, Item, State

TURN_HELP = say(
    "Make the next release from what people said of the answers: collect, build, train, gate, promote.\n\n"
    "A turn that was interrupted goes on where it was. Without `--yes` only accepted items count (`feilun review`).\n\n"
    "Example: `feilun turn --yes`",
    "用大家对回答的意见制作下一个版本：收集、构建、训练、把关、上线。\n\n"
    "中断的一轮会从中断处继续。不加 `--yes` 时只使用已接受的反馈（见 `feilun review`）。\n\n"
    "示例：`feilun turn --yes`",
)
ROLLBACK_HELP = say(
    "Let the release before the present one serve again; a running server needs no restart.\n\n"
    "Example: `feilun rollback`",
    "恢复上一个版本；运行中的服务器无需重启。\n\n示例：`feilun rollback`",
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say(
        "Decide what may be learnt from what people said of the answers.\n\nExample: `feilun review list`",
        "决定可以从大家的意见中学习哪些内容。\n\n示例：`feilun review list`",
    ),
)
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help=say("Which model learns (default: the default).", "学习的模型（默认：默认模型）。"),
    ),
]
Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help=say("Items, or `all`.", "反馈编号，或 `all`。"))
]
AsJson = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))]


def turn(
    context: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE.toml",
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
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print the events as JSON lines.", "以 JSON 行输出事件。"))
    ] = False,
) -> None:
    need_train()
    from feilun.flywheel.recipe import TurnRecipe, turn_recipe
    from feilun.flywheel.turn import KIND, Turn, turning

    workspace = Workspace(context.obj)
    wanted = turn_recipe(workspace, recipe)
    name = Registry(workspace).get(model).name if model else Registry(workspace).default().name
    console = Console(highlight=False)
    with turning(workspace), _store(workspace) as store:
        runs = workspace.path / "runs"
        job = job_to_resume(runs, KIND, KIND) if resume else _unfinished(runs, KIND, store)
        if job is None:
            if yes:
                _accept_all(store)
            job = Job.create(runs, KIND, KIND, {"model": name, **wanted.model_dump(mode="json")})
        asked = dict(job.record.recipe)
        learner = str(asked.pop("model"))
        made = Turn(workspace, store, job, TurnRecipe.model_validate(asked), learner)
        with quick_imports():
            import torch._dynamo  # noqa: F401  # pyright: ignore[reportUnusedImport]

            from feilun.train import sft  # noqa: F401  # pyright: ignore[reportUnusedImport]
        with job.running():
            watching = threading.Thread(target=_show, args=(job, as_json, console))
            watching.start()
            verdict = made.run()
        watching.join()
    if verdict is None:
        typer.echo(say("Stopped. Go on with: feilun turn", "已停止。继续：feilun turn"), err=True)
    elif not as_json:
        for line in verdict.words():
            console.print(Line(str(line)))


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
    with _store(workspace) as store:
        earlier = roll_back(registry, store, name)
    typer.echo(say(f"{name} serves {earlier.id} again.", f"{name} 已恢复为 {earlier.id}。"))


@app.command(
    "list",
    help=say(
        "What people said, and what was decided about it.\n\nExample: `feilun review list --state pending`",
        "大家的意见，以及对它们的决定。\n\n示例：`feilun review list --state pending`",
    ),
)
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="pending, accepted, rejected, taken")] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.store.reviews import items

    wanted: State | None = None
    if state is not None:
        if state not in ("pending", "accepted", "rejected", "taken"):
            raise FeilunError(
                "--state is pending, accepted, rejected or taken.",
                "--state 可为 pending、accepted、rejected 或 taken。",
            )
        wanted = state
    with _store(Workspace(context.obj)) as store, store.reading() as session:
        rows = [_row(item) for item in items(session, state=wanted)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "id",
        say("State", "状态"),
        say("Question", "问题"),
        say("Answer", "回答"),
        say("To learn", "要学的"),
    ):
        table.add_column(title, overflow="fold")
    for row in rows:
        shown = (row["id"], row["state"], row["question"], row["given"], row["answer"] or "-")
        table.add_row(*(Line(printable(text)) for text in shown))
    Console(highlight=False).print(table)


@app.command(
    help=say(
        "Let an item be learnt; `--answer` and `--question` change what is learnt.\n\n"
        'Example: `feilun review accept fb_0001 --answer "It was founded in 2019."`',
        "允许学习某条反馈；`--answer` 与 `--question` 可修改所学内容。\n\n"
        '示例：`feilun review accept fb_0001 --answer "它成立于 2019 年。"`',
    )
)
def accept(
    context: typer.Context,
    ids: Ids,
    answer: Annotated[str | None, typer.Option(help=say("What to answer.", "应有的回答。"))] = None,
    question: Annotated[str | None, typer.Option(help=say("What to ask.", "应有的问题。"))] = None,
) -> None:
    _decide(context, ids, "accept", question=question, answer=answer)


@app.command(
    help=say(
        "Keep an item from being learnt.\n\nExample: `feilun review reject fb_0001`",
        "不学习某条反馈。\n\n示例：`feilun review reject fb_0001`",
    )
)
def reject(context: typer.Context, ids: Ids) -> None:
    _decide(context, ids, "reject")


def _decide(
    context: typer.Context,
    ids: list[str],
    decision: Decision,
    *,
    question: str | None = None,
    answer: str | None = None,
) -> None:
    from feilun.store import LOCAL_OWNER
    from feilun.store.reviews import decide, items

    with _store(Workspace(context.obj)) as store, store.writing() as session:
        if ids == ["all"]:
            waiting = items(session, state="pending")
            ids = [item.id for item in waiting if decision == "reject" or item.answer]
        for one in ids:
            decide(session, one, decision, reviewer=LOCAL_OWNER, question=question, answer=answer)
    typer.echo(say(f"{len(ids)} decided.", f"已处理 {len(ids)} 条。"))


def _accept_all(store: Store) -> None:
    from feilun.store import LOCAL_OWNER
    from feilun.store.reviews import decide, items

    with store.writing() as session:
        for item in items(session, state="pending"):
            if (item.answer or "").strip():
                decide(session, item.id, "accept", reviewer=LOCAL_OWNER)


def _row(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "state": item.state,
        "user": item.feedback.user,
        "rating": item.feedback.rating,
        "tags": item.feedback.tags,
        "comment": item.feedback.comment,
        "question": item.question,
        "given": item.message.content,
        "answer": item.answer,
        "release": item.message.release,
    }


@contextmanager
def _store(workspace: Workspace) -> Generator[Store]:
    from feilun.store import Store

    store = Store(workspace.database)
    try:
        yield store
    finally:
        store.close()


def _show(job: Job, as_json: bool, console: Console) -> None:
    events = job.events(follow=True)
    if as_json:
        for event in events:
            typer.echo(json.dumps(event, ensure_ascii=False))
    else:
        draw(events, console)
