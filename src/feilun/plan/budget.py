"""Backwards from a budget: the models that the money trains."""

from __future__ import annotations

import math
from typing import Literal, Unpack

from pydantic import BaseModel

from feilun.plan import facts
from feilun.plan.arithmetic import Model
from feilun.plan.deadline import even
from feilun.plan.facts import Device
from feilun.plan.fits import Fits, does_not_fit, training_fits
from feilun.plan.notes import Note
from feilun.plan.train import Terms, TrainPlan, arranged_by, plan_train, speed_of
from feilun.text import FeilunError

COMPUTE_OPTIMAL, OVER_TRAINED = 20.0, 200.0
"""Tokens a parameter: J. Hoffmann et al. 2022, table 3; and ten times as many, since a model that is asked often should be small
(N. Sardana et al. 2023). Llama 3.1 8B saw 1,900."""

E, A, B, ALPHA, BETA = 1.8172, 482.01, 2085.43, 0.3478, 0.3658
"""Loss = E + A / N^alpha + B / D^beta in nats, of Hoffmann's runs fitted anew (T. Besiroglu et al. 2024, "Chinchilla Scaling: A
Replication Attempt", section 3)."""

SMALLEST, LARGEST = 1e6, 1e14
"""Parameters of a model that is looked for."""

MONTH, TOGETHER = 30.0, 65_536
"""Days that a cluster is sized for if there is no deadline; and its most devices, of which more would stop too often."""

CLOSE, MUCH, TRIES = 0.995, 0.9, 40
"""Share of the money that is to be spent, below which one is told why it is not; and how often it is tried."""


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
    **terms: Unpack[Terms],
) -> BudgetPlan:
    """The models that the money trains: compute-optimal, and over-trained for cheaper answers.

    None costs more, or takes longer than the deadline. On so many devices (``count``) the model is one that fits, and may leave
    money over. Raises `FeilunError`: ``no_price``; ``budget_too_small`` with the least that does something; ``does_not_fit``.
    """
    price = terms.get("usd_per_hour") or device.usd_per_hour
    if price is None:
        raise no_price(device)
    hours = budget_usd / price
    variants: list[Variant] = []
    kinds: tuple[tuple[Literal["compute_optimal", "over_trained"], float], ...] = (
        ("compute_optimal", COMPUTE_OPTIMAL),
        ("over_trained", OVER_TRAINED),
    )
    for kind, ratio in kinds:
        plan = _affordable(ratio, hours, device, count, deadline_days, terms)
        if plan is None:
            if variants:
                break
            raise _too_little(budget_usd, price, ratio, device, count, terms)
        loss = expected_loss(plan.model.params, plan.tokens)
        variants.append(Variant(kind=kind, tokens_per_param=ratio, loss=loss, plan=plan))
    variants[0].plan.notes.append(FINAL_RUN)
    return BudgetPlan(budget_usd=budget_usd, variants=variants)


def _affordable(
    ratio: float, hours: float, device: Device, count: int | None, within: float | None, terms: Terms
) -> TrainPlan | None:
    """The largest model that is trained in so many device-hours, and in time; None if the smallest is not.

    Work grows with the square of the parameters, so what is too much or too little by a factor is met by its root.
    """
    wanted = count or min(TOGETHER, even(math.ceil(hours / 24 / (within or MONTH))))
    params, most = _guess(ratio, hours, device, wanted, terms), LARGEST
    best: TrainPlan | None = None
    for _ in range(TRIES):
        params = _rounded(min(max(params, SMALLEST), most))
        model = Model.of_size(params)
        plan = plan_train(model, ratio * params, device, wanted, **terms, must_fit=False)
        if plan.layout is None:
            fits = _fits(model, device, wanted, terms)
            if count is None and fits.count is not None:
                plan = plan_train(model, ratio * params, device, fits.count, **terms, must_fit=False)
            elif fits.params is not None:
                most = params = _largest(fits.params, params, device, wanted, terms)
                continue
            else:
                raise does_not_fit(model, device, wanted, plan.model.length, fits)
        spent = max(plan.accelerator_hours / hours, plan.days.expected / within if within else 0.0)
        if spent <= 1 and (best is None or params > best.model.params):
            best = plan
        if CLOSE <= spent <= 1 or (spent <= 1 and params >= most) or (spent > 1 and params <= SMALLEST):
            break
        params *= (0.999 / spent) ** 0.5
    if best is None:
        return None
    if best.accelerator_hours < MUCH * hours:
        best.notes.append(_full(best) if most < LARGEST else _in_time(best) if within else TWICE)
    elif count is None and within is None and best.days.expected > 2 * MONTH:
        best.notes.append(_long(best))
    return best


