"""The answer to ``feilun plan train``."""

from __future__ import annotations

from typing import TypedDict

from pydantic import BaseModel

from feilun.plan import facts, notes
from feilun.plan.arithmetic import Model, Recompute, train_flops_per_token
from feilun.plan.days import Days, days_of
from feilun.plan.facts import ASSUMED, Device
from feilun.plan.fits import does_not_fit, training_fits
from feilun.plan.goodput import PROGRAMME, checkpoint_interval_s, goodput, stops_per_day
from feilun.plan.layout import USUAL_OVERHEAD, Layout, best_layout
from feilun.plan.memory import SCHEMES, Scheme
from feilun.plan.money import CARBON_KG_PER_KWH, Cost, Energy, cost_of, energy_of
from feilun.plan.notes import Note
from feilun.plan.throughput import Speed, blind, known
from feilun.text import FeilunError

MOST_DEVICES = 1e9


class Shape(BaseModel):
    params: float
    active: float
    layers: int
    width: int
    vocabulary: int
    length: int


class Flops(BaseModel):
    useful: float
    """Operations of the model."""
    hardware: float
    """With what is computed twice."""
    per_token: float


class Checkpoint(BaseModel):
    weights_gb: float
    """In 16 bits, as it is published."""
    full_gb: float
    """With the optimiser, to go on from."""
    interval_minutes: float


class TrainPlan(BaseModel):
    """What a training run will take."""

    model: Shape
    tokens: float
    device: str
    count: int
    precision: str
    days: Days
    accelerator_hours: float
    """Expected."""
    flops: Flops
    speed: Speed
    tokens_per_second: float
    cost_usd: Cost
    programme_cost_usd: float | None
    energy: Energy
    checkpoint: Checkpoint
    goodput: float
    stops_per_day: float
    layout: Layout | None
    notes: list[Note]


class Terms(TypedDict, total=False):
    """What `plan_train` may be told besides model, tokens and devices."""

    tflops: float | None
    length: int
    precision: str
    recompute: Recompute | None
    batch_tokens: int | None
    usd_per_hour: float | None


def habit(model: Model, device: Device) -> Recompute:
    """What was usually computed twice, and counted in a speed that was measured: all of a layer by models of 100 billion parameters
    on devices before 2022, whose attention kept its scores. Most of the table's runs of that kind did."""
    return "full" if model.active >= 1e11 and (device.year or 0) < 2022 else "none"


def usual(model: Model, device: Device, tflops: float | None) -> Recompute:
    """What is computed twice unless something else is asked for, or no layout fits."""
    return "none" if tflops is None else habit(model, device)


def plan_train(
    model: Model,
    tokens: float,
    device: Device,
    count: int = 1,
    *,
    tflops: float | None = None,
    speed: Speed | None = None,
    length: int = 2048,
    precision: str = "bf16",
    recompute: Recompute | None = None,
    batch_tokens: int | None = None,
    usd_per_hour: float | None = None,
    carbon: float = CARBON_KG_PER_KWH,
    scheme: Scheme = SCHEMES["megatron"],
    layout: Layout | None = None,
    must_fit: bool = True,
) -> TrainPlan:
    """Days, money, energy and a layout.

    Args:
        tflops: operations a second of each device that were measured, those that are done twice counted.
        speed: instead, what a calibration or a probe says.
        recompute: default: what is `usual`; or what the layout needs.
        layout: default: what is `arranged`.
        must_fit: raise if no layout fits. Else the plan has none, and a note.

    Raises `FeilunError`: ``does_not_fit`` and what would; ``bad_quantity``.
    """
    check_possible(device, count, tflops, precision)
    said: list[Note] = []
    layout = layout or arranged(
        model,
        device,
        count,
        length=length,
        recompute=recompute,
        batch_tokens=batch_tokens,
        scheme=scheme,
        tflops=tflops,
    )
    again = layout.recompute if layout else recompute or usual(model, device, tflops)
    if layout is None:
        fits = training_fits(
            model, device, count, length=length, recompute=recompute, batch_tokens=batch_tokens
        )
        refusal = does_not_fit(model, device, count, length, fits)
        if must_fit:
            raise refusal
        said.append(Note(en=refusal.text.en, zh=refusal.text.zh))
    if tflops is not None:
        said.append(notes.counted_twice(model, tokens, count, tflops, length, again))
    if tflops is not None or speed is None:
        speed = speed_of(
            model, device, count, recompute=again, tflops=tflops, length=length, precision=precision
        )
    if layout is not None and speed.basis == "prior" and (share := unhindered(device, layout)) < 1:
        said.append(notes.no_links(device, share))
        speed = speed.model_copy(
            update={"tflops": speed.tflops * share, "utilisation": speed.utilisation * share}
        )
    if not speed.known and again == "none" and habit(model, device) == "full":
        said.append(notes.once(model, tokens, speed, count, length))
    per_token = train_flops_per_token(model, length)
    useful = per_token * tokens
    days = days_of(useful, speed, count)
    good = goodput(count)
    if device.confidence == ASSUMED and speed.basis == "prior":
        said.append(notes.NOT_MEASURED)
    if good < 0.5:
        said.append(notes.stops_too_often(count))
    hours = days.expected * 24 * count
    cost = cost_of(device, hours, usd_per_hour)
    return TrainPlan(
        model=Shape(
            params=model.params,
            active=model.active,
            layers=model.config.layers,
            width=model.config.hidden_size,
            vocabulary=model.config.vocab_size,
            length=length,
        ),
        tokens=tokens,
        device=device.name,
        count=count,
        precision=precision,
        days=days,
        accelerator_hours=hours,
        flops=Flops(
            useful=useful, hardware=train_flops_per_token(model, length, again) * tokens, per_token=per_token
        ),
        speed=speed,
        tokens_per_second=tokens / (days.expected * 86400),
        cost_usd=cost,
        programme_cost_usd=None if cost.expected is None else cost.expected * PROGRAMME,
        energy=energy_of(device, hours, count, carbon),
        checkpoint=Checkpoint(
            weights_gb=2 * model.params / 1e9,
            full_gb=(scheme.weights + scheme.optimiser) * model.params / 1e9,
            interval_minutes=checkpoint_interval_s(count) / 60,
        ),
        goodput=good,
        stops_per_day=stops_per_day(count),
        layout=layout,
        notes=said,
    )


