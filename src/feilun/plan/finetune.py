"""What it takes to teach a model that is there: all of its weights, an adapter, or an adapter of a quantised model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from feilun.plan.arithmetic import (
    Model,
    activation_bytes_per_layer,
    finetune_flops_per_token,
    train_flops_per_token,
)
from feilun.plan.days import Days
from feilun.plan.facts import Device
from feilun.plan.memory import ROOM
from feilun.plan.money import Cost, Energy, cost_of, energy_of
from feilun.plan.serve import BYTES_PER_PARAM
from feilun.plan.throughput import blind
from feilun.text import FeilunError

Method = Literal["full", "lora", "qlora"]
METHODS: tuple[Method, ...] = ("full", "lora", "qlora")
"""Each needs less than the one before it."""

TRAINED, FROZEN = 16.0, 2.0
"""Bytes of a weight that learns: float32 weight and gradient, two moments; and of one that does not, in 16 bits."""

TRIES = 5
"""Runs until a fine-tuning is as wanted (assumed)."""

SHORT = 0.7
"""Speed of fine-tuning in relation to pre-training: conversations are short and unequal (assumed)."""

DEQUANTISED = 0.75
"""Speed of an adapter on a quantised model, whose weights are unpacked for each product (T. Dettmers et al. 2023 report about this
loss; it is the assumption)."""


class FinetunePlan(BaseModel):
    method: Method
    model: str
    device: str
    count: int
    tokens: float
    learns: float
    """Weights that learn."""
    frozen_gb: float
    learning_gb: float
    activations_gb: float
    total_gb: float
    """Of all devices together."""
    per_device_gb: float
    days: Days
    accelerator_hours: float
    cost_usd: Cost
    energy: Energy


def adapter_params(model: Model, rank: int) -> float:
    """Weights of an adapter of all seven products of a layer: rank times inputs plus outputs (E. Hu et al. 2021, section 4.1)."""
    c = model.config
    d, q, kv, f = c.hidden_size, c.heads * c.head_dim, c.kv_heads * c.head_dim, c.ffn_size
    return rank * c.layers * ((d + q) * 2 + (d + kv) * 2 + (d + f) * 3)


def plan_finetune(
    model: Model,
    tokens: float,
    device: Device,
    method: Method = "lora",
    *,
    count: int | None = None,
    rank: int = 16,
    rows: int = 1,
    length: int = 2048,
    usd_per_hour: float | None = None,
) -> FinetunePlan:
    """Memory, time and money. Weights are divided over the devices (ZeRO stage 3, FSDP), layers are computed twice.

    ``count``: default the fewest that fit. ``rows``: of a micro-batch on each device. Raises `FeilunError` (``does_not_fit``).
    """
    if count is not None and count * rows * length > max(tokens, length):
        raise _too_many(count, tokens, length)
    needs = _Needs(model, method, rank, rows, length)
    fewest = needs.fewest(device)
    machines = count or fewest
    if machines is None or needs.gb(machines) > ROOM * device.memory_gb:
        others = [_Needs(model, other, rank, rows, length) for other in METHODS[METHODS.index(method) + 1 :]]
        easier: list[Method] = [
            other.method for other in others if other.fewest(device, machines) is not None
        ]
        raise _does_not_fit(needs, device, machines or 1, fewest, easier)
    speed = blind(model, device, recompute="none", count=machines)
    slower = SHORT * (DEQUANTISED if method == "qlora" else 1.0)
    # What the layers compute twice comes on top: a forward pass of each.
    flops = (
        finetune_flops_per_token(model, length, adapter=method != "full")
        + train_flops_per_token(model, length) / 3
    )
    expected = flops * tokens / (speed.tflops * slower * 1e12 * machines) / 86400
    low = expected * speed.low
    hours = expected * 24 * machines
    return FinetunePlan(
        method=method,
        model=model.name,
        device=device.name,
        count=machines,
        tokens=tokens,
        learns=needs.learns,
        frozen_gb=needs.frozen / 1e9,
        learning_gb=needs.learns * TRAINED / 1e9,
        activations_gb=needs.activations * machines / 1e9,
        total_gb=needs.gb(machines) * machines,
        per_device_gb=needs.gb(machines),
        days=Days(
            ideal=expected,
            expected=expected,
            programme=expected * TRIES,
            low=low,
            high=min(expected * speed.high, 3 * low),
        ),
        accelerator_hours=hours,
        cost_usd=cost_of(device, hours, usd_per_hour),
        energy=energy_of(device, hours, machines),
    )


class _Needs:
    """What a method keeps in memory, in bytes."""

    def __init__(self, model: Model, method: Method, rank: int, rows: int, length: int) -> None:
        self.model = model
        self.method: Method = method
        self.learns = model.params if method == "full" else adapter_params(model, rank)
        held = {"full": 0.0, "lora": FROZEN, "qlora": BYTES_PER_PARAM["int4"]}[method]
        self.frozen = model.params * held
        config = model.config
        kept = activation_bytes_per_layer(config, rows, length, recompute="full") * config.layers
        self.activations = kept + rows * length * (34 * config.hidden_size + 6 * config.vocab_size)

    def gb(self, devices: int) -> float:
        """Of each device."""
        state = (self.frozen + self.learns * TRAINED) / devices
        gathered = 2 * FROZEN * self.model.params / self.model.config.layers if devices > 1 else 0.0
        return (state + self.activations + gathered) / 1e9

    def fewest(self, device: Device, most: int | None = None) -> int | None:
        """Devices that hold it, at most ``most``; None if no number up to 4,096 does."""
        tried = (n for n in (1, 2, 4, 8, *range(16, 4097, 8)) if n <= (most or 4096))
        return next((n for n in tried if self.gb(n) <= ROOM * device.memory_gb), None)


def _too_many(count: int, tokens: float, length: int) -> FeilunError:
    return FeilunError(
        f"{tokens:,.3g} tokens are {max(1, round(tokens / length)):,} rows of {length:,}: {count:,} devices have nothing to share.",
        f"{tokens:,.3g} 个 token 即 {max(1, round(tokens / length)):,} 行（每行 {length:,}）：不够分给 {count:,} 张设备。",
        code="bad_quantity",
        status=422,
        param="count",
    )


def _does_not_fit(
    needs: _Needs, device: Device, count: int, fewest: int | None, easier: list[Method]
) -> FeilunError:
    methods = ", ".join(easier)
    en = [
        f"{fewest} devices would do" if fewest else "no number of them up to 4,096 holds it",
        f"--method {methods} fits" if easier else "a smaller model, --rank or --length needs less",
    ]
    zh = [
        f"{fewest} 张设备即可" if fewest else "4,096 张以内都放不下",
        f"--method {methods} 放得下" if easier else "更小的模型、--rank 或 --length 所需更少",
    ]
    return FeilunError(
        f"{needs.model.name} ({needs.method}) needs {needs.gb(count):,.3g} GB on each {device.name}, which has "
        f"{device.memory_gb:g} GB: {'; '.join(en)}.",
        f"{needs.model.name}（{needs.method}）在每张 {device.name} 上需 {needs.gb(count):,.3g} GB，而其显存为 "
        f"{device.memory_gb:g} GB：{'；'.join(zh)}。",
        code="does_not_fit",
        status=422,
    )