def _largest(fitting: float, too_large: float, device: Device, count: int, terms: Terms) -> float:
    """Parameters of the largest model that so many devices hold, within 3%."""
    while too_large / fitting > 1.03:
        params = (fitting * too_large) ** 0.5
        layout = arranged_by(Model.of_size(params), device, count, terms)
        fitting, too_large = (fitting, params) if layout is None else (params, too_large)
    return fitting


def _guess(ratio: float, hours: float, device: Device, count: int, terms: Terms) -> float:
    """Parameters whose products alone, 6 N D, take so long."""
    speed = speed_of(
        Model.of_size(1e10),
        device,
        count,
        recompute="none",
        tflops=terms.get("tflops"),
        precision=terms.get("precision", "bf16"),
    )
    return (hours * 3600 * speed.tflops * 1e12 / (6 * ratio)) ** 0.5


def _fits(model: Model, device: Device, count: int, terms: Terms) -> Fits:
    return training_fits(
        model,
        device,
        count,
        length=terms.get("length", 2048),
        recompute=terms.get("recompute"),
        batch_tokens=terms.get("batch_tokens"),
    )


def _full(plan: TrainPlan) -> Note:
    return Note(
        en=f"{plan.count:,} x {plan.device} hold no larger model: more devices would use the rest of the money.",
        zh=f"{plan.count:,} 张 {plan.device} 容纳不下更大的模型：余下的预算需要更多设备才用得上。",
    )


TWICE = Note(
    en="A model a little larger fits only if its layers are computed twice, and that costs more than there is.",
    zh="再大一点的模型只有重算各层才放得下，而那会超出预算。",
)

FINAL_RUN = Note(
    en="The money is that of the final run, as expected. Trial runs before it cost about as much again (whole programme).",
    zh="预算指最终一次训练的预计费用；此前的试验大约还要同样多（见整个项目）。",
)


def _long(plan: TrainPlan) -> Note:
    return Note(
        en=f"No more than {TOGETHER:,} devices are planned together, since more would stop too often; as one run on {plan.count:,} it "
        "takes that long (--deadline, --count).",
        zh=f"一个集群最多按 {TOGETHER:,} 张设备规划，更多则中断过于频繁；在 {plan.count:,} 张上单次训练需要这么久（--deadline、--count）。",
    )


def _in_time(plan: TrainPlan) -> Note:
    return Note(
        en=f"{plan.count:,} x {plan.device} cannot use all of the money by the deadline.",
        zh=f"{plan.count:,} 张 {plan.device} 在期限内用不完全部预算。",
    )


def _too_little(
    budget_usd: float, price: float, ratio: float, device: Device, count: int | None, terms: Terms
) -> FeilunError:
    smallest = Model.of_size(SMALLEST)
    plan = plan_train(smallest, ratio * SMALLEST, device, count or 1, **terms, must_fit=False)
    least = plan.accelerator_hours * price
    return FeilunError(
        f"${budget_usd:,.2f} is too little: {least:,.2g} USD train a model of a million parameters on {device.name}.",
        f"{budget_usd:,.2f} 美元不足：在 {device.name} 上训练百万参数的模型需 {least:,.2g} 美元。",
        code="budget_too_small",
        status=422,
    )


def no_price(device: Device) -> FeilunError:
    priced = ", ".join(one.name for one in facts.devices().values() if one.usd_per_hour is not None)
    return FeilunError(
        f"No price of {device.name} is known: give --price (USD an hour), or take one of {priced}.",
        f"未知 {device.name} 的价格：请用 --price 给出（美元/小时），或选用：{priced}。",
        code="no_price",
        status=422,
        param="price",
    )


def _rounded(value: float) -> float:
    """To three digits, downwards."""
    unit = 10 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / unit + 1e-9) * unit
