"""Answers on disk as they come: an evaluation that is killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from feilun.evaluate.questions import Answer


class Given(BaseModel):
    """What a model answered, or the error that is there in its place."""

    texts: list[str] = Field(default_factory=list[str])
    """One for each turn; the last is the answer."""
    ended: bool = False
    seconds: float = 0
    error: str | None = None

    @property
    def answer(self) -> Answer:
        *earlier, text = self.texts or [""]
        return Answer(text, self.ended, tuple(earlier))


class _Line(Given):
    key: str


class Kept:
    """The answers in one file of JSON lines, by key; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._answers: dict[str, Given] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if lines and not lines[-1].endswith(
            b"\n"
        ):  # a kill cut it off; what follows must not stand behind it
            with path.open("ab") as file:
                file.write(b"\n")
        for line in lines:
            try:
                read = _Line.model_validate_json(line)
            except ValidationError:
                continue
            self._answers[read.key] = Given.model_validate(read.model_dump(exclude={"key"}))

    def get(self, key: str) -> Given | None:
        return self._answers.get(key)

    def add(self, key: str, given: Given) -> None:
        """Keep an answer. One with an error is not kept: the next run asks again."""
        if given.error is not None:
            return
        line = _Line(key=key, **given.model_dump()).model_dump_json() + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            self._answers[key] = given


class Unfinished:
    """The kept answers of an evaluation, a file in ``folder`` for each model with its settings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[Path] = []

    def of(self, *what: object) -> Kept:
        """The answers to exactly this: model, release, settings."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{digest(*what)[:24]}.jsonl"
        self._opened.append(path)
        return Kept(path)

    def forget(self) -> None:
        """Remove them, once they are in a report."""
        for path in self._opened:
            path.unlink(missing_ok=True)


def digest(*what: object) -> str:
    """Hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(what, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
