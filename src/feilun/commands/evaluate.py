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
from feilun.commands.chat import printable
from feilun.commands.client import Client, connected
from feilun.evaluate.questions import Answer, Ask, Message, Question, ask_all, read_questions
from feilun.evaluate.report import Graded, Rate, Report
from feilun.text import FeilunError, Text, say
from feilun.workspace import Workspace, sha256_file, write_atomically

HELP = say(
    "Ask a model the questions of a file, and grade the answers.\n\n"
    "Any OpenAI-compatible server will do; one that wants a key: `feilun models add` it, then `--model` its name. "
    "Code in answers is run on this machine, with little time and memory.\n\n"
    "Examples:\n\n`feilun eval recipes/eval/assistant.jsonl`\n\n"
    "`feilun eval mine.jsonl --url http://127.0.0.1:8000/v1 --out answers.json`",
    "让模型回答文件中的题目，并为回答评分。\n\n"
    "可用于任何兼容 OpenAI 的服务器；需要密钥的，请先用 `feilun models add` 添加，再用 `--model` 指定。"
    "回答中的代码会在本机运行，时间与内存均受限制。\n\n"
    "示例：\n\n`feilun eval recipes/eval/assistant.jsonl`\n\n"
    "`feilun eval mine.jsonl --url http://127.0.0.1:8000/v1 --out answers.json`",
)

_BUSY = {"too_many_requests", "rate_limit_exceeded", "loading"}
"""Error codes of servers that will answer later."""
_WAITS = (1, 2, 4, 8, 16, 30)
"""Seconds before each new try."""

_CHECKS: dict[str, Text] = {
    "ends": Text("ends by itself", "自行结束"),
    "language": Text("right language", "语言正确"),
    "contains": Text("says what it must", "包含要点"),
    "excludes": Text("leaves out what it must", "不含不当内容"),
    "matches": Text("matches the pattern", "符合模式"),
    "json": Text("JSON as asked", "JSON 符合要求"),
    "items": Text("list as asked", "列表项数"),
    "lines": Text("number of lines", "行数"),
    "words": Text("number of words", "英文词数"),
    "characters": Text("number of characters", "汉字数"),
    "cites": Text("cites the sources", "引用来源"),
    "abstains": Text("says it does not know", "承认不知道"),
    "refuses": Text("declines harm", "拒绝有害请求"),
    "number": Text("right number", "数字正确"),
    "code": Text("code runs right", "代码正确"),
}


