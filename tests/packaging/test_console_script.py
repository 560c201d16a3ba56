"""scripts/console.py decides when the console is built and with which Node."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "console.py"


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, looking at a tree of its own."""
    spec = importlib.util.spec_from_file_location("console_script", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sources, dist = tmp_path / "console", tmp_path / "dist"
    monkeypatch.setattr(module, "CONSOLE", sources)
    monkeypatch.setattr(module, "DIST", dist)
    monkeypatch.setattr(module, "STAMP", dist / ".stamp")
    monkeypatch.delenv("FEILUN_SKIP_CONSOLE", raising=False)
    for path in (sources / "package.json", sources / "src" / "main.tsx", dist / "index.html"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return module


def pretend_node(folder: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `node` that only knows its version, and an `npm`, alone on the path."""
    folder.mkdir()
    for name, text in (("node", f"#!/bin/sh\necho {version}\n"), ("npm-cli.js", "")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "npm").symlink_to(folder / "npm-cli.js")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_build_is_due_until_the_stamp_matches_the_sources(console: ModuleType) -> None:
    assert console.due()
    console.STAMP.write_text(console.digest())
    assert not console.due()
    (console.CONSOLE / "src" / "main.tsx").write_text("changed")
    assert console.due()


def test_what_tools_write_is_no_source(console: ModuleType) -> None:
    before = console.digest()
    (console.CONSOLE / "node_modules").mkdir()
    (console.CONSOLE / "node_modules" / "x.js").write_text("x")
    (console.CONSOLE / "tsconfig.tsbuildinfo").write_text("x")
    assert console.digest() == before


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.3"])
def test_an_old_node_is_passed_over(
    console: ModuleType, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_node(tmp_path / "bin", version, monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # nor is there one from PyPI
    assert console.npm_command() is None
    assert console.requirements() == [console.NODE_WHEEL]
    with pytest.raises(console.BuildError, match=r"Node\.js >= 20\.19"):
        console.npm("ci")


def test_the_machines_node_is_taken_when_new_enough(
    console: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pretend_node(tmp_path / "bin", "v20.19.0", monkeypatch)
    assert console.npm_command() == [str(folder / "node"), str(folder / "npm-cli.js")]
    assert console.requirements() == []


def test_it_can_be_skipped(console: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_SKIP_CONSOLE", "1")
    assert console.requirements() == []
    console.build()  # would fail: there is no lock file
    assert not console.STAMP.exists()
