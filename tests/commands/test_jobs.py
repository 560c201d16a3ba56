"""`feilun jobs`: jobs of other processes, watched, stopped and taken up again from the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.forks import environment, feilun
from tests.support import eventually

from feilun.commands.event_lines import event_line, stage_line
from feilun.commands.jobs import job_to_resume
from feilun.jobs import Job
from feilun.text import FeilunError

TRAIN = """
import sys, time
from pathlib import Path
from feilun.commands.event_lines import event_line, stage_line
from feilun.commands.jobs import job_to_resume
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import Workspace, write_atomically

steps, pause, *options = sys.argv[1:]
runs = Workspace().path / "runs"
if "--resume" in options:
    job = job_to_resume(runs, "train", "nano")
else:
    job = Job.create(runs, "train", "nano", {"steps": int(steps)}, argv=[sys.executable, *sys.argv])
at = job.checkpoints / "step"
with job.running():
    job.emit("plan", params=10_100_000, minutes=9.87654)
    for step in range(int(at.read_text()) if at.exists() else 0, int(steps)):
        job.emit("step", step=step + 1, steps=int(steps), loss=2.5 / (step + 1), lr=3e-4, grad_norm=float("nan"),
                 tokens_per_second=12345.6, mfu=0.681, memory_mb=812, eta_s=3723.4)
        write_atomically(at, str(step + 1))
        if step == 3:
            job.emit("eval", step=4, name="zh", bits_per_byte=1.8234567)
            job.emit("sample", step=4, prompt="飞", text="轮[b]\\x1b[31m")
        if job.stop_wanted:
            break
        time.sleep(float(pause))
    else:
        if "--fail" in options:
            raise FeilunError("The loss is not finite.", "损失不是有限的数。")