def evaluate(
    context: typer.Context,
    questions: Annotated[
        Path,
        typer.Argument(
            metavar=say("QUESTIONS", "题目"),
            help=say("JSON lines of questions.", "JSON Lines 格式的题目文件。"),
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
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=say("Which model (default: the server's first).", "模型（默认：服务器的第一个）。"),
        ),
    ] = None,
    max_tokens: Annotated[
        int,
        typer.Option(
            min=1, help=say("Longest answer; a longer one fails.", "回答的最大长度；超出即不通过。")
        ),
    ] = 256,
    temperature: Annotated[
        float,
        typer.Option(min=0, max=2, help=say("0: always the likeliest token.", "0：总是选最可能的 token。")),
    ] = 0,
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
    wanted = read_questions(questions)
    if out is not None and not out.absolute().parent.is_dir():  # known before the long work, not after it
        folder = out.absolute().parent
        raise FeilunError(f"There is no folder {folder} to write to.", f"没有可写入的文件夹 {folder}。")
    start = time.monotonic()
    with _server(context, url) as post:
        name = model or _first_model(post)
        params: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature}
        ask = _asking(post, {"model": name, **params, "store": False})
        report = _with_bar(ask, wanted, concurrency)
    record: dict[str, Any] = {
        "questions": str(questions),
        "sha256": sha256_file(questions),
        "url": url,
        "model": name,
        "params": params,
        "code": f"feilun {__version__}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.monotonic() - start, 1),
        **report.model_dump(mode="json", exclude={"answers"}),
        "answers": report.model_dump(mode="json", include={"answers"})["answers"],
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    if out is not None:
        _write(out, text)
    if as_json:
        typer.echo(text, nl=False)
        return
    console = Console(highlight=False)
    console.print(Line(printable(f"{name} · {questions} · {record['seconds']} s"), "bold"))
    console.print(_by_topic(report))
    console.print(_by_check(report))
    if out is not None:
        console.print(Line(say(f"Answers: {out}", f"回答：{out}")))


Post = Callable[[str, str, dict[str, Any] | None], Any]
"""Method, path below the base URL, body: the server's JSON."""


@contextmanager
def _server(context: typer.Context, url: str | None) -> Generator[Post]:
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


def _first_model(post: Post) -> str:
    try:
        return str(post("GET", "/models", None)["data"][0]["id"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise FeilunError(
            "The server lists no models. Name one with --model.",
            "服务器未列出任何模型。请用 --model 指定一个。",
        ) from None


def _asking(post: Post, body: dict[str, Any]) -> Ask:
    def ask(messages: Sequence[Message]) -> Answer:
        said = [message.model_dump() for message in messages]
        reply = _patiently(lambda: post("POST", "/chat/completions", {**body, "messages": said}))
        choice = reply["choices"][0]
        text = str(choice["message"].get("content") or "")
        # Cut off in the middle of a character, it may end in half a pair of surrogates, which is no UTF-8.
        text = text.encode("utf-8", "replace").decode()
        return Answer(text, choice["finish_reason"] == "stop")

    def checked(messages: Sequence[Message]) -> Answer:
        try:
            return ask(messages)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise FeilunError(
                "The server's answer is not a chat completion. Is --url right, with /v1?",
                "服务器的应答不是聊天补全。请检查 --url 是否正确、是否含 /v1。",
            ) from None

    return checked


def _patiently(call: Callable[[], Any]) -> Any:
    """What the call returns, tried again for a while when the server is busy."""
    for wait in _WAITS:
        try:
            return call()
        except FeilunError as error:
            if error.code not in _BUSY:
                raise
            time.sleep(wait)
    return call()


def _with_bar(ask: Ask, questions: Sequence[Question], concurrency: int) -> Report:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(questions))

        def done(graded: Graded) -> None:
            bar.update(task, advance=1, description=printable(graded.id))

        return ask_all(ask, questions, concurrency=concurrency, done=done)


def _by_topic(report: Report) -> Table:
    """Topics down, languages across, with Wilson's intervals at the ends of rows and columns."""
    languages = list(report.by_language)
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column(say("Topic", "题型"), say("all", "合计"))
    for language in languages:
        table.add_column(language, _cell(report.by_language[language], interval=True), justify="right")
    table.add_column(
        say("all (95% interval)", "合计（95% 置信区间）"), _cell(report.all, interval=True), justify="right"
    )
    cells = report.rates(lambda answer: f"{answer.lang} {answer.topic}")
    for topic, whole in report.by_topic.items():
        each = [_cell(cells.get(f"{language} {topic}")) for language in languages]
        table.add_row(Line(printable(topic)), *each, _cell(whole, interval=True))
    return table


def _by_check(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(say("Check", "检查项"))
    table.add_column(say("passed (95% interval)", "通过（95% 置信区间）"), justify="right")
    for kind, found in report.by_check.items():
        table.add_row(str(_CHECKS[kind]), _cell(found, interval=True))
    return table


def _cell(found: Rate | None, *, interval: bool = False) -> str:
    if found is None:
        return "-"
    share = f"{found.passed}/{found.total} {found.rate:4.0%}"
    low, high = found.interval
    return f"{share} ({low:.0%}-{high:.0%})" if interval else share


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path.absolute(), text)
    except OSError as error:
        why = error.strerror
        raise FeilunError(f"Cannot write {path}: {why}.", f"无法写入 {path}：{why}。") from None
