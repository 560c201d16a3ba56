"""Money, energy and carbon of accelerator-hours."""

from __future__ import annotations

from pydantic import BaseModel

from feilun.plan.facts import Device

DRAW, WALL, PUE = 0.91, 1.2, 1.1
"""Of the rated power: what a device draws in training (Olmo 3: 0.89 to 0.93), with its share of the server (MLPerf Training 5.0,
B200: 1.2); and what the building adds (power usage effectiveness)."""

UNKNOWN_TDP_W = 400.0

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
    wall_w = watts * (1.0 if device.cpu else WALL) * PUE
    mwh = hours * wall_w / 1e6
    return Energy(
        devices_mwh=hours * watts * DRAW / 1e6,
        mwh=mwh,
        co2e_t=mwh * carbon_kg_per_kwh,
        mw=count * wall_w / 1e6,
    )
