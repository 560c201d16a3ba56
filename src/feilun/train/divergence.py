"""When a run has diverged: what its losses say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median

SPIKE_NATS, SPIKE_STEPS, SPIKE_AFTER = 2.0, 5, 20
"""A run has diverged when the mean loss of so many steps is so much above the median of as many before them. One step
says little: a micro-batch of a few short answers is easily two nats above the others. Before there are so many, twice as much
above the first loss is what counts."""

LEAP_TIMES, LEAP_NATS = 3.0, 30.0
"""Of the first steps one is enough whose loss is so many times the first one's and so much more: a model that has not learnt
anything yet is at ln(vocabulary), some twelve nats."""

SEEN = SPIKE_AFTER + SPIKE_STEPS
"""So many last losses are looked at."""


def _limit(losses: Sequence[float]) -> float:
    """Above what a loss is too high, by those before the last steps."""
    before = losses[:-SPIKE_STEPS]
    return median(before) + SPIKE_NATS if len(before) == SPIKE_AFTER else losses[0] + 2 * SPIKE_NATS


def spiked(losses: Sequence[float]) -> bool:
    """Whether a run with these losses, the last ones of all, has diverged."""
    if len(losses) > SPIKE_STEPS:
        return mean(losses[-SPIKE_STEPS:]) > _limit(losses)
    return losses[-1] > LEAP_TIMES * abs(losses[0]) + LEAP_NATS


def high(losses: Sequence[float]) -> bool:
    """Whether it may be about to: the last loss is too high, or the mean of the last ones."""
    now = losses[1:][-SPIKE_STEPS:]
    return bool(now) and max(now[-1], mean(now)) > _limit(losses)


def steps_ago(losses: Sequence[float]) -> int:
    """How many steps before the last one the losses began to be too high; 0 for one that is suddenly no number."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not high(finite):
        return 0
    limit, now = _limit(finite), finite[1:][-SPIKE_STEPS:]
    first = next(place for place, loss in enumerate(now) if loss > limit)
    return len(now) - 1 - first + len(losses) - len(finite)
