"""Hugging Face folders on the way from one form of a model to another: of a GGUF file, of a base and its adapter."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from feilun.registry.gguf import read_header
from feilun.workspace import MANIFEST, Manifest, sha256_file, stages

if TYPE_CHECKING:
    from feilun.model.config import ModelConfig


class _AdapterConfig(BaseModel):
    """What is asked of an ``adapter_config.json`` where PyTorch is not needed; `feilun.model.lora_files` reads it all."""

    use_dora: bool = False


def is_dora(folder: Path) -> bool:
    """Whether a folder says that it holds a DoRA adapter."""
    try:
        return _AdapterConfig.model_validate_json((folder / "adapter_config.json").read_bytes()).use_dora
    except (OSError, ValidationError):  # whoever loads it will say so
        return False


def unpack(file: Path, folder: Path, template: str | None, name: str) -> ModelConfig:
    """Write a GGUF file into the existing ``folder``, with a manifest that calls it ``name``.

    Raises `FeilunError` as `import_gguf` does.
    """
    from feilun.model.gguf import import_gguf

    header = read_header(file)
    config = import_gguf(file, folder, template)
    figures: dict[str, object] = {"gguf": file.name, "params": config.params}
    _describe(folder, name, "models import", [sha256_file(file)], figures, header.license)
    return config


@contextlib.contextmanager
def unpacked(base: Path, template: str | None, out: Path) -> Generator[Path]:
    """The folder of a model; that of a GGUF file lies beside ``out`` and is gone when the block ends.

    ``template`` takes the place of the file's own chat template. Raises `FeilunError` as `unpack` does.
    """
    if base.is_dir():
        yield base
        return
    with _room_beside(out) as room:
        folder = room / base.stem
        folder.mkdir()
        unpack(base, folder, template, base.stem)
        yield folder


@contextlib.contextmanager
def merged(folder: Path, adapter: Path | None, out: Path, *, base: Path) -> Generator[Path]:
    """The folder of a model with an adapter in its weights, in float32, beside ``out`` until the block ends; without an
    adapter the model's own ``folder``.

    ``adapter``: a folder of PEFT's or of ``feilun train``, or a GGUF file. ``base``: what ``folder`` was unpacked from, or
    itself. Raises `FeilunError`, before anything is written, if one of the two cannot be read or they do not fit.
    """
    if adapter is None:
        yield folder
        return
    from feilun.model import checkpoint
    from feilun.model.lora import merge
    from feilun.model.lora_files import load_adapter
    from feilun.model.tokenizer import Tokenizer

    adapter = _adapter_at(adapter)
    model, tokenizer = checkpoint.load(folder), Tokenizer.load(folder)
    load_adapter(model, adapter)
    merge(model)
    name = out.name.removesuffix(".gguf")
    with _room_beside(out) as room:
        draft = room / name
        draft.mkdir()
        checkpoint.save(model, draft)
        tokenizer.save(draft)
        license = Manifest.read(folder).license if (folder / MANIFEST).is_file() else None
        figures: dict[str, object] = {"params": model.config.params, "stages": stages(base, adapter)}
        parents = [*_contents(base), *_contents(adapter)]
        _describe(draft, name, "models export", parents, figures, license)
        del model
        yield draft


def _adapter_at(path: Path) -> Path:
    """PEFT's folder, or the GGUF file where a folder holds that alone."""
    file = path / "adapter.gguf"
    return file if file.is_file() and not (path / "adapter_config.json").exists() else path


@contextlib.contextmanager
def _room_beside(out: Path) -> Generator[Path]:
    """A hidden folder on the disk of ``out``: what is only passed on may be larger than the system's folder for that."""
    # Not named as a draft of `new_artifact`, which would sweep it away.
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as room:
        yield Path(room)


def _describe(
    folder: Path,
    name: str,
    command: str,
    parents: list[str],
    figures: dict[str, object],
    license: str | None,
) -> None:
    from feilun.model.served import content_of

    files = {file.name: sha256_file(file) for file in sorted(folder.iterdir())}
    Manifest(
        kind="model",
        id=content_of(folder),
        name=name,
        parents=parents,
        recipe={"command": command},
        files=files,
        figures=figures,
        license=license,
    ).write(folder)


def _contents(path: Path) -> list[str]:
    """The hashes of a model's or an adapter's weights."""
    return [sha256_file(file) for file in (sorted(path.glob("*.safetensors")) if path.is_dir() else [path])]
