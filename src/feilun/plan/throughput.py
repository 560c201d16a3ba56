"""How fast a device trains: by the speed that is known, else by what published runs reached on devices like it.

The blind prior is a line through the logarithms of their utilisation: it falls with the device's peak, for mixtures of experts and
for devices without bfloat16, and rises where devices are few. It is fitted when it is asked for, so that a run can be left out of
its own prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from pydantic import BaseModel

from feilun.plan import facts
from feilun.plan.arithmetic import Model, Recompute, train_flops_per_token
from feilun.plan.facts import Device, Run

FULL_RECOMPUTE, FP8 = 0.75, 1.35
"""Useful work of a run that does its forward pass twice; and of one whose products are in 8 bits (DeepSeek-V3)."""

ATTAINABLE = 0.8
"""Share of its peak that a device reaches in a large product, as A100, H100 and B200 do at least. Of one that is known to reach
less (MI300X: 0.51) the peak counts for less."""

NARROW = 1024
"""Width below which products are too small to fill an accelerator."""

PROCESSOR = 0.55
"""Utilisation of a processor, of the fastest product it was measured at: our own runs on two cores."""

LOW, HIGH = 1 / 1.5, 1.95
"""The interval about a blind prediction. Leaving each published run out in turn, nine tenths are inside; eight tenths are what is
promised, since runs that are published are better known than the next one. It reaches further up than down: hours that were
billed hold more than one clean pass."""

KNOWN_LOW, KNOWN_HIGH = 0.97, 1.25
"""About a run whose speed is known: what is left are stops, and work that is done again."""

FEW, SERVER = 64, 8
"""Below so many devices each is the faster the fewer they are, down to one server's."""

MOST = 0.6
"""Share of its peak that a device is not expected to pass: nine of a hundred runs did, five of
them of narrow models, for which that is allowed for."""

CROWD, CROWD_EXPONENT = 2048, 0.048
"""Up to so many devices, as most runs of the table had, the prior holds as it is; of more, each is slower by this power of their
number. Of what 512 H100 reach apiece, 8,192 reach 87.5% (MLPerf Training 5.0)."""

_RIDGE, _TRUST = 0.5, 0.2


class Speed(BaseModel):
    """Useful operations a second of one device, recomputation not counted."""

    tflops: float
    utilisation: float
    """Share of the 16-bit peak (MFU)."""
    low: float
    """Times are multiplied by these for the interval."""
    high: float
    known: bool
    basis: str
    """``tflops``, ``prior``, ``calibrated`` or ``probe``."""


def reference_peak(device: Device) -> float:
    """TFLOP/s that utilisation is measured against."""
    if device.attainable_tflops is None:
        return device.tflops
    return min(device.tflops, device.attainable_tflops / ATTAINABLE)


def adjustment(
    model: Model, recompute: Recompute, precision: str, device: Device, count: float | None = None
) -> float:
    """What is known beforehand about useful work in relation to plain 16-bit training of a wide model on a usual cluster."""
    done_twice = {"none": 1.0, "selective": 1.0, "full": FULL_RECOMPUTE}[recompute]
    narrow = 1.0 if device.cpu else min(1.0, model.config.hidden_size / NARROW)
    crowded = (CROWD / max(CROWD, count or CROWD)) ** CROWD_EXPONENT
    return done_twice * narrow * crowded * (FP8 if precision == "fp8" else 1.0)


@cache
def prior(without: str | None = None) -> tuple[float, ...]:
    """Coefficients of the logarithm of utilisation, see `_features`; fitted to the published runs but ``without``.

    A ridge regression, with outliers held at arm's length (P. Huber 1964), by reweighted least squares.
    """
    points = [point for name, point in _points().items() if name != without]
    weights = [1.0] * len(points)
    found: tuple[float, ...] = ()
    for _ in range(20):
        found = _least_squares(points, weights)
        missed = [abs(y - _dot(found, x)) for x, y in points]
        weights = [min(1.0, _TRUST / max(miss, 1e-9)) for miss in missed]
    return found


def blind(
    model: Model,
    device: Device,
    *,
    recompute: Recompute,
    precision: str = "bf16",
    count: float | None = None,
    without: str | None = None,
) -> Speed:
    """What to expect of each of ``count`` devices where nothing was measured; by default of a usual cluster.

    ``without``: the id of a run that must not count.
    """
    line = _dot(prior(without), _features(device, model.moe, count))
    seen = PROCESSOR if device.cpu else min(MOST, math.exp(line))
    share = seen * adjustment(model, recompute, precision, device, count)
    tflops = share * reference_peak(device)
    return Speed(
        tflops=tflops, utilisation=tflops / device.tflops, low=LOW, high=HIGH, known=False, basis="prior"
    )


