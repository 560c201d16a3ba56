"""Runs code that a model wrote, in a process of its own (`feilun.evaluate.sandbox`) with little time and memory.

On Linux it is shut in there: no files but Python's own, no network, no other processes. Elsewhere the limits alone keep a
mistake from doing harm, an endless loop, a list that never ends, a print in a loop; `confined` tells which it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from functools import cache

from feilun.evaluate import sandbox

SECONDS = 5
"""Of processor time; twice as many by the clock."""
MEMORY = 1 << 29
"""Bytes of address space."""
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
        "limits": {"RLIMIT_CPU": SECONDS, "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": OUTPUT},
        "setup": setup,
        "answer": source,
        "asserts": list(asserts),
        "tests": tests,
        "proof": proof,
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as out,
    ):  # a file: its size can be limited
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", sandbox.__file__, folder],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(job).encode(), timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            return False
        finally:  # with whatever it has started
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        return process.returncode == 0 and out.read().rstrip().endswith(proof.encode())


@cache
def confined() -> bool:
    """Whether such a program is shut in here: it reaches no file outside of its folder, no network and no other process."""
    with tempfile.NamedTemporaryFile() as outside:
        return python_passes(_ATTEMPTS.format(outside=outside.name), ["not reached"])


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
