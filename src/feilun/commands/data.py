"""``feilun data``: from raw text to what training reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from feilun.commands import corpus
from feilun.commands.extras import need_train
from feilun.text import FeilunError, say
from feilun.workspace import MANIFEST, Manifest, Workspace

if TYPE_CHECKING:
    from feilun.data.read import Document, Tally
    from feilun.data.tokens import Encoder

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say("Data for training.", "训练数据。"),
)


app.command("build", help=corpus.BUILD_HELP)(corpus.build)
app.command("report", help=corpus.REPORT_HELP)(corpus.report)
app.command("decide", help=corpus.DECIDE_HELP)(corpus.decide)
app.command("rescore", help=corpus.RESCORE_HELP)(corpus.rescore)
app.command("why", help=corpus.WHY_HELP)(corpus.why)
app.command("sample", help=corpus.SAMPLE_HELP)(corpus.sample)


@app.command(
    help=say(
        "Make token shards from corpora (`feilun data build`), and from files and folders of text: .txt, .md, .jsonl, "
        ".jsonl.zst, .parquet. They stand in the workspace under `tokens/NAME`; older ones of that name are replaced.\n\n"
        "Example: `feilun data tokens mine --tokenizer ~/tokenizer --out mine`",
        "将语料库（`feilun data build`）或文本文件和文件夹（.txt、.md、.jsonl、.jsonl.zst、.parquet）制成 token 分片，"
        "存放于工作区的 `tokens/名称`；同名的旧分片会被替换。\n\n"
        "示例：`feilun data tokens mine --tokenizer ~/tokenizer --out mine`",
    )
)
def tokens(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help=say(
                "Names of corpora, files, or folders with all below them.",
                "语料库名称、文件，或文件夹（含子文件夹）。",
            ),
        ),
    ],
    tokenizer: Annotated[Path, typer.Option(help=say("Folder of the tokenizer.", "分词器所在文件夹。"))],
    out: Annotated[str, typer.Option(help=say("What to call the shards.", "分片名称。"))],
    heldout: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help=say("Share of the documents kept for evaluation.", "留作评测的文档比例。")
        ),
    ] = 0.01,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help=say(
                "Leave out what cannot be read instead of stopping.", "跳过无法读取的内容，而不是停止。"
            ),
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help=say("Print the manifest as JSON for scripts.", "以 JSON 输出清单，供脚本读取。")
        ),
    ] = False,
) -> None:
    need_train()
    from feilun.data.read import Tally, read_texts, text_files
    from feilun.data.tokens import Counts, write_tokens
    from feilun.model.tokenizer import Tokenizer

    if not re.fullmatch(r"\w[\w.-]{0,99}", out):
        raise FeilunError(
            f"'{out}' cannot be a name: use letters, digits and . _ -, at most 100.",
            f"“{out}”不能用作名称：请使用字母、数字和 . _ -，最多 100 个字符。",
            code="bad_name",
        )
    # pyright takes no cached_property for the property of a protocol.
    reader = Tokenizer.load(tokenizer)
    encoder = cast("Encoder", reader)
    workspace = Workspace(context.obj).path
    folder = workspace / "tokens" / out
    sources = [corpus.found(workspace, source) for source in sources]
    tally = Tally()

    def documents() -> Iterator[Document]:
        for source in sources:
            yield from read_texts(source, strict=not skip_bad, tally=tally)

    note = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=note, disable=not note.is_terminal, transient=True) as bar:
        size = sum(path.stat().st_size for source in sources for path in text_files(source))
        task = bar.add_task(say("Encoding", "编码中"), total=size)

        def show(done: Counts) -> None:
            words = say(
                f"{done.documents:,} documents, {done.tokens:,} tokens",
                f"{done.documents:,} 个文档，{done.tokens:,} 个 token",
            )
            bar.update(task, completed=tally.bytes_read, description=words)

        manifest = write_tokens(
            folder,
            documents(),
            encoder,
            heldout=heldout,
            parents=[Manifest.read(source).id for source in sources if (source / MANIFEST).is_file()],
            recipe={"sources": [str(source.absolute()) for source in sources]},
            progress=show,
            also=reader.save,
        )
    _warn(manifest, heldout, tally, note)
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
    else:
        _table(manifest.figures, folder)


def _warn(manifest: Manifest, heldout: float, tally: Tally, note: Console) -> None:
    """What the user should know, on stderr: JSON goes to stdout."""
    if tally.skipped:
        said = say(
            f"Left out what could not be read, {tally.skipped} times; first: {tally.first_fault}",
            f"跳过无法读取的内容 {tally.skipped} 处；第一处：{tally.first_fault}",
        )
        note.print(said, markup=False, soft_wrap=True)
    if heldout and not manifest.figures["splits"]["heldout"]["documents"]:
        said = say(
            "No document fell to evaluation. Give more documents, or a larger --heldout.",
            "没有文档被留作评测。请提供更多文档，或增大 --heldout。",
        )
        note.print(said, markup=False, soft_wrap=True)


def _table(figures: dict[str, Any], folder: Path) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column(say("Split", "划分"))
    table.add_column(say("Language", "语言"))
    for title in (
        say("Documents", "文档"),
        say("Tokens", "Token 数"),
        say("Bytes", "字节"),
        say("Bytes/token", "字节/token"),
    ):
        table.add_column(title, justify="right")
    for split, name in (("train", say("train", "训练")), ("heldout", say("held out", "留出"))):
        for language, counts in sorted(figures["splits"][split]["by_language"].items()):
            ratio = f"{counts['bytes'] / counts['tokens']:.2f}"
            numbers = (f"{counts[key]:,}" for key in ("documents", "tokens", "bytes"))
            table.add_row(name, language, *numbers, ratio)
    console = Console(highlight=False)
    console.print(table)
    console.print(say(f"Written to {folder}", f"已写入 {folder}"), markup=False, soft_wrap=True)
