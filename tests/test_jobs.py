"""Jobs: what is known of them from outside, however their process ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import eventually

from feilun.jobs import Event, Job, JobRecord, list_jobs
from feilun.text import FeilunError

WORK = """
import sys, time
from pathlib import Path
from feilun.jobs import Job
job = Job.open(Path(sys.argv[1]))
with job.running():
    for step in range(100_000):
        job.emit("step", step=step, loss=1 / (step + 1))
        if job.stop_wanted:
            (job.checkpoints / "last").write_text(str(step))
            break
        time.sleep(0.01)
"""


@contextlib.contextmanager
def at_work(job: Job, code: str = WORK) -> Iterator[subprocess.Popen[str]]:
    """A process that does the job and has done the first step of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(job.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: job.pid == process.pid and job.last("step"), what="for the first step")
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.create(tmp_path / "runs", "train", "nano", {"lr": 3e-4, "名": "飞轮"}, argv=["true"])


def names(events: Iterator[Event]) -> list[str]:
    return [event["event"] for event in events]


# --- folders -----------------------------------------------------------------------------------------------


def test_a_job_is_a_folder_that_says_what_was_asked(job: Job) -> None:
    assert re.fullmatch(r"nano-\d{8}-\d{6}-[0-9a-f]{4}", job.id)
    assert job.checkpoints.is_dir()
    record = json.loads((job.folder / "job.json").read_text())
    assert (record["kind"], record["name"], record["argv"]) == ("train", "nano", ["true"])
    assert record["recipe"] == {"lr": 3e-4, "名": "飞轮"}
    assert record["code"].startswith("feilun ")
    assert Job.open(job.folder).record == job.record
    assert (job.state, job.pid, list(job.events())) == ("interrupted", None, [])


def test_the_command_of_a_job_is_the_present_one_unless_another_is_given(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["/bin/feilun", "train", "r.toml"])
        argv = Job.create(tmp_path, "train", "nano", {}).record.argv
    assert argv == [sys.executable, "-m", "feilun", "train", "r.toml"]


def test_infinity_in_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = Job.create(tmp_path, "train", "nano", {"clip": math.inf, "deep": [{"x": -math.inf}]})
    assert Job.open(job.folder).record.recipe == {"clip": math.inf, "deep": [{"x": -math.inf}]}


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "x" * 65, "-x"])
def test_a_name_that_would_harm_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FeilunError, match="cannot be a job's name"):
        Job.create(tmp_path / "runs", "train", name, {})
    assert not (tmp_path / "runs").exists()


def test_jobs_are_listed_in_the_order_of_their_creation(tmp_path: Path) -> None:
    assert list_jobs(tmp_path / "none") == []
    made = [Job.create(tmp_path, "train", name, {}).id for name in ("b", "c", "a", "飞轮", "b")]
    (tmp_path / "half made").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "job.json").write_text('{"kind": "train"}')
    assert [job.id for job in list_jobs(tmp_path)] == made


@pytest.mark.parametrize("text", [None, "", "{", '{"kind": "train"}', "\xff"])
def test_a_folder_that_is_no_job_is_one_clear_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "job.json").write_text(text, encoding="latin-1")
    with pytest.raises(FeilunError) as refused:
        Job.open(tmp_path)
    assert str(tmp_path) in refused.value.text.en
    assert str(tmp_path) in refused.value.text.zh
    assert "\n" not in refused.value.text.en


def test_a_key_nobody_knows_in_job_json_is_refused(job: Job) -> None:
    path = job.folder / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "surprise": 1}))
    with pytest.raises(FeilunError, match=r"job\.json is broken"):
        Job.open(job.folder)


# --- how it ends -------------------------------------------------------------------------------------------


def test_work_that_ends_well_is_finished(job: Job) -> None:
    with job.running():
        assert (job.state, job.pid) == ("running", os.getpid())
        job.emit("step", step=1, text="飞轮\n", path=job.folder, nothing=None)
        assert not job.stop_wanted
    started, step, finished = job.events()
    assert (started["event"], started["pid"]) == ("started", os.getpid())
    assert abs(step.pop("time") - time.time()) < 60
    assert step == {"event": "step", "step": 1, "text": "飞轮\n", "path": str(job.folder), "nothing": None}
    assert finished["event"] == "finished"
    assert (job.state, job.pid) == ("finished", None)


def test_a_number_json_does_not_know_becomes_null_and_the_line_stays_json(job: Job) -> None:
    with job.running():
        job.emit("step", loss=math.nan, grad_norm=math.inf, deep={"x": [math.nan]})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = (job.folder / "events.jsonl").read_text().splitlines()
    step = [json.loads(line, parse_constant=refuse) for line in lines][1]
    assert (step["loss"], step["grad_norm"], step["deep"]) == (None, None, {"x": [None]})


