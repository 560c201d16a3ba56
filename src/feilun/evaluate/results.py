"""What an evaluation found: every item with every model's answer and scores; the figures are computed from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

from pydantic import BaseModel, Field, computed_field

from feilun.evaluate.figures import Difference, Figure
from feilun.evaluate.item import Score
from feilun.evaluate.kept import Given
from feilun.evaluate.questions import Message


class ModelName(BaseModel):
    """A model as it was asked for, and the release that the name stood for."""

    name: str
    release: str | None = None


class Result(Given):
    """A model's answer to an item, and its scores by scorer."""

    scores: dict[str, Score] = Field(default_factory=dict[str, Score])


class ItemResult(BaseModel):
    """An item and its answers, one for each model in their order."""

    id: str
    language: str
    topic: str
    messages: list[Message]
    more: list[str]
    targets: list[str]
    choices: list[str]
    results: list[Result]


class ModelFigures(BaseModel):
    """A model's figures, by scorer, and by scorer and group."""

    all: dict[str, Figure]
    by_language: dict[str, dict[str, Figure]]
    by_topic: dict[str, dict[str, Figure]]
    by_topic_and_language: dict[str, dict[str, Figure]]
    """``topic (language)``; of items that have both."""
    errors: int
    """Items the server failed on; they are unscorable."""


class Results(BaseModel):
    """An evaluation. The first of ``scorers`` is the main one."""

    name: str
    task: dict[str, Any]
    files: dict[str, str]
    """File name -> ``sha256:...`` of what was read."""
    models: list[ModelName]
    judge: str | None = None
    scorers: list[str]
    total: int
    """Items of the data set, of which ``items`` were drawn."""
    created: str
    seconds: float
    code: str
    items: list[ItemResult]

    @computed_field
    @property
    def figures(self) -> list[ModelFigures]:
        """In the order of the models."""
        return [self._figures(model) for model in range(len(self.models))]

    @computed_field
    @property
    def differences(self) -> list[Difference]:
        """Of each pair of models, the later minus the earlier, by every scorer."""
        found = [
            Difference.of(
                (self.models[one].name, self.models[other].name),
                scorer,
                self.scores(one, scorer),
                self.scores(other, scorer),
            )
            for one, other in combinations(range(len(self.models)), 2)
            for scorer in self.scorers
        ]
        return [difference for difference in found if difference is not None]

    def scores(self, model: int, scorer: str) -> dict[str, float | None]:
        """A model's scores by item; None is unscorable."""
        return {item.id: score_of(item.results[model], scorer).value for item in self.items}

    def _figures(self, model: int) -> ModelFigures:
        def groups(key: Callable[[ItemResult], str]) -> dict[str, dict[str, Figure]]:
            names = dict.fromkeys(key(item) for item in self.items if key(item))
            return {name: whole(item for item in self.items if key(item) == name) for name in names}

        def whole(items: Iterable[ItemResult]) -> dict[str, Figure]:
            results = [item.results[model] for item in items]
            return {
                scorer: Figure.of(score_of(result, scorer).value for result in results)
                for scorer in self.scorers
            }

        return ModelFigures(
            all=whole(self.items),
            by_language=groups(lambda item: item.language),
            by_topic=groups(lambda item: item.topic),
            by_topic_and_language=groups(
                lambda item: f"{item.topic} ({item.language})" if item.topic and item.language else ""
            ),
            errors=sum(item.results[model].error is not None for item in self.items),
        )


def score_of(result: Result, scorer: str) -> Score:
    """The score, unscorable where there is none."""
    return result.scores.get(scorer) or Score(value=None, note=result.error or "")
