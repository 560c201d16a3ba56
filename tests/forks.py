"""Commands of `feilun` in processes of their own, forked off one that has imported everything already.

PyTorch alone takes two seconds to import, and the suite runs hundreds of commands.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, TextIO

MODEL = "smollm2-135m-instruct"

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["feilun.cli", "feilun.serve.server", "feilun.train.loop", "torch._dynamo"])
_PATIENCE = 300.0


def feilun(*args: str | Path) -> list[str]:
    """The command line, without relying on an installed script."""
    return [sys.executable, "-m", "feilun", *(str(arg) for arg in args)]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user who has set nothing but where models are kept, and has chosen the smallest of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEILUN_")}
    if "FEILUN_CACHE" in os.environ:
        kept["FEILUN_CACHE"] = os.environ["FEILUN_CACHE"]
    return {**kept, "FEILUN_LANG": "en", "FEILUN_DEFAULT_MODEL": MODEL, **changes}


def run_feilun(*args: str | Path, pipe: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. ``pipe``: what comes from its standard input."""
    command = feilun(*args)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(pipe.encode())
        given.seek(0)
        streams = [DupFd(file.fileno()) for file in (given, out, err)]
        process = fork(_run, command[2:], environment(**env), Path.cwd(), streams)
        process.join(_PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, _PATIENCE)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            command, process.exitcode, out.read().decode(), err.read().decode()
        )


def start_feilun(*args: str | Path, **env: str) -> tuple[BaseProcess, TextIO]:
    """Begin a command that will be killed, and what it tells on its standard output."""
    reads, writes = os.pipe()
    with Path(os.devnull).open("r+b") as nothing, os.fdopen(writes, "wb") as told:
        streams = [DupFd(file.fileno()) for file in (nothing, told, nothing)]
        process = fork(_run, feilun(*args)[2:], environment(**env), Path.cwd(), streams)
    return process, os.fdopen(reads)


class Forked:
    """A command that goes on, as `subprocess.Popen` would have it; its standard output and error go to ``log``."""

    def __init__(self, *args: str | Path, log: IO[bytes], **env: str) -> None:
        self._command = feilun(*args)
        with Path(os.devnull).open("rb") as nothing:
            streams = [DupFd(file.fileno()) for file in (nothing, log, log)]
            self._process = fork(_run, self._command[2:], environment(**env), Path.cwd(), streams)
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def fork(work: Callable[..., object], *args: Any) -> BaseProcess:
    """Begin to call ``work``, a function of a module, in a process of its own."""
    process = _FORKS.Process(target=work, args=args)
    process.start()
    return process


def _run(argv: list[str], env: dict[str, str], folder: Path, streams: list[Any]) -> None:
    """What the forked process does."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream.detach(), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = argv
    from feilun.cli import main

    main()