def test_work_that_fails_says_why_and_keeps_the_traceback_in_the_log(job: Job) -> None:
    with pytest.raises(ZeroDivisionError), job.running():
        _ = 1 / 0
    assert job.state == "failed"
    assert (job.last() or {})["error"] == "ZeroDivisionError: division by zero"
    assert "Traceback" in job.log.read_text()
    with pytest.raises(FeilunError), job.running():
        raise FeilunError("Too few tokens.", "token 太少。", code="too_few")
    failed = job.last() or {}
    assert (failed["error"], failed["error_zh"], failed["code"]) == (
        "Too few tokens.",
        "token 太少。",
        "too_few",
    )


@pytest.mark.parametrize(
    ("error", "en", "zh"),
    [
        (OSError(errno.ENOSPC, "x", "/a/b"), "The disk is full: /a/b", "磁盘已满：/a/b"),
        (OSError(errno.EDQUOT, "x"), "The disk is full", "磁盘已满"),
        (OSError(errno.EFBIG, "x", "/a: b"), "(ulimit -f): /a: b", "（ulimit -f）：/a: b"),
        (
            PermissionError(errno.EACCES, "no", "/a"),
            "PermissionError: [Errno 13] no: '/a'",
            "操作系统报告错误",
        ),
        (KeyError("x"), "KeyError: 'x'", "KeyError：'x'"),
    ],
)
def test_what_was_not_foreseen_is_told_in_both_languages(
    error: Exception, en: str, zh: str, job: Job
) -> None:
    with pytest.raises(type(error)), job.running():
        raise error
    failed = job.last() or {}
    assert failed["error"].endswith(en)
    assert zh in failed["error_zh"]


def test_events_belong_to_a_job_that_runs(job: Job) -> None:
    with pytest.raises(RuntimeError, match="running"):
        job.emit("step")
    with job.running():
        pass
    with pytest.raises(RuntimeError, match="running"):
        job.emit("step")


def test_a_killed_job_is_interrupted_and_its_torn_line_is_ignored_then_cut_off(job: Job) -> None:
    with at_work(job) as process:
        assert job.state == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (job.state, job.pid) == ("interrupted", None)
    path = job.folder / "events.jsonl"
    whole = path.read_bytes()
    seen = list(job.events())
    path.write_bytes(
        whole + '{"event":"finished","text":"飞'.encode()[:-1]
    )  # killed in the middle of a letter
    assert list(job.events()) == seen
    assert job.last() == seen[-1]
    assert job.state == "interrupted"
    with job.running():
        assert path.read_bytes().startswith(whole + b'{"event":"started"')
        assert job.state == "running"
    assert names(job.events()) == [*(event["event"] for event in seen), "started", "finished"]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("torn", ["{", "x" * 200_000, "\0" * 5000])
def test_whatever_the_torn_line_is_only_that_is_cut_off(job: Job, torn: str) -> None:
    path = job.folder / "events.jsonl"
    for whole in ("", '{"event":"a"}\n'):
        path.write_text(whole + torn)
        assert names(job.events()) == (["a"] if whole else [])
        with job.running():
            pass
        assert path.read_text().startswith(whole + '{"event":"started"')


def test_a_line_that_a_power_cut_spoilt_does_not_hide_the_others(job: Job) -> None:
    path = job.folder / "events.jsonl"
    path.write_bytes(b'{"event":"a"}\n\0\0\0\n[1]\n"x"\n{}\n{"event":"b"}\n\0\n')
    assert names(job.events()) == ["a", "b"]
    assert (job.last() or {})["event"] == "b"


def test_the_end_of_a_long_file_is_found(job: Job) -> None:
    with job.running():
        for step in range(3000):
            job.emit("step", step=step, text="x" * 50)
        job.emit("report", path="r.html")
    assert (job.last("step") or {})["step"] == 2999
    assert job.state == "finished"
    assert job.last("started") is None  # too far from the end
    assert len(list(job.events())) == 3003


def test_a_second_process_on_a_job_is_refused_in_one_line_and_the_first_goes_on(job: Job) -> None:
    with at_work(job) as first:
        second = subprocess.run(
            [sys.executable, "-c", WORK, str(job.folder)], capture_output=True, text=True, check=False
        )
        line = second.stderr.splitlines()[-1]
        assert second.returncode == 1
        assert f"The job {job.id} is already running (process {first.pid})" in line
        assert f"feilun jobs stop {job.id}" in line
        with pytest.raises(FeilunError) as refused, job.running():
            pass
        assert refused.value.code == "job_running"
        assert (job.state, job.pid) == ("running", first.pid)
    assert names(job.events()).count("started") == 1


