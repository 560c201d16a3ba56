"""Work shared out among processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.forks import environment
from tests.support import eventually

from feilun.data.workers import each
from feilun.text import FeilunError


def write(item: int, folder: Path) -> None:
    if item < 0:
        raise ValueError("no such item")
    (folder / str(item)).write_text(str(os.getpid()))


def die(item: int, shared: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_piece_is_done_once_and_told(tmp_path: Path, workers: int) -> None:
    assert len(list(each(write, range(7), tmp_path, workers))) == 7
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(7))
    assert (str(os.getpid()) in {path.read_text() for path in tmp_path.iterdir()}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_goes_wrong_comes_out(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="no such item"):
        list(each(write, [1, -1, 2], tmp_path, workers))


def test_a_worker_that_dies_is_told_of() -> None:
    with pytest.raises(FeilunError) as told:
        list(each(die, [1, 2, 3], None, 2))
    assert told.value.code == "worker_died"


SLEEPS = """
from tests.data.test_workers import sleep
from feilun.data.workers import each

for _ in each(sleep, [60] * 4, None, 2):
    pass
"""


def sleep(item: int, shared: None) -> None:
    time.sleep(item)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_who_started_them(how: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPS], env=environment(PYTHONPATH=str(root)), stderr=subprocess.DEVNULL
    )
    parent = psutil.Process(process.pid)

    def workers() -> list[psutil.Process]:
        return [
            worker
            for server in parent.children()
            if "forkserver" in " ".join(server.cmdline())
            for worker in server.children()
        ]

    found = eventually(lambda: workers() if len(workers()) == 2 else None, what="for two workers")
    assert found
    time.sleep(1)  # they have begun
    if how == signal.SIGINT:
        for worker in found:
            worker.send_signal(how)  # as a terminal does
        time.sleep(0.5)
        assert all(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in found)
    process.kill()
    process.wait()
    eventually(lambda: not any(worker.is_running() for worker in found), what="for the workers to end")


def test_an_interrupt_does_not_reach_what_is_still_loading(tmp_path: Path) -> None:
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(2)\n")
    script = "from feilun.data.workers import ready; ready('slow_to_load'); import time; time.sleep(30)"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment(PYTHONPATH=str(tmp_path)),
        stderr=subprocess.PIPE,
        text=True,
    )

    def server() -> psutil.Process | None:
        children = psutil.Process(process.pid).children()
        return next((child for child in children if "forkserver" in " ".join(child.cmdline())), None)

    loading = eventually(server, what="for the process that workers are forked from")
    assert loading
    time.sleep(0.7)
    loading.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert loading.is_running()
    assert loading.status() != psutil.STATUS_ZOMBIE
    process.kill()
    _, said = process.communicate()
    eventually(lambda: not loading.is_running(), what="for it to end")
    assert "KeyboardInterrupt" not in said
