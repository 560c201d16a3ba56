"""What it takes to answer: memory, speed, devices, and what an answer costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from pydantic import BaseModel

from feilun.plan.arithmetic import (
    Model,
    attention_flops_per_token,
    decode_flops_per_token,
    kv_bytes,
    shape_of,
)
from feilun.plan.facts import Device
from feilun.plan.fits import SHRINK, TRIES, Fits
from feilun.plan.money import cost_of
from feilun.plan.quantities import gigabytes
from feilun.text import FeilunError

Quantisation = Literal["bf16", "fp8", "int8", "int4"]

BYTES_PER_PARAM: Mapping[Quantisation, float] = MappingProxyType(
    {"bf16": 2.0, "fp8": 1.0, "int8": 1.06, "int4": 0.606}
)
"""The last two as llama.cpp's Q8_0 and Q4_K_M, scales included."""

LAYER_S, CPU_LAYER_S = 0.10e-3, 0.05e-3
"""Time that a layer takes beside the reading of its weights: 0.10 ms on an A100, by 13 published decoding speeds (median error 2.5%,
largest 37%). Of a processor it is assumed."""

SHARED_S = 20e-6
"""A layer's two sums over devices that share it, each (assumed)."""

PREFILL = 0.5
"""Utilisation while a prompt is read."""

ROOM = 0.9
LEAST_TOKENS_PER_SECOND = 10.0
"""A reader should not wait for words."""

DRAFT_COST = 0.05
"""Of a small model that guesses ahead, in steps of the model; also its share of the weights."""

MOST_ROWS = 512
SURE = 1.4
"""Speeds are this much more or less: the largest miss among the 13 published decoding speeds."""

MONTH_H = 730.5


class ServePlan(BaseModel):
    """What it takes to answer so many users."""

    model: str
    device: str
    users: int
    context: int
    quantisation: Quantisation
    speculative: bool
    speculation: float | None
    """Speed of a full batch with guessing ahead to that without; None without. Below 1 it is not worth it: a step that is busy with
    products has none to spare."""
    weights_gb: float
    kv_mb_per_token: float
    kv_gb_per_user: float
    devices_per_replica: int
    concurrency_per_replica: int
    """Answers at a time."""
    replicas: int
    devices: int
    busy_users: float
    """Who is being answered at a moment."""
    decode_tokens_per_second_alone: float
    decode_tokens_per_second_busy: float
    """Of one answer among a full batch."""
    prefill_tokens_per_second: float
    first_token_s: float
    tokens_per_second: float
    """Of all replicas, full."""
    tokens_per_second_low: float
    tokens_per_second_high: float
    cost_usd_per_hour: float | None
    cost_usd_per_million_tokens: float | None
    cost_usd_per_answer: float | None
    cost_usd_per_answer_low: float | None
    """At the lowest rent and the highest speed,"""
    cost_usd_per_answer_high: float | None
    """and the other way round."""
    cost_usd_per_user_month: float | None
    answers_per_user_day: float
    revenue_usd_per_answer: float | None
    pays: bool | None
    """Whether the revenue of an answer covers its cost; None: no revenue or no price was given."""
    mw: float


def speculation_gain(accept: float, guesses: int, draft_cost: float, check: float = 1.0) -> float:
    """How much faster a row is decoded if a small model guesses ahead: (1 - a^(k+1)) / ((1 - a)(k c + v)) (Y. Leviathan et al. 2023,
    theorem 3.8, where v is 1). ``accept``: chance that a guess is taken, below 1; ``draft_cost``: of a guess, and ``check``: of
    the step that checks them, in steps of the model without."""
    return (1 - accept ** (guesses + 1)) / ((1 - accept) * (guesses * draft_cost + check))


def decode_step_s(
    model: Model,
    device: Device,
    rows: int,
    length: int,
    *,
    bytes_per_param: float,
    tensor: int = 1,
    kv_element: float = 2,
    guesses: int = 0,
) -> float:
    """Seconds of a step that gives each of ``rows`` answers a token: weights and caches are read, and products made.

    A mixture of experts reads more of its experts the more tokens there are. ``guesses``: so many tokens more of each row are
    checked in the same step.
    """
    config, tokens = model.config, rows * (guesses + 1)
    passed = model.params * (1 - (1 - model.active / model.params) ** tokens) if model.moe else model.active
    read = passed * bytes_per_param + rows * kv_bytes(config, length, kv_element)
    computed = tokens * decode_flops_per_token(model, length) / (PREFILL * device.tflops * 1e12)
    layer = CPU_LAYER_S if device.cpu else LAYER_S
    between = 2 * SHARED_S * config.layers if tensor > 1 else 0.0
    return max(read / (device.bandwidth_gbs * 1e9), computed) / tensor + layer * config.layers + between


