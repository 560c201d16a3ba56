"""``feilun jobs``: long work seen from outside, stopped, and taken up again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.commands.event_lines import event_line, figures_line, stage_line
from feilun.jobs import Event, Job, State, list_jobs
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say("Long work, such as training.", "耗时的任务，例如训练。"),
)

RESUMED = "FEILUN_JOB"
"""Environment variable: the folder of the job that a command started with ``--resume`` goes on with."""

Wanted = Annotated[
    str, typer.Argument(help=say("Id of a job, or a name: its newest.", "任务的编号；或名称，指其最新任务。"))
]
Newest = Annotated[
    str | None,
    typer.Argument(
        help=say(
            "Id of a job, or a name: its newest. Default: the newest of all.",
            "任务的编号；或名称，指其最新任务。默认：所有任务中最新的。",
        )
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help=say("Print JSON for scripts.", "输出供脚本读取的 JSON。"))
]


@app.command(
    "list",
    help=say(
        "Show the jobs, the newest last.\n\nExample: `feilun jobs list --json`",
        "列出任务，最新的在最后。\n\n示例：`feilun jobs list --json`",
    ),
)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    rows = [_row(job) for job in list_jobs(_runs(context))]
    if as_json:
        _print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for title in (say("Job", "任务"), say("Kind", "种类"), say("State", "状态"), say("Begun", "创建时间")):
        table.add_column(title, overflow="fold")
    table.add_column(say("Progress", "进度"), overflow="fold")
    for row in rows:
        begun, step = datetime.fromisoformat(row["created"]).astimezone(), row["step"]
        progress = f"{_count(step)}  {figures_line(step)}" if step else "-"
        table.add_row(row["id"], row["kind"], _state(row["state"]), f"{begun:%Y-%m-%d %H:%M}", Line(progress))
    Console(highlight=False).print(table)


@app.command(
    help=say(
        "Show what a job was asked to do and how far it is.\n\nExample: `feilun jobs show nano`",
        "显示任务的内容与进度。\n\n示例：`feilun jobs show nano`",
    )
)
def show(context: typer.Context, job: Newest = None, as_json: AsJson = False) -> None:
    found = find_job(_runs(context), job)
    row: dict[str, Any] = {**_row(found), "argv": found.record.argv, "recipe": found.record.recipe}
    if as_json:
        _print_json(row)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    lines = (
        (say("Job", "任务"), row["id"]),
        (say("Kind", "种类"), row["kind"]),
        (say("State", "状态"), _state(row["state"]) + (f" (pid {row['pid']})" if row["pid"] else "")),
        (say("Error", "错误"), row["error"]),
        (
            say("Progress", "进度"),
            f"{_count(row['step'])}  {figures_line(row['step'])}" if row["step"] else None,
        ),
        (
            say("Begun", "创建时间"),
            f"{datetime.fromisoformat(row['created']).astimezone():%Y-%m-%d %H:%M:%S}",
        ),
        (say("Folder", "文件夹"), row["folder"]),
        (say("Command", "命令"), " ".join(row["argv"])),
        (say("Recipe", "配方"), json.dumps(row["recipe"], ensure_ascii=False, indent=2)),
    )
    for title, value in lines:
        if value:
            table.add_row(Line(title, "bold"), Line(printable(value), overflow="fold"))
    Console(highlight=False).print(table)


@app.command(
    help=say(
        "Follow a job until it ends; Ctrl+C ends the watching only. `--json` prints its events.\n\n"
        "Example: `feilun jobs watch`",
        "跟踪任务直至结束；Ctrl+C 仅结束跟踪。`--json` 输出其事件。\n\n示例：`feilun jobs watch`",
    )
)
def watch(context: typer.Context, job: Newest = None, as_json: AsJson = False) -> None:
    found = find_job(_runs(context), job)
    if as_json:
        for event in found.events(follow=True):
            typer.echo(json.dumps(event, ensure_ascii=False))
        return
    out = Console(highlight=False)
    out.print(Line(f"{found.id} ({_state(found.state)})", "bold"))
    draw(found.events(follow=True), out)
    state = found.state
    if state == "failed":
        error = _error(found) or ""
        raise FeilunError(f"The job {found.id} has failed: {error}", f"任务 {found.id} 失败：{error}")
    if state == "interrupted":
        raise FeilunError(
            f"The job {found.id} was interrupted. Go on with it: feilun jobs resume {found.id}",
            f"任务 {found.id} 已中断。继续：feilun jobs resume {found.id}",
        )
    out.print(_state(state))


@app.command(
    help=say(
        "Ask a job to leave its state in order and end, and wait until it has.\n\nExample: `feilun jobs stop nano`",
        "请任务保存状态后结束，并等待其结束。\n\n示例：`feilun jobs stop nano`",
    )
)
def stop(context: typer.Context, job: Wanted, as_json: AsJson = False) -> None:
    found = find_job(_runs(context), job)
    found.stop()
    if not as_json:
        typer.echo(say(f"{found.id} is ending …", f"{found.id} 正在结束……"))
    while (state := found.state) == "running":
        time.sleep(0.1)
    if as_json:
        _print_json(_row(found))
    else:
        typer.echo(_state(state))


@app.command(
    help=say(
        "Go on with a job that was stopped, interrupted or has failed, in the background.\n\n"
        "Example: `feilun jobs resume nano`",
        "在后台继续已停止、已中断或失败的任务。\n\n示例：`feilun jobs resume nano`",
    )
)
def resume(context: typer.Context, job: Wanted, as_json: AsJson = False) -> None:
    found = find_job(_runs(context), job)
    _start_again(found, Workspace(context.obj).path)
    if as_json:
        _print_json(_row(found))
        return
    typer.echo(
        say(
            f"{found.id} goes on. See how: feilun jobs watch {found.id}",
            f"{found.id} 已继续。查看进展：feilun jobs watch {found.id}",
        )
    )


def find_job(runs: Path, wanted: str | None = None) -> Job:
    """The job of that id, or the newest of that name, or the newest of all. Raises `FeilunError` if there is none."""
    jobs = list_jobs(runs)
    if not jobs:
        raise FeilunError(f"There are no jobs in {runs}.", f"{runs} 中没有任务。", code="job_not_found")
    for job in reversed(jobs):
        if wanted in (None, job.id, job.record.name):
            return job
    if wanted and "/" not in wanted and (runs / wanted / "job.json").exists():
        return Job.open(runs / wanted)  # which says how it is broken
    raise FeilunError(
        f"There is no job '{wanted}'. The newest is {jobs[-1].id}; all of them: feilun jobs list",
        f"没有任务“{wanted}”。最新的是 {jobs[-1].id}；查看全部：feilun jobs list",
        code="job_not_found",
    )


def job_to_resume(runs: Path, kind: str, name: str) -> Job:
    """What a command goes on with when it is given ``--resume``.

    The job that ``feilun jobs resume`` started it for, else the newest of this kind and name that has not finished.
    Raises `FeilunError` if there is none.
    """
    chosen = os.environ.get(RESUMED)
    if chosen:
        return Job.open(Path(chosen))
    for job in reversed(list_jobs(runs)):
        if (job.record.kind, job.record.name) == (kind, name) and job.state != "finished":
            return job
    raise FeilunError(
        f"There is no unfinished job '{name}' to resume. Start it without --resume.",
        f"没有可继续的未完成任务“{name}”。请去掉 --resume 重新开始。",
        code="job_not_found",
    )


def _start_again(job: Job, workspace: Path) -> None:
    """Give a job's command again, with ``--resume``, in the background; returns when the work has begun, or ended."""
    state = job.state
    if state == "running":
        raise job.already_running()
    if state == "finished":
        raise FeilunError(
            f"The job {job.id} has finished: there is nothing to resume.",
            f"任务 {job.id} 已完成：无需继续。",
            code="job_finished",
        )
    argv = job.record.argv if "--resume" in job.record.argv else [*job.record.argv, "--resume"]
    env = {**os.environ, "FEILUN_WORKSPACE": str(workspace), RESUMED: str(job.folder)}
    with job.log.open("ab") as log:
        before = log.seek(0, os.SEEK_END)
        try:
            process = subprocess.Popen(
                argv,
                cwd=job.record.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # closing the terminal does not end it
            )
        except OSError as error:
            raise _did_not_go_on(job, f"{error.strerror}: {error.filename}") from None
    while process.poll() is None and job.pid is None:
        time.sleep(0.05)
    if process.returncode:
        said = job.log.read_bytes()[before:].decode(errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), f"exit {process.returncode}")
        raise _did_not_go_on(job, printable(last.strip()))


