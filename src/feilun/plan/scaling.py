"""A scaling law of our own small runs, and how far it can be trusted.

Loss falls with compute along a + b C^-c until a floor (J. Kaplan et al. 2020; T. Henighan et al. 2020). The band comes of fitting
anew with each run left out: a law that stands on one run shows it by a wide one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from feilun.jobs import Job, list_jobs
from feilun.plan import facts
from feilun.text import FeilunError

EXPONENTS = tuple(0.02 * step for step in range(1, 51))
LEAST_GAIN = 1e-3
"""Share of the loss by which the largest run must be better than the smallest."""

LEAST_RUNS = 4


class Point(BaseModel):
    """A run: the operations it took, and the loss it ended at."""

    name: str
    flops: float
    loss: float


class Law(BaseModel):
    """Loss = floor + scale (C / reference)^-exponent."""

    floor: float
    scale: float
    exponent: float
    reference: float
    """The middle of the runs, operations."""
    residual: float
    """Root of the mean square, in units of loss."""

    def loss(self, flops: float) -> float:
        return self.floor + self.scale * (flops / self.reference) ** -self.exponent

    def flops(self, loss: float) -> float | None:
        """Operations until this loss; None if the floor is above it."""
        if loss <= self.floor:
            return None
        return self.reference * ((loss - self.floor) / self.scale) ** (-1 / self.exponent)


class Extrapolated(BaseModel):
    flops: float
    loss: float
    low: float
    high: float
    times_beyond: float
    """How far beyond the largest run."""


class ScalingPlan(BaseModel):
    points: list[Point]
    law: Law
    curve: list[Extrapolated]
    target_loss: float | None = None
    target_flops: float | None = None
    target_flops_low: float | None = None
    target_flops_high: float | None = None
    """None: some of the fits never get there."""


def fit(points: Sequence[Point]) -> Law:
    """Least squares: the exponent by search, floor and scale by regression, neither below 0."""
    reference = math.exp(sum(math.log(p.flops) for p in points) / len(points))
    best: tuple[float, float, float, float] | None = None
    for exponent in EXPONENTS:
        xs = [(p.flops / reference) ** -exponent for p in points]
        floor, scale = _line(xs, [p.loss for p in points])
        if floor < 0:
            floor, scale = (
                0.0,
                sum(x * p.loss for x, p in zip(xs, points, strict=True)) / sum(x * x for x in xs),
            )
        scale = max(scale, 0.0)
        error = sum((floor + scale * x - p.loss) ** 2 for x, p in zip(xs, points, strict=True))
        if best is None or error < best[0]:
            best = (error, floor, scale, exponent)
    assert best is not None
    error, floor, scale, exponent = best
    return Law(
        floor=floor,
        scale=scale,
        exponent=exponent,
        reference=reference,
        residual=math.sqrt(error / len(points)),
    )


def plan_scaling(
    points: Sequence[Point], *, to_flops: float | None = None, target_loss: float | None = None
) -> ScalingPlan:
    """The law, its curve up to ``to_flops`` (default: a thousand times the largest run), and when a loss is reached.

    Raises `FeilunError`: ``too_few_runs`` for fewer than four runs of different sizes, ``no_law`` if larger ones are no better.
    """
    usable = [p for p in points if 0 < p.flops < math.inf and 0 < p.loss < math.inf]
    if len({p.flops for p in usable}) < LEAST_RUNS:
        raise FeilunError(
            f"A law needs at least {LEAST_RUNS} finished runs of different sizes; there are {len({p.flops for p in usable})}. Train "
            "some small ones, or give --points FILE.csv with the columns name, flops, loss.",
            f"拟合规律至少需要 {LEAST_RUNS} 次不同规模的已完成训练；现有 {len({p.flops for p in usable})} 次。"
            "请先训练若干小模型，或用 --points FILE.csv 给出 name、flops、loss 三列。",
            code="too_few_runs",
            status=422,
        )
    law = fit(usable)
    if law.loss(max(p.flops for p in usable)) > law.loss(min(p.flops for p in usable)) * (1 - LEAST_GAIN):
        raise FeilunError(
            "The losses do not fall with the operations: such runs show no law. Were they trained alike, on the same text?",
            "损失没有随计算量下降：这些训练中看不出规律。它们的训练方式和文本相同吗？",
            code="no_law",
            status=422,
        )
    others = [fit([p for p in usable if p is not left]) for left in usable]
    largest, smallest = max(p.flops for p in usable), min(p.flops for p in usable)
    end = max(to_flops or 1000 * largest, largest * 1.001)
    steps = 24
    curve: list[Extrapolated] = []
    for step in range(steps + 1):
        flops = smallest * (end / smallest) ** (step / steps)
        guesses = [each.loss(flops) for each in (law, *others)]
        spread = 2 * law.residual
        curve.append(
            Extrapolated(
                flops=flops,
                loss=law.loss(flops),
                low=max(0.0, min(guesses) - spread),
                high=max(guesses) + spread,
                times_beyond=flops / largest,
            )
        )
    plan = ScalingPlan(points=list(usable), law=law, curve=curve)
    if target_loss is None:
        return plan
    reached = [each.flops(target_loss) for each in (law, *others)]
    known = [flops for flops in reached if flops is not None]
    return plan.model_copy(
        update={
            "target_loss": target_loss,
            "target_flops": reached[0],
            "target_flops_low": min(known, default=None),
            "target_flops_high": max(known) if len(known) == len(reached) else None,
        }
    )


def points_of_file(path: Path) -> list[Point]:
    """Of a CSV file with the columns flops and loss, and name if there is one. Raises `FeilunError`."""
    try:
        return [
            Point(name=row.get("name") or str(number), flops=float(row["flops"]), loss=float(row["loss"]))
            for number, row in enumerate(facts.rows(path), 1)
        ]
    except (KeyError, ValueError) as error:
        raise FeilunError(
            f"{path}: each row needs the numbers flops and loss ({error}).",
            f"{path}：每行需要 flops 与 loss 两个数值（{error}）。",
            code="bad_points",
            status=422,
        ) from None


def points_of_runs(runs: Path) -> list[Point]:
    """Of the workspace's finished pre-training runs: bits a byte on held-out text where they measured it, which compares models of
    different tokenizers; else the last training loss."""
    points = [point for job in list_jobs(runs) if (point := _point(job)) is not None]
    judged = [point for point, held in points if held]
    return judged if len(judged) >= LEAST_RUNS else [point for point, held in points if not held]


def _point(job: Job) -> tuple[Point, bool] | None:
    if job.record.kind != "pretrain" or job.state != "finished":
        return None
    model, step, held = job.last("model"), job.last("step"), job.last("eval")
    if step is None or model is None or not step.get("loss"):
        return None
    flops = 6.0 * model.get("matmul_params", model["params"]) * step["tokens"]
    bits: dict[str, float] = (held or {}).get("bits_per_byte") or {}
    if bits:
        mean = sum(bits.values()) / len(bits)
        return Point(name=job.record.name, flops=flops, loss=mean), True
    return Point(name=job.record.name, flops=flops, loss=step["loss"]), False


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope."""
    n, mx, my = len(xs), sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mx) ** 2 for x in xs)
    if n < 2 or spread == 0:
        return my, 0.0
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread
    return my - slope * mx, slope
