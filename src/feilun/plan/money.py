"""Money, energy and carbon of accelerator-hours."""

from __future__ import annotations

from pydantic import BaseModel

from feilun.plan.facts import UNKNOWN_TDP_W, Device

DRAW = 0.91
"""Of the rated power: what a device draws in training (Olmo 3: 0.89 to 0.93)."""

CARBON_KG_PER_KWH = 0.445
"""Of the world's electricity in 2024 (International Energy Agency, Electricity 2025)."""


class Cost(BaseModel):
    """US dollars; None where no price is known."""

    low: float | None
    expected: float | None
    high: float | None
    usd_per_hour: float | None
    basis: str
    """What the price is of, and when."""


class Energy(BaseModel):
    devices_mwh: float
    """Of the devices alone, as most papers print."""
    mwh: float
    """At the meter of the building."""
    co2e_t: float
    mw: float
    """Power at the meter while the run goes on."""


def cost_of(device: Device, hours: float, usd_per_hour: float | None = None) -> Cost:
    """Of so many device-hours."""
    if usd_per_hour is not None:
        price, low, high, basis = usd_per_hour, usd_per_hour, usd_per_hour, "given"
    elif device.rent_low_usd_h is not None:
        price, low, high = (
            device.usd_per_hour,
            device.rent_low_usd_h,
            device.rent_high_usd_h or device.rent_low_usd_h,
        )
        basis = f"rent {device.rent_date}".strip()
    else:
        price = low = high = device.usd_per_hour
        basis = f"purchase {device.purchase_date}".strip() if price is not None else "unknown"
    bills = [None if each is None else each * hours for each in (low, price, high)]
    return Cost(low=bills[0], expected=bills[1], high=bills[2], usd_per_hour=price, basis=basis)


def energy_of(
    device: Device, hours: float, count: float, carbon_kg_per_kwh: float = CARBON_KG_PER_KWH
) -> Energy:
    """Of so many device-hours, ``count`` devices at a time."""
    watts = device.tdp_w or UNKNOWN_TDP_W
    mwh = hours * device.wall_w / 1e6
    return Energy(
        devices_mwh=hours * watts * DRAW / 1e6,
        mwh=mwh,
        co2e_t=mwh * carbon_kg_per_kwh,
        mw=count * device.wall_w / 1e6,
    )
