"""Backwards: what a budget buys, what a deadline needs, which device is cheapest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from feilun.plan import facts
from feilun.plan.arithmetic import Model, train_flops_per_token
from feilun.plan.facts import Device
from feilun.plan.layout import least_devices
from feilun.plan.throughput import blind, known
from feilun.plan.train import TrainPlan, habit, plan_train
from feilun.text import FeilunError

COMPUTE_OPTIMAL, OVER_TRAINED = 20.0, 200.0
"""Tokens a parameter: J. Hoffmann et al. 2022, table 3; and ten times as many, since a model that is asked often should be small
(N. Sardana et al. 2023). Llama 3.1 8B saw 1,900."""

E, A, B, ALPHA, BETA = 1.8172, 482.01, 2085.43, 0.3478, 0.3658
"""Loss = E + A / N^alpha + B / D^beta in nats, of Hoffmann's runs fitted anew (T. Besiroglu et al. 2024, "Chinchilla Scaling: A
Replication Attempt", section 3)."""

SMALLEST, LARGEST = 1e6, 1e14
"""Parameters of a model that is looked for."""


class Variant(BaseModel):
    kind: Literal["compute_optimal", "over_trained"]
    tokens_per_param: float
    loss: float
    """Expected of the law, nats a token of English web text."""
    plan: TrainPlan


class BudgetPlan(BaseModel):
    budget_usd: float
    variants: list[Variant]


def expected_loss(params: float, tokens: float) -> float:
    """Nats a token by the law above."""
    return E + A / params**ALPHA + B / tokens**BETA


def solve_budget(
    budget_usd: float,
    device: Device,
    count: int | None = None,
    *,
    deadline_days: float | None = None,
    usd_per_hour: float | None = None,
    tflops: float | None = None,
    length: int = 2048,
) -> BudgetPlan:
    """The models that the money trains: compute-optimal, and over-trained for cheaper answers.

    Raises `FeilunError`: ``no_price``; ``budget_too_small`` with the least that does something.
    """
    price = usd_per_hour or device.usd_per_hour
    if price is None:
        raise no_price(device)
    hours = budget_usd / price
    if deadline_days is not None and count is not None:
        hours = min(hours, count * deadline_days * 24)

    def take(params: float, ratio: float, machines: int) -> float:
        model = Model.of_size(params)
        again = habit(model, device)
        speed = (
            known(model, device, tflops, length=length, recompute=again)
            if tflops
            else blind(model, device, recompute=again, count=machines)
        )
        return train_flops_per_token(model, length) * ratio * params / (speed.tflops * 1e12 * 3600)

    def affordable(ratio: float, machines: int) -> float:
        low, high = math.log(SMALLEST), math.log(LARGEST)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if take(math.exp(middle), ratio, machines) <= hours else (low, middle)
        return _rounded(math.exp(low))

    variants: list[Variant] = []
    kinds: tuple[tuple[Literal["compute_optimal", "over_trained"], float], ...] = (
        ("compute_optimal", COMPUTE_OPTIMAL),
        ("over_trained", OVER_TRAINED),
    )
    for kind, ratio in kinds:
        least = take(SMALLEST, ratio, count or 1) * price
        if hours * price < least:
            if variants:
                break
            raise FeilunError(
                f"${budget_usd:,.2f} is too little: {least:,.2g} USD train a model of a million parameters on {device.name}.",
                f"{budget_usd:,.2f} 美元不足：在 {device.name} 上训练百万参数的模型需 {least:,.2g} 美元。",
                code="budget_too_small",
                status=422,
            )
        machines = count or 1
        params = affordable(ratio, machines)
        if count is None:  # more of them are slower, and then less can be paid for
            spent = take(params, ratio, machines)
            machines = _cluster(Model.of_size(params), device, spent, deadline_days, length)
            params = affordable(ratio, machines)
        model = Model.of_size(params)
        tokens = ratio * params
        plan = plan_train(
            model,
            tokens,
            device,
            machines,
            tflops=tflops,
            length=length,
            usd_per_hour=usd_per_hour,
            must_fit=False,
        )
        variants.append(
            Variant(kind=kind, tokens_per_param=ratio, loss=expected_loss(params, tokens), plan=plan)
        )
    return BudgetPlan(budget_usd=budget_usd, variants=variants)


def solve_deadline(
    model: Model,
    tokens: float,
    device: Device,
    deadline_days: float,
    *,
    usd_per_hour: float | None = None,
    tflops: float | None = None,
    length: int = 2048,
) -> TrainPlan:
    """The smallest cluster whose expected time is within the deadline. Raises `FeilunError` (``too_slow``) if none is."""

    def planned(count: int) -> TrainPlan | None:
        plan = plan_train(
            model,
            tokens,
            device,
            count,
            tflops=tflops,
            length=length,
            usd_per_hour=usd_per_hour,
            must_fit=False,
        )
        return plan if plan.layout is not None and plan.days.expected <= deadline_days else None

    one = plan_train(model, tokens, device, 1, tflops=tflops, length=length, must_fit=False)
    least = math.ceil(one.days.ideal / deadline_days)
    count = _even(least)
    while count <= 4 * least + 4096:
        plan = planned(count)
        if plan is not None:
            return plan
        count = _even(count + max(1, count // 32))
    raise FeilunError(
        f"No number of {device.name} trains {model.name} on {tokens:,.3g} tokens in {deadline_days:g} days: more of them cannot be "
        f"fed from one batch. {least:,} would be the least if all went well; allow more time, or take a faster device.",
        f"再多的 {device.name} 也无法在 {deadline_days:g} 天内用 {tokens:,.3g} 个 token 训练 {model.name}：一个批次喂不饱更多设备。"
        f"一切顺利也至少要 {least:,} 张；请放宽时间，或选择更快的设备。",
        code="too_slow",
        status=422,
    )


def cheapest(
    model: Model,
    tokens: float,
    deadline_days: float,
    *,
    length: int = 2048,
    among: Iterable[Device] | None = None,
) -> list[TrainPlan]:
    """A plan on each device whose price is known and which makes the deadline, the cheapest first."""
    found: list[TrainPlan] = []
    for device in among or facts.devices().values():
        if device.usd_per_hour is None or device.cpu:
            continue
        try:
            found.append(solve_deadline(model, tokens, device, deadline_days, length=length))
        except FeilunError:
            continue
    return sorted(found, key=lambda plan: plan.cost_usd.expected or math.inf)


def no_price(device: Device) -> FeilunError:
    priced = ", ".join(one.name for one in facts.devices().values() if one.usd_per_hour is not None)
    return FeilunError(
        f"No price of {device.name} is known: give --price (USD an hour), or take one of {priced}.",
        f"未知 {device.name} 的价格：请用 --price 给出（美元/小时），或选用：{priced}。",
        code="no_price",
        status=422,
        param="price",
    )


def _cluster(model: Model, device: Device, hours: float, deadline_days: float | None, length: int) -> int:
    """As few as hold the model; as many as the deadline wants, a month if there is none."""
    wanted = _even(math.ceil(hours / 24 / (deadline_days or 30)))
    return max(wanted, least_devices(model, device, length=length) or wanted)


def _even(count: int) -> int:
    """A number that layouts can divide: below 8 a power of two, then whole servers, in steps of an eighth."""
    if count <= 8:
        return 1 << (count - 1).bit_length() if count > 1 else 1
    step = max(8, 1 << ((count - 1).bit_length() - 4))
    return -(-count // step) * step


def _rounded(value: float) -> float:
    """To three digits, downwards."""
    unit = 10 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / unit + 1e-9) * unit
