"""The list of a workspace's models, and the ids of releases."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from feilun.registry import ASSISTANT, SMALLEST, Registry, Release, Sampling
from feilun.text import FeilunError
from feilun.workspace import Manifest, Workspace, locked, sha256_file


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEILUN_DEFAULT_MODEL", raising=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return Registry(workspace)


DEFAULT = ASSISTANT


def upstream(name: str, **fields: Any) -> Release:
    return Release(name=name, kind="upstream", source="http://127.0.0.1:8000/v1", **fields)


def names(registry: Registry) -> list[str]:
    return [release.name for release in registry.releases()]


def test_a_new_workspace_has_the_embedded_model(registry: Registry, workspace: Workspace) -> None:
    assert registry.releases() == [DEFAULT]
    assert not workspace.models_file.exists()


def test_another_model_of_ours_can_be_the_first(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_DEFAULT_MODEL", SMALLEST.name)
    assert registry.releases() == [SMALLEST]
    monkeypatch.setenv("FEILUN_DEFAULT_MODEL", "gpt-9")
    with pytest.raises(FeilunError, match=SMALLEST.name):
        registry.releases()


def test_the_adapter_that_is_shipped_is_the_one_that_was_measured() -> None:
    adapter = ASSISTANT.adapter_file
    assert adapter is not None
    assert sha256_file(adapter) == ASSISTANT.adapter_sha256
    assert adapter.stat().st_size < 10_000_000
    manifest = Manifest.read(adapter.parent)
    assert manifest.files["adapter.gguf"] == ASSISTANT.adapter_sha256
    assert manifest.parents == [ASSISTANT.sha256]
    assert (adapter.parent / "GEMMA_TERMS.txt").exists()


def test_a_stored_model_of_ours_follows_the_version_of_feilun(
    registry: Registry, workspace: Workspace
) -> None:
    registry.add(upstream("one"))
    text = workspace.models_file.read_text()
    assert str(ASSISTANT.adapter_sha256) in text
    workspace.models_file.write_text(text.replace(str(ASSISTANT.adapter_sha256), "sha256:of-last-year"))
    assert registry.default() == ASSISTANT


def test_models_are_added_and_removed_and_the_default_stands_first(registry: Registry) -> None:
    registry.add(upstream("one"))
    registry.add(upstream("two"), make_default=True)
    assert names(registry) == ["two", DEFAULT.name, "one"]
    assert registry.default().name == "two"
    registry.set_default("one")
    registry.remove("two")
    assert names(registry) == ["one", DEFAULT.name]


def test_what_is_added_is_read_back_whole(registry: Registry, workspace: Workspace) -> None:
    release = Release(
        name="a/b:c",
        source="file:/飞轮.gguf",
        sha256="sha256:00",
        adapter="/adapter.gguf",
        adapter_sha256="sha256:01",
        chat_template="{{ x }}",
        sampling=Sampling(temperature=0, top_p=0.5, top_k=1, min_p=0, repeat_penalty=1, max_tokens=7),
        context_length=512,
        license="MIT",
    )
    registry.add(release)
    assert Registry(workspace).get("a/b:c") == release


@pytest.mark.parametrize(
    ("do", "status", "code"),
    [
        (lambda r: r.add(upstream("one")), 409, "model_exists"),
        (lambda r: r.add(DEFAULT), 409, "model_exists"),
        (lambda r: r.remove(DEFAULT.name), 409, "model_is_default"),
        (lambda r: r.remove("no"), 404, "model_not_found"),
        (lambda r: r.set_default("no"), 404, "model_not_found"),
        (lambda r: r.get("no"), 404, "model_not_found"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    registry: Registry, workspace: Workspace, do: Any, status: int, code: str
) -> None:
    registry.add(upstream("one"))
    before = workspace.models_file.read_bytes()
    with pytest.raises(FeilunError) as refused:
        do(registry)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert workspace.models_file.read_bytes() == before


def test_the_file_may_hold_keys_and_is_for_its_owners_eyes(registry: Registry, workspace: Workspace) -> None:
    for change in (
        lambda: registry.add(upstream("one", api_key="sk-1")),
        lambda: registry.set_default("one"),
    ):
        change()
        assert workspace.models_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "models.json"),
        ("{", "models.json"),
        ("[]", "models.json"),
        ('{"default": "x", "models": []}', "'x'"),
        ('{"default": "x", "models": [{"name": "x"}]}', "models.0.source"),
        ('{"default": "x", "models": [{"name": "x", "source": "y", "typo": 1}]}', "models.0.typo"),
        ('{"default": "x", "models": [{"name": "-", "source": "y"}]}', "models.0.name"),
        ("\xff", "models.json"),
    ],
)
def test_a_broken_file_is_named_with_the_place_and_left_alone(
    registry: Registry, workspace: Workspace, text: str, said: str
) -> None:
    workspace.models_file.write_text(text, encoding="latin-1")
    for do in (registry.releases, lambda: registry.add(upstream("one"))):
        with pytest.raises(FeilunError) as refused:
            do()
        assert refused.value.code == "registry_broken"
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
    assert workspace.models_file.read_text(encoding="latin-1") == text


ADD = """
import sys
from pathlib import Path
from feilun.registry import Registry, Release
from feilun.workspace import Workspace
registry = Registry(Workspace(Path(sys.argv[1])))
sys.stdin.readline()
for number in range(25):
    registry.add(Release(name=f"{sys.argv[2]}-{number}", kind="upstream", source="http://127.0.0.1/v1"))
