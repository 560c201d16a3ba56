"""``feilun eval``: asks a model the questions of a file and grades the answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text as Line

from feilun import __version__
from feilun.commands import evaluate_view as view
from feilun.commands.chat import printable
from feilun.commands.client import Client, connected
from feilun.evaluate import api
from feilun.evaluate.code_check import confined
from feilun.evaluate.kept import Unfinished
from feilun.evaluate.publish import PAGE, REPORT, publish
from feilun.evaluate.questions import Question, ask_all, read_questions
from feilun.evaluate.results import Results
from feilun.evaluate.run import Model, run_task
from feilun.evaluate.task import Loaded, read_task
from feilun.recipe import find_recipe
from feilun.text import FeilunError, say
from feilun.workspace import Workspace, sha256_file, write_atomically

HELP = say(
    "Ask models the questions of a task, and score the answers.\n\n"
    "A task is a TOML file (a data set, a prompt, scorers) or a file of questions with checks. Of a TOML file, or of "
    "several models, a report with every answer is kept in the workspace. An evaluation that ends early goes on where "
    "it was when the same command is given again.\n\n"
    "Any OpenAI-compatible server will do; one that wants a key: `feilun models add` it, then `--model` its name. "
    "Code in answers is run on this machine, with little time and memory; on Linux 6.2 without files, network or other "
    "processes.\n\n"
    "Examples:\n\n`feilun eval recipes/eval/assistant.jsonl`\n\n"
    "`feilun eval recipes/eval/gsm8k.toml --data FOLDER --limit 50 --model before --model after`\n\n"
    "`feilun eval mine.jsonl --url http://127.0.0.1:8000/v1 --out answers.json`",
    "让模型回答任务中的题目，并为回答评分。\n\n"
    "任务是一个 TOML 文件（数据、提示词、评分器），或带检查项的题目文件。使用 TOML 文件或多个模型时，"
    "包含全部回答的报告保存在工作区。中断的评测在再次运行同一命令时从中断处继续。\n\n"
    "可用于任何兼容 OpenAI 的服务器；需要密钥的，请先用 `feilun models add` 添加，再用 `--model` 指定。"
    "回答中的代码会在本机运行，时间与内存均受限制；在 Linux 6.2 及以上还无法访问文件、网络和其他进程。\n\n"
    "示例：\n\n`feilun eval recipes/eval/assistant.jsonl`\n\n"
    "`feilun eval recipes/eval/gsm8k.toml --data 文件夹 --limit 50 --model before --model after`\n\n"
    "`feilun eval mine.jsonl --url http://127.0.0.1:8000/v1 --out answers.json`",
)


def evaluate(
    context: typer.Context,
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar=say("TASK", "任务"),
            parser=find_recipe,
            help=say(
                "A task (.toml), or JSON lines of questions.",
                "任务文件（.toml）或 JSON Lines 格式的题目文件。",
            ),
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Base URL of a server, such as http://127.0.0.1:8765/v1 (default: the workspace's).",
                "服务器的基础网址，例如 http://127.0.0.1:8765/v1（默认：工作区的服务器）。",
            )
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help=say(
                "Which model (default: the server's first); several are compared.",
                "模型（默认：服务器的第一个）；可给出多个以作比较。",
            ),
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar=say("FOLDER", "文件夹"),
            help=say(
                "Where the task's files are (default: beside the task).",
                "任务所用文件所在的文件夹（默认：任务旁）。",
            ),
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=say("So many items, drawn by the task's seed.", "按任务的种子抽取的题数。")),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Model that judges, where the task has a judge (default: the server's first).",
                "任务设有裁判时担任裁判的模型（默认：服务器的第一个）。",
            )
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=say(
                "Longest answer (default: the task's; of questions 256, and a longer answer fails).",
                "回答的最大长度（默认：按任务；题目文件为 256，超出即不通过）。",
            ),
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=2,
            help=say("0, the default: always the likeliest token.", "默认为 0：总是选最可能的 token。"),
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=256, help=say("Questions asked at a time.", "同时提问的数量。"))
    ] = 4,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help=say(
                "JSON file for the figures and each answer with the checks it failed.",
                "写入 JSON 文件：各项数据、每个回答及其未通过的检查。",
            ),
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help=say("Print that JSON instead of tables.", "输出上述 JSON，而非表格。")),
    ] = False,
) -> None:
    names = list(dict.fromkeys(model or []))
    params = {"max_tokens": max_tokens, "temperature": temperature}
    if recipe.suffix == ".toml" or len(names) > 1 or limit is not None:
        overrides = {"limit": limit, **{f"params.{name}": value for name, value in params.items()}}
        loaded = read_task(recipe, data, overrides)
        _writable(out)
        _warn_of_code(loaded.runs_code)
        with _server(context, url) as post:
            results, tables = _compare(Workspace(context.obj), loaded, post, url, names, judge, concurrency)
        text = results.model_dump_json(indent=1) + "\n"
    else:
        wanted = read_questions(recipe)
        _writable(out)
        _warn_of_code(any(question.runs_code for question in wanted))
        with _server(context, url) as post:
            name = names[0] if names else api.first_model(post)
            settings = {"max_tokens": max_tokens or 256, "temperature": temperature or 0}
            record, tables = _one(recipe, wanted, post, name, settings, url, concurrency)
        text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    if out is not None:
        _write(out, text)
    if as_json:
        typer.echo(text, nl=False)
        return
    console = Console(highlight=False)
    for table in tables:
        console.print(table, soft_wrap=isinstance(table, Line))
    if out is not None:
        console.print(Line(say(f"Answers: {out}", f"回答：{out}")))


def _warn_of_code(runs: bool) -> None:
    """Where the code in answers could reach more than it should."""
    if runs and not confined():
        said = say(
            "Code in answers runs here with little time and memory, but could read files and use the network: this system "
            "cannot shut it in (Linux 6.2 or newer can). Evaluate models that you do not trust in a container.",
            "回答中的代码将在本机运行，时间与内存受限，但仍可能读取文件或访问网络：此系统无法将其隔离（需要 Linux 6.2 或更高）。"
            "请在容器中评测不可信的模型。",
        )
        typer.echo(said, err=True)


def _one(
    path: Path,
    questions: Sequence[Question],
    post: api.Post,
    model: str,
    params: dict[str, Any],
    url: str | None,
    concurrency: int,
) -> tuple[dict[str, Any], list[Table | Line]]:
    """One model on a question file: what ``--json`` prints, and what a reader sees."""
    start = time.monotonic()
    body = {"model": model, **params, "store": False}
    with _bar(len(questions)) as done:
        report = ask_all(
            lambda messages: api.ask(post, body, messages),
            questions,
            concurrency=concurrency,
            done=lambda graded: done(graded.id),
        )
    record: dict[str, Any] = {
        "questions": str(path),
        "sha256": sha256_file(path),
        "url": url,
        "model": model,
        "params": params,
        "code": f"feilun {__version__}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.monotonic() - start, 1),
        **report.model_dump(mode="json", exclude={"answers"}),
        "answers": report.model_dump(mode="json", include={"answers"})["answers"],
    }
    title = Line(printable(f"{model} · {path} · {record['seconds']} s"), "bold")
    return record, [title, view.by_topic(report), view.by_check(report)]


def _compare(
    workspace: Workspace,
    loaded: Loaded,
    post: api.Post,
    url: str | None,
    names: list[str],
    judge: str | None,
    concurrency: int,
) -> tuple[Results, list[Table | Line]]:
    """A task on one model or several: the report is published in the workspace."""

    def known(name: str) -> Model:
        return Model(name, post, api.release_of(post, name), url)

    models = [known(name) for name in names or [api.first_model(post)]]
    wanted = loaded.task.scorers.judge
    judging = known(judge or wanted.model or api.first_model(post)) if wanted else None
    reports = workspace.path / "reports"
    unfinished = Unfinished(reports / ".unfinished")
    with _bar(len(models) * len(loaded.items)) as done:
        results = run_task(
            loaded,
            models,
            unfinished,
            judge=judging,
            concurrency=concurrency,
            done=lambda model, item: done(f"{model} {item}"),
        )
    folder = publish(results, reports)
    unfinished.forget()
    title = Line(
        printable(f"{results.name} · {len(results.items)}/{results.total} · {results.seconds} s"), "bold"
    )
    lines = [Line(f"{folder / name}") for name in (PAGE, REPORT)]
    return results, [title, view.scores(results), *view.changes(results), *lines]


@contextmanager
def _server(context: typer.Context, url: str | None) -> Generator[api.Post]:
    if url is not None:
        yield Client(_base(url)).request
        return
    with connected(Workspace(context.obj)) as client:
        yield lambda method, path, body: client.request(method, f"/v1{path}", body)


def _base(url: str) -> str:
    """The URL below which ``/chat/completions`` is; ``/v1`` is added to a host alone."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise FeilunError(
            f"--url {url} is not a URL such as http://127.0.0.1:8765/v1.",
            f"--url {url} 不是网址，应类似 http://127.0.0.1:8765/v1。",
        )
    return str(parsed.copy_with(path="/v1")) if parsed.path in ("", "/") else url


@contextmanager
def _bar(total: int) -> Generator[Callable[[str], None]]:
    """A progress bar; what it yields is told of each answer, from any thread."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=printable(name))


def _writable(out: Path | None) -> None:
    """Whether ``--out`` can be written is known before the long work, not after it."""
    if out is not None and not (folder := out.absolute().parent).is_dir():
        raise FeilunError(f"There is no folder {folder} to write to.", f"没有可写入的文件夹 {folder}。")


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path.absolute(), text)
    except OSError as error:
        why = error.strerror
        raise FeilunError(f"Cannot write {path}: {why}.", f"无法写入 {path}：{why}。") from None
