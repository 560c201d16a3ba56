"""The file that a model of our own is served from."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from feilun.model.gguf import Quantisation, export_gguf
from feilun.workspace import MANIFEST, Manifest, new_artifact, sha256_file, stages

_OF_A_MODEL = {".safetensors", ".json", ".jinja", ".model"}


def served_file(folder: Path, name: str, quantisation: Quantisation, models: Path) -> Path:
    """The GGUF file of a Hugging Face folder, made in the folder ``models`` unless it is there already.

    Raises `FeilunError` if the folder holds no model that can be served.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    content = content_of(folder)
    # Another folder under the same name gets a file of its own: a release remembers the hash of its file.
    made = models / f"{stem}-{quantisation}-{content.removeprefix('sha256:')[:12]}"
    file = made / f"{stem}-{quantisation}.gguf"
    if file.exists():
        return file
    parents = [sha256_file(weights) for weights in sorted(folder.glob("*.safetensors"))]
    with new_artifact(made) as draft:
        export_gguf(folder, draft / file.name, quantisation)
        found = sha256_file(draft / file.name)
        Manifest(
            kind="model",
            id=found,
            name=name,
            parents=parents,
            recipe={"gguf": quantisation},
            files={file.name: found},
            figures={"bytes": (draft / file.name).stat().st_size, "stages": stages(folder)},
        ).write(draft)
    return file


def content_of(folder: Path) -> str:
    """The hash of what a Hugging Face folder says of its model: weights, settings, tokenizer, template."""
    files = {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.suffix in _OF_A_MODEL}
    files.pop(MANIFEST, None)
    return "sha256:" + hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