"""


def test_models_added_by_two_processes_at_once_are_all_there(
    registry: Registry, workspace: Workspace
) -> None:
    adding = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, workspace.path, name],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    ends = [process.communicate("go\n", timeout=60) for process in adding]
    assert [process.returncode for process in adding] == [0, 0], ends
    expected = {f"{name}-{number}" for name in "ab" for number in range(25)}
    assert set(names(registry)) == expected | {DEFAULT.name}


@pytest.mark.parametrize("change", ["set_default", "remove"])
def test_a_model_that_another_process_removed_meanwhile_is_not_found(
    registry: Registry, workspace: Workspace, change: str
) -> None:
    registry.add(upstream("gone"))
    refused: list[FeilunError] = []

    def try_it() -> None:
        try:
            getattr(registry, change)("gone")
        except FeilunError as error:
            refused.append(error)

    with locked(workspace.models_file.with_suffix(".lock")):  # as the other process holds it while it writes
        waiting = threading.Thread(target=try_it)
        waiting.start()
        waiting.join(0.3)
        workspace.models_file.write_text(
            json.dumps({"default": DEFAULT.name, "models": [DEFAULT.model_dump()]})
        )
    waiting.join()
    assert [error.code for error in refused] == ["model_not_found"]
    assert names(registry) == [DEFAULT.name]


# --- ids ---------------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {"name": "a", "source": "file:/a.gguf", "sha256": "sha256:00"}
UPSTREAM: dict[str, Any] = {"name": "a", "kind": "upstream", "source": "http://127.0.0.1/v1"}


@pytest.mark.parametrize(
    ("of", "change"),
    [
        (BASE, {"source": "file:/b.gguf"}),
        (BASE, {"sha256": "sha256:01"}),
        (BASE, {"adapter_sha256": "sha256:02"}),
        (BASE, {"chat_template": "{{ x }}"}),
        (BASE, {"sampling": Sampling(temperature=0.5)}),
        (BASE, {"context_length": 512}),
        (UPSTREAM, {"source": "http://127.0.0.1/v2"}),
        (UPSTREAM, {"upstream_model": "b"}),
        (UPSTREAM, {"name": "b"}),  # it is what the upstream is asked for
    ],
)
def test_another_id_for_whatever_shapes_an_answer(of: dict[str, Any], change: dict[str, Any]) -> None:
    assert Release(**of).id != Release(**{**of, **change}).id


@pytest.mark.parametrize(
    ("of", "change"),
    [
        (BASE, {"name": "b"}),
        (BASE, {"license": "MIT"}),
        (BASE, {"adapter": "/elsewhere.gguf"}),  # its hash counts, not where it lies
        (UPSTREAM, {"api_key": "sk-1"}),
        (UPSTREAM, {"upstream_model": "a"}),  # what is asked for without it
        ({**UPSTREAM, "upstream_model": "m"}, {"name": "b"}),
    ],
)
def test_the_same_id_for_what_does_not(of: dict[str, Any], change: dict[str, Any]) -> None:
    assert Release(**of).id == Release(**{**of, **change}).id


def test_an_id_is_the_same_in_every_process() -> None:
    code = f"from feilun.registry import Release; print(Release(**{BASE!r}).id)"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == Release(**BASE).id
    assert other.startswith("release:")
    assert len(other) == len("release:") + 16


# --- keys --------------------------------------------------------------------------------------------------


def test_a_key_is_read_from_the_environment_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    release = upstream("one", api_key="env:FEILUN_TEST_KEY")
    monkeypatch.setenv("FEILUN_TEST_KEY", "sk-1")
    assert release.secret() == "sk-1"
    monkeypatch.delenv("FEILUN_TEST_KEY")
    with pytest.raises(FeilunError) as refused:
        release.secret()
    assert refused.value.code == "missing_api_key"
    assert "FEILUN_TEST_KEY" in str(refused.value)
    assert upstream("two", api_key="sk-2").secret() == "sk-2"
    assert upstream("three").secret() is None
