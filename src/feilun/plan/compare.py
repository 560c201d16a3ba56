"""The same run on many devices: can more of an older chip do it, and at what price?"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from feilun.plan.arithmetic import Model
from feilun.plan.deadline import in_time
from feilun.plan.facts import Device
from feilun.plan.notes import Note
from feilun.plan.train import plan_train

USUAL = (
    "H100 SXM 80GB",
    "A100 SXM 80GB",
    "H20 96GB",
    "Ascend 910B3 64GB",
    "MI300X 192GB",
    "V100 SXM2 32GB",
    "Kunlun K200 16GB",
    "TPU v3",
    "T4 16GB",
    "RTX 4090 24GB",
)
"""Devices that are compared if none are named: new ones, those allowed where new ones are not, and those of mature processes."""


class Compared(BaseModel):
    device: str
    process_nm: float | None
    count: int
    days: float
    low: float
    high: float
    fits: bool
    cost_usd: float | None
    basis: str
    """What the price is of, see `Cost`."""
    mwh: float
    co2e_t: float
    utilisation: float
    notes: list[Note]
    count_for_same_days: int | None
    """How many do it in the time of the first device; None: no number of them, for more cannot be fed or stop too often."""
    cost_same_days_usd: float | None
    mw_same_days: float | None


class Comparison(BaseModel):
    reference: str
    rows: list[Compared]


def compare(
    model: Model, tokens: float, devices: Sequence[Device], count: int = 1024, *, length: int = 2048
) -> Comparison:
    """``count`` of each device; the first is what the others are measured against.

    How many devices are as fast is solved for, as for a deadline: of many each is slower, and they stop more often. Raises
    `FeilunError` (``does_not_fit``) if the first cannot train the model.
    """
    plans = [
        plan_train(model, tokens, each, count, length=length, must_fit=each is devices[0]) for each in devices
    ]
    first = plans[0]
    rows: list[Compared] = []
    for device, plan in zip(devices, plans, strict=True):
        again = first if plan is first else in_time(model, tokens, device, first.days.expected, length=length)
        rows.append(
            Compared(
                device=device.name,
                process_nm=device.process_nm,
                count=count,
                days=plan.days.expected,
                low=plan.days.low,
                high=plan.days.high,
                fits=plan.layout is not None,
                cost_usd=plan.cost_usd.expected,
                basis=plan.cost_usd.basis,
                mwh=plan.energy.mwh,
                co2e_t=plan.energy.co2e_t,
                utilisation=plan.speed.utilisation,
                notes=plan.notes,
                count_for_same_days=again and again.count,
                cost_same_days_usd=again and again.cost_usd.expected,
                mw_same_days=again and again.energy.mw,
            )
        )
    return Comparison(reference=devices[0].name, rows=rows)