def known(model: Model, device: Device, tflops: float, *, length: int, recompute: Recompute) -> Speed:
    """A speed that was measured: operations a second and device, recomputation counted, as papers print it."""
    twice = train_flops_per_token(model, length, recompute) / train_flops_per_token(model, length)
    useful = tflops / twice
    return Speed(
        tflops=useful,
        utilisation=useful / device.tflops,
        low=KNOWN_LOW,
        high=KNOWN_HIGH,
        known=True,
        basis="tflops",
    )


def model_of(run: Run) -> Model:
    """A published run's model. What is not published of its shape is guessed."""
    active, params = run.params_active_b * 1e9, run.params_total_b * 1e9
    model = Model.of_size(params if run.arch == "moe" else active, active)
    sizes = {"hidden_size": run.d_model, "layers": run.n_layers}
    config = model.config.model_copy(update={name: size for name, size in sizes.items() if size})
    heads = max(1, config.hidden_size // config.head_dim)
    config = config.model_copy(update={"heads": heads, "kv_heads": heads})
    return replace(model, config=config, name=run.model)


def length_of(run: Run) -> int:
    return run.seq_len or 2048


def recompute_of(run: Run) -> Recompute:
    return "full" if run.full_recompute else "none"


def reported_tflops(run: Run, device: Device) -> float | None:
    """The speed a run reports, recomputation counted where there is any; None if it reports none.

    Papers before 2022 count what is computed twice, in TFLOP/s and as hardware utilisation; model utilisation never does.
    """
    twice = 4 / 3 if run.full_recompute else 1.0
    tflops, mfu = run.reported_tflops_per_accel, run.reported_mfu
    if tflops is not None:
        counts_once = mfu is not None and abs(tflops / device.tflops / mfu - 1) < 0.03
        return tflops * twice if counts_once else tflops
    if mfu is not None:
        return mfu * device.tflops * twice
    return None if run.reported_hfu is None else run.reported_hfu * device.tflops


@cache
def _points() -> dict[str, tuple[tuple[float, ...], float]]:
    found = {run.id: _point(run) for run in facts.runs()}
    return {name: point for name, point in found.items() if point is not None}


def _point(run: Run) -> tuple[tuple[float, ...], float] | None:
    """A run's features and the logarithm of its utilisation beyond what `adjustment` knows."""
    device = facts.devices().get(run.accelerator)
    if device is None:
        return None
    model, length, recompute = model_of(run), length_of(run), recompute_of(run)
    hours = run.accelerator_hours
    if hours is not None:
        useful = train_flops_per_token(model, length) * run.tokens_b * 1e9 / (hours * 3600 * 1e12)
    elif run.scope == "steps" and (reported := reported_tflops(run, device)) is not None:
        useful = known(model, device, reported, length=length, recompute=recompute).tflops
    else:
        return None
    known_beforehand = adjustment(model, recompute, run.precision, device, run.n_accel)
    share = useful / reference_peak(device) / known_beforehand
    return _features(device, model.moe, run.n_accel), math.log(share)


def _features(device: Device, moe: bool, count: float | None) -> tuple[float, ...]:
    fewness = math.log(FEW / min(FEW, max(SERVER, count or FEW)))
    return (
        1.0,
        math.log(max(reference_peak(device), 100) / 312),
        float(moe),
        float(not device.bf16),
        fewness,
    )


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _least_squares(
    points: Sequence[tuple[tuple[float, ...], float]], weights: Sequence[float]
) -> tuple[float, ...]:
    """Weighted ridge regression, the intercept free, by Gaussian elimination."""
    size = len(points[0][0])
    rows = [
        [sum(w * x[i] * x[j] for w, (x, _) in zip(weights, points, strict=True)) for j in range(size)]
        + [sum(w * x[i] * y for w, (x, y) in zip(weights, points, strict=True))]
        for i in range(size)
    ]
    for i in range(1, size):
        rows[i][i] += _RIDGE
    for i in range(size):
        pivot = rows[i]
        for other in range(size):
            if other != i:
                factor = rows[other][i] / pivot[i]
                rows[other] = [a - factor * b for a, b in zip(rows[other], pivot, strict=True)]
    return tuple(row[size] / row[i] for i, row in enumerate(rows))
