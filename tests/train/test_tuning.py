"""What tuning begins with: bases in several files, and GGUF files that change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.model.test_gguf import CONFIGS, make
from tests.train.shape import SHAPE

from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.config import ModelConfig
from feilun.model.gguf import export_gguf
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.distributed import World
from feilun.train.recipe import SftRecipe
from feilun.train.tuning import Tuned, unpacked
from feilun.workspace import Manifest, sha256_file


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    model = Transformer(ModelConfig(**{**SHAPE, "vocab_size": 300}))
    model.initialise(3)
    checkpoint.save(model, folder)
    train_tokenizer(iter(["aa bb cc " * 99]), 262).save(folder)
    return folder


def shard(folder: Path) -> None:
    """Put the weights into two files, with a third that does not belong to them."""
    whole = folder / checkpoint.WEIGHTS
    tensors = load_file(whole)
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, folder / file)
    save_file({"other": torch.ones(1)}, folder / "other.safetensors")
    whole.unlink()
    (folder / checkpoint.INDEX).write_text(json.dumps({"weight_map": files}))


def recipe(**more: Any) -> SftRecipe:
    return SftRecipe.model_validate({"kind": "sft", "name": "x", "base": "y", **more})


@pytest.mark.parametrize("more", [{}, {"lora": {"rank": 2}}])
def test_what_is_tuned_of_a_base_in_several_files_is_saved(
    more: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    shard(base)
    job = Job.create(tmp_path / "runs", "sft", "x", {}, argv=["true"])
    with job.running():
        tuned = Tuned.open(recipe(**more), base, None, World())
        tuned.publish(tmp_path / "made", job, World(), [], {})
    parents = Manifest.read(tmp_path / "made").parents
    assert parents == [sha256_file(base / f"model-0000{i}-of-00002.safetensors") for i in (1, 2)]


def test_the_parent_of_what_is_tuned_is_the_base_as_it_was_read(base: Path, tmp_path: Path) -> None:
    found = sha256_file(base / checkpoint.WEIGHTS)
    tuned = Tuned.open(recipe(), base, None, World())
    (base / checkpoint.WEIGHTS).unlink()
    assert tuned.parents([]) == [found]


def test_a_gguf_base_is_unpacked_again_when_it_is_another(tmp_path: Path) -> None:
    file, mine = tmp_path / "base.gguf", tmp_path / "base-hf"
    mine.mkdir()
    (mine / "config.json").write_text("mine")
    weights: list[torch.Tensor] = []
    for scale in (1.0, 2.0):
        model = make(tmp_path / "whole", CONFIGS["qwen3"])
        with torch.no_grad():
            model.embedding.weight.mul_(scale)
        checkpoint.save(model, tmp_path / "whole")
        export_gguf(tmp_path / "whole", file, "f16")
        folder = unpacked(file)
        made = (folder / checkpoint.WEIGHTS).stat()
        assert unpacked(file) == folder
        assert (folder / checkpoint.WEIGHTS).stat() == made
        weights.append(checkpoint.load(folder).embedding.weight)
    torch.testing.assert_close(weights[1], 2 * weights[0])
    assert [path.name for path in mine.iterdir()] == ["config.json"]
    assert (mine / "config.json").read_text() == "mine"


def test_a_gguf_base_that_cannot_be_unpacked_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "base.gguf"
    make(tmp_path / "whole", CONFIGS["qwen3"])
    export_gguf(tmp_path / "whole", file, "f16")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FeilunError, match="cut short"):
        unpacked(file)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["whole"]
