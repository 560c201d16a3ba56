"""What may import what, and what serving never loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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


def loaded_by(module: str) -> set[str]:
    """Names of the modules that importing this one loads."""
    code = f"import sys, {module}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_serving_loads_nothing_that_only_training_needs() -> None:
    loaded = loaded_by("feilun.serve.engines.llamacpp, feilun.serve.app")
    assert "xllamacpp" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "transformers", "safetensors", "tokenizers", "gguf"})


def test_llama_cpp_is_loaded_when_a_model_is_and_not_before() -> None:
    loaded = loaded_by("feilun.serve.app")
    assert "fastapi" in loaded
    assert "xllamacpp" not in loaded


def test_the_command_line_starts_without_the_server_the_engine_and_the_store() -> None:
    loaded = loaded_by("feilun.cli")
    assert "feilun.commands.chat" in loaded
    assert loaded.isdisjoint({"fastapi", "xllamacpp", "sqlalchemy", "feilun.serve.app"})