def test_looking_at_a_job_does_not_keep_it_from_beginning(job: Job) -> None:
    with (job.folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as one who looks does, for a moment
        threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        with job.running():
            assert time.monotonic() - began > 0.2
    assert job.state == "finished"


@pytest.mark.parametrize("how", ["stop", signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_asked_to_stop_leaves_its_state_in_order(job: Job, how: str | signal.Signals) -> None:
    with at_work(job) as process:
        if isinstance(how, signal.Signals):
            process.send_signal(how)
        else:
            job.stop()
        assert process.wait(30) == 0
    assert job.state == "stopped"
    last = job.last("step") or {}
    assert (job.checkpoints / "last").read_text() == str(last["step"])
    with pytest.raises(FeilunError, match="is not running"):
        job.stop()


DEAF = """
import sys, time
from pathlib import Path
from feilun.jobs import Job
job = Job.open(Path(sys.argv[1]))
with job.running():
    job.emit("step", step=1)
    end = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 60)
    while time.monotonic() < end and not (job.checkpoints / "enough").exists():
        time.sleep(0.01)
"""


def test_work_that_was_done_before_it_noticed_the_wish_to_stop_is_finished(job: Job) -> None:
    with at_work(job, DEAF) as process:
        job.stop()
        time.sleep(0.1)
        assert process.poll() is None
        (job.checkpoints / "enough").touch()
        assert process.wait(30) == 0
    assert job.state == "finished"


def test_a_second_ctrl_c_does_not_wait(job: Job) -> None:
    with at_work(job, DEAF) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
    assert job.state == "stopped"
    assert not job.log.exists()


def test_the_process_has_its_signal_handlers_back(job: Job) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with job.running():
        os.kill(os.getpid(), signal.SIGTERM)
        assert job.stop_wanted
    assert job.state == "stopped"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with job.running():
        assert not job.stop_wanted  # the wish was for the last time


def test_a_job_can_be_done_by_a_thread(job: Job) -> None:
    def work() -> None:
        with job.running():
            job.emit("step", step=1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert names(job.events()) == ["started", "step", "finished"]


# --- following ---------------------------------------------------------------------------------------------


def test_followers_see_every_event_once_and_end_with_the_job(job: Job) -> None:
    seen: list[list[Event]] = [[], []]
    with at_work(job):
        followers = [
            threading.Thread(target=lambda into=into: into.extend(Job.open(job.folder).events(follow=True)))
            for into in seen
        ]
        for follower in followers:
            follower.start()
        eventually(lambda: (job.last("step") or {})["step"] > 50)
        assert all(follower.is_alive() for follower in followers)
        job.stop()
        for follower in followers:
            follower.join(30)
            assert not follower.is_alive()
    whole = list(job.events())
    assert whole[-1]["event"] == "stopped"
    assert [event["step"] for event in whole[1:-1]] == list(range(len(whole) - 2))
    assert seen == [whole, whole]


def test_a_line_that_is_half_written_is_waited_for(job: Job) -> None:
    path = job.folder / "events.jsonl"
    with job.running():
        following = job.events(follow=True)
        assert next(following)["event"] == "started"
        got: list[Event] = []
        reader = threading.Thread(target=lambda: got.append(next(following)))
        reader.start()
        with path.open("a") as file:
            file.write('{"event":')
            file.flush()
            time.sleep(0.3)
            assert got == []
            file.write('"whole"}\n')
        reader.join(10)
        assert got == [{"event": "whole"}]
        following.close()  # type: ignore[attr-defined]


def test_followers_of_a_killed_job_are_let_go(job: Job) -> None:
    with at_work(job) as process:
        got: list[Event] = []
        follower = threading.Thread(target=lambda: got.extend(job.events(follow=True)))
        follower.start()
        process.send_signal(signal.SIGKILL)
        process.wait()
        follower.join(10)
        assert not follower.is_alive()
    assert got == list(job.events())
    assert names(job.events(follow=True))[0] == "started"  # of one that does not run: what there is


# --- a full disk -------------------------------------------------------------------------------------------


def test_a_full_disk_in_an_event_leaves_whole_lines_and_the_first_error(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        job = Job.create(disk, "train", "nano", {})

        def work() -> None:
            with job.running():
                for step in range(100_000):
                    job.emit("step", step=step, text="x" * 777)

        with pytest.raises(OSError, match="No space left"):
            work()
        assert (job.folder / "events.jsonl").read_bytes().endswith(b"}\n")
        assert 5 < len(list(job.events())) < 100
        assert job.state in ("failed", "interrupted")  # as far as there was room to say so
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_record_does_not_change() -> None:
    record = JobRecord(kind="k", name="n", recipe={}, argv=[], cwd="/", code="c", created="now")
    with pytest.raises(ValueError, match="frozen"):
        record.kind = "other"  # type: ignore[misc]
