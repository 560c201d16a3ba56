"""``feilun plan validate``: every published run computed again, with its speed and blind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel

from feilun.plan import facts
from feilun.plan.arithmetic import train_flops_per_token
from feilun.plan.days import days_of
from feilun.plan.facts import Run
from feilun.plan.throughput import Speed, blind, known, length_of, model_of, recompute_of, reported_tflops
from feilun.text import FeilunError, say

Mode = Literal["known_speed", "blind"]


class Row(BaseModel):
    """Of a run and a way to predict it; in ``unit`` as published. One of ``error`` and the figures is None."""

    id: str
    mode: Mode
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    published: float | None = None
    unit: Literal["days", "accelerator_hours"] | None = None
    ratio: float | None = None
    """Predicted to published."""
    error: str | None = None


class KnownSpeed(BaseModel):
    n: int
    median_abs_error: float | None
    """Of predicted to published, a fraction."""


class Blind(BaseModel):
    n: int
    median_ratio: float | None
    """By how much it is off, either way: 1.2 is a fifth too much or too little."""
    inside_interval: float | None
    """A fraction of the runs."""


class Validation(BaseModel):
    known_speed: KnownSpeed
    blind: Blind
    rows: list[Row]


def validate(path: Path | None = None) -> Validation:
    """The built-in runs, or those of a CSV file with the same columns.

    Each run is left out of the prior that predicts it. A row that cannot be computed has an error and counts nowhere. Raises
    `FeilunError` if the file cannot be read or has no rows.
    """
    parsed = facts.parsed_runs(facts.rows(path or facts.FACTS / "runs.csv"))
    if not parsed:
        raise FeilunError("The file has no runs.", "文件中没有训练记录。", code="runs_unreadable", status=422)
    rows: list[Row] = []
    for run in parsed:
        if isinstance(run, Run):
            rows += rows_of(run)
        else:
            rows.append(Row(id=run[0], mode="blind", error=run[1]))
    return _judged(rows)


def rows_of(run: Run) -> list[Row]:
    """A row for each mode that the run's columns allow."""
    try:
        device = facts.device(run.accelerator)
    except FeilunError as error:
        return [Row(id=run.id, mode="blind", error=str(error))]
    hours = run.accelerator_hours
    if hours is None:
        why = say(
            "neither days and devices nor accelerator_hours are published", "未公布天数与设备数，也未公布卡时"
        )
        return [Row(id=run.id, mode="blind", error=why)]
    model, length, recompute = model_of(run), length_of(run), recompute_of(run)
    found: list[Row] = []
    tflops = reported_tflops(run, device)
    if tflops is not None and tflops > max(device.tflops, device.fp8_tflops or 0):
        why = say(
            f"{tflops:g} TFLOP/s are more than the peak of {device.name}, {device.tflops:g}",
            f"{tflops:g} TFLOP/s 超过 {device.name} 的峰值 {device.tflops:g}",
        )
        found.append(Row(id=run.id, mode="known_speed", error=why))
    elif tflops is not None:
        speed = known(model, device, tflops, length=length, recompute=recompute)
        found.append(_row(run, "known_speed", speed, hours))
    speed = blind(
        model, device, recompute=recompute, precision=run.precision, count=run.n_accel, without=run.id
    )
    return [*found, _row(run, "blind", speed, hours)]


def _row(run: Run, mode: Mode, speed: Speed, hours: float) -> Row:
    useful = train_flops_per_token(model_of(run), length_of(run)) * run.tokens_b * 1e9
    days = days_of(useful, speed, run.n_accel or 1)
    # Hours of steps hold no stops; those that were billed do.
    predicted = days.ideal if speed.known and run.scope in ("steps", "quote") else days.expected
    in_days = run.accel_hours is None
    per = 1.0 if in_days else 24.0 * (run.n_accel or 1)
    found = hours / (24 * (run.n_accel or 1)) if in_days else hours
    return Row(
        id=run.id,
        mode=mode,
        predicted=predicted * per,
        low=days.low * per,
        high=days.high * per,
        published=found,
        unit="days" if in_days else "accelerator_hours",
        ratio=predicted * per / found,
    )


def _judged(rows: Sequence[Row]) -> Validation:
    errors = [abs(row.ratio - 1) for row in rows if row.mode == "known_speed" and row.ratio is not None]
    blinds = [row for row in rows if row.mode == "blind" and row.ratio is not None]
    ratios = [max(row.ratio or 1, 1 / (row.ratio or 1)) for row in blinds]
    inside = [(row.low or 0) <= (row.published or 0) <= (row.high or 0) for row in blinds]
    return Validation(
        known_speed=KnownSpeed(n=len(errors), median_abs_error=median(errors) if errors else None),
        blind=Blind(
            n=len(blinds),
            median_ratio=median(ratios) if ratios else None,
            inside_interval=sum(inside) / len(inside) if inside else None,
        ),
        rows=list(rows),
    )
