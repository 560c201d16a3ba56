"""Documents before and after their cleaning, for people to look at: a few of each part, picked for variety in the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from feilun.workspace import write_atomically

SHOWN = "samples.json"
"""In a corpus: `Sample` rows."""
PART = 6
"""Of a part, at most,"""
ALL = 24
"""and of a corpus."""
LONGEST = 400
"""Characters of each side, around the first difference."""


class Sample(BaseModel):
    """A place where cleaning changed a document."""

    source: str
    id: str
    title: str
    causes: list[str]
    """What was done to the document."""
    before: str
    after: str


def excerpt(before: str, after: str) -> tuple[str, str]:
    """Both sides from shortly before their first difference on."""
    differ = (place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    start = max(0, next(differ, min(len(before), len(after))) - LONGEST // 8)
    old, new = (text[start : start + LONGEST].encode("utf-8", "replace").decode() for text in (before, after))
    return old, new


def pick(samples: Iterable[Sample]) -> list[Sample]:
    """At most `ALL`: first those with a cause that none before them has."""
    new: list[Sample] = []
    rest: list[Sample] = []
    seen: set[str] = set()
    for sample in samples:
        (rest if seen.issuperset(sample.causes) else new).append(sample)
        seen.update(sample.causes)
    return [*new, *rest][:ALL]


_ROWS = TypeAdapter(list[Sample])


def save(path: Path, samples: Sequence[Sample]) -> None:
    write_atomically(path, as_json(samples))


def as_json(samples: Sequence[Sample]) -> str:
    return json.dumps([one.model_dump() for one in samples], ensure_ascii=False, indent=1)


def load(path: Path) -> list[Sample]:
    return _ROWS.validate_json(path.read_bytes())
