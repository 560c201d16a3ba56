"""Code of a model, shut in: what it may do goes on, what it may not fails, and nothing outside has changed."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feilun.cli import app
from feilun.commands import evaluate
from feilun.evaluate.code_check import confined, python_passes


def can_be_shut_in() -> bool:
    """Asked of the kernel, not of what is tested."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return False
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 3


shut_in = pytest.mark.skipif(
    not can_be_shut_in(), reason="this kernel has no Landlock of version 3 (Linux 6.2)"
)


@shut_in
def test_it_says_that_it_is_shut_in() -> None:
    assert confined()


def test_what_programs_do_works() -> None:
    for source, truth in (
        ("import json, re, math, random, datetime, hashlib, decimal, asyncio, collections, zoneinfo\nx = 1", "x == 1"),
        ("open('a.txt', 'w').write('hi')\nx = open('a.txt').read()", "x == 'hi'"),
        ("import os\nos.mkdir('d')\nos.rename('d', 'e')\nx = os.listdir()", "x == ['e']"),
        ("import threading\nx = []\nt = threading.Thread(target=lambda: x.append(1))\nt.start()\nt.join()", "x == [1]"),
        ("import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 3\nx = asyncio.run(f())", "x == 3"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nx = 1", "x == 1"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\nx = A(2)", "x.n == 2 and A.__annotations__ == {'n': int}"),
        ("import pickle\nclass A: pass\nx = pickle.loads(pickle.dumps(A()))", "type(x) is A"),
        ("import shutil\nopen('a', 'w').write('hi')\nshutil.copy2('a', 'b')\nx = open('b').read()", "x == 'hi'"),
        ("import os\nopen(os.devnull, 'w').write('hi')\nx = 1", "x == 1"),
        ("import io, sys\nsys.stdout = io.StringIO()\nprint('kept')\nx = sys.stdout.getvalue()", "x == 'kept\\n'"),
        ("import signal\nx = []\nsignal.signal(signal.SIGUSR1, lambda *_: x.append(1))\nsignal.raise_signal(signal.SIGUSR1)", "x == [1]"),
        ("from concurrent.futures import ThreadPoolExecutor as P\nx = list(P(32).map(abs, range(-64, 0)))", "len(x) == 64"),
    ):  # fmt: skip
        assert python_passes(source, [truth]), source


PRETENDED = ["os.chmod({secret!r}, 0)", "os.utime({secret!r}, (0, 0))", "os.chown({secret!r}, 1, 1)"]

REACHES = [
    "open({secret!r}).read()",
    "open({beside!r}, 'w')",
    "import os; os.remove({secret!r})",
    "import os; os.listdir({folder!r})",
    "import os; os.symlink({secret!r}, 'here'); open('here').read()",
    "import os; os.link({secret!r}, 'here')",
    "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "import socket; socket.socket(socket.AF_UNIX)",
    "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "import os; os.fork() or os._exit(0)",
    "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
    "import os; os.kill({pid}, 0)",
    "import os; os.setsid()",
    "import os; os.sched_setscheduler({pid}, os.SCHED_BATCH, os.sched_param(0))",
    "import os; os.mknod('node', 0o600 | 0o20000, os.makedev(1, 5))",
    "import os; os.memfd_create('memory')",
    "import socket; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', {socket!r})",
    "import fcntl, os; fcntl.fcntl(0, fcntl.F_SETOWN, {pid})",
    "import fcntl; fcntl.ioctl(0, 0x40086602, b'0' * 8)",
    "import resource; resource.prlimit({pid}, resource.RLIMIT_CPU, (1, 1))",
]


@shut_in
@pytest.mark.parametrize("reach", REACHES)
def test_what_lies_outside_cannot_be_reached(reach: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    before = secret.stat()
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = {
            "secret": str(secret), "beside": str(tmp_path / "new"), "folder": str(tmp_path), "pid": os.getpid(),
            "port": server.getsockname()[1], "socket": str(tmp_path / "socket"),
        }  # fmt: skip
        for pretended in PRETENDED:
            assert python_passes(f"import os\n{pretended.format(**places)}")
        attempt = reach.format(**places)
        refused = f"try:\n    {attempt}\nexcept OSError:\n    refused = True\n"
        assert python_passes(refused, ["refused"]), attempt
    after = secret.stat()
    for what in ("st_mode", "st_mtime", "st_uid", "st_nlink"):
        assert getattr(after, what) == getattr(before, what)
    assert secret.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [secret]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_where_code_cannot_be_shut_in_that_is_said(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    monkeypatch.setattr(evaluate, "confined", lambda: False)
    questions = tmp_path / "q.jsonl"
    head = '{"id": "a", "lang": "en", "topic": "t", "messages": [{"role": "user", "content": "Add."}], "checks": ['
    said = {"en": "cannot shut it in", "zh": "无法将其隔离"}[language]
    for check, told in (
        ('{"code": {"language": "python", "asserts": ["f()"]}}', True),
        ('{"contains": ["x"]}', False),
    ):
        questions.write_text(f"{head}{check}]}}\n", encoding="utf-8")
        for more in ([], ["--limit", "1"]):
            ran = CliRunner().invoke(app, ["eval", str(questions), "--url", "http://127.0.0.1:9", *more])
            assert ran.exit_code != 0  # nobody is there
            assert (said in ran.output) == told


def test_what_it_leaves_behind_is_removed_and_the_disk_is_not_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert python_passes("import os\nfor i in range(2000):\n    os.mkdir('d')\n    os.chdir('d')")
    assert list(tmp_path.iterdir()) == []
    many = "n = 0\nwhile True:\n    open(str(n), 'wb').write(bytes(1 << 20))\n    n += 1"
    assert not python_passes(many)
    assert list(tmp_path.iterdir()) == []
