"""``feilun up``: the server, the console and the model in one process."""

from __future__ import annotations

import logging
import os
import sys
import time
import webbrowser
from typing import Annotated

import typer
from rich.console import Console

from feilun.commands.progress import fetch_with_bar
from feilun.registry import Registry
from feilun.registry.sources import locate
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

DEFAULT_PORT = 8765

HELP = say(
    "Start the server and the console, and open the browser.\n\nExample: `feilun up --port 9000 --no-browser`",
    "启动服务器和控制台，并打开浏览器。\n\n示例：`feilun up --port 9000 --no-browser`",
)


def up(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help=say("Address to listen on: one of this machine.", "监听地址：仅限本机地址。"))
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help=say("Port; 0 takes any free one.", "端口；0 表示任选空闲端口。")),
    ] = DEFAULT_PORT,
    browser: Annotated[
        bool, typer.Option(help=say("Open the console in the browser.", "在浏览器中打开控制台。"))
    ] = True,
) -> None:
    # Large: the other commands must not wait for them.
    from feilun.flywheel import canary_routes, lineage_routes, routes
    from feilun.plan.routes import router as plan_routes
    from feilun.serve.server import listen, serve

    _set_up_logging()
    out = Console(highlight=False)
    workspace = Workspace(context.obj)
    running = workspace.address()
    if running is not None:
        out.print(say(f"Feilun is running already: {running}", f"Feilun 已在运行：{running}"), soft_wrap=True)
        if browser and _has_display():
            webbrowser.open(running)
        return
    sock = listen(host, port)
    release = Registry(workspace).default()
    if release.kind == "gguf" and locate(release) is None:
        fetch_with_bar(release, out)
    begun = time.monotonic()

    def started(url: str) -> None:
        took = time.monotonic() - begun
        out.print(say(f"Workspace  {workspace.path}", f"工作区  {workspace.path}"), soft_wrap=True)
        out.print(say(f"Model      {release.name}", f"模型    {release.name}"), soft_wrap=True)
        out.print(say(f"API        {url}/v1", f"API     {url}/v1"), soft_wrap=True)
        out.print(
            say(f"Started in {took:.1f} s; stop with Ctrl-C.", f"启动用时 {took:.1f} 秒；按 Ctrl-C 停止。")
        )
        out.print(f"[bold]{say('Feilun is running:', 'Feilun 已启动：')} {url}[/bold]", soft_wrap=True)
        sys.stdout.flush()
        if browser and _has_display():
            webbrowser.open(url)

    flywheel = [routes.router, canary_routes.router, lineage_routes.router]
    serve(workspace, sock, started, [*flywheel, plan_routes(workspace.path)])


def _set_up_logging() -> None:
    wanted = os.environ.get("FEILUN_LOG", "warning").upper()
    level = logging.getLevelNamesMapping().get(wanted)
    if level is None:
        raise FeilunError(
            f"FEILUN_LOG={wanted.lower()}: write debug, info, warning or error.",
            f"FEILUN_LOG={wanted.lower()}：请写 debug、info、warning 或 error。",
        )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=level)


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