def plan_serve(
    model: Model,
    device: Device,
    users: int,
    context: int,
    *,
    quantisation: Quantisation = "bf16",
    speculative: bool = False,
    accept: float = 0.7,
    guesses: int = 4,
    draft_cost: float = DRAFT_COST,
    answer_tokens: int = 500,
    answers_per_user_day: float = 20,
    peak: float = 3,
    usd_per_hour: float | None = None,
    revenue_usd_per_answer: float | None = None,
) -> ServePlan:
    """Devices and cost for users of whom each asks so often a day, ``peak`` times as often in the busiest hour.

    Each answer is given with a full context, half of it read anew. Raises `FeilunError` (``does_not_fit``) if a server's devices
    together cannot hold the model and one user's cache.
    """
    draft = (accept, guesses, draft_cost) if speculative else None
    busiest = users * answers_per_user_day * peak / 86400
    sized = [
        _fleet(model, device, size, context, quantisation, draft, answer_tokens, busiest, users)
        for size in _sizes(device)
        if _holds(model, device, size, context, quantisation, draft)
    ]
    if not sized:
        raise _does_not_fit(model, device, context, quantisation, draft_cost if speculative else 0.0)
    fleet = min(sized, key=lambda one: (one.devices, one.size))
    price = cost_of(device, fleet.devices, usd_per_hour)
    answers_hour = users * answers_per_user_day / 24
    # A replica that is full gives an answer each ``seconds / rows``; what is paid for idle hours is in the cost of an answer.
    tokens_hour = fleet.replicas * fleet.rows * answer_tokens / fleet.seconds * 3600
    per_answer, low, high = (
        None if each is None else each / answers_hour for each in (price.expected, price.low, price.high)
    )
    cache = kv_bytes(model.config, context)
    return ServePlan(
        model=model.name,
        device=device.name,
        users=users,
        context=context,
        quantisation=quantisation,
        speculative=speculative,
        speculation=fleet.speculation,
        weights_gb=model.params * BYTES_PER_PARAM[quantisation] / 1e9,
        kv_mb_per_token=cache / context / 1e6,
        kv_gb_per_user=cache / 1e9,
        devices_per_replica=fleet.size,
        concurrency_per_replica=fleet.rows,
        replicas=fleet.replicas,
        devices=fleet.devices,
        busy_users=fleet.busy,
        decode_tokens_per_second_alone=fleet.alone,
        decode_tokens_per_second_busy=fleet.full,
        prefill_tokens_per_second=fleet.prefill,
        first_token_s=fleet.first_token_s,
        tokens_per_second=tokens_hour / 3600,
        tokens_per_second_low=tokens_hour / 3600 / SURE,
        tokens_per_second_high=tokens_hour / 3600 * SURE,
        cost_usd_per_hour=price.expected,
        cost_usd_per_million_tokens=None if price.expected is None else price.expected / tokens_hour * 1e6,
        cost_usd_per_answer=per_answer,
        cost_usd_per_answer_low=None if low is None else low / SURE,
        cost_usd_per_answer_high=None if high is None else high * SURE,
        cost_usd_per_user_month=None if price.expected is None else price.expected * MONTH_H / users,
        answers_per_user_day=answers_per_user_day,
        revenue_usd_per_answer=revenue_usd_per_answer,
        pays=None
        if per_answer is None or revenue_usd_per_answer is None
        else revenue_usd_per_answer >= per_answer,
        mw=fleet.devices * device.wall_w / 1e6,
    )


Draft = tuple[float, int, float]
"""Of a small model that guesses ahead: the chance that a guess is taken, how many there are, and the cost of one in steps of the
model, which is also taken for its share of the memory."""


class _Fleet(NamedTuple):
    """Replicas of ``size`` devices each, enough for the busiest hour. Tokens a second are of one answer."""

    size: int
    rows: int
    alone: float
    full: float
    speculation: float | None
    prefill: float
    first_token_s: float
    seconds: float
    """Of an answer."""
    busy: float
    replicas: int

    @property
    def devices(self) -> int:
        return self.replicas * self.size


def _free(model: Model, device: Device, size: int, quantisation: Quantisation, draft: Draft | None) -> float:
    """Bytes that are left for caches."""
    weights = model.params * BYTES_PER_PARAM[quantisation] * (1 + (draft[2] if draft else 0))
    return ROOM * size * device.memory_gb * 1e9 - weights


