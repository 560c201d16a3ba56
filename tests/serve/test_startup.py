"""What can be wrong when a server starts: each ends in one clear line, and never in a traceback."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import StartServer
from tests.forks import MODEL, run_feilun
from tests.support import ask, error_of, eventually, say

from feilun.registry import Registry
from feilun.registry.sources import ensure
from feilun.workspace import Workspace

pytestmark = pytest.mark.xdist_group("own servers")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def up_fails(workspace: Path, *options: str, **env: str) -> str:
    """The one line with which `feilun up` ends."""
    done = run_feilun("-w", workspace, "up", "--no-browser", *(options or ("--port", "0")), **env)
    assert done.returncode == 1, done
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(("Error: ", "错误："))
    assert not (workspace / "server.json").exists()
    return line


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])
def test_any_address_but_this_machines_is_refused(workspace: Path, host: str) -> None:
    line = up_fails(workspace, "--host", host, "--port", "0")
    assert host in line
    assert "127.0.0.1" in line


def test_a_port_in_use_is_named_and_another_proposed(workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = up_fails(workspace, "--port", str(port))
        assert f"Port {port} is in use" in line
        assert f"--port {port + 1}" in line


def test_the_line_is_chinese_for_who_reads_chinese(workspace: Path) -> None:
    assert "只在本机监听" in up_fails(workspace, "--host", "0.0.0.0", FEILUN_LANG="zh")


def test_a_second_up_says_where_the_first_one_is(start_server: StartServer) -> None:
    server = start_server()
    second = run_feilun("-w", server.workspace, "up", "--no-browser")
    assert second.stdout.strip() == f"Feilun is running already: {server.url}"
    assert second.stderr == ""
    with server.client() as client:
        assert client.get("/health").status_code == 200


def test_a_workspace_is_held_by_one_server_also_while_it_starts(workspace: Path) -> None:
    with (workspace / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "already runs" in up_fails(workspace)


def test_a_killed_server_does_not_hold_its_workspace(start_server: StartServer) -> None:
    server = start_server(ready=False)
    server.kill()
    assert (server.workspace / "server.json").exists()
    again = start_server(server.workspace)
    assert again.process.poll() is None


def test_a_workspace_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = up_fails(tmp_path / "file" / "workspace")
    assert str(tmp_path / "file" / "workspace") in line
    assert "-w" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_workspace_is_refused(workspace: Path) -> None:
    workspace.chmod(0o500)
    assert "Cannot write to the workspace" in up_fails(workspace)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Use up all space; deleting the file that is returned frees it again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def test_a_full_disk_at_the_start_is_named(small_disk: Path) -> None:
    (small_disk / "workspace").mkdir()
    fill(small_disk)
    line = up_fails(small_disk / "workspace")
    assert "No space left" in line or "is full" in line


def test_a_disk_that_fills_up_refuses_questions_until_there_is_space_again(
    small_disk: Path, start_server: StartServer
) -> None:
    server = start_server(small_disk / "workspace")
    with server.client() as client:
        kept = ask(client, say("Before", max_tokens=1))
        filler = fill(small_disk)
        refused = eventually(
            lambda: next(
                (
                    response
                    for _ in range(50)
                    if (response := client.post("/v1/chat/completions", json=say("x" * 2000, max_tokens=1)))
                    and response.is_error
                ),
                None,
            )
        )
        assert error_of(refused, 507)["code"] == "disk_full"
        assert client.get("/health").status_code == 200
        assert client.get(f"/api/conversations/{kept['conversation_id']}").status_code == 200
        filler.unlink()
        assert ask(client, say("After", max_tokens=1))["choices"]
    assert [tuple(row) for row in server.rows("PRAGMA integrity_check")] == [("ok",)]


def with_model(workspace: Path, source: Path) -> Path:
    """A workspace whose default model is the file ``source``."""
    model = {"name": "mine", "source": f"file:{source}"}
    (workspace / "models.json").write_text(json.dumps({"default": "mine", "models": [model]}))
    return workspace


@pytest.fixture(scope="session")
def embedded_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the default model."""
    workspace = Workspace(tmp_path_factory.mktemp("registry"))
    return ensure(Registry(workspace).default())


