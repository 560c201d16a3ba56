"""``feilun canary``: how a canary does, and deciding about it before the votes do."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from feilun.registry import Registry
from feilun.text import Text, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for the store
    from feilun.flywheel.canary import Standing, Tally
    from feilun.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say(
        "A release that answers a share of the conversations before it may answer them all.\n\n"
        "`canary = 0.1` under `[promote]` in the workspace's flywheel.toml lets turns begin with one.\n\n"
        "Example: `feilun canary status`",
        "灰度发布：新版本先回答一部分对话，再决定是否全面上线。\n\n"
        "在工作区 flywheel.toml 的 `[promote]` 中设置 `canary = 0.1`，此后每一轮都会先灰度发布。\n\n"
        "示例：`feilun canary status`",
    ),
)
Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help=say("Of which model (default: the default).", "哪个模型（默认：默认模型）。")
    ),
]
DECIDED = {
    "take_over": Text(
        "The votes have decided: the canary has taken over.", "投票已有结果：灰度版本已全面上线。"
    ),
    "withdraw": Text("The votes have decided: the canary was withdrawn.", "投票已有结果：灰度版本已撤回。"),
}


@app.command(
    help=say(
        "Show what the thumbs say of the canary and of the present release; what they have decided is done.\n\n"
        "Example: `feilun canary status --json`",
        "显示大家对灰度版本与当前版本的评价；若投票已有结果，则立即执行。\n\n示例：`feilun canary status --json`",
    )
)
def status(
    context: typer.Context,
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))] = False,
) -> None:
    from feilun.flywheel.canary import check, standing

    with _opened(context, model) as (registry, store, name):
        decided = next(
            ((now, what) for now, what in check(registry, store) if now.present.name == name), None
        )
        now, outcome = decided or (standing(registry, store, name), None)
    if as_json:
        report = {**now.report(), "decided": outcome} if now else None
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    elif now is None:
        typer.echo(say(f"{name} has no canary.", f"{name} 没有灰度版本。"))
    else:
        for line in _words(now):
            typer.echo(str(line))
        if outcome:
            typer.echo(str(DECIDED[outcome]))


@app.command(
    help=say(
        "Let the canary take over now; a running server needs no restart.\n\nExample: `feilun canary promote`",
        "让灰度版本立即全面上线；运行中的服务器无需重启。\n\n示例：`feilun canary promote`",
    )
)
def promote(context: typer.Context, model: Model = None) -> None:
    release, name = _end(context, model, take_over=True)
    typer.echo(say(f"{name} serves {release} now.", f"{name} 现为 {release}。"))


@app.command(
    help=say(
        "Let the present release answer everything again; what the canary has answered stays.\n\n"
        "Example: `feilun canary withdraw`",
        "由当前版本重新回答所有对话；灰度版本已有的回答保留不变。\n\n示例：`feilun canary withdraw`",
    )
)
def withdraw(context: typer.Context, model: Model = None) -> None:
    release, name = _end(context, model, take_over=False)
    typer.echo(say(f"{name} serves {release} alone.", f"{name} 仅由 {release} 服务。"))


def _end(context: typer.Context, model: str | None, *, take_over: bool) -> tuple[str, str]:
    from feilun.flywheel.canary import running
    from feilun.flywheel.promote import end_canary

    with _opened(context, model) as (registry, store, name):
        end_canary(registry, store, running(registry, name), take_over=take_over)
        return registry.get(name).id, name


@contextmanager
def _opened(context: typer.Context, model: str | None) -> Generator[tuple[Registry, Store, str]]:
    from feilun.store import Store

    workspace = Workspace(context.obj)
    registry = Registry(workspace)
    name = registry.get(model).name if model else registry.default().name
    store = Store(workspace.database)
    try:
        yield registry, store, name
    finally:
        store.close()


def _words(now: Standing) -> list[Text]:
    from feilun.flywheel.canary import MARGIN

    canary, evidence = now.canary, now.comparison
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(canary.since_ms / 1000))
    needed = 1 / canary.alpha
    lines = [
        Text(
            f"{canary.release.name}: {canary.release.id} answers {canary.share:.0%} of the conversations since {since}.",
            f"{canary.release.name}：{canary.release.id} 自 {since} 起回答 {canary.share:.0%} 的对话。",
        ),
        _tally(Text("Canary", "灰度版本"), canary.release.id, now.own),
        _tally(Text("Present", "当前版本"), now.present.id, now.other),
        Text(
            f"It takes over after {canary.votes} votes on its answers ({now.own.votes} so far) and as many on the present "
            f"release's ({now.other.votes}), if it is not found worse and its share of thumbs up is at most "
            f"{float(MARGIN):.0%} below.",
            f"双方的回答各获得 {canary.votes} 票后（灰度版本现有 {now.own.votes} 票，当前版本 {now.other.votes} 票），"
            f"若未被判定为更差，且好评率比当前版本低不超过 {float(MARGIN) * 100:.0f} 个百分点，即全面上线。",
        ),
        *_waits(now),
        Text(
            f"Evidence that it is worse: {evidence.e_worse:.3g}; that it is better: {evidence.e_better:.3g}; "
            f"either decides at {needed:.3g}.",
            f"更差的证据：{evidence.e_worse:.3g}；更好的证据：{evidence.e_better:.3g}；任一达到 {needed:.3g} 即有结论。",
        ),
    ]
    if now.capped:
        lines.append(
            Text(
                f"{now.capped} votes do not count: of one person only {canary.per_user} a day do.",
                f"{now.capped} 票未计入：每人每天只计 {canary.per_user} 票。",
            )
        )
    return lines


def _waits(now: Standing) -> list[Text]:
    """Why it does not take over, though it has its votes."""
    if now.outcome is not None or now.waits_for in (None, "votes"):
        return []
    if now.waits_for == "present_votes":
        return [
            Text(
                "It waits: it has its votes, and the present release has too few to compare with.",
                "等待中：灰度版本票数已够，但当前版本的票数不足，无法比较。",
            )
        ]
    own, other = float(now.own.share_up), float(now.other.share_up)
    return [
        Text(
            f"It waits: {own:.0%} of the thumbs on its answers are up, {other:.0%} on the present release's; that it is worse "
            "is not proven. More votes will tell; or decide: feilun canary withdraw, feilun canary promote",
            f"等待中：灰度版本的好评率为 {own:.0%}，当前版本为 {other:.0%}，但尚未证实更差。"
            "可等待更多投票，或自行决定：feilun canary withdraw、feilun canary promote",
        )
    ]


def _tally(arm: Text, release: str, tally: Tally) -> Text:
    return Text(
        f"{arm.en:8} {release}: {tally.up} up, {tally.down} down",
        f"{arm.zh} {release}：赞 {tally.up}，踩 {tally.down}",
    )
