"""``feilun lineage`` and ``feilun forget``: what came of what, and how it is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text as Line
from rich.tree import Tree as Drawing

from feilun.commands.chat import printable
from feilun.commands.extras import need_data
from feilun.text import FeilunError, Text, say
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.flywheel.lineage_forget import Plan, Serving
    from feilun.flywheel.lineage_graph import Tree

FORGET_HELP = say(
    "Forget what a user said, a conversation, or a document: the source and all copies of its words are deleted, what was "
    "trained on it is marked, to be made anew, and a canary of it is withdrawn. A document leaves the corpora, token shards "
    "made with it are deleted, and later builds leave it out.\n\n"
    "Weights cannot be cut: `feilun rollback` to a release from before, then `feilun turn`; a base model is to be trained "
    "anew. Backups, exports and files outside the workspace are yours to delete.\n\n"
    "Examples:\n\n`feilun forget --user alice --dry-run`\n\n`feilun forget --document https://example.com/page.html`",
    "忘记某个用户的发言、某个对话或某篇文档：删除来源及其文字的所有副本，标记由其训练出的内容以便重新制作，并撤回由其制作的灰度版本。"
    "文档会从语料库中移除，含有它的 token 分片会被删除，以后的构建不再读取它。\n\n"
    "权重无法剪除：请先用 `feilun rollback` 回到之前的版本，再运行 `feilun turn`；基座模型需重新训练。"
    "备份、导出文件和工作区以外的文件需自行删除。\n\n"
    "示例：\n\n`feilun forget --user alice --dry-run`\n\n`feilun forget --document https://example.com/page.html`",
)
MOST = 20
"""Documents that are listed."""
KINDS = {
    "answer": Text("answer", "回答"),
    "answers": Text("answers", "回答"),
    "release": Text("release", "版本"),
    "adapter": Text("adapter", "适配器"),
    "model": Text("model", "模型"),
    "dataset": Text("data set", "数据集"),
    "sample": Text("samples", "样本"),
    "feedback": Text("feedback", "反馈"),
    "conversation": Text("conversation", "对话"),
    "user": Text("user", "用户"),
    "report": Text("report", "报告"),
    "tokens": Text("token shards", "token 分片"),
    "corpus": Text("corpus", "语料"),
    "source": Text("source", "来源"),
    "file": Text("file", "文件"),
    "upstream": Text("upstream", "上游模型"),
    "turn": Text("turn", "轮次"),
    "name": Text("name", "名称"),
}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say(
        "What an answer, a release or an artifact came of, and what came of what somebody said.",
        "查看回答、版本或产物的来历，以及某人的发言造就了什么。",
    ),
)


@app.callback()
def lineage() -> None:  # a group, though it has one command so far
    pass


@app.command(
    help=say(
        "Show where something came from, or with `--down` what came of it.\n\n"
        "X is the id of a message, release, artifact, feedback or conversation, an artifact's folder, a turn, or a user.\n\n"
        "Example: `feilun lineage show datasets/turn-20260101-120000-ab12 --down`",
        "显示来历；加 `--down` 则显示由它产生了什么。\n\n"
        "X 可以是消息、版本、产物、反馈或对话的编号，产物的文件夹，轮次，或用户。\n\n"
        "示例：`feilun lineage show datasets/turn-20260101-120000-ab12 --down`",
    )
)
def show(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="X", help=say("What to look up.", "要查询的对象。"))],
    down: Annotated[
        bool, typer.Option("--down", help=say("What came of it, instead.", "改为显示由它产生了什么。"))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))] = False,
) -> None:
    from feilun.flywheel.lineage import (
        ancestors,
        descendants,
    )  # large: the other commands must not wait for it
    from feilun.store import Store

    workspace = Workspace(context.obj)
    store = Store(workspace.database)
    try:
        with store.reading() as session:
            tree = (descendants if down else ancestors)(workspace, session, what)
    finally:
        store.close()
    if as_json:
        typer.echo(tree.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width, and ids are to be found in it
    console.print(_draw(tree))


def forget(
    context: typer.Context,
    user: Annotated[
        str | None, typer.Option(help=say("All that this user said.", "该用户的全部发言。"))
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(metavar="ID", help=say("One conversation.", "一个对话。"))
    ] = None,
    document: Annotated[
        str | None,
        typer.Option(
            metavar=say("DOCUMENT", "文档"),
            help=say(
                "A text of a corpus: its id, `SOURCE/ID`, address, or the path of its file or folder.",
                "语料库中的文本：其编号、`来源/编号`、网址，或其文件、文件夹的路径。",
            ),
        ),
    ] = None,
    deleted: Annotated[
        bool,
        typer.Option(
            "--deleted",
            help=say(
                "What is left in data sets of conversations that were deleted.",
                "数据集中来自已删除对话的残留。",
            ),
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=say("Only list what that means.", "仅列出影响，不做更改。"))
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=say("Do not ask.", "不再询问。"))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))] = False,
) -> None:
    from feilun.flywheel import lineage_forget as forgetting
    from feilun.store import Store

    if sum(bool(one) for one in (user, conversation, document, deleted)) != 1:
        raise FeilunError(
            "Name one thing to forget: --user, --conversation, --document or --deleted.",
            "请指定要忘记的一项：--user、--conversation、--document 或 --deleted。",
        )
    if as_json and not (dry_run or yes):
        raise FeilunError("--json needs --dry-run or --yes.", "--json 需要与 --dry-run 或 --yes 同用。")
    what: dict[str, Any] = {"user": user, "conversation": conversation, "document": document}
    workspace = Workspace(context.obj)
    if document is not None and (workspace.path / "corpora").is_dir():
        need_data()
    store = Store(workspace.database)
    try:
        left: list[Path] = []
        if yes and not dry_run:
            made, left = forgetting.forget(workspace, store, **what)
        else:
            made = forgetting.plan(workspace, store, **what)
        if not as_json:
            _list(made)
        if not (yes or dry_run):
            typer.confirm(say("Forget it for good?", "确定永久忘记？"), abort=True)
            made, left = forgetting.forget(workspace, store, **what)
    finally:
        store.close()
    if as_json:
        files = [str(path) for path in left]
        typer.echo(json.dumps({**_row(made), "still_in": files}, ensure_ascii=False, indent=2))
        return
    if not dry_run:
        typer.echo(say("Forgotten.", "已忘记。"))
        for path in left:
            typer.echo(
                say(
                    f"Some of the words still stand in {path}: said by somebody else too, or put there by hand. Look at it.",
                    f"部分文字仍出现在 {path} 中：可能他人也说过，或由人工放入。请检查。",
                )
            )


def _draw(tree: Tree) -> Drawing:
    """The tree for the terminal. It is no deeper than `feilun.flywheel.lineage_graph.DEEPEST`."""
    drawing = Drawing(_line(tree))
    waiting = [(drawing, tree)]
    while waiting:
        place, node = waiting.pop()
        waiting.extend((place.add(_line(child)), child) for child in node.children)
    return drawing


def _line(node: Tree) -> Line:
    facts = node.facts
    line = Line(str(KINDS.get(node.kind, node.kind)), style="bold")
    shown = "" if node.kind in ("sample", "answers", "source", "user", "turn") else _short(node.id)
    if node.kind == "answers":
        shown = say(
            f"{facts['count']} by {facts['users']} users",
            f"{facts['count']} 个，来自 {facts['users']} 位用户",
        )
    if node.kind == "sample":
        shown = f"{facts['rows']} ({', '.join(facts['rules'])})"
    if facts.get("set"):
        shown += f"  {facts['objective']} ({facts['set']})"
    for part, style in ((shown, "cyan"), (printable(node.name), ""), ((node.created or "")[:10], "dim")):
        if part:
            line.append(f"  {part}", style)
    if facts.get("serves"):
        line.append(say("  serves now", "  正在服务"), "green")
    if facts.get("tainted"):
        line.append(say("  made of what was forgotten", "  含已忘记的内容"), "red")
    if facts.get("known") is False:
        line.append(say("  not here (any more)", "  此处没有（或已删除）"), "dim")
    if node.more:
        line.append("  …", "dim")
    return line


def _short(id: str) -> str:
    """Hashes are cut to what is enough to look them up; other ids are needed whole."""
    return id[:19] if id.startswith("sha256:") else id


def _list(made: Plan) -> None:
    console = Console(highlight=False)

    def put(text: str) -> None:
        console.print(Line(printable(text)), soft_wrap=True)

    held = made.stored
    if made.whose is not None:
        put(
            say(
                f"To delete: {held.conversations} conversations, {held.messages} messages, feedback about {len(held.opinions)} answers.",
                f"将删除：{held.conversations} 个对话、{held.messages} 条消息、{len(held.opinions)} 条反馈。",
            )
        )
    for name, count in sorted(made.rows.items()):
        put(say(f"To delete: {count} rows of {name}", f"将删除：{name} 中的 {count} 行"))
    _list_copies(made, put)
    for turn in made.unfinished:
        put(say(f"To begin anew: the unfinished {turn}", f"将重新开始：未完成的 {turn}"))
    for node in made.artifacts:
        kind = KINDS.get(node.kind, Text(node.kind, node.kind))
        put(say(f"Tainted: {kind.en} {node.name}", f"受影响：{kind.zh} {node.name}"))
    for node in made.releases:
        put(say(f"Tainted: release {node.id} ({node.name})", f"受影响：版本 {node.id}（{node.name}）"))
    if made.answers:
        put(
            say(
                f"{made.answers} answers by these releases may repeat it; they belong to those who asked, and stay.",
                f"这些版本写过的 {made.answers} 个回答可能重复其内容；它们属于提问者，予以保留。",
            )
        )
    for one in made.serving:
        put(_what_to_do(one))


def _list_copies(made: Plan, put: Callable[[str], None]) -> None:
    """What is deleted of a document, and what is not."""
    copies = made.copies
    for one in copies.held[:MOST]:
        put(
            say(
                f"To delete: {one.source}/{one.id} of {one.corpus}",
                f"将删除：{one.corpus} 中的 {one.source}/{one.id}",
            )
        )
    if len(copies.held) > MOST:
        more = len(copies.held) - MOST
        put(say(f"To delete: {more} more documents", f"将删除：另外 {more} 篇文档"))
    for folder in copies.shards:
        put(
            say(
                f"To delete: the token shards in {folder}. Make them again: feilun data tokens",
                f"将删除：{folder} 中的 token 分片。请重新生成：feilun data tokens",
            )
        )
    for work in copies.builds:
        put(
            say(
                f"To begin anew: the unfinished {work.parent.name}",
                f"将重新开始：未完成的 {work.parent.name}",
            )
        )
    if copies.alike:
        names = copies.alike[:MOST]
        more = ", …" if len(copies.alike) > MOST else ""
        put(
            say(
                f"Nearly the same, and documents of their own: {', '.join(names)}{more}. Forget them too if they are meant.",
                f"内容几乎相同但属于其他文档：{'、'.join(names)}{more}。如需一并忘记，请另行指定。",
            )
        )
    if made.why == "document":
        put(
            say(
                "Files and folders outside of the workspace stay: delete the document there as well.",
                "工作区以外的文件和文件夹不受影响：请自行在那里删除该文档。",
            )
        )


def _what_to_do(one: Serving) -> str:
    model, release, clean = one.model, one.release, one.clean
    if one.canary:
        return say(
            f"To withdraw: {release}, the canary of {model}, which was made with it.",
            f"将撤回：{model} 的灰度版本 {release}，它由其制作。",
        )
    if clean is None:
        return say(
            f"{model} serves {release}, which was made with it, and has no earlier release: choose another model (feilun models default).",
            f"{model} 正在使用由其制作的 {release}，且没有更早的版本：请改用其他模型（feilun models default）。",
        )
    return say(
        f"{model} serves {release}, which was made with it. To be rid of it: `feilun rollback` until {clean} serves, then `feilun turn`.",
        f"{model} 正在使用由其制作的 {release}。如需彻底去除：运行 `feilun rollback` 直到恢复为 {clean}，再运行 `feilun turn`。",
    )


def _row(made: Plan) -> dict[str, Any]:
    return {
        "forget": made.why,
        "what": made.what,
        "conversations": made.stored.conversations,
        "messages": made.stored.messages,
        "feedback": made.stored.opinions,
        "rows": made.rows,
        "documents": [
            {"corpus": str(one.corpus), "source": one.source, "id": one.id, "kept": one.kept}
            for one in made.copies.held
        ],
        "nearly_the_same": made.copies.alike,
        "token_shards": [str(folder) for folder in made.copies.shards],
        "unfinished_builds": [str(work.parent) for work in made.copies.builds],
        "unfinished_turns": made.unfinished,
        "artifacts": [{"kind": node.kind, "id": node.id, "name": node.name} for node in made.artifacts],
        "releases": [node.id for node in made.releases],
        "answers": made.answers,
        "serving": [asdict(one) for one in made.serving],
    }
