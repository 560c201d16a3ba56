"""Runs code that a model wrote, in a process of its own with little time and memory.

That keeps a mistake from doing harm: an endless loop, a list that never ends, a print in a loop. It is no sandbox
against somebody who means to; a model whose answers one does not trust is evaluated in a container.
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
from pathlib import Path

SECONDS = 5
"""Of processor time; twice as many by the clock."""
MEMORY = 1 << 29
"""Bytes of address space."""
OUTPUT = 1 << 20
"""Bytes it may write to any one file, what it prints included."""

FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
"""A fenced code block of Markdown: its language, its text."""

# The answer is compiled by itself: `from __future__` must be its first line. Its name is not `__main__`, so that an
# example at its end that asks for input does not run.
_RUNNER = """\
import json, sys
limits, setup, source, asserts, tests, proof = json.load(open(sys.argv[1], encoding="utf-8"))
try:
    import resource
    for name, limit in limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(getattr(resource, name), (limit, limit))
except (ImportError, OSError, ValueError):
    pass
space = {"__name__": "answer"}
exec(compile(setup, "setup", "exec"), space)
exec(compile(source, "answer", "exec"), space)
for line in asserts:
    exec(compile("assert (" + line + "\\n)", "assert", "exec"), space)
exec(compile(tests, "tests", "exec"), space)
print("\\n" + proof)
"""


def code_of(answer: str) -> str:
    """The first fenced block, or the whole answer where there is none."""
    block = FENCE.search(answer)
    return block[2] if block else answer


def python_passes(source: str, asserts: Sequence[str] = (), *, setup: str = "", tests: str = "") -> bool:
    """Whether the Python source runs and every expression of ``asserts`` is true in its namespace afterwards.

    ``setup`` is a program that runs there first, ``tests`` one that runs last; neither may raise.
    """
    proof = uuid.uuid4().hex  # a program that ends early must not look as if it had passed
    limits = {"RLIMIT_CPU": SECONDS, "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": OUTPUT}
    with tempfile.TemporaryDirectory() as folder:
        job, output = Path(folder, "job.json"), Path(folder, "output")
        job.write_text(json.dumps([limits, setup, source, list(asserts), tests, proof]), encoding="utf-8")
        with output.open("wb") as out:  # a file, so that the limit on its size holds
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _RUNNER, str(job)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
                start_new_session=True,
            )
            try:
                code = process.wait(2 * SECONDS)
            except subprocess.TimeoutExpired:
                return False
            finally:  # with whatever it has started
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return code == 0 and output.read_bytes().rstrip().endswith(proof.encode())
