"""What finished runs took, against what was planned for them: the factor for the next plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel

from feilun.jobs import Event, Job, list_jobs
from feilun.plan.facts import Device
from feilun.plan.recipes import of_recipe
from feilun.text import FeilunError

NEWEST = 10
"""Runs that count: machines and code change."""

LEAST_STEPS = 5
"""Of a run that says something; its first step, which warms up, does not count."""


class Outcome(BaseModel):
    """A run and its plan, seconds of steps alone: evaluations and checkpoints are not planned."""

    run: str
    planned_s: float
    taken_s: float

    @property
    def ratio(self) -> float:
        return self.taken_s / self.planned_s


class Calibration(BaseModel):
    factor: float
    """Median of taken to planned; 1 where nothing is known."""
    runs: list[Outcome]


def calibration(runs: Path, device: Device) -> Calibration:
    """From the finished pre-training runs in ``runs``, those of pipelines too, on the machine that ``device`` is."""
    found: list[Outcome] = []
    for job in reversed(list_jobs(runs)):
        if job.state == "finished" and (one := outcome(job, device)) is not None:
            found.append(one)
        if len(found) == NEWEST:
            break
    return Calibration(factor=median(one.ratio for one in found) if found else 1.0, runs=found)


def outcome(job: Job, device: Device, factor: float = 1.0) -> Outcome | None:
    """How a run went beside its plan (with ``factor``); None if it took too few steps, or is not of a kind that is planned."""
    if job.record.kind == "pipeline":
        job = job.part("pretrain", job.record.recipe["pretrain"])
    elif job.record.kind != "pretrain":
        return None
    per_token = seconds_per_token([event for event in job.events() if event["event"] == "step"])
    if per_token is None:
        return None
    try:
        plan = of_recipe(job.record.recipe, device, factor=factor)
    except FeilunError:
        return None
    return Outcome(run=job.id, planned_s=plan.days.ideal * 86400, taken_s=per_token * plan.tokens)


def seconds_per_token(steps: Sequence[Event]) -> float | None:
    """The middle of the steps' own speeds: what stops, resumes and other work on the machine did to some of them does not count."""
    speeds = [event["tokens_per_second"] for event in steps[1:] if event.get("tokens_per_second")]
    return 1 / median(speeds) if len(speeds) >= LEAST_STEPS else None
