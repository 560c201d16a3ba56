"""Two releases on the same prompts: how much better or worse one is, and how sure that is.

Most prompts end alike with both releases, and only the others tell them apart. Paired, they show a difference that two
separate pass rates hide in the spread between easy and hard prompts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, fmean, stdev
from typing import TypeVar

T = TypeVar("T", bound=float)

MARGIN = 0.08
"""The drop in the share of passed prompts that a gate lets pass, unless told otherwise."""

Results = Mapping[str, bool | None]
"""By the prompt's id: it passed, it failed, or (None) could not be scored."""

Shares = Mapping[str, float | None]
"""The same of prompts that may have been asked several times: the share that passed, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Paired:
    """How many prompts ended how, before and after: whole numbers, unless some were asked several times.

    Raises `ValueError` for counts that cannot be, or all of them 0.
    """

    both: float
    """Passed before and after."""
    won: float
    """Pass only after."""
    lost: float
    """Passed only before."""
    neither: float

    def __post_init__(self) -> None:
        if min(self.both, self.won, self.lost, self.neither) < 0 or self.n == 0:
            raise ValueError(f"nothing to compare: {self}")

    @classmethod
    def of(cls, before: Results, after: Results) -> Paired:
        """Count two releases' results. A prompt that could not be scored in one of them counts in neither.

        Raises `ValueError` if they are of different prompts, or no prompt is left.
        """
        pairs = list(zip(*_scored([before, after]), strict=True))
        return cls(
            both=pairs.count((True, True)),
            won=pairs.count((False, True)),
            lost=pairs.count((True, False)),
            neither=pairs.count((False, False)),
        )

    @classmethod
    def of_shares(cls, before: Shares, after: Shares) -> Paired:
        """The same of shares. `won` and `lost` are those of a table of whole changes with the same sum and the same sum of
        squares, which are what the tests and intervals go by: a prompt that passes every second time says less than one
        that always did, and with shares of 0 and 1 alone this is `of`.
        """
        pairs = list(zip(*_scored([before, after]), strict=True))
        change = math.fsum(new - old for old, new in pairs)
        squares = max(math.fsum((new - old) ** 2 for old, new in pairs), abs(change))
        won, lost = (squares + change) / 2, (squares - change) / 2
        both = min(max(math.fsum(new for _, new in pairs) - won, 0), len(pairs) - won - lost)
        return cls(both=both, won=won, lost=lost, neither=max(len(pairs) - both - won - lost, 0))

    @property
    def n(self) -> int:
        """Prompts compared."""
        return round(self.both + self.won + self.lost + self.neither)

    @property
    def difference(self) -> float:
        """Share that passes after, minus share that passed before: -1 to 1."""
        return (self.won - self.lost) / self.n

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Tango's score interval of the difference; ``level``: how often such intervals hold the truth, 0 to 1.

        Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
        paired-sample design", Statistics in Medicine 17 (1998), 891-908. Chosen over Newcombe's method 10 because it
        turns round the very test by which non-inferiority is judged, and needs the discordant counts and n only.
        With no discordant prompt it still has a width, where the usual d ± z·SE would be [0, 0].
        """
        z = _quantile((1 + level) / 2)
        return self._bound(z), -self._mirrored()._bound(z)

    def non_inferior(self, margin: float = MARGIN, level: float = 0.95) -> bool:
        """Whether the drop is surely smaller than ``margin`` (a share, 0 to 1).

        ``level`` is one-sided, as a drop is all that is feared: at 0.95, a release that is worse by just the margin
        passes about 1 time in 20. It is the lower end of the two-sided 90 % `interval` that must lie above -margin.
        """
        if not 0 <= margin <= 1:
            raise ValueError(f"a margin of {margin}")
        return self._bound(_quantile(level)) > -margin

    @property
    def p_better(self) -> float:
        """Chance of at least so many wins among the discordant prompts if both releases were equally good.

        The exact one-sided test of Q. McNemar, "Note on the sampling error of the difference between correlated
        proportions or percentages", Psychometrika 12 (1947): then each is won with probability 1/2.
        """
        return _sign_test(math.floor(self.won), math.ceil(self.lost))

    @property
    def p_worse(self) -> float:
        """The same of the losses."""
        return _sign_test(math.floor(self.lost), math.ceil(self.won))

    def _mirrored(self) -> Paired:
        return Paired(self.both, self.lost, self.won, self.neither)

    def _bound(self, z: float) -> float:
        """The lower end: the difference below which the score statistic exceeds ``z`` standard deviations."""

        def plausible(difference: float) -> bool:
            return self.won - self.lost - self.n * difference <= z * math.sqrt(self._variance(difference))

        return _first(plausible, -1.0, self.difference)

    def _variance(self, difference: float) -> float:
        """That of won - lost if the true difference were this, with the likeliest rate of losses under it."""
        a = 2 * self.n
        b = (a - self.won + self.lost) * difference - self.won - self.lost
        c = -self.lost * difference * (1 - difference)
        losing = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        return self.n * max(0.0, 2 * losing + difference * (1 - difference))