def _did_not_go_on(job: Job, why: str) -> FeilunError:
    return FeilunError(
        f"The job {job.id} did not go on: {why} (see {job.log})",
        f"任务 {job.id} 未能继续：{why}（详见 {job.log}）",
        code="job_not_resumed",
    )


def draw(events: Iterable[Event], out: Console) -> None:
    """Show events as they come: steps as a bar with figures under it, the others as lines above."""
    bar = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.percentage:>3.0f} %"), console=out)
    task = bar.add_task("", total=None, visible=False)
    with Live(Group(bar), console=out) as live:
        for event in events:
            if event["event"] == "step":
                bar.update(task, completed=event.get("step", 0), total=event.get("steps"), visible=True)
                live.update(Group(bar, Line(figures_line(event))))
            elif event["event"] == "stage":
                live.console.print(Line(printable(f"▶ {stage_line(event)}"), "bold"))
            elif event["event"] not in ("finished", "stopped", "failed"):
                live.console.print(Line(printable(event_line(event))))
    if bar.tasks[0].visible and not out.is_terminal:
        out.line()  # which rich ends in a terminal only


def follow(job: Job, as_json: bool) -> None:
    """Show what happens to a job until it ends; for a thread of its own, beside the work."""
    events = job.events(follow=True)
    if as_json:
        for event in events:
            typer.echo(json.dumps(event, ensure_ascii=False))
    else:
        draw(events, Console(highlight=False))


