"""A canary against the present release, by the thumbs of both: a test that may be looked at after every vote.

An ordinary p-value allows one look. Looked at until it is small, it is small in the end whatever the truth. Here each
side of the question has a capital that starts at 1 and bets on every vote. If there is nothing to find, the bets are
fair, and by Ville's inequality a capital ever reaches 1/alpha with probability alpha at most: however long the canary
runs, and whenever one looks (A. Ramdas, P. Grünwald, V. Vovk and G. Shafer, "Game-Theoretic Statistics and Safe
Anytime-Valid Inference", Statistical Science 38 (2023)).

**Blocks.** Votes of one arm are gathered until the first of the other arm, which closes the block; the next vote begins
a new one. So a block is a run of one arm and a single vote of the other, of any length: with a tenth of the traffic, a
canary's vote stands against some ten of the present release, and next to nothing is left out.

**The bet.** That a block of n votes holds s thumbs up is taken as given. If both arms are equally good, each vote is
equally likely to be one of them, so the single vote is up with probability s/n, whatever the share of thumbs up may be.
If the odds of the single vote's arm are r times those of the other arm, it is sr / (sr + n - s). The capital is
multiplied by the ratio of the two, which has the mean 1 if r is really 1, and at most 1 if the arms differ the other way.
This is the e-variable S_cond of Y. Hao, P. Grünwald, T. Lardy, L. Long and R. Adams, "E-values for k-Sample Tests With
Exponential Families", Sankhya A 86 (2024), 596-636, for two Bernoulli streams; it extends what A. Wald did with blocks
of two in "Sequential Analysis" (1947). Blocks, and their product as a test under optional stopping, are as in R. Turner,
A. Ly and P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping",
Journal of Statistical Planning and Inference 230 (2024), 106116. Their own e-variable needs a guess at both shares;
this one only at their odds ratio, and remains exact when the share of thumbs up changes from block to block, as it
does with the hour and the questions.

**How fast.** Where 8 of 10 votes are up, a canary with 4 of 10 is found worse after 110 votes in half of the cases and
after 190 in four of five, if a tenth of the votes are its own; after 45 and 80, if half of them are.

**What it takes on trust.** Votes are independent, so an answer should be counted once and a busy voter not too often.
Which arm answers does not depend on how the votes of the open block went.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

RATIOS = (2.0, 6.0)
"""The odds ratios that the capital is laid on, half on each: a slight and a gross difference (0.8 against 0.67 and 0.4).
A difference in between is found about as fast as if it had been known."""

_LARGEST = 700.0
"""exp of more would be no number that JSON can write."""


def _stakes() -> list[float]:
    return [0.0] * len(RATIOS)


@dataclass(slots=True)
class Comparison:
    """The state of a canary's test. All fields are numbers or lists of them, for ``dataclasses.asdict`` and JSON."""

    votes: int = 0
    run: int = 0
    """Votes of the open block, all of one arm."""
    run_good: int = 0
    """Those of them that are thumbs up."""
    run_canary: bool = False
    """Whose they are; of no meaning while the run is empty."""
    worse: list[float] = field(default_factory=_stakes)
    """Natural logarithm of the capital that bets on a worse canary, as a multiple of its start, for each of `RATIOS`."""
    better: list[float] = field(default_factory=_stakes)
    peak_worse: float = 1.0
    """The largest `e_worse` so far."""
    peak_better: float = 1.0

    @classmethod
    def of(cls, votes: Iterable[tuple[bool, bool]]) -> Comparison:
        """From votes in the order in which they came: (it was the canary's answer, thumb up)."""
        comparison = cls()
        for canary, good in votes:
            comparison.add(canary, good)
        return comparison

    def add(self, canary: bool, good: bool) -> None:
        """Count a vote: on the canary's answer or on one of the present release, thumb up or down."""
        self.votes += 1
        if self.run == 0 or canary == self.run_canary:
            self.run, self.run_good, self.run_canary = self.run + 1, self.run_good + good, canary
            return
        size, ups = self.run + 1, self.run_good + good
        self.run = self.run_good = 0
        if 0 < ups < size:  # else nobody can say whose they are
            for i, ratio in enumerate(RATIOS):
                better = (
                    ratio if canary else 1 / ratio
                )  # the odds of the single vote's arm over those of the run's
                self.better[i] += _log_gain(better, good, ups, size)
                self.worse[i] += _log_gain(1 / better, good, ups, size)
            self.peak_worse = max(self.peak_worse, self.e_worse)
            self.peak_better = max(self.peak_better, self.e_better)

    @property
    def e_worse(self) -> float:
        """Evidence now that the canary has the smaller share of thumbs up: 1 is none, 20 much, below 1 it points away."""
        return _capital(self.worse)

    @property
    def e_better(self) -> float:
        """The same for the larger share."""
        return _capital(self.better)

    def verdict(self, alpha: float = 0.05) -> Literal["worse", "better", "undecided"]:
        """What the evidence has come to; once reached, a verdict stays. Raises `ValueError` unless 0 < ``alpha`` < 1.

        A canary that is as good is called worse with probability ``alpha`` at most, ever; one that is no better is
        called better as seldom. Should both have been reached, the careful one counts.
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha {alpha}")
        if self.peak_worse >= 1 / alpha:
            return "worse"
        return "better" if self.peak_better >= 1 / alpha else "undecided"


def _log_gain(ratio: float, good: bool, ups: int, size: int) -> float:
    """log of what the single vote's probability is if its arm's odds are ``ratio`` times the run's, over that if alike."""
    return math.log((ratio if good else 1.0) * size / (ratio * ups + size - ups))


def _capital(stakes: list[float]) -> float:
    return math.fsum(math.exp(min(stake, _LARGEST)) for stake in stakes) / len(stakes)
