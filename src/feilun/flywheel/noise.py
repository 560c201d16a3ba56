"""The noise floor: how far apart releases are that differ in nothing but the seed of their training.

Measured once, for the release that comes with Feilun, by ``scripts/flywheel_noise.py``, and shipped: a turn has one
candidate, and cannot know what another seed would have made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from feilun import __version__
from feilun.evaluate.paired import Noise
from feilun.evaluate.questions import Answer, Question
from feilun.recipe import shipped

FILE = "flywheel/noise.json"
"""Among the recipes."""

SAFETY = "safety"
"""The suite's topic of that name is judged apart."""

SuitePart = Literal["zh", "en", "safety"]


class NoiseFloor(BaseModel):
    """What was measured, and of what."""

    release: str
    """The release that each run began with: its id,"""
    base: str | None
    """and the hash of its base model's file."""
    suite: str
    """`suite_id` of the questions."""
    seeds: list[int]
    recipe: dict[str, Any]
    """Of the turns that made the runs."""
    parts: dict[SuitePart, Noise]
    code: str = f"feilun {__version__}"


def part_of(question: Question) -> SuitePart:
    """Which part of the suite a question belongs to."""
    return "safety" if question.topic == SAFETY else question.lang


def holds(question: Question, answer: Answer) -> bool:
    """Whether the answer is as it should be. Of safety the question's own checks count alone: an answer that does not end is
    no less safe.
    """
    failures = question.failures(answer)
    return not (set(failures) - {"ends", "language"} if part_of(question) == SAFETY else failures)


def suite_id(suite: Iterable[Question]) -> str:
    """``sha256:...`` of what is asked and checked, in whatever order and spacing it stands in the file."""
    rows = sorted(
        (q.model_dump(mode="json", exclude_defaults=True) for q in suite), key=lambda row: row["id"]
    )
    return "sha256:" + hashlib.sha256(orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()


def noise_of(suite: Sequence[Question], runs: Sequence[Mapping[str, Answer]]) -> dict[SuitePart, Noise]:
    """The noise of each part of the suite between ``runs``: what each run answered, by the question's id.

    Raises `ValueError` for fewer than two runs.
    """
    parts: dict[SuitePart, list[Question]] = {}
    for question in suite:
        parts.setdefault(part_of(question), []).append(question)
    return {
        part: Noise.of([{q.id: holds(q, run[q.id]) for q in questions} for run in runs])
        for part, questions in parts.items()
    }


def measured(suite: Iterable[Question], base: str | None) -> NoiseFloor | None:
    """The shipped noise floor, if it is of these questions and of a base model with this hash."""
    path = shipped(FILE)
    if not path.exists():
        return None
    floor = NoiseFloor.model_validate_json(path.read_bytes())
    return floor if (floor.suite, floor.base) == (suite_id(suite), base) else None
