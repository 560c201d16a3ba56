"""What failures cost: how often a cluster stops, and which share of its time moves the run on."""

from __future__ import annotations

import math

DEVICE_HOURS_BETWEEN_STOPS = 45_500.0
"""Llama 3's herd: 466 interruptions in 54 days on 16,384 H100s, one in 2.8 hours (arXiv:2407.21783, section 3.3.4)."""

CHECKPOINT_S, RESTART_S = 10.0, 600.0
"""Seconds that a checkpoint holds the run up, written in the background; and until a stopped run goes on. With these the herd's own
goodput comes out as published, above 0.9."""

PROGRAMME, PROGRAMME_HIGH = 2.0, 5.6
"""What a whole programme takes in final runs: BLOOM emitted 50.5 t in all and 24.7 t in training (A. Luccioni et al. 2022), Olmo 3's
other runs were 82% of its energy."""


def stops_per_day(devices: float) -> float:
    """Interruptions a day of a run on so many devices."""
    return 24 * devices / DEVICE_HOURS_BETWEEN_STOPS


def checkpoint_interval_s(devices: float) -> float:
    """The best time between two checkpoints, sqrt(2 C M) (J. Young 1974)."""
    return math.sqrt(2 * CHECKPOINT_S * _between_s(devices))


def goodput(devices: float) -> float:
    """Share of the time in which steps are taken that count.

    Lost are the checkpoints, half an interval for each stop, and the restarts (J. Daly 2006, with each share of the time that
    computes). A cluster that stops faster than it restarts gets nowhere: 0.
    """
    between = _between_s(devices)
    interval = checkpoint_interval_s(devices)
    lost_per_stop = RESTART_S + interval / 2
    working = between / (between + lost_per_stop)
    share = working * interval / (interval + CHECKPOINT_S)
    return share if lost_per_stop < between else 0.0


def _between_s(devices: float) -> float:
    return DEVICE_HOURS_BETWEEN_STOPS * 3600 / devices