def corrupt(model: Path, how: str) -> bytes:
    whole = model.read_bytes()
    name = b"llama.block_count"
    layers = whole.index(name) + len(name) + 4  # behind its type
    return {
        "not GGUF": b"this is no model" * 100,
        "cut short": whole[: len(whole) // 2],
        "no tensors": whole[:8] + bytes(8) + whole[16:],
        "no layers": whole[:layers] + bytes(4) + whole[layers + 4 :],
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "cut short",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("not GGUF", "no tensors", "no layers")),
    ],
)
def test_a_corrupt_default_model_is_told_by_health_and_the_server_stays_up(
    workspace: Path, embedded_model: Path, how: str, start_server: StartServer
) -> None:
    file = workspace / "model.gguf"
    file.write_bytes(corrupt(embedded_model, how))
    server = start_server(with_model(workspace, file), ready=False)
    with server.client() as client:

        def trouble() -> httpx.Response | None:
            response = client.get("/health")
            return response if response.json()["error"]["code"] != "loading" else None

        error = error_of(eventually(trouble), 503)
        assert error["code"] == "bad_model_file"
        assert str(file) in error["message"]
        (model,) = client.get("/v1/models").json()["data"]
        assert model["feilun"]["state"] == "error"
        assert model["feilun"]["error"] == error["message"]
        assert error_of(client.post("/v1/chat/completions", json=say("Hi")), 503) == error
        assert client.get("/").status_code == 200
        assert client.get("/api/status").json()["reason"] == error["message"]

        # Once the file is right, the next question is answered: no restart.
        shutil.copy(embedded_model, file)
        assert client.post("/v1/completions", json={"prompt": "Hi", "max_tokens": 1}).status_code == 200
        assert client.get("/health").status_code == 200


def test_what_nobody_foresaw_when_a_model_is_loaded_is_told_by_health_too(
    workspace: Path, start_server: StartServer
) -> None:
    model = {"name": "far", "kind": "upstream", "source": "http://example.invalid/v1"}
    (workspace / "models.json").write_text(json.dumps({"default": "far", "models": [model]}))
    # httpx makes no client for such a proxy
    server = start_server(workspace, ready=False, all_proxy="nonsense://127.0.0.1:1", no_proxy="")
    with server.client() as client:

        def trouble() -> httpx.Response | None:
            response = client.get("/health")
            return response if response.json()["error"]["code"] != "loading" else None

        error = error_of(eventually(trouble), 503)
        assert error["code"] == "model_not_loaded"
        assert error["message"].startswith("Model far could not be loaded: ValueError: ")
        assert error_of(client.post("/v1/chat/completions", json=say("Hi")), 503) == error
        zh = client.get("/health", headers={"Accept-Language": "zh"})
        assert error_of(zh, 503)["message"].startswith("模型 far 无法加载：")


def test_a_default_model_whose_file_is_gone_is_named(workspace: Path) -> None:
    line = up_fails(with_model(workspace, workspace / "gone.gguf"))
    assert str(workspace / "gone.gguf") in line


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"default": "x", "models": []}',
        '{"default": "x", "models": [{"name": "x", "source": "file:/x", "surprise": 1}]}',
        b"\xff\xfe".decode("latin-1"),
    ],
)
def test_a_broken_list_of_models_is_named_with_what_to_do(workspace: Path, text: str) -> None:
    (workspace / "models.json").write_text(text, encoding="latin-1")
    line = up_fails(workspace)
    assert str(workspace / "models.json") in line
    assert "Mend it" in line


def test_a_list_of_models_broken_while_the_server_runs_can_be_mended(start_server: StartServer) -> None:
    server = start_server()
    file = server.workspace / "models.json"
    file.write_text("{")
    with server.client() as client:
        assert "models.json" in error_of(client.get("/health"), 503)["message"]
        assert "models.json" in error_of(client.post("/v1/chat/completions", json=say("Hi")), 500)["message"]
        file.unlink()
        assert ask(client, say("Hi", max_tokens=1))["model"] == MODEL


def test_a_database_of_a_newer_version_is_left_alone(workspace: Path) -> None:
    with sqlite3.connect(workspace / "feilun.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    before = (workspace / "feilun.db").read_bytes()
    line = up_fails(workspace)
    assert "newer" in line
    assert "9999" in line
    assert (workspace / "feilun.db").read_bytes()[100:] == before[100:]


def test_a_file_that_is_no_database_is_named(workspace: Path) -> None:
    (workspace / "feilun.db").write_bytes(b"not a database at all " * 500)
    line = up_fails(workspace)
    assert "feilun.db" in line
    assert "-w" in line


def test_a_damaged_database_is_named(start_server: StartServer) -> None:
    server = start_server(ready=False)
    server.stop()
    path = server.workspace / "feilun.db"
    data = bytearray(path.read_bytes())
    data[100:4000] = b"\xa5" * 3900  # the schema's own page
    path.write_bytes(data)
    line = up_fails(server.workspace)
    assert "damaged" in line
    assert "feilun.db" in line
