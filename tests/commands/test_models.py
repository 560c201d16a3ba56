"""`feilun models`: the list as people and as scripts see it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run
from tests.registry.conftest import Remote
from tests.registry.tiny_gguf import gguf

DEFAULT = "smollm2-135m-instruct"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def listed(run: Run, workspace: Path) -> list[dict[str, Any]]:
    result = run("-w", workspace, "models", "list", "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def one_line(result: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The error of a command: one line on stderr, exit code 1."""
    assert result.returncode == code, result
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_models_are_added_listed_made_the_default_and_removed(
    run: Run, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "模型.gguf").write_bytes(gguf())
    added = run("-w", workspace, "models", "add", "mine", tmp_path / "模型.gguf", "--temperature", "0.5")
    assert (added.returncode, added.stdout) == (0, "Added mine.\n")
    rows = listed(run, workspace)
    assert [(row["name"], row["default"]) for row in rows] == [(DEFAULT, True), ("mine", False)]
    assert rows[1]["source"] == f"file:{tmp_path}/模型.gguf"
    assert rows[1]["file"] == f"{tmp_path}/模型.gguf"
    assert re.fullmatch("release:[0-9a-f]{16}", rows[1]["release"])
    assert run("-w", workspace, "models", "default", "mine").returncode == 0
    assert [row["name"] for row in listed(run, workspace)] == ["mine", DEFAULT]
    assert DEFAULT in one_line(run("-w", workspace, "models", "default", "no"))
    one_line(run("-w", workspace, "models", "remove", "mine"))  # it is the default
    assert run("-w", workspace, "models", "default", DEFAULT).returncode == 0
    assert run("-w", workspace, "models", "remove", "mine").returncode == 0
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT]
    assert (tmp_path / "模型.gguf").exists()


def test_the_table_shows_names_and_sources_as_they_are(run: Run, workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[v1]"
    folder.mkdir()
    (folder / "a.gguf").write_bytes(gguf())
    assert run("-w", workspace, "models", "add", "mine", folder / "a.gguf").returncode == 0
    table = run("-w", workspace, "models", "list", COLUMNS="400").stdout
    assert "mine" in table
    assert f"file:{folder}/a.gguf" in table
    assert f"{DEFAULT} *" in table


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no.gguf"), (b"", "GGUF"), (b"GGUF", "GGUF"), (gguf({"general.type": "adapter"}), "--adapter")],
)
def test_a_file_that_is_no_model_is_refused_in_one_line(
    run: Run, workspace: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "no.gguf"
    if content is not None:
        path.write_bytes(content)
    assert said in one_line(run("-w", workspace, "models", "add", "mine", path))
    assert not (workspace / "models.json").exists()


def test_a_name_that_cannot_be_one_is_refused_in_chinese(run: Run, workspace: Path) -> None:
    line = one_line(run("-w", workspace, "models", "add", "a b", "http://127.0.0.1/v1", FEILUN_LANG="zh"))
    assert line.startswith("错误：")
    assert "名称" in line


def test_a_key_is_not_sent_in_clear_text_to_another_machine(run: Run, workspace: Path) -> None:
    add = ("-w", workspace, "models", "add", "x", "http://example.invalid/v1")
    one_line(run(*add, "--api-key", "sk-1"))
    assert run(*add).returncode == 0


def test_a_repository_is_pulled_and_added(run: Run, workspace: Path, tmp_path: Path, hub: Remote) -> None:
    environment = {"FEILUN_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": hub.url}
    hub.api["/api/models/owner/Tiny-GGUF"] = {"siblings": [{"rfilename": "Tiny-Q8_0.gguf"}]}
    hub.files["/owner/Tiny-GGUF/resolve/main/Tiny-Q8_0.gguf"] = gguf()
    pull = ("-w", workspace, "models", "pull", "owner/Tiny-GGUF")
    result = run(*pull, **environment)
    assert result.returncode == 0, result.stderr
    (file,) = (tmp_path / "cache").rglob("Tiny-Q8_0.gguf")
    assert str(file) in result.stdout
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT, "tiny-q8_0"]
    asked = len(hub.requests)
    assert run("-w", workspace, "models", "pull", "tiny-q8_0", **environment).returncode == 0
    assert len(hub.requests) == asked  # it is there


def test_a_file_of_the_same_name_from_another_repository_is_not_taken_for_the_known_one(
    run: Run, workspace: Path, tmp_path: Path, hub: Remote
) -> None:
    environment = {"FEILUN_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": hub.url}
    for owner in ("a", "b"):
        hub.api[f"/api/models/{owner}/X"] = {"siblings": [{"rfilename": "m.gguf"}]}
        hub.files[f"/{owner}/X/resolve/main/m.gguf"] = gguf()
    for _ in range(2):  # the same one again is ready
        assert run("-w", workspace, "models", "pull", "a/X", **environment).returncode == 0
    line = one_line(run("-w", workspace, "models", "pull", "b/X", **environment))
    assert "hf:a/X/m.gguf" in line
    assert "feilun models add OTHERNAME hf:b/X/m.gguf" in line
    assert run("-w", workspace, "models", "add", "other", "hf:b/X/m.gguf", **environment).returncode == 0
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT, "m", "other"]


def test_a_repository_that_cannot_be_had_is_not_added(
    run: Run, workspace: Path, tmp_path: Path, hub: Remote
) -> None:
    environment = {"FEILUN_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": hub.url}
    assert "404" in one_line(run("-w", workspace, "models", "pull", "owner/no", **environment))
    hub.api["/api/models/owner/repo"] = {"siblings": [{"rfilename": "a.gguf"}]}
    result = run("-w", workspace, "models", "pull", "owner/repo", **environment)
    assert "404" in one_line(result)
    line = one_line(
        run("-w", workspace, "models", "pull", "o/r", FEILUN_LANG="zh", HF_ENDPOINT="http://127.0.0.1:1")
    )
    assert line.startswith("错误：")
    assert "HF_ENDPOINT" in line
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT]


def test_a_model_is_listed_when_it_is_here_and_not_before(
    run: Run, workspace: Path, tmp_path: Path, hub: Remote
) -> None:
    environment = {"FEILUN_CACHE": str(tmp_path / "cache")}
    one_line(run("-w", workspace, "models", "add", "x", f"{hub.url}/a.gguf", **environment))
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT]
    hub.files["/a.gguf"] = gguf()
    added = run("-w", workspace, "models", "add", "x", f"{hub.url}/a.gguf", **environment)
    assert added.returncode == 0, added.stderr
    assert [row["name"] for row in listed(run, workspace)] == [DEFAULT, "x"]
    asked = len(hub.requests)
    one_line(run("-w", workspace, "models", "add", "x", f"{hub.url}/b.gguf", **environment))
    assert len(hub.requests) == asked  # the name is taken: told before anything is fetched


def test_a_broken_list_of_models_is_named(run: Run, workspace: Path) -> None:
    workspace.mkdir()
    (workspace / "models.json").write_text("{")
    assert "models.json" in one_line(run("-w", workspace, "models", "list"))
