"""`feilun models export --adapter`: a base and its adapter become one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.model.test_gguf import CONFIGS, TEXT, make
from tests.model.test_lora import near, shake

from feilun.model import checkpoint, lora_files
from feilun.model.config import ModelConfig
from feilun.model.gguf import export_gguf, read_model
from feilun.model.lora import Lora, attach
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.registry import Registry, Release
from feilun.registry.gguf import read_header
from feilun.workspace import Manifest, Workspace, sha256_file

IDS = torch.tensor([[7 + 29 * i % 480 for i in range(40)]])
KINDS = {"lora": Lora(rank=3, alpha=5), "dora": Lora(rank=3, alpha=5, targets=("q", "v", "down"), dora=True)}


def logits(model: Transformer) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "base"
    make(folder, CONFIGS["qwen3"])
    manifest = Manifest(kind="model", id="sha256:1", name="base", license="gemma")
    manifest.model_copy(update={"figures": {"stages": ["pretrain"]}}).write(folder)
    return folder


def adapted(base: Path, folder: Path, lora: Lora) -> Transformer:
    """The base with an adapter that says something, which is left in ``folder`` as `feilun train` leaves it."""
    model = checkpoint.load(base)
    attach(model, lora)
    shake(model, 0.05)
    folder.mkdir()
    lora_files.save_peft(model, folder, str(base))
    if not lora.dora:
        lora_files.save_gguf(model, folder / "adapter.gguf")
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_folder_computes_what_base_and_adapter_do(
    run: Run, base: Path, tmp_path: Path, kind: str
) -> None:
    adapter, out = tmp_path / "adapter", tmp_path / "merged"
    expected = logits(adapted(base, adapter, KINDS[kind]))
    assert (expected - logits(checkpoint.load(base))).abs().max() > 0.1 * expected.abs().max()
    result = run("models", "export", base, "--adapter", adapter, "--out", out)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{out} is ready")
    near(logits(checkpoint.load(out)), expected)
    theirs: Any = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    with torch.no_grad():
        near(theirs(IDS).logits, expected)
    assert Tokenizer.load(out).fingerprint == Tokenizer.load(base).fingerprint
    assert Tokenizer.load(out).template is not None
    manifest = Manifest.read(out)
    assert manifest.altered(out) == []
    weights = [base / checkpoint.WEIGHTS, adapter / lora_files.WEIGHTS]
    assert manifest.parents == [sha256_file(path) for path in weights]
    assert (manifest.name, manifest.license, manifest.figures["stages"]) == ("merged", "gemma", ["pretrain"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_gguf_file_is_compared_with_what_was_merged(
    run: Run, base: Path, tmp_path: Path, kind: str
) -> None:
    adapter, out, text = tmp_path / "adapter", tmp_path / "merged.gguf", tmp_path / "text.txt"
    text.write_text(TEXT)
    expected = logits(adapted(base, adapter, KINDS[kind]))
    result = run(
        "models", "export", base, "--adapter", adapter, "--gguf", "q8_0", "--out", out, "--text", text
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split("KL divergence ")[1].split()[0]) < 0.02
    near(logits(read_model(out)), expected, 0.05)
    header = read_header(out)
    assert (header.metadata["general.name"], header.license) == ("merged", "gemma")
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "merged.gguf", "text.txt"}


def test_a_gguf_file_and_a_gguf_adapter_are_merged(run: Run, base: Path, tmp_path: Path) -> None:
    model = adapted(base, tmp_path / "adapter", KINDS["lora"])
    export_gguf(base, tmp_path / "base.gguf", "f16")
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "adapter" / "adapter.gguf").rename(alone / "adapter.gguf")
    for number, adapter in enumerate((alone, alone / "adapter.gguf")):
        out = tmp_path / f"merged.v{number}"
        result = run("models", "export", tmp_path / "base.gguf", "--adapter", adapter, "--out", out)
        assert result.returncode == 0, result.stderr
        near(logits(checkpoint.load(out)), logits(model), 0.01)  # the base has been rounded
        assert Manifest.read(out).parents == [
            sha256_file(tmp_path / "base.gguf"), sha256_file(alone / "adapter.gguf")
        ]  # fmt: skip
        assert Manifest.read(out).license == "gemma"


def test_a_models_name_stands_for_its_base_and_its_adapter(run: Run, base: Path, tmp_path: Path) -> None:
    model = adapted(base, tmp_path / "adapter", KINDS["lora"])
    export_gguf(base, tmp_path / "base.gguf", "f16")
    template = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    release = Release(
        name="mine",
        source=f"file:{tmp_path}/base.gguf",
        adapter=str(tmp_path / "adapter" / "adapter.gguf"),
        chat_template=template,
    )
    Registry(Workspace(tmp_path / "workspace")).add(release)
    export = ("-w", tmp_path / "workspace", "models", "export", "mine", "--out", tmp_path / "out")
    assert run(*export).returncode == 0
    near(logits(checkpoint.load(tmp_path / "out")), logits(model), 0.01)
    said = Tokenizer.load(tmp_path / "out").template
    assert said is not None
    assert said.source == template
    assert "no" in one_line(run("-w", tmp_path / "workspace", "models", "export", "no", "--out", "x"))


def test_an_adapter_that_cannot_be_merged_leaves_nothing(run: Run, base: Path, tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    work.mkdir()
    sizes = {**CONFIGS["qwen3"].model_dump(), "ffn_size": 128}
    make(other, ModelConfig(**sizes))
    adapted(other, tmp_path / "adapter", KINDS["lora"])
    adapted(base, tmp_path / "broken", KINDS["dora"])
    (tmp_path / "broken" / lora_files.WEIGHTS).write_bytes(b"no")
    export_gguf(base, tmp_path / "base.gguf", "f16")
    folder, file = ("--out", work / "out"), ("--gguf", "q8_0", "--out", work / "out.gguf")
    for source, how, adapter, said in (
        (base, folder, "adapter", "does not fit this model"),
        (base, file, "adapter/adapter.gguf", "does not fit this model"),
        ("base.gguf", folder, "adapter", "does not fit this model"),
        ("base.gguf", file, "broken", "damaged"),
        (base, folder, "base.gguf", "it is no adapter"),
        (base, file, "gone", "There is no file"),
        (base, folder, "other", "adapter_config.json"),
    ):
        result = run("models", "export", tmp_path / source, "--adapter", tmp_path / adapter, *how)
        assert said in one_line(result)
        assert list(work.iterdir()) == []
    assert "--adapter" in one_line(run("models", "export", tmp_path / "adapter", "--out", work / "out"))
    line = one_line(run("models", "export", base, "--adapter", base, "--out", work / "x", FEILUN_LANG="zh"))
    assert line.startswith("错误：")
    assert list(work.iterdir()) == []


def test_an_export_says_what_it_needs(run: Run, base: Path, tmp_path: Path) -> None:
    adapted(base, tmp_path / "adapter", KINDS["lora"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text.txt").write_text(TEXT)
    export = ("models", "export", base, "--adapter", tmp_path / "adapter", "--out")
    assert "--gguf" in one_line(run("models", "export", base, "--out", tmp_path / "out"))
    text = tmp_path / "mine" / "text.txt"
    assert "--gguf" in one_line(run(*export, tmp_path / "out", "--text", text))
    assert "exists already" in one_line(run(*export, tmp_path / "mine"))
    assert "Cannot write" in one_line(run(*export, tmp_path / "no" / "out", "--gguf", "f16"))
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "mine"}
    assert text.read_text() == TEXT


def test_a_dora_adapter_is_not_added_but_merged(run: Run, base: Path, tmp_path: Path) -> None:
    adapted(base, tmp_path / "dora", KINDS["dora"])
    workspace = tmp_path / "workspace"
    add = ("-w", workspace, "models", "add", "mine", base, "--adapter", tmp_path / "dora")
    line = one_line(run(*add))
    assert "DoRA" in line
    assert f"feilun models export BASE --adapter {tmp_path / 'dora'} --gguf q8_0" in line
    assert f"--adapter {tmp_path / 'dora'}" in one_line(run(*add, FEILUN_LANG="zh"))
    (tmp_path / "dora" / lora_files.CONFIG).write_text("{")
    assert "adapter.gguf" in one_line(run(*add))
    assert not (workspace / "models.json").exists()
