# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (Ray's annotations and torchrun's are partial.)
"""Starting ``feilun train`` as several processes: by torchrun on this machine, or on a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from feilun.commands.extras import need_ray
from feilun.commands.jobs import RESUMED
from feilun.jobs import FULL, Event, Job, explained
from feilun.text import FeilunError
from feilun.workspace import write_atomically

RESTARTS = "FEILUN_RESTARTS"
"""Environment variable: how often the processes have been started anew."""
MISTAKE = "FEILUN_MISTAKE"
"""Environment variable: the file in which a process leaves what the user can mend (`mistakes_left`)."""


def by_torchrun(processes: int, restarts: int) -> None:
    """Have torchrun start the present command ``processes`` times and, if one dies, all of them anew.

    Raises `FeilunError` for a mistake that one of them has left, which is not tried again, or once they have died more than
    ``restarts`` times.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    # Not torchrun's own restarts: it would try again whatever has been said.
    options = ["--standalone", f"--nproc-per-node={processes}", "--max-restarts=0", "--module", "feilun"]
    logging.disable()  # it tells a page of each process that has ended
    with tempfile.TemporaryDirectory(prefix="feilun-") as folder:
        left = Path(folder, "mistake.json")
        os.environ[MISTAKE] = str(left)
        for attempt in range(restarts + 1):
            os.environ[RESTARTS] = str(attempt)
            try:
                run(parse_args([*options, *sys.argv[1:]]))
                return
            except SignalException as asked:  # which it has passed on
                sys.exit(128 + asked.sigval)
            except ChildFailedError as died:
                if left.exists():
                    mistake = json.loads(left.read_text(encoding="utf-8"))
                    en, zh = mistake["en"], mistake["zh"]
                    raise FeilunError(en, zh, code=mistake["code"]) from None
                if attempt == restarts:
                    raise _died(*died.get_first_failure(), restarts) from None


def _died(process: int, failure: Any, restarts: int) -> FeilunError:
    en = zh = f"exit {failure.exitcode}"
    if failure.exitcode < 0:
        en, zh = f"signal {-failure.exitcode}", f"信号 {-failure.exitcode}"
    return FeilunError(
        f"Process {process} has died ({en}), after {restarts} restarts. Go on from the last checkpoint with --resume.",
        f"进程 {process} 意外退出（{zh}），已重新开始 {restarts} 次。可用 --resume 从最近的检查点继续。",
        code="process_died",
    )


@contextlib.contextmanager
def mistakes_left() -> Generator[None]:
    """For a process that `by_torchrun` has started: what the user can mend is left for it to say, and ends this process and
    the others without a word. For any other process: nothing.
    """
    try:
        yield
    except Exception as error:
        place = os.environ.get(MISTAKE)
        if place is None:
            raise
        left = Path(place)
        if not left.exists():  # else it is of a process for whose want this one could not go on
            _leave(error, left)
        if not left.exists():
            raise
        sys.exit(1)


def _leave(error: Exception, left: Path) -> None:
    if isinstance(error, FeilunError):
        said, code = error.text, error.code
    elif isinstance(error, OSError) and error.errno in FULL:
        said, code = explained(error), "disk_full"
    else:
        return
    with contextlib.suppress(OSError):
        write_atomically(left, json.dumps({"en": said.en, "zh": said.zh, "code": code}))


def restarted() -> bool:
    """Whether this process was started anew after one of them has died."""
    return any(int(os.environ.get(name, "0")) > 0 for name in (RESTARTS, "TORCHELASTIC_RESTART_COUNT"))


def on_ray(
    address: str,
    processes: int,
    restarts: int,
    job: Job,
    work: Callable[[], object],
    show: Callable[[Job], None],
) -> None:
    """Have ``processes`` workers of a Ray cluster do ``work``, each on a GPU of its own if the cluster has any.

    They share the workspace's folder, so on several machines it has to lie on a file system that all of them see.
    ``show`` is called in a thread each time the work begins. Raises `FeilunError` if Ray is not installed or reached,
    or the work failed once more than ``restarts`` times.
    """
    need_ray()
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    try:
        ray.init(address, log_to_driver=False)  # "local" is a cluster of its own, whatever else runs here
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FeilunError(
            f"Cannot reach a Ray cluster at {address} ({error}). Start one with `ray start --head`, or use --ray local.",
            f"无法连接位于 {address} 的 Ray 集群（{error}）。请用 `ray start --head` 启动，或改用 --ray local。",
            code="unreachable",
        ) from None
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(job, show, ended))
    watching.start()
    gpus = bool(ray.cluster_resources().get("GPU"))
    # Not Ray's own restarts: it would try again whatever has been said.
    run = RunConfig(storage_path=str(job.folder / "ray"), failure_config=FailureConfig(max_failures=0))
    try:
        for attempt in range(restarts + 1):
            try:
                TorchTrainer(
                    _worker(work, str(job.folder)),
                    scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpus),
                    run_config=run,
                ).fit()
                break
            except Exception as error:
                last = job.last()
                if attempt == restarts or _is_mistake(last):
                    raise _failure(last, error) from None
    finally:
        ended.set()
        watching.join()
        ray.shutdown()


def _worker(work: Callable[[], object], job: str) -> Callable[[], None]:
    def worker() -> None:
        os.environ[RESUMED] = job
        work()

    return worker


def _watch(job: Job, show: Callable[[Job], None], ended: threading.Event) -> None:
    while not ended.wait(0.2):
        if job.state == "running":
            with contextlib.suppress(OSError):
                show(job)


def _is_mistake(last: Event | None) -> bool:
    """Whether a job has ended in what only the user can mend: its message has a code."""
    return last is not None and last["event"] == "failed" and last.get("code") is not None


def _failure(last: Event | None, error: Exception) -> FeilunError:
    said: dict[str, Any] = last if last and last["event"] == "failed" else {}
    text = str(said.get("error") or error)
    return FeilunError(text, str(said.get("error_zh") or text), code=said.get("code"))
