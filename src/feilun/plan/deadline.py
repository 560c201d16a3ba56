"""Backwards from a deadline: the smallest cluster that makes it, and the cheapest device."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

from feilun.plan import facts
from feilun.plan.arithmetic import Model, train_flops_per_token
from feilun.plan.days import days_of
from feilun.plan.facts import Device
from feilun.plan.layout import least_devices
from feilun.plan.train import (
    MOST_DEVICES,
    Terms,
    TrainPlan,
    arranged_by,
    check_possible,
    plan_train,
    speed_of,
    usual,
)
from feilun.text import FeilunError

LARGEST_CLUSTER = 1 << 20
"""Devices of the largest cluster that is looked at when a deadline cannot be met."""


def solve_deadline(
    model: Model, tokens: float, device: Device, deadline_days: float, **terms: Unpack[Terms]
) -> TrainPlan:
    """The smallest cluster whose expected time is within the deadline, in whole servers and steps of an eighth.

    Raises `FeilunError` (``too_slow``) with the shortest time there is, if none makes it.
    """
    plan = in_time(model, tokens, device, deadline_days, **terms)
    if plan is None:
        raise _too_slow(model, tokens, device, deadline_days, terms)
    return plan


def in_time(
    model: Model, tokens: float, device: Device, deadline_days: float, **terms: Unpack[Terms]
) -> TrainPlan | None:
    """The same; None if no cluster makes it."""
    check_possible(device, 1, terms.get("tflops"), terms.get("precision", "bf16"))
    least = _least(model, tokens, device, deadline_days, terms)
    count = even(least)
    while count <= min(4 * least + 4096, MOST_DEVICES):
        soon = _days(model, tokens, device, count, terms) <= deadline_days
        if soon and (layout := arranged_by(model, device, count, terms)):
            plan = plan_train(model, tokens, device, count, layout=layout, **terms)
            if plan.days.expected <= deadline_days:  # the layout may have to compute more than is usual
                return plan
        count = even(count + max(1, count // 32))
    return None


def cheapest(
    model: Model,
    tokens: float,
    deadline_days: float,
    *,
    among: Iterable[Device] | None = None,
    **terms: Unpack[Terms],
) -> list[TrainPlan]:
    """A plan on each device whose price is known and which makes the deadline, the cheapest first."""
    priced = [
        device
        for device in among or facts.devices().values()
        if device.usd_per_hour is not None and not device.cpu
    ]
    plans = [in_time(model, tokens, device, deadline_days, **terms) for device in priced]
    found = [plan for plan in plans if plan is not None]
    return sorted(found, key=lambda plan: plan.cost_usd.expected or math.inf)


def even(count: int) -> int:
    """A number that layouts can divide: below 8 a power of two, then whole servers, in steps of an eighth."""
    if count <= 8:
        return 1 << (count - 1).bit_length() if count > 1 else 1
    step = max(8, 1 << ((count - 1).bit_length() - 4))
    return -(-count // step) * step


def _least(model: Model, tokens: float, device: Device, within: float, terms: Terms) -> int:
    """What no cluster that makes it goes below: the device-hours of fewer devices are no more than those of many."""
    least = 1
    while least < MOST_DEVICES:
        needed = math.ceil(_days(model, tokens, device, least, terms) * least / within)
        if needed <= least:
            break
        least = needed
    return least


def _days(model: Model, tokens: float, device: Device, count: int, terms: Terms) -> float:
    """Expected, if no more than is usual must be computed twice: a plan's are these or more."""
    length, again = (
        terms.get("length", 2048),
        terms.get("recompute") or usual(model, device, terms.get("tflops")),
    )
    speed = speed_of(
        model,
        device,
        count,
        recompute=again,
        tflops=terms.get("tflops"),
        length=length,
        precision=terms.get("precision", "bf16"),
    )
    return days_of(train_flops_per_token(model, length) * tokens, speed, count).expected


def _too_slow(model: Model, tokens: float, device: Device, within: float, terms: Terms) -> FeilunError:
    plans: list[TrainPlan] = []
    count = least_devices(model, device, length=terms.get("length", 2048)) or LARGEST_CLUSTER
    while count <= LARGEST_CLUSTER:
        plans.append(plan_train(model, tokens, device, count, **terms, must_fit=False))
        count *= 2
    able = [plan for plan in plans if plan.layout is not None]
    best = min(able, key=lambda plan: plan.days.expected, default=None)
    shortest = shortest_zh = ""
    if best is not None:
        shortest = f" The shortest is about {best.days.expected:,.3g} days, on {best.count:,}."
        shortest_zh = f"最短约 {best.days.expected:,.3g} 天，使用 {best.count:,} 张。"
    return FeilunError(
        f"No number of {device.name} trains {model.name} on {tokens:,.3g} tokens in {within:g} days: more of them cannot be fed from "
        f"one batch, or stop too often.{shortest} Allow more time, or take a faster device.",
        f"再多的 {device.name} 也无法在 {within:g} 天内用 {tokens:,.3g} 个 token 训练 {model.name}：更多设备要么一个批次喂不饱，"
        f"要么中断过于频繁。{shortest_zh}请放宽时间，或选择更快的设备。",
        code="too_slow",
        status=422,
    )
