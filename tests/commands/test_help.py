"""`--help` teaches: every command shows an example, in both languages."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from tests.support import environment, run_feilun

from feilun import __version__

# As `main` has it, but all commands in one process.
ALL_HELP = """
import json, click, typer
from typer.testing import CliRunner
from feilun.cli import app

def walk(command, path):
    yield path, not hasattr(command, "commands")
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, [*path, name])

runner = CliRunner()
print(json.dumps([
    (path, leaf, runner.invoke(app, [*path, "--help"]).output) for path, leaf in walk(typer.main.get_command(app), [])
]))
"""


@pytest.mark.parametrize(("language", "example"), [("en", "Example"), ("zh", "示例")])
def test_every_command_has_an_example_in_its_language(language: str, example: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", ALL_HELP],
        env=environment(FEILUN_LANG=language, COLUMNS="120"),
        capture_output=True,
        text=True,
        check=True,
    )
    pages = {" ".join(path): (leaf, text) for path, leaf, text in json.loads(result.stdout)}
    assert {"up", "chat", "doctor", "export", "models list", "models add", "models pull"} <= pages.keys()
    for command, (leaf, text) in pages.items():
        assert bool(re.search("[\u4e00-\u9fff]", text.replace("飞轮", ""))) is (language == "zh"), command
        if leaf:
            assert example in text, command
            assert f"feilun {command}" in text, command


def test_the_version_is_told() -> None:
    assert run_feilun("--version").stdout == f"feilun {__version__}\n"


def test_an_unknown_command_is_not_a_traceback() -> None:
    result = run_feilun("fly")
    assert result.returncode == 2
    assert "fly" in result.stderr
    assert "Traceback" not in result.stderr
