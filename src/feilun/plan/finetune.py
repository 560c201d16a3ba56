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
from feilun.plan.facts import Device
from feilun.plan.memory import ROOM
from feilun.plan.money import Cost, Energy, cost_of, energy_of
from feilun.plan.serve import BYTES_PER_PARAM
from feilun.plan.throughput import blind
from feilun.plan.train import Days
from feilun.text import FeilunError

Method = Literal["full", "lora", "qlora"]

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
    learns = model.params if method == "full" else adapter_params(model, rank)
    frozen = (
        0.0 if method == "full" else model.params * (BYTES_PER_PARAM["int4"] if method == "qlora" else FROZEN)
    )
    config = model.config
    kept = activation_bytes_per_layer(config, rows, length, recompute="full") * config.layers
    activations = kept + 34 * rows * length * config.hidden_size + 6 * rows * length * config.vocab_size

    def per_device(devices: int) -> float:
        state = (frozen + learns * TRAINED) / devices
        gathered = 2 * FROZEN * model.params / config.layers if devices > 1 else 0.0
        return (state + activations + gathered) / 1e9

    room = ROOM * device.memory_gb
    fewest = next((n for n in (1, 2, 4, 8, *range(16, 4097, 8)) if per_device(n) <= room), None)
    machines = count or fewest
    if machines is None or per_device(machines) > room:
        raise _does_not_fit(model, device, method, per_device(machines or 1), fewest)
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
        learns=learns,
        frozen_gb=frozen / 1e9,
        learning_gb=learns * TRAINED / 1e9,
        activations_gb=activations * machines / 1e9,
        total_gb=per_device(machines) * machines,
        per_device_gb=per_device(machines),
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


def _does_not_fit(
    model: Model, device: Device, method: Method, needed: float, fewest: int | None
) -> FeilunError:
    easier = {"full": "lora, qlora", "lora": "qlora", "qlora": ""}[method]
    en = [
        f"{fewest} devices would do" if fewest else "",
        f"--method {easier} needs less" if easier else "",
        "--length shortens rows",
    ]
    zh = [
        f"{fewest} 张设备即可" if fewest else "",
        f"--method {easier} 所需更少" if easier else "",
        "--length 可缩短每行",
    ]
    return FeilunError(
        f"{model.name} ({method}) needs {needed:,.3g} GB on each {device.name}, which has {device.memory_gb:g} GB: "
        f"{'; '.join(part for part in en if part)}.",
        f"{model.name}（{method}）在每张 {device.name} 上需 {needed:,.3g} GB，而其显存为 {device.memory_gb:g} GB："
        f"{'；'.join(part for part in zh if part)}。",
        code="does_not_fit",
        status=422,
    )
