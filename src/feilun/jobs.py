"""Long work as a process with a folder: whoever wants to know how it goes reads what the process writes there.

``runs/<id>/`` holds ``job.json`` (what was asked), ``events.jsonl`` (what happened, one JSON object a line),
``job.log`` (tracebacks, and the output of a job without a terminal), ``checkpoints/``, ``lock``, and ``stop`` once
somebody wishes for its end. The lock is the kernel's and goes with its process, so a job that was killed is told
from one that runs without asking it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from feilun import __version__
from feilun.text import FeilunError, Text
from feilun.validation import explain
from feilun.workspace import write_atomically

State = Literal["running", "finished", "failed", "stopped", "interrupted"]
Event = dict[str, Any]
"""What happened (``event``), when (``time``, Unix seconds), and the event's own fields."""

_ENDS: tuple[State, ...] = ("finished", "failed", "stopped")
_TAIL = 1 << 16


class JobRecord(BaseModel):
    """What was asked (``job.json``)."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    kind: str
    name: str
    recipe: dict[str, Any]
    """As resolved: with its defaults."""
    argv: list[str]
    """The command that runs it; with ``--resume`` it goes on."""
    cwd: str
    """Where that command was given, for the relative paths in it."""
    code: str
    created: str


class Job:
    """One piece of long work. The process that does it uses `running`; any other may look and `stop` it."""

    def __init__(self, folder: Path, record: JobRecord) -> None:
        self.folder = folder
        self.record = record
        self.checkpoints = folder / "checkpoints"
        self.log = folder / "job.log"
        self._events = folder / "events.jsonl"
        self._lock = folder / "lock"
        self._stop = folder / "stop"
        self._out: IO[bytes] | None = None
        self._stop_asked = self._stop_seen = False

    @classmethod
    def create(
        cls, runs: Path, kind: str, name: str, recipe: dict[str, Any], *, argv: Sequence[str] | None = None
    ) -> Job:
        """A new job in ``runs``. ``argv`` is the command that runs it: the present one, if not given.

        Raises `FeilunError` if ``name`` cannot be part of a folder's name.
        """
        if not re.fullmatch(r"\w[\w.-]{0,63}", name):
            raise FeilunError(
                f"'{name}' cannot be a job's name: use letters, digits and . _ -, at most 64.",
                f"“{name}”不能用作任务名：请使用文字、数字和 . _ -，最多 64 个字符。",
                code="bad_name",
            )
        now = datetime.now(UTC)
        record = JobRecord(
            kind=kind,
            name=name,
            recipe=recipe,
            argv=[sys.executable, "-m", "feilun", *sys.argv[1:]] if argv is None else list(argv),
            cwd=str(Path.cwd()),
            code=f"feilun {__version__}",
            created=now.isoformat(),
        )
        job = cls(runs / f"{name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", record)
        job.checkpoints.mkdir(parents=True)
        job._events.touch()
        write_atomically(job.folder / "job.json", record.model_dump_json(indent=2), 0o600)  # now it is a job
        return job

    @classmethod
    def open(cls, folder: Path) -> Job:
        """The job in ``folder``. Raises `FeilunError` if there is none or its ``job.json`` is broken."""
        path = folder / "job.json"
        try:
            return cls(folder, JobRecord.model_validate_json(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            raise FeilunError(
                f"{folder} is not a job: it has no job.json.",
                f"{folder} 不是任务：缺少 job.json。",
                status=404,
                code="job_not_found",
            ) from None
        except ValidationError as error:
            said = explain(error.errors()[0])
            raise FeilunError(f"{path} is broken: {said.en}.", f"{path} 已损坏：{said.zh}。") from None

    @property
    def id(self) -> str:
        return self.folder.name

    # For the process that does the work.

    @contextlib.contextmanager
    def running(self) -> Generator[None]:
        """Do the work inside: holds the lock, records the beginning and how it ends, and listens for a wish to stop.

        Raises `FeilunError` (``job_running``) if another process does it already.
        """
        with self._lock.open("a") as lock:
            if not _lock(lock):
                raise self.already_running()
            self._stop.unlink(missing_ok=True)
            lock.truncate(0)
            print(os.getpid(), file=lock, flush=True)
            self._cut_torn_line()
            with self._events.open("ab", buffering=0) as self._out, self._listening():
                try:
                    self.emit("started", pid=os.getpid())
                    yield
                except BaseException as error:
                    with contextlib.suppress(OSError):  # a full disk must not hide what went wrong first
                        self._end_badly(error)
                    raise
                else:
                    self.emit("stopped" if self._stop_seen else "finished")
                finally:
                    self._out = None

    @contextlib.contextmanager
    def helping(self) -> Generator[None]:
        """Do a part of the work inside, beside the process that is `running` it, which alone records events."""
        with Path(os.devnull).open("ab", buffering=0) as self._out, self._listening():
            try:
                yield
            finally:
                self._out = None

    def emit(self, event: str, **fields: object) -> None:
        """Record that something happened: one line, in the file when this returns. NaN and infinity become null.

        Raises `OSError`, with nothing written, if the disk is full.
        """
        if self._out is None:
            raise RuntimeError("events are recorded within Job.running()")
        happened = {"event": event, "time": time.time(), **fields}
        line = orjson.dumps(happened, default=os.fspath, option=orjson.OPT_APPEND_NEWLINE)
        whole = self._out.seek(0, os.SEEK_END)
        if self._out.write(line) < len(line):
            self._out.truncate(whole)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._events))

    def change(self, recipe: dict[str, Any]) -> None:
        """Go on by another recipe."""
        self.record = self.record.model_copy(update={"recipe": recipe})
        write_atomically(self.folder / "job.json", self.record.model_dump_json(indent=2), 0o600)

    def part(self, name: str, recipe: dict[str, Any]) -> Job:
        """A stage of this job, for the process that does the work: see `Part`."""
        return Part(self, name, recipe)

    @property
    def stop_wanted(self) -> bool:
        """Whether the work should leave its state in order and end: ``feilun jobs stop``, Ctrl+C, SIGTERM."""
        self._stop_seen = self._stop_asked or self._stop.exists()  # who never saw it has finished
        return self._stop_seen

    @contextlib.contextmanager
    def _listening(self) -> Generator[None]:
        self._stop_asked = self._stop_seen = False
        main = threading.current_thread() is threading.main_thread()  # which alone may handle signals
        before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)} if main else {}

        def ask(number: int, frame: FrameType | None) -> None:
            self._stop_asked = True
            signal.signal(signal.SIGINT, before[signal.SIGINT])  # a second Ctrl+C does not wait

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end_badly(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.emit("stopped")
            return
        with self.log.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        if isinstance(error, FeilunError):
            self.emit("failed", error=error.text.en, error_zh=error.text.zh, code=error.code)
        else:
            said = explained(error)
            self.emit("failed", error=said.en, error_zh=said.zh)

    def _cut_torn_line(self) -> None:
        """What a killed process was writing; the next line must not be joined to it."""
        with self._events.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    # For those who look.

    @property
    def state(self) -> State:
        """``interrupted`` is a job that nobody works on and that has not come to an end: killed, or never begun."""
        if self._held:
            return "running"
        last = self.last()
        return last["event"] if last and last["event"] in _ENDS else "interrupted"

    @property
    def pid(self) -> int | None:
        """The process that does the work now."""
        written = self._lock.read_text().strip() if self._held else ""
        return int(written) if written.isdigit() else None

    def events(self, follow: bool = False) -> Iterator[Event]:
        """What has happened so far; with ``follow`` also what happens from now on, until nobody works on the job."""
        with self._events.open("rb") as file:
            while True:
                held = self._held  # asked first: its end is written before it lets go
                while (line := file.readline()).endswith(b"\n"):
                    yield from _parsed(line)
                file.seek(-len(line), os.SEEK_CUR)  # of a line that is being written, or torn
                if not (follow and held):
                    return
                time.sleep(0.1)

    def last(self, event: str | None = None) -> Event | None:
        """The newest event, or the newest of that name, among those at the end of a file that may be long."""
        with self._events.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().split(b"\n")[:-1]  # the last is empty, or torn
        for line in reversed(lines):
            for found in _parsed(line):
                if event in (None, found["event"]):
                    return found
        return None

    def stop(self) -> None:
        """Ask for an end in good order, by a file beside the job: it may run on another machine, or in no main thread.

        It takes as long as it takes. Raises `FeilunError` if nobody works on the job.
        """
        if not self._held:
            raise FeilunError(
                f"The job {self.id} is not running.", f"任务 {self.id} 未在运行。", code="job_not_running"
            )
        self._stop.touch()

    @property
    def _held(self) -> bool:
        try:
            with self._lock.open() as lock:
                return _is_held(lock)
        except FileNotFoundError:
            return False

    def already_running(self) -> FeilunError:
        """What to say to a second process that would do the work."""
        return FeilunError(
            f"The job {self.id} is already running (process {self.pid}). Stop it first: feilun jobs stop {self.id}",
            f"任务 {self.id} 已在运行（进程 {self.pid}）。请先停止：feilun jobs stop {self.id}",
            status=409,
            code="job_running",
        )


class Part(Job):
    """A stage of a job that has several: a folder with checkpoints of its own inside the job's.

    It runs and stops with the whole, whose events tell by ``part`` which stage they are of.
    """

    def __init__(self, whole: Job, name: str, recipe: dict[str, Any]) -> None:
        super().__init__(whole.folder / name, whole.record.model_copy(update={"recipe": recipe}))
        self._whole = whole
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    @property
    def id(self) -> str:
        return f"{self._whole.id}/{self.folder.name}"

    def emit(self, event: str, **fields: object) -> None:
        self._whole.emit(event, part=self.folder.name, **fields)

    @property
    def stop_wanted(self) -> bool:
        return self._whole.stop_wanted

    def events(self, follow: bool = False) -> Iterator[Event]:
        for event in self._whole.events(follow):
            if event.get("part") == self.folder.name:
                yield event

    def last(self, event: str | None = None) -> Event | None:
        found = [one for one in self.events() if event in (None, one["event"])]
        return found[-1] if found else None


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when there is no room for a file."""


