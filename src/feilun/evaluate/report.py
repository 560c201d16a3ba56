"""Pass rates of graded answers, with the uncertainty that so few of them leave."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

from pydantic import BaseModel, computed_field


class Graded(BaseModel):
    """An answer and what became of it."""

    id: str
    lang: str
    topic: str
    answer: str
    ended: bool
    seconds: float
    checked: list[str]
    """Kinds of checks."""
    failed: list[str]
    """Those of them that it does not pass."""


class Rate(BaseModel):
    """How many of how many passed."""

    passed: int
    total: int

    @computed_field
    @property
    def rate(self) -> float:
        """Share that passed, 0 to 1."""
        return self.passed / self.total

    @computed_field
    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share."""
        return wilson(self.passed, self.total)


def wilson(passed: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share; ``z``: 97.5 % quantile of the normal distribution, for 95 %.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927). The
    usual p ± z·sqrt(p(1-p)/n) would be [1, 1] where all of 7 pass.
    Raises `ValueError` for counts that cannot be.
    """
    if not 0 <= passed <= total or total == 0:
        raise ValueError(f"{passed} of {total}")
    share, unsure = passed / total, z * z / total
    centre = (share + unsure / 2) / (1 + unsure)
    half = z * math.sqrt(share * (1 - share) / total + unsure / (4 * total)) / (1 + unsure)
    # At the ends the formula gives 0 and 1 exactly; floating point does not.
    return (
        0.0 if passed == 0 else max(0.0, centre - half),
        1.0 if passed == total else min(1.0, centre + half),
    )


class Report(BaseModel):
    """All graded answers; the rates are computed from them."""

    answers: list[Graded]

    @computed_field
    @property
    def all(self) -> Rate:
        return rate(self.answers)

    @computed_field
    @property
    def by_topic(self) -> dict[str, Rate]:
        return self.rates(lambda answer: answer.topic)

    @computed_field
    @property
    def by_language(self) -> dict[str, Rate]:
        return self.rates(lambda answer: answer.lang)

    @computed_field
    @property
    def by_check(self) -> dict[str, Rate]:
        """Of the answers that a kind of check was made of, those that passed it; ``ends`` and ``language`` are of all."""
        made: dict[str, list[bool]] = defaultdict(list)
        for answer in self.answers:
            for kind in answer.checked:
                made[kind].append(kind not in answer.failed)
        return {kind: Rate(passed=sum(held), total=len(held)) for kind, held in made.items()}

    def rates(self, key: Callable[[Graded], str]) -> dict[str, Rate]:
        """The rate of each group, in the order in which the groups appear."""
        groups: dict[str, list[Graded]] = defaultdict(list)
        for answer in self.answers:
            groups[key(answer)].append(answer)
        return {name: rate(answers) for name, answers in groups.items()}


def rate(answers: Iterable[Graded]) -> Rate:
    """How many of them pass all their checks."""
    passed = [not answer.failed for answer in answers]
    return Rate(passed=sum(passed), total=len(passed))
