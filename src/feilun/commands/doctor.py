"""``feilun doctor``: looks at the machine and says what is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from feilun.commands.up import DEFAULT_PORT
from feilun.registry import Registry
from feilun.registry.gguf import read_header
from feilun.registry.sources import locate
from feilun.text import FeilunError, Text, say
from feilun.workspace import Workspace, model_cache

HELP = say(
    "Check this machine and workspace, and say what is missing.\n\nExample: `feilun doctor --json`",
    "检查本机与工作区，并说明缺少什么。\n\n示例：`feilun doctor --json`",
)

MARKS = {"ok": "[green]✓[/green]", "note": "[yellow]![/yellow]", "bad": "[red]✗[/red]"}

Finding = tuple[str, str, str]
"""``ok``, ``note`` or ``bad``; what was looked at; what was found, and what to do."""


def doctor(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print JSON for scripts.", "输出供脚本读取的 JSON。"))
    ] = False,
) -> None:
    findings = list(_examine(context))
    if as_json:
        rows = [{"level": level, "what": what, "found": found} for level, what, found in findings]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        out = Console(highlight=False)
        for level, what, found in findings:
            out.print(f"{MARKS[level]} [bold]{what}[/bold]  {escape(found)}", soft_wrap=True)
    if any(level == "bad" for level, _, _ in findings):
        raise typer.Exit(1)


def _examine(context: typer.Context) -> Iterator[Finding]:
    from feilun.serve.console.files import DIST

    yield "ok", "Python", f"{platform.python_version()} ({sys.executable})"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = say(f"{cores} cores, {memory:.0f} GB memory", f"{cores} 核，{memory:.0f} GB 内存")
    yield ("ok" if memory > 2 else "note"), say("Machine", "机器"), found
    workspace: list[Workspace] = []
    yield from _try(Text("Workspace", "工作区"), lambda: _workspace(context, workspace))
    yield from _try(Text("Model cache", "模型缓存"), _cache)
    if importlib.util.find_spec("xllamacpp") is None:
        yield "bad", "llama.cpp", say("not installed: pip install xllamacpp", "未安装：pip install xllamacpp")
    else:
        yield "ok", "llama.cpp", "xllamacpp"
    if workspace:
        yield from _try(Text("Database", "数据库"), lambda: _database(workspace[0]))
        yield from _try(Text("Default model", "默认模型"), lambda: _model(workspace[0]))
        yield from _try(Text("Server", "服务器"), lambda: _server(workspace[0]))
    if (DIST / "index.html").exists():
        yield "ok", say("Console", "控制台"), say("built", "已构建")
    else:
        yield (
            "bad",
            say("Console", "控制台"),
            say("not built: run make console in the source tree", "未构建：请在源码目录运行 make console"),
        )
    if importlib.util.find_spec("torch") is None:
        hint = say(
            "not installed (only needed for it): pip install 'feilun[train]'",
            "未安装（仅训练需要）：pip install 'feilun[train]'",
        )
        yield "note", say("Training", "训练"), hint
    else:
        yield "ok", say("Training", "训练"), say("torch is installed", "已安装 torch")


def _try(what: Text, look: Callable[[], tuple[str, str]]) -> Iterator[Finding]:
    try:
        level, found = look()
    except FeilunError as error:
        level, found = "bad", str(error)
    yield level, str(what), found


def _workspace(context: typer.Context, into: list[Workspace]) -> tuple[str, str]:
    workspace = Workspace(context.obj)
    into.append(workspace)
    free = shutil.disk_usage(workspace.path).free / 1e9
    level = "ok" if free > 1 else "note"
    return level, say(f"{workspace.path} ({free:.0f} GB free)", f"{workspace.path}（可用 {free:.0f} GB）")


def _cache() -> tuple[str, str]:
    folder = model_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        return "bad", say(
            f"{folder} cannot be written: set FEILUN_CACHE to a folder of your own",
            f"{folder} 不可写：请用 FEILUN_CACHE 指定文件夹",
        )
    return "ok", str(folder)


def _database(workspace: Workspace) -> tuple[str, str]:
    from feilun.store import Store  # large: the other commands must not wait for it

    where = workspace.database
    if isinstance(where, Path) and not where.exists():
        return "ok", say("made at the first start", "首次启动时创建")
    store = Store(where)
    store.close()
    return "ok", store.engine.url.render_as_string()


def _model(workspace: Workspace) -> tuple[str, str]:
    release = Registry(workspace).default()
    if release.kind == "upstream":
        return "ok", f"{release.name} ({release.source})"
    path = locate(release)
    if path is None:
        return "note", say(
            f"{release.name} is not fetched yet: feilun models pull",
            f"{release.name} 尚未获取：feilun models pull",
        )
    read_header(path)
    return "ok", f"{release.name} ({path})"


def _server(workspace: Workspace) -> tuple[str, str]:
    url = workspace.address()
    if url is not None:
        return "ok", say(f"running at {url}", f"正在运行：{url}")
    from feilun.serve.server import listen

    listen("127.0.0.1", DEFAULT_PORT).close()
    return "ok", say(f"not running; port {DEFAULT_PORT} is free", f"未运行；端口 {DEFAULT_PORT} 空闲")
