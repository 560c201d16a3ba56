"""``feilun models import`` and ``feilun models export``: between GGUF and Hugging Face's folders."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from feilun.commands.extras import need_train
from feilun.commands.progress import fetch_with_bar
from feilun.registry import Registry
from feilun.registry.download import cannot_write
from feilun.registry.gguf import read_header
from feilun.registry.sources import locate
from feilun.text import FeilunError, say
from feilun.workspace import Manifest, Workspace, new_artifact, sha256_file, write_atomically

IMPORT_HELP = say(
    "Turn a GGUF file into a Hugging Face folder for training: weights in float32, config, tokenizer, chat template.\n\n"
    "Example: `feilun models import smollm2-135m-instruct --out smollm2`",
    "将 GGUF 文件转换为可用于训练的 Hugging Face 文件夹：float32 权重、配置、分词器与对话模板。\n\n"
    "示例：`feilun models import smollm2-135m-instruct --out smollm2`",
)
EXPORT_HELP = say(
    "Write a Hugging Face folder as one GGUF file, which `feilun models add` and llama.cpp can serve.\n\n"
    "Example: `feilun models export smollm2 --gguf q8_0 --out smollm2-q8_0.gguf --text held-out.txt`",
    "将 Hugging Face 文件夹写成单个 GGUF 文件，可由 `feilun models add` 与 llama.cpp 使用。\n\n"
    "示例：`feilun models export smollm2 --gguf q8_0 --out smollm2-q8_0.gguf --text held-out.txt`",
)
COMPARED = (16, 256)
"""At most so many rows of so many tokens are compared after an export."""


class Quantisation(StrEnum):
    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"


def import_(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help=say("A GGUF file, or a model's name.", "GGUF 文件或模型名称。"), metavar="FILE|MODEL"
        ),
    ],
    out: Annotated[Path, typer.Option(help=say("Folder to make.", "要创建的文件夹。"))],
    template: Annotated[
        Path | None,
        typer.Option(
            help=say("A chat template (Jinja) instead of its own.", "替代自带模板的对话模板（Jinja）。")
        ),
    ] = None,
) -> None:
    need_train()
    from feilun.model.gguf import import_gguf

    console = Console(highlight=False)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FeilunError(
            f"{out} exists already: name another folder, or remove it first.",
            f"{out} 已存在：请指定其他文件夹，或先将其删除。",
            code="folder_exists",
        )
    path, chat_template = _source(context, model, console)
    if template is not None:
        chat_template = _read(template)
    header = read_header(path)
    try:
        with new_artifact(out) as draft:
            config = import_gguf(path, draft, chat_template)
            source = sha256_file(path)
            _describe(draft, out.name, source, {"gguf": path.name, "params": config.params}, header.license)
    except OSError as error:
        raise cannot_write(out, error) from None
    console.print(
        say(
            f"{out} is ready: {config.family}, {config.params / 1e6:.0f}M weights.",
            f"{out} 已就绪：{config.family}，{config.params / 1e6:.0f}M 个权重。",
        ),
        soft_wrap=True,
    )


def export(
    folder: Annotated[Path, typer.Argument(help=say("A Hugging Face folder.", "Hugging Face 文件夹。"))],
    gguf: Annotated[Quantisation, typer.Option(help=say("How weights are stored.", "权重的存储方式。"))],
    out: Annotated[Path, typer.Option(help=say("GGUF file to write.", "要写入的 GGUF 文件。"))],
    text: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "A text to compare the file's predictions with the folder's on.",
                "用于比较该文件与原文件夹预测结果的文本。",
            )
        ),
    ] = None,
) -> None:
    need_train()
    from feilun.model import checkpoint
    from feilun.model.gguf import divergence, export_gguf, probe, read_model

    rows, length = COMPARED
    ids = probe(folder, _read(text), length, rows) if text is not None else None
    export_gguf(folder, out, gguf.value)
    size = out.stat().st_size / 1e6
    typer.echo(say(f"{out} is written: {size:.1f} MB.", f"{out} 已写入：{size:.1f} MB。"))
    if ids is not None:
        found = divergence(checkpoint.load(folder), read_model(out), ids)
        typer.echo(
            say(
                f"KL divergence {found.nats:.5f} nats per token; same likeliest token {found.same_top:.1%} "
                f"({found.tokens} tokens).",
                f"KL 散度每 token {found.nats:.5f} nat；最可能 token 相同的比例 {found.same_top:.1%}"
                f"（共 {found.tokens} 个 token）。",
            )
        )


def served_file(folder: Path, name: str, quantisation: Quantisation, workspace: Workspace) -> Path:
    """The GGUF file of a Hugging Face folder, made in the workspace unless it is there already.

    Raises `FeilunError` if the folder holds an adapter, or no model that can be served.
    """
    if (folder / "adapter_config.json").exists():
        raise FeilunError(
            f"{folder} holds an adapter: name its base model, and the folder with --adapter.",
            f"{folder} 是适配器：请指定其基座模型，并用 --adapter 给出该文件夹。",
            code="adapter_alone",
        )
    need_train()
    from feilun.model import served

    return served.served_file(folder, name, quantisation.value, workspace.path / "models")


def _source(context: typer.Context, model: str, console: Console) -> tuple[Path, str | None]:
    """The file that is meant, and the chat template its release has instead of the file's own."""
    path = Path(model).expanduser()
    if path.exists():
        return path, None
    releases = Registry(Workspace(context.obj)).releases()
    release = next((release for release in releases if release.name == model), None)
    if release is None or release.kind != "gguf":
        raise FeilunError(
            f"'{model}' is neither a file here nor a GGUF model of this workspace (see `feilun models list`).",
            f"“{model}”既不是本机文件，也不是此工作区的 GGUF 模型（见 `feilun models list`）。",
            status=404,
            code="model_not_found",
        )
    return locate(release) or fetch_with_bar(release, console), release.chat_template


def _describe(
    folder: Path, name: str, source: str, figures: dict[str, str | int], license: str | None
) -> None:
    from feilun.model.served import content_of

    files = {file.name: sha256_file(file) for file in sorted(folder.iterdir())}
    manifest = Manifest(
        kind="model",
        id=content_of(folder),
        name=name,
        parents=[source],
        recipe={"command": "models import"},
        files=files,
        figures=figures,
        license=license,
    )
    write_atomically(folder / "artifact.json", manifest.model_dump_json(indent=2) + "\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FeilunError(f"Cannot read {path}: {error}.", f"无法读取 {path}：{error}。") from None
