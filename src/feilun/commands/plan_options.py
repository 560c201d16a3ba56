"""What the commands of ``feilun plan`` share: options, and how answers are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feilun.text import FeilunError, say

if TYPE_CHECKING:  # the other commands must not wait for tables and formulas
    from pydantic import BaseModel
    from rich.table import Table
    from rich.text import Text as Line

    from feilun.plan.arithmetic import Model

Params = Annotated[str | None, typer.Option(help=say("Parameters, such as 175B.", "参数量，例如 175B。"))]
Active = Annotated[
    str | None,
    typer.Option(
        help=say(
            "Of a mixture of experts: those a token passes through.", "混合专家模型：每个 token 经过的参数。"
        )
    ),
]
Named = Annotated[
    str | None,
    typer.Option(
        "--model",
        help=say(
            "A known model (qwen3-8b), a folder with config.json, or a size (7B).",
            "已知模型（qwen3-8b）、含 config.json 的文件夹，或参数量（7B）。",
        ),
    ),
]
On = Annotated[
    str,
    typer.Option(
        help=say(
            "Such as A100-80G, H20, 4090; `here`: this machine.", "例如 A100-80G、H20、4090；`here` 为本机。"
        )
    ),
]
Price = Annotated[
    float | None, typer.Option(min=0.0001, help=say("USD an hour and device.", "每卡每小时美元。"))
]
Length = Annotated[int, typer.Option(min=1, help=say("Tokens of a row.", "每行的 token 数。"))]
AsJson = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))]

_SIZE = re.compile(r"[0-9.]+[KMBT]?", re.IGNORECASE)


def show(answer: BaseModel, shown: Iterable[Table | Line], as_json: bool) -> None:
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for part in shown:
        console.print(part)


def workspace_of(context: typer.Context) -> Path:
    """Where it is; a plan makes none."""
    from feilun.workspace import default_workspace

    return (context.obj or default_workspace()).expanduser().absolute()


def model_of(
    params: str | None, name: str | None, active: str | None = None, *, serving: bool = False
) -> Model:
    from feilun.plan import quantities
    from feilun.plan.arithmetic import Model, shape_of
    from feilun.plan.presets import model_named

    if name is not None and params is None and _SIZE.fullmatch(name):
        params, name = name, None
    if name is not None:
        return model_named(name)
    if params is None:
        raise FeilunError(
            "Give --params, such as 7B, or --model.",
            "请给出 --params（例如 7B）或 --model。",
            code="no_model",
        )
    size = quantities.count(params)
    passed = quantities.count(active) if active else size
    # Models that are served share keys and values among the heads of a group.
    return Model.of_size(size, passed, config=shape_of(passed, kv_heads=8) if serving else None)


def one_of(word: str, known: tuple[str, ...], option: str) -> str:
    if word not in known:
        raise FeilunError(
            f"{option} is one of: {', '.join(known)}.",
            f"{option} 可为：{'、'.join(known)}。",
            code="bad_option",
        )
    return word
