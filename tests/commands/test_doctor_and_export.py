"""`feilun doctor` and `feilun export`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line

from feilun.store import Store
from feilun.store.conversations import Answer, begin_turn, save_answers
from feilun.workspace import Workspace


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk; the test fills it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    try:
        with (folder / "fill").open("wb") as file:
            while True:
                file.write(b"\0" * 4096)
                file.flush()
    except OSError:
        pass


def remember(workspace: Path, *questions: str) -> None:
    """Put conversations into a workspace's store."""
    store = Store(Workspace(workspace).database)
    for question in questions:
        with store.writing() as session:
            turn = begin_turn(
                session,
                user="local",
                messages=[{"role": "user", "content": question}],
                model="m",
                release="r",
                params={},
            )
            save_answers(session, [Answer(turn.message_ids[0], f"answer to {question}", "complete")])
    store.close()


def doctor(run: Run, workspace: Path, **env: str) -> tuple[int, dict[str, tuple[str, str]]]:
    result = run("-w", workspace, "doctor", "--json", **env)
    assert "Traceback" not in result.stderr
    rows = json.loads(result.stdout)
    assert all(
        set(row) == {"level", "what", "found"} and row["level"] in ("ok", "note", "bad") for row in rows
    )
    return result.returncode, {row["what"]: (row["level"], row["found"]) for row in rows}


def test_the_doctor_looks_at_everything_that_is_needed(run: Run, tmp_path: Path) -> None:
    code, found = doctor(run, tmp_path / "w", FEILUN_CACHE=str(tmp_path / "cache"))
    assert {
        "Python",
        "Workspace",
        "Model cache",
        "llama.cpp",
        "Database",
        "Default model",
        "Console",
    } <= found.keys()
    assert found["Workspace"][0] == found["Database"][0] == found["llama.cpp"][0] == "ok"
    assert str(tmp_path / "w") in found["Workspace"][1]
    assert not (tmp_path / "w" / "feilun.db").exists()  # looking changes nothing
    assert found["Default model"][0] == "note"
    assert "feilun models pull" in found["Default model"][1]
    assert code == (1 if any(level == "bad" for level, _ in found.values()) else 0)


def test_the_doctor_says_in_chinese_what_is_broken_and_goes_on(run: Run, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "feilun.db").write_bytes(b"no database " * 1000)
    (workspace / "models.json").write_text("{")
    (tmp_path / "file").write_text("")
    code, found = doctor(run, workspace, FEILUN_LANG="zh", FEILUN_CACHE=str(tmp_path / "file"))
    assert code == 1
    assert [found[what][0] for what in ("数据库", "默认模型", "模型缓存")] == ["bad", "bad", "bad"]
    assert "feilun.db" in found["数据库"][1]
    assert "models.json" in found["默认模型"][1]
    assert "FEILUN_CACHE" in found["模型缓存"][1]


def test_the_doctor_shows_paths_as_they_are(run: Run, tmp_path: Path) -> None:
    workspace = tmp_path / "[b]飞轮 100%"
    assert str(workspace) in run("-w", workspace, "doctor").stdout


def test_everything_is_exported_to_a_file_or_a_pipe(run: Run, tmp_path: Path) -> None:
    remember(tmp_path / "w", "飞轮是什么？", "second")
    piped = run("-w", tmp_path / "w", "export")
    rows = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == ["飞轮是什么？", "second"]
    said = run("-w", tmp_path / "w", "export", "-o", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == piped.stdout
    assert said.stdout.startswith("2 conversations")
    assert run("-w", tmp_path / "w", "export", "--user", "nobody").stdout == ""
    assert run("-w", tmp_path / "w", "export", "--user", "local").stdout == piped.stdout


def test_an_export_that_cannot_be_written_is_one_line_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    remember(tmp_path / "w", "hi")
    (tmp_path / "out").mkdir()
    for target in (tmp_path / "out", tmp_path / "no" / "out.jsonl"):
        assert str(target) in one_line(run("-w", tmp_path / "w", "export", "-o", target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "w"]


def test_an_export_to_a_full_disk_is_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, full_disk: Path
) -> None:
    remember(tmp_path / "w", "hi" * 10_000)
    fill(full_disk)
    one_line(run("-w", tmp_path / "w", "export", "-o", full_disk / "out.jsonl"))
    assert [path.name for path in full_disk.iterdir()] == ["fill"]


def test_a_reader_that_has_seen_enough_is_no_error(run: Run, tmp_path: Path) -> None:
    remember(tmp_path / "w", *("long " * 20_000 for _ in range(3)))
    result = subprocess.run(
        ["sh", "-c", '"$0" -m feilun -w "$1" export | head -c 10; true', sys.executable, str(tmp_path / "w")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(result.stdout) == 10
    assert result.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        ["models", "add", "x", "http://127.0.0.1:1/v1"],
        ["export"],
        ["models", "default", "smollm2-135m-instruct"],
    ],
)
def test_a_full_disk_is_one_line(run: Run, full_disk: Path, command: list[str]) -> None:
    (full_disk / "w").mkdir()
    fill(full_disk)
    one_line(run("-w", full_disk / "w", *command))


def test_a_workspace_that_cannot_be_is_one_line_in_each_language(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for language, start in (("en", "Error: "), ("zh", "错误：")):
        line = one_line(run("-w", tmp_path / "file", "models", "list", FEILUN_LANG=language))
        assert line.startswith(start)
        assert str(tmp_path / "file") in line
