"""What a run leaves: a folder that says what it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from feilun.jobs import Job
from feilun.train.recipe import Recipe
from feilun.workspace import Manifest, new_artifact, sha256_file


def publish(
    folder: Path,
    kind: Literal["model", "adapter", "reward"],
    write: Callable[[Path], None],
    *,
    weights: str,
    parents: list[str],
    recipe: Recipe,
    figures: dict[str, Any],
    job: Job,
) -> None:
    """Have ``write`` fill a new artifact, which takes the name ``folder`` when it is whole; its id is the hash of its ``weights`` file."""
    with new_artifact(folder) as draft:
        write(draft)
        files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        manifest = Manifest(
            kind=kind,
            id=files[weights],
            name=recipe.name,
            parents=parents,
            recipe=recipe.model_dump(mode="json"),
            files=files,
            figures=figures,
        )
        manifest.write(draft)
    job.emit("artifact", path=str(folder), id=manifest.id, **figures)