def _holds(
    model: Model,
    device: Device,
    size: int,
    context: int,
    quantisation: Quantisation,
    draft: Draft | None = None,
) -> bool:
    return kv_bytes(model.config, context) <= _free(model, device, size, quantisation, draft)


def _fleet(
    model: Model,
    device: Device,
    size: int,
    context: int,
    quantisation: Quantisation,
    draft: Draft | None,
    answer_tokens: int,
    busiest: float,
    users: int,
) -> _Fleet:
    """``busiest``: answers that begin in a second."""

    def step(rows: int, guesses: int = 0) -> float:
        return decode_step_s(
            model,
            device,
            rows,
            context,
            bytes_per_param=BYTES_PER_PARAM[quantisation],
            tensor=size,
            guesses=guesses,
        )

    def speed(rows: int) -> float:
        plain = step(rows)
        if draft is None:
            return 1 / plain
        accept, guesses, cost = draft
        return speculation_gain(accept, guesses, cost, step(rows, guesses) / plain) / plain

    cache = kv_bytes(model.config, context)
    rows = max(1, min(MOST_ROWS, int(_free(model, device, size, quantisation, draft) // cache)))
    while rows > 1 and speed(rows) < LEAST_TOKENS_PER_SECOND:
        rows //= 2
    prompt = context // 2
    reading = 2 * model.active + attention_flops_per_token(model.config, prompt) / 3
    prefill = PREFILL * device.tflops * 1e12 * size / reading
    # Between the steps the prompts of all are read, one by one.
    seconds = answer_tokens / speed(rows) + rows * prompt / prefill
    busy = min(float(users), busiest * seconds)
    return _Fleet(
        size=size,
        rows=rows,
        alone=speed(1),
        full=speed(rows),
        speculation=None if draft is None else speed(rows) * step(rows),
        prefill=prefill,
        first_token_s=prompt / prefill + step(1),
        seconds=seconds,
        busy=busy,
        replicas=max(1, math.ceil(busy / rows - 1e-9)),
    )


def _sizes(device: Device) -> tuple[int, ...]:
    return (1,) if device.cpu else (1, 2, 4, 8, 16)


def serving_fits(
    model: Model, device: Device, context: int, quantisation: Quantisation, draft: float = 0.0
) -> Fits:
    """In place of a model that a server's devices together cannot hold, with one that guesses ahead of ``draft`` its size."""
    room_gb = ROOM * _sizes(device)[-1] * device.memory_gb

    def needs_gb(model: Model, quantisation: Quantisation) -> float:
        weights = model.params * BYTES_PER_PARAM[quantisation] * (1 + draft)
        return (weights + kv_bytes(model.config, context)) / 1e9

    fits = Fits(needs_gb=needs_gb(model, quantisation), has_gb=room_gb)
    fits.quantisation = next((name for name in BYTES_PER_PARAM if needs_gb(model, name) <= room_gb), None)
    if fits.quantisation is None:
        params = room_gb * 1e9 / BYTES_PER_PARAM["int4"]
        for _ in range(TRIES):
            params = float(f"{params * SHRINK:.3g}")
            if needs_gb(Model.of_size(params, config=shape_of(params, kv_heads=8)), "int4") <= room_gb:
                fits.params, fits.quantisation = params, "int4"
                break
    return fits


def _does_not_fit(
    model: Model, device: Device, context: int, quantisation: Quantisation, draft: float
) -> FeilunError:
    fits = serving_fits(model, device, context, quantisation, draft)
    weights_gb = model.params * BYTES_PER_PARAM[quantisation] * (1 + draft) / 1e9
    cache_gb = kv_bytes(model.config, context) / 1e9
    en, zh = "A shorter --context is needed.", "请缩短 --context。"
    if fits.params is not None:
        en = f"About {fits.params / 1e9:.3g}B parameters in int4 would."
        zh = f"int4 下约可容纳 {fits.params / 1e9:.3g}B 参数。"
    elif fits.quantisation is not None:
        en = f"With --quantisation {fits.quantisation} it would."
        zh = f"用 --quantisation {fits.quantisation} 可以放下。"
    most = f"{_sizes(device)[-1]} x {device.name}"
    return FeilunError(
        f"{model.name} needs {gigabytes(weights_gb)} for its weights and {gigabytes(cache_gb)} for one user's cache; {most} have "
        f"room for {gigabytes(fits.has_gb)}. {en}",
        f"{model.name} 的权重需 {gigabytes(weights_gb)}，一位用户的缓存需 {gigabytes(cache_gb)}；{most} 可用 "
        f"{gigabytes(fits.has_gb)}。{zh}",
        code="does_not_fit",
        status=422,
    )
