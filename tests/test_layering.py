"""What may import what, and what serving never loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_imports_run_downwards() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    result = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("module", ["feilun.serve.app", "feilun.serve.engines.llamacpp", "feilun.cli"])
def test_serving_loads_nothing_that_only_training_needs(module: str) -> None:
    loaded = python(
        f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    ).split()
    assert module.split(".")[0] in loaded
    unwanted = {"torch", "numpy", "transformers", "safetensors", "tokenizers", "gguf", "pandas", "scipy"}
    assert unwanted.isdisjoint(loaded)


def test_the_command_line_starts_without_the_server_the_engine_and_the_store() -> None:
    loaded = python("import sys, feilun.cli; print(*sys.modules)").split()
    assert {"fastapi", "xllamacpp", "sqlalchemy", "feilun.serve.app"}.isdisjoint(loaded)


def test_llama_cpp_is_loaded_when_a_model_is_and_not_before() -> None:
    assert "xllamacpp" not in python("import sys, feilun.serve.app; print(*sys.modules)").split()
