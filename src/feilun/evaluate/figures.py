"""Means of scores with intervals, and how two models differ on the same items. Unscorable items are counted apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist, fmean, stdev

from pydantic import BaseModel

from feilun.evaluate.paired import Paired
from feilun.evaluate.report import wilson

Scores = Mapping[str, float | None]
"""By the item's id; 0 to 1, None is unscorable."""


class Figure(BaseModel):
    """The mean of some scores; ``mean`` and ``interval`` (of 95 %) are None where nothing could be scored."""

    mean: float | None
    interval: tuple[float, float] | None
    scored: int
    unscorable: int

    @classmethod
    def of(cls, scores: Iterable[float | None]) -> Figure:
        """Wilson's interval where all scores are 0 or 1, else Student's."""
        every = list(scores)
        known = [score for score in every if score is not None]
        missing = len(every) - len(known)
        if not known:
            return cls(mean=None, interval=None, scored=0, unscorable=missing)
        if _binary(known):
            interval = wilson(round(sum(known)), len(known))
        else:
            low, high = mean_interval(known)
            interval = (max(0.0, low), min(1.0, high))
        return cls(mean=fmean(known), interval=interval, scored=len(known), unscorable=missing)


class Difference(BaseModel):
    """One model's scores minus another's, over the items that both could be scored on."""

    before: str
    after: str
    scorer: str
    difference: float
    """-1 to 1."""
    interval: tuple[float, float]
    """Of 95 %."""
    won: int
    """Items on which ``after`` scores higher."""
    lost: int
    scored: int

    @classmethod
    def of(cls, names: tuple[str, str], scorer: str, before: Scores, after: Scores) -> Difference | None:
        """Tango's interval (`Paired`) where all scores are 0 or 1, else Student's; None if no item is scored in both."""
        pairs = [
            (old, new) for item, old in before.items() if (new := after[item]) is not None and old is not None
        ]
        if not pairs:
            return None
        changes = [new - old for old, new in pairs]
        if _binary([score for pair in pairs for score in pair]):
            paired = Paired.of(_passed(before), _passed(after))
            mean, interval = paired.difference, paired.interval()
        else:
            mean, (low, high) = fmean(changes), mean_interval(changes)
            interval = (max(-1.0, low), min(1.0, high))
        return cls(
            before=names[0],
            after=names[1],
            scorer=scorer,
            difference=mean,
            interval=interval,
            won=sum(change > 0 for change in changes),
            lost=sum(change < 0 for change in changes),
            scored=len(pairs),
        )


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean; without end where there is only one value."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with so many degrees of freedom (at least 1).

    Exact for 1 and 2, above them the expansion 26.7.5 of Abramowitz and Stegun, "Handbook of Mathematical Functions":
    within 0.004 of the truth.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = NormalDist().inv_cdf(0.975)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def _binary(scores: Iterable[float]) -> bool:
    return all(score in (0, 1) for score in scores)


def _passed(scores: Scores) -> dict[str, bool | None]:
    return {item: None if score is None else score == 1 for item, score in scores.items()}