"""

Train = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def train(tmp_path: Path, workspace: Path) -> Iterator[Train]:
    """``train(steps=5, pause=0, "--fail")``: begin a job, as `feilun train` will. It is ended with the test."""
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    begun: list[subprocess.Popen[str]] = []

    def train(*options: str, steps: int = 5, pause: float = 0.0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(script), str(steps), str(pause), *options],
            env=environment(FEILUN_WORKSPACE=str(workspace)),
            stderr=subprocess.DEVNULL,
            text=True,
        )
        begun.append(process)
        return process

    yield train
    for process in begun:
        process.kill()
        process.wait()
    for job in (workspace / "runs").glob("*"):
        with contextlib.suppress(FeilunError):  # of a job that `jobs resume` has begun
            Job.open(job).stop()
            eventually(lambda job=job: Job.open(job).state != "running")


def the_job(workspace: Path) -> Job:
    """The only one, once it works."""
    return Job.open(eventually(lambda: next((workspace / "runs").glob("*/job.json"), None)).parent)


def running(workspace: Path) -> Job:
    job = the_job(workspace)
    eventually(lambda: job.pid and job.last("step"), what="for the first step")
    return job


def asked(run: Run, workspace: Path, *args: str) -> Any:
    result = run("-w", workspace, "jobs", *args, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_jobs_are_listed_and_shown(run: Run, workspace: Path, train: Train) -> None:
    assert asked(run, workspace, "list") == []
    assert train().wait() == 0
    (row,) = asked(run, workspace, "list")
    job = the_job(workspace)
    assert (row["id"], row["kind"], row["name"], row["state"]) == (job.id, "train", "nano", "finished")
    assert (row["pid"], row["error"], row["folder"]) == (None, None, str(job.folder))
    assert (row["step"]["step"], row["step"]["loss"], row["step"]["grad_norm"]) == (5, 0.5, None)
    for words in ([], [job.id], ["nano"]):
        shown = asked(run, workspace, "show", *words)
        assert shown == {**row, "argv": job.record.argv, "recipe": {"steps": 5}}
    text = run("-w", workspace, "jobs", "show", COLUMNS="200").stdout
    assert "finished" in text
    assert "5/5  loss 0.5000 · lr 3.00e-04 · 12,346 tokens/s · MFU 68.1% · 812 MB · 1:02:03 left" in text
    assert " ".join(job.record.argv) in text
    text = run("-w", workspace, "jobs", "list", COLUMNS="200", FEILUN_LANG="zh").stdout
    assert job.id in text
    assert "已完成" in text
    assert "损失 0.5000" in text


def test_a_job_that_has_not_begun_is_shown_too(run: Run, workspace: Path) -> None:
    job = Job.create(workspace / "runs", "train", "飞轮", {"[b]": "[/nothing]"})
    (row,) = asked(run, workspace, "list")
    assert (row["id"], row["state"], row["step"]) == (job.id, "interrupted", None)
    assert '"[b]": "[/nothing]"' in run("-w", workspace, "jobs", "show", "飞轮").stdout


def test_the_newest_of_a_name_is_meant(run: Run, workspace: Path) -> None:
    ids = [Job.create(workspace / "runs", "train", name, {}).id for name in ("a", "b", "a", "c")]
    assert asked(run, workspace, "show", "a")["id"] == ids[2]
    assert asked(run, workspace, "show", ids[0])["id"] == ids[0]
    assert asked(run, workspace, "show")["id"] == ids[3]


@pytest.mark.parametrize("verb", ["show", "watch", "stop", "resume"])
def test_a_job_that_is_not_there_is_one_line(run: Run, workspace: Path, verb: str) -> None:
    assert "There are no jobs" in one_line(run("-w", workspace, "jobs", verb, "x"))
    job = Job.create(workspace / "runs", "train", "nano", {})
    assert job.id in one_line(run("-w", workspace, "jobs", verb, "x"))
    assert job.id in one_line(run("-w", workspace, "jobs", verb, f"../runs/{job.id}"))
    (workspace / "runs" / "x").mkdir()
    (workspace / "runs" / "x" / "job.json").write_text("{")
    line = one_line(run("-w", workspace, "jobs", verb, "x", FEILUN_LANG="zh"))
    assert "job.json 已损坏：不是有效的 JSON" in line


def test_a_running_job_is_watched_to_its_end(run: Run, workspace: Path, train: Train) -> None:
    train(steps=40, pause=0.05)
    job = running(workspace)
    result = run("-w", workspace, "jobs", "watch", COLUMNS="100")
    assert result.returncode == 0, result.stderr
    assert job.state == "finished"  # it was not before
    assert result.stdout.startswith(f"{job.id} (running)\n")
    assert "plan  parameters 10100000 · minutes 9.877" in result.stdout
    assert "eval  step 4 · of zh · bits per byte 1.823" in result.stdout
    assert "[4] 飞▸轮[b][31m" in result.stdout  # as it is, but with no command to the terminal
    assert "40/40 100 %" in result.stdout
    assert "loss 0.0625 · lr 3.00e-04 · 12,346 tokens/s · MFU 68.1% · 812 MB · 1:02:03 left" in result.stdout
    assert result.stdout.endswith("finished\n")


def test_the_events_of_a_running_job_come_as_json_while_it_runs(workspace: Path, train: Train) -> None:
    worker = train(steps=100_000, pause=0.01)
    job = running(workspace)
    command = feilun("-w", workspace, "jobs", "watch", job.id, "--json")
    watcher = subprocess.Popen(
        command, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert watcher.stdout
        events = [json.loads(watcher.stdout.readline()) for _ in range(20)]
        assert worker.poll() is None
        job.stop()
        events += [json.loads(line) for line in watcher.stdout]
        assert watcher.wait(30) == 0
    finally:
        watcher.kill()
        watcher.communicate()
    assert events == list(job.events())


def test_ctrl_c_ends_the_watching_and_not_the_job(workspace: Path, train: Train) -> None:
    train(steps=100_000, pause=0.01)
    job = running(workspace)
    watcher = subprocess.Popen(
        feilun("-w", workspace, "jobs", "watch"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert watcher.stdout
    assert watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=30)
    assert (watcher.returncode, err) == (130, b"")
    assert job.state == "running"


def test_watching_a_job_that_fails_ends_with_its_error_in_the_readers_language(
    run: Run, workspace: Path, train: Train
) -> None:
    train("--fail").wait()
    job = the_job(workspace)
    assert f"The job {job.id} has failed: The loss is not finite." in one_line(
        run("-w", workspace, "jobs", "watch")
    )
    line = one_line(run("-w", workspace, "jobs", "watch", FEILUN_LANG="zh"))
    assert f"任务 {job.id} 失败：损失不是有限的数。" in line
    assert asked(run, workspace, "show")["error"] == "The loss is not finite."
    assert "损失不是有限的数。" in run("-w", workspace, "jobs", "show", FEILUN_LANG="zh").stdout


def test_a_killed_job_is_interrupted_and_goes_on_where_it_was(
    run: Run, workspace: Path, train: Train
) -> None:
    worker = train(steps=60, pause=0.05)
    job = running(workspace)
    eventually(lambda: (job.last("step") or {})["step"] > 5)
    worker.kill()
    worker.wait()
    with (job.folder / "events.jsonl").open("a") as file:
        file.write('{"event":"st')
    assert asked(run, workspace, "list")[0]["state"] == "interrupted"
    assert f"feilun jobs resume {job.id}" in one_line(run("-w", workspace, "jobs", "watch"))
    before = (job.last("step") or {})["step"]
    result = run("-w", workspace, "jobs", "resume", "nano")
    assert result.returncode == 0, result.stderr
    assert f"feilun jobs watch {job.id}" in result.stdout
    assert job.state == "running"
    assert job.pid not in (worker.pid, os.getpid(), None)
    assert "already running" in one_line(run("-w", workspace, "jobs", "resume", job.id))
    assert run("-w", workspace, "jobs", "watch").returncode == 0
    steps = [event["step"] for event in job.events() if event["event"] == "step"]
    # Killed between a step's event and its checkpoint, it does that step again.
    assert steps in ([*range(1, 61)], [*range(1, before + 1), *range(before, 61)])
    assert [e["event"] for e in job.events() if e["event"] in ("started", "finished")] == [
        "started",
        "started",
        "finished",
    ]
    assert len(list((workspace / "runs").iterdir())) == 1
    assert "has finished" in one_line(run("-w", workspace, "jobs", "resume", job.id))


def test_a_job_is_stopped_and_resumed(run: Run, workspace: Path, train: Train) -> None:
    worker = train(steps=100_000, pause=0.01)
    job = running(workspace)
    result = run("-w", workspace, "jobs", "stop", job.id)
    assert result.returncode == 0
    assert result.stdout == f"{job.id} is ending …\nstopped\n"
    assert worker.wait(10) == 0
    assert "is not running" in one_line(run("-w", workspace, "jobs", "stop", job.id))
    assert asked(run, workspace, "resume", job.id)["state"] == "running"
    assert asked(run, workspace, "stop", job.id)["state"] == "stopped"
    assert job.state == "stopped"
    assert run("-w", workspace, "jobs", "watch").returncode == 0


def test_resuming_belongs_to_the_job_that_was_named_and_to_where_it_began(
    run: Run, tmp_path: Path, workspace: Path
) -> None:
    """Of two of one name the older; with its relative paths, from whichever folder and workspace option."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "train.py").write_text(TRAIN)
    argv = [sys.executable, "train.py", "3", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "here")
        older = Job.create(workspace / "runs", "train", "nano", {}, argv=argv)
    newer = Job.create(workspace / "runs", "train", "nano", {}, argv=argv)
    assert run("-w", workspace, "jobs", "resume", older.id, FEILUN_WORKSPACE="/nowhere").returncode == 0
    eventually(lambda: older.state == "finished")
    assert newer.state == "interrupted"
    assert list(newer.events()) == []


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["/no/such/program"], "No such file or directory: /no/such/program"),
        ([sys.executable, "-c", "raise SystemExit('Error: the corpus is gone.')"], "Error: the corpus is gone."),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit 3"),
    ],
)  # fmt: skip
def test_a_job_whose_command_does_not_begin_says_why(
    run: Run, workspace: Path, argv: list[str], why: str
) -> None:
    job = Job.create(workspace / "runs", "train", "nano", {}, argv=argv)
    job.log.write_text("Error: of the last time\n")
    line = one_line(run("-w", workspace, "jobs", "resume", "nano"))
    assert f"The job {job.id} did not go on: {why} (see {job.log})" in line
    assert job.state == "interrupted"


