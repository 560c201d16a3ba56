"""Weights for which there is no room: an error of the system's that names the file, and one line for the user."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forks import environment, feilun, fork
from tests.model.test_gguf import CONFIGS, make
from tests.train.shape import SHAPE

from feilun.model import checkpoint, lora_files
from feilun.model.config import ModelConfig
from feilun.model.gguf import export_gguf
from feilun.model.lora import Lora, attach
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.train.reward import HEAD, RewardModel

LIMIT = 5000
"""Bytes of a file: fewer than any of the weights here have."""


def save(kind: str, folder: Path) -> None:
    model = Transformer(ModelConfig(**SHAPE))
    if kind == "adapter":
        attach(model, Lora(rank=8, alpha=8))
        lora_files.save_peft(model, folder)
    else:
        checkpoint.save(model, folder)


def save_within_limit(kind: str, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    try:
        save(kind, folder)
    except OSError as error:
        (folder / "said").write_text(f"{error.errno} {error.filename}")


@pytest.mark.parametrize(("kind", "file"), [("model", checkpoint.WEIGHTS), ("adapter", lora_files.WEIGHTS)])
def test_weights_without_room_are_an_error_of_the_system(kind: str, file: str, tmp_path: Path) -> None:
    fork(save_within_limit, kind, tmp_path).join()
    assert (tmp_path / "said").read_text() == f"{errno.EFBIG} {tmp_path / file}"


def test_so_is_a_value_head_that_cannot_be_written(tmp_path: Path) -> None:
    model = Transformer(ModelConfig(**SHAPE))
    model.add_value_head()
    (tmp_path / HEAD).mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        RewardModel(model, train_tokenizer(iter(["aa bb cc " * 99]), 262)).save(tmp_path)
    assert refused.value.filename == str(tmp_path / HEAD)


def test_a_model_imported_without_room_is_one_line(tmp_path: Path) -> None:
    make(tmp_path / "made", CONFIGS["qwen3"])
    export_gguf(tmp_path / "made", tmp_path / "m.gguf", "f16")
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    script = f"{script}; from feilun.cli import main; main()"
    command = feilun("-w", tmp_path / "w", "models", "import", tmp_path / "m.gguf", "--out", tmp_path / "out")
    ended = subprocess.run(
        [sys.executable, "-c", script, *command[3:]],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert "File too large" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
