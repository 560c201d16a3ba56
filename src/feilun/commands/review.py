"""``feilun review``: what may be learnt of what people said."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for the store
    from feilun.store import Store
    from feilun.store.reviews import Decision, State

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say(
        "Decide what may be learnt from what people said of the answers.\n\nExample: `feilun review list`",
        "决定可以从大家的意见中学习哪些内容。\n\n示例：`feilun review list`",
    ),
)
Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help=say("Items, or `all`.", "反馈编号，或 `all`。"))
]
AsJson = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))]


@app.command(
    "list",
    help=say(
        "What people said, and what was decided about it; the most valuable first.\n\nExample: `feilun review list --state pending`",
        "大家的意见，以及对它们的决定；最有价值的在前。\n\n示例：`feilun review list --state pending`",
    ),
)
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="pending, accepted, rejected, taken")] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.flywheel.listing import listed
    from feilun.flywheel.queue import ranked
    from feilun.store.reviews import items

    wanted: State | None = None
    if state is not None:
        if state not in ("pending", "accepted", "rejected", "taken"):
            raise FeilunError(
                "--state is pending, accepted, rejected or taken.",
                "--state 可为 pending、accepted、rejected 或 taken。",
            )
        wanted = state
    with opened(Workspace(context.obj)) as store, store.reading() as session:
        rows = [listed(one) for one in ranked(items(session), wanted)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "id",
        say("State", "状态"),
        say("Kind", "类型"),
        say("Question", "问题"),
        say("Answer", "回答"),
        say("To learn", "要学的"),
    ):
        table.add_column(title, overflow="fold")
    for row in rows:
        learnt = row["answer"] or row["suggestion"] or "-"
        shown = (row["id"], row["state"], row["kind"], row["question"], row["given"], learnt)
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
    from feilun.flywheel.recipe import turn_recipe
    from feilun.store import LOCAL_OWNER
    from feilun.store.reviews import decide, items

    workspace = Workspace(context.obj)
    thumbs = turn_recipe(workspace).train.thumbs
    with opened(workspace) as store, store.writing() as session:
        if ids == ["all"]:
            waiting = items(session, state="pending")
            learnt = [item for item in waiting if item.answer or (thumbs and item.thumb is not None)]
            ids = [item.id for item in (waiting if decision == "reject" else learnt)]
        for one in ids:
            decide(
                session,
                one,
                decision,
                reviewer=LOCAL_OWNER,
                question=question,
                answer=answer,
                thumbs=thumbs,
            )
    typer.echo(say(f"{len(ids)} decided.", f"已处理 {len(ids)} 条。"))


@contextmanager
def opened(workspace: Workspace) -> Generator[Store]:
    """The store of a workspace, closed behind it."""
    from feilun.store import Store

    store = Store(workspace.database)
    try:
        yield store
    finally:
        store.close()