def arranged(
    model: Model,
    device: Device,
    count: int,
    *,
    length: int = 2048,
    recompute: Recompute | None = None,
    batch_tokens: int | None = None,
    scheme: Scheme = SCHEMES["megatron"],
    tflops: float | None = None,
) -> Layout | None:
    """The best layout with what is `usual`; where none fits so, and nothing was asked for, with all of it computed twice."""
    first = recompute or usual(model, device, tflops)
    for again in (first, "full") if recompute is None and first == "none" else (first,):
        layout = best_layout(
            model, device, count, length=length, recompute=again, batch_tokens=batch_tokens, scheme=scheme
        )
        if layout is not None:
            return layout
    return None


def arranged_by(model: Model, device: Device, count: int, terms: Terms) -> Layout | None:
    """The same of what `plan_train` would be told."""
    return arranged(
        model,
        device,
        count,
        length=terms.get("length", 2048),
        recompute=terms.get("recompute"),
        batch_tokens=terms.get("batch_tokens"),
        tflops=terms.get("tflops"),
    )


def speed_of(
    model: Model,
    device: Device,
    count: int,
    *,
    recompute: Recompute,
    tflops: float | None = None,
    length: int = 2048,
    precision: str = "bf16",
) -> Speed:
    """What was measured (``tflops``), else what is to be expected."""
    if tflops is not None:
        return known(model, device, tflops, length=length, recompute=recompute)
    return blind(model, device, recompute=recompute, precision=precision, count=count)


def unhindered(device: Device, layout: Layout) -> float:
    """What is left of the speed that published runs reached: their devices had fast links; without any, traffic that takes longer
    than theirs (by the account that ranks layouts) slows the run."""
    count = layout.data * layout.tensor * layout.pipeline
    if count == 1 or device.linked:
        return 1.0
    return min(1.0, (1 + USUAL_OVERHEAD) / (1 + layout.overhead))


def check_possible(device: Device, count: int, tflops: float | None, precision: str) -> None:
    """Raises `FeilunError` (``bad_quantity``, ``no_fp8``) of what no such device is or does."""
    if not 1 <= count <= MOST_DEVICES:
        raise FeilunError(
            f"{count:,} devices: give 1 to {MOST_DEVICES:,.0f}.",
            f"{count:,} 张设备：数量须在 1 至 {MOST_DEVICES:,.0f} 之间。",
            code="bad_quantity",
            status=422,
            param="count",
        )
    if precision == "fp8" and device.fp8_tflops is None:
        able = ", ".join(one.name for one in facts.devices().values() if one.fp8_tflops is not None)
        raise FeilunError(
            f"{device.name} has no 8-bit floating point. These have: {able}.",
            f"{device.name} 不支持 8 位浮点。支持的有：{able}。",
            code="no_fp8",
            status=422,
            param="precision",
        )
    peak = device.fp8_tflops if precision == "fp8" and device.fp8_tflops else device.tflops
    if tflops is not None and not 0 < tflops <= peak:
        raise FeilunError(
            f"{tflops:g} TFLOP/s is no speed of {device.name}, whose peak is {peak:g} in {precision}.",
            f"{tflops:g} TFLOP/s 不可能是 {device.name} 的速度，其 {precision} 峰值为 {peak:g}。",
            code="bad_quantity",
            status=422,
            param="tflops",
        )