@dataclass(frozen=True, slots=True)
class Noise:
    """How much releases differ that should not: the same training from different seeds, asked the same prompts."""

    runs: int
    n: int
    """Prompts that could be scored in every run."""
    discordant: float
    """Share of prompts that end differently in two runs, the mean over all pairs of runs."""
    sd: float
    """Standard deviation of the pass rate between runs (divided by runs - 1)."""

    @classmethod
    def of(cls, runs: Sequence[Results]) -> Noise:
        """Measure it. Raises `ValueError` for fewer than 2 runs, different prompts, or none that all could score."""
        if len(runs) < 2:
            raise ValueError(f"noise of {len(runs)} runs: it takes 2 to differ")
        passed = _scored(runs)
        return cls(
            runs=len(runs),
            n=len(passed[0]),
            discordant=fmean(
                fmean(x != y for x, y in zip(one, other, strict=True))
                for one, other in combinations(passed, 2)
            ),
            sd=stdev(fmean(run) for run in passed),
        )

    def span(self, level: float = 0.95, n: int | None = None) -> float:
        """How far apart the pass rates of two such runs are, at most, with chance ``level``: a share of the prompts, or of
        ``n`` of them.

        If each prompt falls by itself, the variance of the difference is ``discordant / n``: the mean of 2p(1 - p), by
        which two runs of a prompt with pass rate p differ, over n. A seed that makes a run better or worse as a whole
        shows in ``sd`` only, and in the difference of two runs as sqrt(2) of it. The larger counts.
        """
        return _quantile((1 + level) / 2) * max(
            math.sqrt(self.discordant / (n or self.n)), math.sqrt(2) * self.sd
        )


def smallest_effect(n: int, discordant_rate: float, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest drop that ``n`` prompts show: it makes `Paired.p_worse` at most ``alpha`` with chance ``power``.

    ``discordant_rate``: share of prompts that end differently between equally good releases (`Noise.discordant`). Half
    of them are won and half lost, and those of the drop are lost besides. The power of the exact test is summed, not
    approximated. A drop is a share of prompts, found to 4 decimals; None if not even the largest possible would show.
    Raises `ValueError` for arguments that cannot be.
    """
    if n < 1 or not (0 <= discordant_rate <= 1 and 0 < power < 1 and 0 < alpha < 1):
        raise ValueError(f"{n} prompts, {discordant_rate} discordant, power {power}, alpha {alpha}")
    needed = _losses_needed(n, alpha)

    def shows(drop: float) -> bool:
        differ = discordant_rate + drop
        losing = (discordant_rate / 2 + drop) / differ if differ else 0.5
        chance = 0.0
        for m in range(n + 1):
            if (weight := _binomial(m, n, differ)) > 1e-9:
                chance += weight * math.fsum(_binomial(k, m, losing) for k in range(needed[m], m + 1))
        return chance >= power

    largest = 1 - discordant_rate
    return round(_first(shows, 0.0, largest, 1e-5), 4) if shows(largest) else None


def _scored(runs: Sequence[Mapping[str, T | None]]) -> list[list[T]]:
    """The runs' results, in one order, of the prompts that could be scored in all of them."""
    for run in runs[1:]:
        if strange := sorted(run.keys() ^ runs[0].keys()):
            raise ValueError(f"not the same prompts: {', '.join(strange[:3])} ({len(strange)} in all)")
    rows = [[run[prompt] for run in runs] for prompt in runs[0]]
    scored = [[result for result in row if result is not None] for row in rows if None not in row]
    if not scored:
        raise ValueError(f"none of {len(rows)} prompts could be scored in all {len(runs)} runs")
    return [list(column) for column in zip(*scored, strict=True)]


def _quantile(level: float) -> float:
    """Of the normal distribution; below 0.5 a bound would lie on the wrong side of the estimate."""
    if not 0.5 < level < 1:
        raise ValueError(f"a one-sided level of {level}")
    return NormalDist().inv_cdf(level)


def _first(holds: Callable[[float], bool], low: float, high: float, within: float = 1e-12) -> float:
    """Where ``holds``, true at ``high``, begins to hold, by bisection."""
    while high - low > within:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _sign_test(heads: int, tails: int) -> float:
    """Chance of at least so many heads in as many throws of a coin; whole numbers up to the one division."""
    k, m = heads, heads + tails
    return sum(math.comb(m, i) for i in range(k, m + 1)) / 2**m


def _losses_needed(n: int, alpha: float) -> list[int]:
    """For each number m of discordant prompts up to ``n``: the fewest losses that the sign test calls a drop.

    It is m + 1 where not even m losses are enough. One prompt more needs no loss more or one; ``tail`` of 2**m
    outcomes have so many.
    """
    needed, tail = [1], 0
    for m in range(1, n + 1):
        losses = needed[-1]
        tail = 2 * tail + math.comb(m - 1, losses - 1)
        if tail / 2**m > alpha:
            tail -= math.comb(m, losses)
            losses += 1
        needed.append(losses)
    return needed


def _binomial(k: int, n: int, p: float) -> float:
    """Chance of exactly ``k`` of ``n``, each with probability ``p``."""
    if p in (0, 1):
        return float(k == n * p)
    choices = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(choices + k * math.log(p) + (n - k) * math.log1p(-p))