def test_resume_without_a_job_takes_the_newest_that_has_not_finished(tmp_path: Path) -> None:
    one, two, three = (Job.create(tmp_path, "train", "nano", {}) for _ in range(3))
    Job.create(tmp_path, "train", "other", {})
    Job.create(tmp_path, "tokens", "nano", {})
    with three.running():
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FEILUN_JOB", raising=False)
        assert job_to_resume(tmp_path, "train", "nano").id == two.id
        with pytest.raises(FeilunError, match="no unfinished job 'none'"):
            job_to_resume(tmp_path, "train", "none")
        patch.setenv("FEILUN_JOB", str(one.folder))
        assert job_to_resume(tmp_path, "train", "nano").id == one.id


def test_a_watched_job_draws_a_bar_on_a_terminal(workspace: Path, train: Train) -> None:
    train(steps=100_000, pause=0.01)
    job = running(workspace)
    watcher = subprocess.Popen(
        ["script", "-qec", " ".join(feilun("-w", workspace, "jobs", "watch")), "/dev/null"],
        env=environment(COLUMNS="100", TERM="xterm-256color"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert watcher.stdout
        drawn = b""
        while drawn.count(b"tokens/s") < 4:  # again and again
            more = os.read(watcher.stdout.fileno(), 4096)
            assert more, drawn
            drawn += more
        job.stop()
        drawn += watcher.stdout.read()
        assert watcher.wait(30) == 0
    finally:
        watcher.kill()
        watcher.communicate()
    assert "━" in drawn.decode()
    assert "飞▸轮[b][31m".encode() in drawn
    assert drawn.rstrip().endswith(b"stopped")


LEFT_OUT = {"event": "left_out", "time": 1.0, "count": 2, "first": "cannot be read", "first_zh": "无法读取"}
MEASURED = {
    "event": "measured",
    "part": "sft",
    "bits_per_byte": {"zh": 4.06869, "en": 4.2},
    "talks": "21/50",
    "new": True,
}


@pytest.mark.parametrize(
    ("language", "left_out", "measured", "stage"),
    [
        (
            "en",
            "left out  times 2 · first cannot be read",
            "measured  bits per byte Chinese 4.069, English 4.2 · talk 21/50 · new yes",
            "evaluate sft",
        ),
        (
            "zh",
            "跳过  次数 2 · 第一处 无法读取",
            "评测结果  每字节比特 中文 4.069, 英文 4.2 · 能对话 21/50 · new 是",
            "评测 监督微调",
        ),
    ],
)
def test_an_event_is_told_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch, language: str, left_out: str, measured: str, stage: str
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    assert event_line(LEFT_OUT) == left_out
    assert event_line(MEASURED) == measured
    assert stage_line({"event": "stage", "name": "evaluate sft"}) == stage


def test_an_id_is_told_by_its_beginning() -> None:
    assert event_line({"event": "artifact", "id": "sha256:" + "ab" * 32}).endswith("sha256:" + "ab" * 6)
