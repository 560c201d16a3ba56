"""What the commands of ``feilun plan`` share: options, and how answers are shown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

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

Q = TypeVar("Q", bound="BaseModel")


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


def asked(kind: type[Q], **given: object) -> Q:
    """The question of these options. Raises `FeilunError` (``bad_option``) for one that is out of bounds."""
    from pydantic import ValidationError

    from feilun.validation import explain

    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        said = explain({**first})
        raise FeilunError(f"{option}: {said.en}.", f"{option}：{said.zh}。", code="bad_option") from None


def folder(model: str | None) -> Model | None:
    """The model of a Hugging Face folder; None if the option names none."""
    from feilun.plan.presets import model_named

    return model_named(model) if model is not None and Path(model).is_dir() else None


def one_of(word: str, known: tuple[str, ...], option: str) -> str:
    if word not in known:
        raise FeilunError(
            f"{option} is one of: {', '.join(known)}.",
            f"{option} 可为：{'、'.join(known)}。",
            code="bad_option",
        )
    return word
