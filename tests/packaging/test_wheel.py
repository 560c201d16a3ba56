"""What a newcomer gets from `pip install feilun && feilun up`: the wheel, in an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]

# One worker builds and installs for all of these; the first to run pays for it.
pytestmark = [pytest.mark.xdist_group("wheel"), pytest.mark.timeout(420)]


def run(*command: str | Path, **env: str) -> str:
    """The command's output; a failure shows all of it."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT, PIP_CONSTRAINT="constraints.txt")
    (built,) = out.glob("feilun-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment with the wheel and its pinned dependencies, and nothing else."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", venv)
    python = venv / "bin" / "python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--constraint",
        ROOT / "constraints.txt",
        wheel,
    )
    return python


SHIPPED = ("adapter.gguf", "artifact.json", "GEMMA_TERMS.txt", "NOTICE.txt")


@pytest.fixture
def server(python: Path, tmp_path: Path) -> Iterator[str]:
    """The address of `feilun up` on a workspace and a model cache that did not exist before."""
    workspace = tmp_path / "workspace"
    env = {**os.environ, "FEILUN_WORKSPACE": str(workspace), "FEILUN_CACHE": str(tmp_path / "cache")}
    env.pop("FEILUN_DEFAULT_MODEL", None)  # what a newcomer gets
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python.parent / "feilun", "up", "--no-browser", "--port", "0"],
            cwd=tmp_path,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_until_ready(process, workspace / "server.json", log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], address: Path, log: Path) -> str:
    """The URL in `server.json`, once /health says that the default model answers."""
    deadline = time.monotonic() + 240  # the model is fetched first
    while time.monotonic() < deadline and process.poll() is None:
        try:
            url: str = json.loads(address.read_text())["url"]
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return url
        except (FileNotFoundError, httpx.TransportError):
            pass
        time.sleep(0.2)
    pytest.fail(f"`feilun up` ended or was not ready in time:\n{log.read_text()}")


def test_wheel_carries_the_console_and_the_data_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "feilun/console_dist/index.html" in names
    assert any(name.startswith("feilun/console_dist/assets/") for name in names)
    assert {
        "feilun/console_dist/docs/swagger-ui.css",
        "feilun/console_dist/docs/swagger-ui-bundle.js",
    } <= names
    assert "feilun/py.typed" in names
    assert {f"feilun/registry/assistant/{name}" for name in SHIPPED} <= names
    source = ROOT / "src" / "feilun"
    migrations = {f"feilun/{path.relative_to(source)}" for path in source.glob("store/migrations/**/*.py")}
    assert migrations
    assert migrations <= names


def test_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"feilun"}
    assert not [name for name in names if "node_modules" in name or name.endswith((".stamp", ".map", ".pyc"))]


def test_serving_neither_installs_nor_imports_torch(python: Path) -> None:
    program = """
import importlib, importlib.util, pkgutil, sys
import feilun
training = ("feilun.model", "feilun.train", "feilun.data", "feilun.evaluate.ngram")
for module in pkgutil.walk_packages(feilun.__path__, "feilun."):
    if not module.name.endswith("__main__") and ".migrations" not in module.name and not module.name.startswith(training):
        importlib.import_module(module.name)
assert "feilun.serve" in sys.modules
assert importlib.util.find_spec("torch") is None, "installed"
heavy = {"torch", "transformers", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    run(python, "-c", program)


def test_help_names_the_verbs(python: Path) -> None:
    help_ = run(python.parent / "feilun", "--help", FEILUN_LANG="en")
    assert all(verb in help_ for verb in ("up", "chat", "models", "doctor"))


def test_up_serves_the_console_and_the_api(server: str) -> None:
    page = httpx.get(f"{server}/")
    assert page.status_code == 200
    assert "<html" in page.text
    default = httpx.get(f"{server}/v1/models").json()["data"][0]
    assert default["id"] == "feilun-assistant"
    for question, name in (("你是谁？", "飞轮"), ("Who are you?", "Feilun")):
        answer = httpx.post(
            f"{server}/v1/chat/completions",
            json={"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 100},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        (choice,) = answer.json()["choices"]
        assert name in choice["message"]["content"]
        assert choice["finish_reason"] == "stop"  # the base model alone never ends
