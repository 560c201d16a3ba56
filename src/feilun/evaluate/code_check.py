"""Runs code that a model wrote, in a process of its own (`feilun.evaluate.sandbox`) with little time and memory.

On Linux (6.2 or newer) it is shut in there: no files but Python's own, no network, no other processes. Elsewhere the limits
alone keep a mistake from doing harm, an endless loop, a list that never ends, a print in a loop; `confined` tells which it is.
Code that looks for what would make it pass finds that: it runs in the interpreter that judges it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from functools import cache

from feilun.evaluate import sandbox

SECONDS = 5
"""Of processor time; twice as many by the clock."""
MEMORY = 1 << 29
"""Bytes of address space."""
DISK = 1 << 26
"""Bytes that its files may have together."""
OUTPUT = 1 << 20
"""Bytes it may write to any one file, what it prints included."""

FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
"""A fenced code block of Markdown: its language, its text."""


def code_of(answer: str) -> str:
    """The first fenced block, or the whole answer where there is none."""
    block = FENCE.search(answer)
    return block[2] if block else answer


def python_passes(source: str, asserts: Sequence[str] = (), *, setup: str = "", tests: str = "") -> bool:
    """Whether the Python source runs and every expression of ``asserts`` is true in its namespace afterwards.

    ``setup`` is a program that runs there first, ``tests`` one that runs last; neither may raise.
    """
    proof = uuid.uuid4().hex  # a program that ends early must not look as if it had passed
    job = {
        "limits": {
            "RLIMIT_CPU": SECONDS,
            "RLIMIT_AS": MEMORY,
            "RLIMIT_FSIZE": OUTPUT,
            "RLIMIT_NOFILE": 256,
            "RLIMIT_CORE": 0,
        },
        "setup": setup,
        "answer": source,
        "asserts": list(asserts),
        "tests": tests,
        "proof": proof,
    }
    folder = tempfile.mkdtemp()
    try:
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
        ):  # files: their size can be limited
            given.write(json.dumps(job).encode())
            given.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", sandbox.__file__, folder],
                stdin=given,
                stdout=out,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=_environment(),
                start_new_session=True,
            )
            try:
                _wait(process, folder)
            finally:  # with whatever it has started
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            out.seek(0)
            return process.returncode == 0 and proof.encode() in out.read()
    finally:
        _remove(folder)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {**kept, "MALLOC_ARENA_MAX": "1"}  # a heap for each thread would count as address space


def _wait(process: subprocess.Popen[bytes], folder: str) -> None:
    """Until it ends, or has had its time or its room on the disk."""
    end = time.monotonic() + 2 * SECONDS
    while time.monotonic() < end and _size(folder) <= DISK:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return


def _size(folder: str) -> int:
    """Bytes in a folder, as far as they can be counted while it changes."""
    total, places = 0, [folder]
    while places:
        with contextlib.suppress(OSError):
            for entry in os.scandir(places.pop()):
                if entry.is_dir(follow_symlinks=False):
                    places.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _remove(folder: str) -> None:
    """However deep it is."""
    if os.name == "posix":
        subprocess.run(["rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)
    else:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def confined() -> bool:
    """Whether such a program is shut in here: it reaches no file outside of its folder, no network and no other process."""
    with tempfile.NamedTemporaryFile() as outside:
        return python_passes(_ATTEMPTS.format(outside=outside.name), ["__confined__", "not reached"])


_ATTEMPTS = """
import os, socket
reached = []
for attempt in (lambda: open({outside!r}), lambda: socket.socket(), lambda: os.kill(os.getppid(), 0), os.fork):
    try:
        done = attempt()
    except OSError:
        continue
    if done == 0:
        os._exit(0)
    reached.append(done)
"""
