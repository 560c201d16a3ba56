"""`--help` teaches: every command shows an example, in both languages."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from tests.forks import environment, run_feilun

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


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (["fly"], "No such command 'fly'.", "没有命令“fly”。"),
        (["models", "pul"], "No such command 'pul'. Did you mean 'pull'?", "没有命令“pul”。您是否想用 'pull'？"),
        (["up", "--prt", "1"], "No such option: --prt (Possible options: --port).", "没有选项 --prt（相近的选项：--port）。"),
        (["up", "--port"], "Option '--port' requires an argument.", "选项 --port 需要一个值。"),
        (["up", "--port", "x"], "Invalid value for '--port': Input should be a valid integer", "--port 的值无效：应为整数。"),
        (
            ["models", "export", "x", "--gguf", "q4_k_m"],
            "Invalid value for '--gguf': 'q4_k_m' is not one of 'f16', 'q8_0', 'q4_0'. Add",
            "--gguf 的值无效：“q4_k_m”不可用，应为以下之一：'f16', 'q8_0', 'q4_0'。加上",
        ),
        (["models", "add"], "Missing argument 'name'.", "缺少参数“name”。"),
        (["doctor", "now"], "Got unexpected extra argument(s) (now).", "多余的参数：now。"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_explained_in_one_line(words: list[str], english: str, chinese: str) -> None:
    for language, sentence in (("en", f"Error: {english}"), ("zh", f"错误：{chinese}")):
        result = run_feilun(*words, FEILUN_LANG=language)
        assert result.returncode == 2
        assert result.stderr.startswith(sentence)
        assert result.stderr.count("\n") == 1
        assert "--help" in result.stderr


def test_a_group_alone_shows_its_help() -> None:
    result = run_feilun("models")
    assert "pull" in result.stdout
    assert result.stderr == ""
