# pyright: reportUnknownMemberType=false
# (Ray's annotations are partial.)
"""Starting ``feilun train`` as several processes: by torchrun on this machine, or on a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from feilun.commands.extras import need_ray
from feilun.commands.jobs import RESUMED
from feilun.jobs import Event, Job
from feilun.text import FeilunError


def by_torchrun(processes: int, restarts: int) -> NoReturn:
    """Become torchrun, which starts the present command ``processes`` times and, if one dies, all of them anew."""
    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={processes}", f"--max-restarts={restarts}", "--module", "feilun"),
        *sys.argv[1:],
    ]
    os.execv(sys.executable, command)


def restarted() -> bool:
    """Whether torchrun has started this process anew after one of them has died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


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
        ray.init(None if address == "local" else address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FeilunError(
            f"Cannot reach a Ray cluster at {address} ({error}). Start one with `ray start --head`, or use --ray local.",
            f"无法连接位于 {address} 的 Ray 集群（{error}）。请用 `ray start --head` 启动，或改用 --ray local。",
            code="unreachable",
        ) from None
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(job, show, ended))
    watching.start()
    try:
        TorchTrainer(
            _worker(work, str(job.folder)),
            scaling_config=ScalingConfig(
                num_workers=processes, use_gpu=bool(ray.cluster_resources().get("GPU"))
            ),
            run_config=RunConfig(
                storage_path=str(job.folder / "ray"), failure_config=FailureConfig(max_failures=restarts)
            ),
        ).fit()
    except Exception as error:
        raise _failure(job.last(), error) from None
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


def _failure(last: Event | None, error: Exception) -> FeilunError:
    said: dict[str, Any] = last if last and last["event"] == "failed" else {}
    text = str(said.get("error") or error)
    return FeilunError(text, str(said.get("error_zh") or text), code=said.get("code"))
