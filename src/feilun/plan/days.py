"""The time of a run: if nothing fails, as expected, of the whole programme, and the interval."""

from __future__ import annotations

from pydantic import BaseModel

from feilun.plan.goodput import PROGRAMME, goodput
from feilun.plan.throughput import Speed

LARGEST_RUN = 16_384
"""Devices of the largest run that the prior has learnt from."""

LEAST_GOODPUT = 1e-3
"""A cluster that gets nowhere gets there in a thousand times its time: a figure to be seen as absurd."""


class Days(BaseModel):
    ideal: float
    """Nothing fails."""
    expected: float
    """With stops and restarts."""
    programme: float
    """With the runs that come before the final one."""
    low: float
    high: float
    """Eight of ten runs take between these, ``high / low`` is at most 3."""


def days_of(useful_flops: float, speed: Speed, count: float) -> Days:
    """So many operations on ``count`` devices of this speed."""
    measured = useful_flops / (speed.tflops * 1e12 * count) / 86400
    # A speed that was given is of steps. What runs that were published teach holds their stops already, as far as they went.
    ideal = measured if speed.known else measured * goodput(min(count, LARGEST_RUN))
    expected = ideal / max(goodput(count), LEAST_GOODPUT)
    high = expected * speed.high
    low = max((ideal if speed.known else expected) * speed.low, high / 3)
    return Days(ideal=ideal, expected=expected, programme=expected * PROGRAMME, low=low, high=high)
