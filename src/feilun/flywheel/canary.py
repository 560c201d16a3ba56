"""How a canary does, by the thumbs on its answers and on those of the present release; and what follows from it.

The votes are counted anew each time they are looked at: they are in the store, and so is all that the test knows. A
canary that is found worse is withdrawn, one that is found better takes over, and so does one that was not found worse,
if it has gathered its `Canary.votes`, the present release as many, and its share of thumbs up is no more than `MARGIN`
below. Otherwise it waits, for more votes or for somebody's decision.

**How sure.** With the defaults (40 votes, alpha 0.05), and 80% of the thumbs on the present release's answers up, so many
of 400 simulated canaries were withdrawn; all others took over:

======  ================  ======  ======  ======  ======
share   as good (80% up)  70% up  60% up  50% up  40% up
======  ================  ======  ======  ======  ======
0.1     3%                27%     84%     99%     100%
0.25    3%                27%     81%     99%     100%
0.5     2%                24%     73%     96%     100%
======  ================  ======  ======  ======  ======

Of ten that were as good nine had come to their end by 40 votes of their own (53, if half of the conversations were
theirs), and of those with 60% up by 62 to 112. A small share finds more by the same number of the canary's votes, and
needs as many more answers for them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

from feilun.evaluate.sequential import Comparison
from feilun.flywheel.promote import end_canary
from feilun.registry import Canary, Registry, Release
from feilun.store import LOCAL_OWNER, Store
from feilun.store.votes import Vote, votes
from feilun.text import FeilunError

_DAY_MS = 24 * 3600 * 1000

Outcome = Literal["take_over", "withdraw"]
Waits = Literal["votes", "present_votes", "share"]

MARGIN = Fraction(1, 10)
"""By how much the canary's share of thumbs up may be below the present release's when it takes over by its votes alone."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Thumbs on one arm's answers."""

    up: int
    down: int

    @property
    def votes(self) -> int:
        return self.up + self.down

    @property
    def share_up(self) -> Fraction:
        """There has to be a vote."""
        return Fraction(self.up, self.votes)


@dataclass(frozen=True, slots=True)
class Standing:
    """A canary and the evidence about it so far."""

    canary: Canary
    present: Release
    """The release it is compared with."""
    own: Tally
    other: Tally
    """The present release's."""
    capped: int
    """Votes that did not count, because one person has only so many in a day."""
    comparison: Comparison

    @property
    def outcome(self) -> Outcome | None:
        """What the votes decide; None: nothing yet."""
        verdict = self.comparison.verdict(self.canary.alpha)
        if verdict == "worse":
            return "withdraw"
        return "take_over" if verdict == "better" or self.waits_for is None else None

    @property
    def waits_for(self) -> Waits | None:
        """What it still lacks to take over without being found better; None: nothing.

        The test alone would not do: it bets only where votes of both arms meet, so a canary that has gathered nothing
        but thumbs down, beside a present release that has none, or all of them earlier, is found neither better nor
        worse. The present release needs as many votes as the canary. It has half of the conversations at least, so they
        come about as soon.
        """
        if self.own.votes < self.canary.votes:
            return "votes"
        if self.other.votes < self.canary.votes:
            return "present_votes"
        return "share" if self.own.share_up < self.other.share_up - MARGIN else None

    def report(self) -> dict[str, Any]:
        """For JSON."""
        canary = self.canary
        return {
            "model": canary.release.name,
            "release": canary.release.id,
            "present": self.present.id,
            "turn": canary.turn,
            "share": canary.share,
            "since_ms": canary.since_ms,
            "votes_needed": canary.votes,
            "waits_for": self.waits_for,
            "votes": {"canary": asdict(self.own), "present": asdict(self.other), "capped": self.capped},
            "evidence": {
                "worse": self.comparison.e_worse,
                "better": self.comparison.e_better,
                "needed": 1 / canary.alpha,
            },
        }


def standing(registry: Registry, store: Store, name: str) -> Standing | None:
    """How the canary of ``name`` does; None if there is none. Raises `FeilunError` (404) for an unknown model."""
    present, canary = registry.serving(name)
    if canary is None:
        return None
    releases = (present.id, canary.release.id)
    with store.reading() as session:
        found = votes(session, name, releases, canary.since_ms)
    counted = capped(found, canary.per_user, canary.since_ms)
    own, other = (
        [vote.good for vote in counted if (vote.release == canary.release.id) is mine]
        for mine in (True, False)
    )
    return Standing(
        canary,
        present,
        Tally(sum(own), len(own) - sum(own)),
        Tally(sum(other), len(other) - sum(other)),
        len(found) - len(counted),
        Comparison.of((vote.release == canary.release.id, vote.good) for vote in counted),
    )


def capped(found: Iterable[Vote], per_user: int, since_ms: int) -> list[Vote]:
    """The votes that count: of one person, the local owner aside, the first ``per_user`` of a day.

    Of both arms together: if somebody strict used up their votes on one arm and went on voting on the other, that one
    would look worse than it is. Days are counted from ``since_ms``, the canary's begin.
    """
    given: Counter[tuple[str, int]] = Counter()
    kept: list[Vote] = []
    for vote in found:
        whose = vote.user, math.floor((vote.at_ms - since_ms) / _DAY_MS)
        given[whose] += 1
        if vote.user == LOCAL_OWNER or given[whose] <= per_user:
            kept.append(vote)
    return kept


def check(registry: Registry, store: Store) -> list[tuple[Standing, Outcome]]:
    """Do what the votes decide, for each canary of the workspace; gives what was done.

    May run in several processes at once: a canary ends once.
    """
    done: list[tuple[Standing, Outcome]] = []
    for canary in registry.canaries():
        now = standing(registry, store, canary.release.name)
        if now is None or (outcome := now.outcome) is None:
            continue
        if end_canary(registry, store, now.canary, take_over=outcome == "take_over", by_votes=True):
            done.append((now, outcome))
    return done


def running(registry: Registry, name: str) -> Canary:
    """The canary of ``name``. Raises `FeilunError`: 404 for an unknown model, 409 if it has none."""
    canary = registry.serving(name)[1]
    if canary is None:
        raise FeilunError(f"{name} has no canary.", f"{name} 没有灰度版本。", status=409, code="no_canary")
    return canary
