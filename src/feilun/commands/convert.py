"""``feilun models import`` and ``feilun models export``: between GGUF and Hugging Face's folders."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from feilun.commands.extras import need_train
from feilun.commands.folders import merged, unpack, unpacked
from feilun.commands.progress import fetch_with_bar
from feilun.registry import Registry, Release
from feilun.registry.download import cannot_write
from feilun.registry.sources import locate
from feilun.text import FeilunError, say
from feilun.workspace import Workspace, new_artifact

IMPORT_HELP = say(
    "Turn a GGUF file into a Hugging Face folder for training: weights in float32, config, tokenizer, chat template.\n\n"
    "Example: `feilun models import smollm2-135m-instruct --out smollm2`",
    "将 GGUF 文件转换为可用于训练的 Hugging Face 文件夹：float32 权重、配置、分词器与对话模板。\n\n"
    "示例：`feilun models import smollm2-135m-instruct --out smollm2`",
)
EXPORT_HELP = say(
    "Write a model as one GGUF file, which `feilun models add` and llama.cpp can serve; with --adapter, the model with the "
    "adapter in its weights (LoRA or DoRA): a GGUF file, or without --gguf a Hugging Face folder, in float32.\n\n"
    "Examples:\n\n`feilun models export smollm2 --gguf q8_0 --out smollm2-q8_0.gguf --text held-out.txt`\n\n"
    "`feilun models export smollm2 --adapter polite --out polite-smollm2`",
    "将模型写成单个 GGUF 文件，可由 `feilun models add` 与 llama.cpp 使用；加 --adapter 则把适配器（LoRA 或 DoRA）合并进权重："
    "写成 GGUF 文件，不加 --gguf 时写成 float32 的 Hugging Face 文件夹。\n\n"
    "示例：\n\n`feilun models export smollm2 --gguf q8_0 --out smollm2-q8_0.gguf --text held-out.txt`\n\n"
    "`feilun models export smollm2 --adapter polite --out polite-smollm2`",
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
    console = Console(highlight=False)
    _need_new(out)
    path, release = _source(context, model, console)
    chat_template = release.chat_template if release else None
    if template is not None:
        chat_template = _read(template)
    try:
        with new_artifact(out) as draft:
            config = unpack(path, draft, chat_template, out.name)
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
    context: typer.Context,
    base: Annotated[
        str,
        typer.Argument(
            help=say(
                "A Hugging Face folder, a GGUF file, or a model's name: then with the adapter that it has, unless another is given.",
                "Hugging Face 文件夹、GGUF 文件或模型名称；给出名称时，除非另行指定，否则连同其适配器。",
            ),
            metavar="FOLDER|FILE|MODEL",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help=say(
                "GGUF file to write; without --gguf, folder to make.",
                "要写入的 GGUF 文件；不加 --gguf 时为要创建的文件夹。",
            )
        ),
    ],
    gguf: Annotated[
        Quantisation | None,
        typer.Option(help=say("How a GGUF file's weights are stored.", "GGUF 文件中权重的存储方式。")),
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "An adapter to put into the weights: the folder that `feilun train` or PEFT made, or a GGUF file.",
                "要合并进权重的适配器：`feilun train` 或 PEFT 生成的文件夹，或 GGUF 文件。",
            )
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "A text to compare a GGUF file's predictions on with those of the weights before their rounding.",
                "用于比较 GGUF 文件与量化前权重预测结果的文本。",
            )
        ),
    ] = None,
) -> None:
    need_train()
    if gguf is None:
        if text is not None:
            raise FeilunError(
                "--text is for a GGUF file: give --gguf as well.",
                "--text 用于 GGUF 文件：请同时给出 --gguf。",
                code="nothing_to_compare",
            )
        _need_new(out)
    path, release = _source(context, base, Console(highlight=False))
    need_base(path)
    if adapter is None and release:
        adapter = release.adapter_file
    if gguf is None and adapter is None:
        raise FeilunError(
            "Say what to write: a GGUF file (--gguf q8_0), or a folder of the model with an adapter in its weights (--adapter).",
            "请指定要写入什么：GGUF 文件（--gguf q8_0），或已合并适配器的模型文件夹（--adapter）。",
            code="nothing_to_write",
        )
    template = release.chat_template if release else None
    try:
        with unpacked(path, template, out) as whole, merged(whole, adapter, out, base=path) as folder:
            if gguf is not None:
                _export_gguf(folder, out, gguf, text)
                return
            with new_artifact(out) as draft:
                for file in folder.iterdir():
                    file.rename(draft / file.name)
    except OSError as error:
        raise FeilunError(
            f"Cannot write {out}: {error.strerror}.", f"无法写入 {out}：{error.strerror}。"
        ) from None
    typer.echo(
        say(
            f"{out} is ready: the model with {adapter} in its weights.",
            f"{out} 已就绪：已将 {adapter} 合并进权重。",
        )
    )


def _export_gguf(folder: Path, out: Path, quantisation: Quantisation, text: Path | None) -> None:
    from feilun.model import checkpoint
    from feilun.model.gguf import divergence, export_gguf, probe, read_model

    rows, length = COMPARED
    ids = probe(folder, _read(text), length, rows) if text is not None else None
    export_gguf(folder, out, quantisation.value)
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
    need_base(folder)
    need_train()
    from feilun.model import served

    return served.served_file(folder, name, quantisation.value, workspace.path / "models")


def need_base(folder: Path) -> None:
    """Raises `FeilunError` if the folder holds an adapter instead of a model."""
    if (folder / "adapter_config.json").exists():
        raise FeilunError(
            f"{folder} holds an adapter: name its base model, and the folder with --adapter.",
            f"{folder} 是适配器：请指定其基座模型，并用 --adapter 给出该文件夹。",
            code="adapter_alone",
        )


def _need_new(out: Path) -> None:
    """Raises `FeilunError` if a folder of that name has something in it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FeilunError(
            f"{out} exists already: name another folder, or remove it first.",
            f"{out} 已存在：请指定其他文件夹，或先将其删除。",
            code="folder_exists",
        )


def _source(context: typer.Context, model: str, console: Console) -> tuple[Path, Release | None]:
    """What is meant, and the release if it is a model's name."""
    path = Path(model).expanduser()
    if path.exists():
        return path, None
    releases = Registry(Workspace(context.obj)).releases()
    release = next((release for release in releases if release.name == model), None)
    if release is None or release.kind != "gguf":
        raise FeilunError(
            f"'{model}' is neither a file or folder here nor a GGUF model of this workspace (see `feilun models list`).",
            f"“{model}”既不是本机文件或文件夹，也不是此工作区的 GGUF 模型（见 `feilun models list`）。",
            status=404,
            code="model_not_found",
        )
    return locate(release) or fetch_with_bar(release, console), release


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FeilunError(f"Cannot read {path}: {error}.", f"无法读取 {path}：{error}。") from None