@contextlib.contextmanager
def running(job: Job, show: Callable[[Job], object] | None) -> Generator[None]:
    """``job.running()``, shown meanwhile in a thread of its own. However it ends, all has been shown before anything else is
    said.
    """
    watching = threading.Thread(target=show, args=(job,)) if show is not None else None
    try:
        with job.running():
            if watching is not None:
                watching.start()
            yield
    finally:
        if watching is not None and watching.ident is not None:
            watching.join()


def tell_stopped(job: Job) -> None:
    """Say on stderr how a job that was asked to stop is gone on with."""
    said = say(
        f"Stopped. Go on with: feilun jobs resume {job.id}", f"已停止。继续：feilun jobs resume {job.id}"
    )
    typer.echo(said, err=True)


def _count(step: Event) -> str:
    return f"{step.get('step')}/{step.get('steps') or '?'}"


def _state(state: State) -> str:
    return {
        "running": say("running", "运行中"),
        "finished": say("finished", "已完成"),
        "failed": say("failed", "失败"),
        "stopped": say("stopped", "已停止"),
        "interrupted": say("interrupted", "已中断"),
    }[state]


def _error(job: Job) -> str | None:
    failed = job.last()
    if failed is None or failed["event"] != "failed":
        return None
    return say(failed["error"], failed.get("error_zh") or failed["error"])


def _row(job: Job) -> dict[str, Any]:
    record = job.record
    return {
        "id": job.id,
        "kind": record.kind,
        "name": record.name,
        "state": job.state,
        "pid": job.pid,
        "created": record.created,
        "code": record.code,
        "folder": str(job.folder),
        "step": job.last("step"),
        "error": _error(job),
    }


def _runs(context: typer.Context) -> Path:
    return Workspace(context.obj).path / "runs"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