def explained(error: BaseException) -> Text:
    """What went wrong, where it was not foreseen."""
    kind = type(error).__name__
    if not isinstance(error, OSError):
        return Text(f"{kind}: {error}", f"{kind}：{error}")
    if error.errno not in FULL:
        return Text(f"{kind}: {error}", f"操作系统报告错误（{kind}）：{error}")
    full = Text("The disk is full", "磁盘已满")
    if error.errno == errno.EFBIG:
        full = Text("A file may not become so large here (ulimit -f)", "此处不允许这么大的文件（ulimit -f）")
    file: object = error.filename
    return Text(f"{full.en}: {file}", f"{full.zh}：{file}") if file else full


def list_jobs(runs: Path) -> list[Job]:
    """All jobs, the oldest first. A folder whose ``job.json`` is missing or broken is left out: `Job.open` says why."""
    jobs: list[Job] = []
    for path in runs.glob("*/job.json"):
        with contextlib.suppress(FeilunError):
            jobs.append(Job.open(path.parent))
    return sorted(jobs, key=lambda job: job.record.created)


def _parsed(line: bytes) -> Iterator[Event]:
    # A power cut may leave more than the last line unreadable; the rest still tells how the job went.
    with contextlib.suppress(orjson.JSONDecodeError):
        event: object = orjson.loads(line)
        if isinstance(event, dict) and "event" in event:
            yield event


def _lock(lock: IO[str]) -> bool:
    """Take the lock for good; False if another process has it. Those who merely look share it for a moment."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if _is_held(lock):
                return False
            time.sleep(0.001)


def _is_held(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False
