"""How a model is spread over devices: the layout that fits in memory and loses least time by a simple account of traffic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from pydantic import BaseModel

from feilun.plan.arithmetic import Model, Recompute, train_flops_per_token
from feilun.plan.facts import Device
from feilun.plan.memory import ROOM, SCHEMES, Memory, Scheme, device_memory, passing_bytes, state_bytes

NETWORK_SHARE, LINK_SHARE = 0.7, 0.7
"""Of the bandwidth on paper what collectives reach."""

DEFAULT_NETWORK_GBIT, DEFAULT_LINK_GBS = 100.0, 64.0

USUAL_OVERHEAD = 0.6
"""`Layout.overhead` of published runs, the median of 87: their utilisation has so much in it already."""

OVERLAP = 0.7
"""Share of the traffic between data-parallel devices that is hidden behind computation."""

SMALL_ROWS = 0.04
"""Time that products lose when a micro-batch is one row and not many."""


class Layout(BaseModel):
    """Degrees of parallelism, and what a device holds."""

    data: int
    zero: int
    tensor: int
    pipeline: int
    recompute: Recompute
    micro_batch: int
    """Rows."""
    micro_batches: int
    """A step and data-parallel replica."""
    batch_tokens: int
    """Of a step."""
    bubble: float
    """Share of a step in which pipeline stages wait."""
    overhead: float
    """Estimated time beyond the products, as a share of theirs: traffic, bubble, recomputation. It ranks layouts; the time of the
    run comes from runs that were measured."""
    memory: Memory


def bubble_share(pipeline: int, micro_batches: int, chunks: int = 1) -> float:
    """(p - 1) / (v m + p - 1) (Narayanan et al. 2021, section 2.2, as a share of the whole step)."""
    return (pipeline - 1) / (chunks * micro_batches + pipeline - 1)


def batch_tokens_of(params: float) -> int:
    """Tokens of a step as GPT-3's family had them: 0.5 M at 1.3 B parameters, 3.2 M at 175 B (Brown et al. 2020, table 2.1)."""
    return round(min(16e6, max(2**16, 0.5e6 * (params / 1.3e9) ** 0.38)))


def best_layout(
    model: Model,
    device: Device,
    count: int,
    *,
    length: int,
    recompute: Recompute | None = None,
    batch_tokens: int | None = None,
    scheme: Scheme = SCHEMES["megatron"],
) -> Layout | None:
    """The layout with the least overhead among those that fit; None if none does.

    The step grows to at most four times its usual tokens where there are more devices than rows to give them.
    """
    usual = batch_tokens or batch_tokens_of(model.active)
    for growth in (1, 2, 4):
        rows = max(1, usual * growth // length)
        best = min(_fitting(model, device, count, rows, length, recompute, scheme), default=None)
        if best is not None:
            return _described(best, model, device, length, scheme)
        if batch_tokens is not None:
            break
    return None


class _Candidate(NamedTuple):
    """A layout in its raw form, of which thousands are compared; the least is the best."""

    overhead: float
    total_bytes: float
    data: int
    zero: int
    tensor: int
    pipeline: int
    recompute: Recompute
    rows: int
    micro_batches: int


def _fitting(
    model: Model,
    device: Device,
    count: int,
    batch_rows: int,
    length: int,
    recompute: Recompute | None,
    scheme: Scheme,
) -> Iterator[_Candidate]:
    """Those that fit."""
    layers = model.config.layers
    room = ROOM * device.memory_gb * 1e9
    choices: tuple[Recompute, ...] = (recompute,) if recompute else ("none", "full")
    for tensor in (1, 2, 4, 8):
        if count % tensor or tensor > device.servers_of or model.config.heads % tensor:
            continue
        for pipeline in _divisors(count // tensor, layers):
            data = count // tensor // pipeline
            if data > batch_rows:
                continue
            for stage in (0,) if data == 1 else (1, 3) if pipeline == 1 else (1,):
                state = sum(
                    state_bytes(model, scheme, tensor=tensor, pipeline=pipeline, data=data, stage=stage)
                )
                if state > room:
                    continue
                for again, rows in product(choices, (1, 2, 4, 8)):
                    if rows > 1 and rows * data > batch_rows:
                        continue
                    batches = max(1, round(batch_rows / data / rows))
                    passing = passing_bytes(
                        model,
                        rows=rows,
                        length=length,
                        tensor=tensor,
                        pipeline=pipeline,
                        data=data,
                        stage=stage,
                        recompute=again,
                        micro_batches=batches,
                        scheme=scheme,
                    )
                    total = state + sum(passing)
                    if total <= room:
                        lost = _overhead(
                            model, device, length, tensor, pipeline, data, stage, again, rows, batches
                        )
                        yield _Candidate(lost, total, data, stage, tensor, pipeline, again, rows, batches)


def _described(found: _Candidate, model: Model, device: Device, length: int, scheme: Scheme) -> Layout:
    memory = device_memory(
        model,
        device.memory_gb,
        rows=found.rows,
        length=length,
        tensor=found.tensor,
        pipeline=found.pipeline,
        data=found.data,
        stage=found.zero,
        recompute=found.recompute,
        micro_batches=found.micro_batches,
        scheme=scheme,
    )
    return Layout(
        data=found.data,
        zero=found.zero,
        tensor=found.tensor,
        pipeline=found.pipeline,
        recompute=found.recompute,
        micro_batch=found.rows,
        micro_batches=found.micro_batches,
        batch_tokens=found.rows * found.micro_batches * found.data * length,
        bubble=bubble_share(found.pipeline, found.micro_batches),
        overhead=found.overhead,
        memory=memory,
    )


def _overhead(
    model: Model,
    device: Device,
    length: int,
    tensor: int,
    pipeline: int,
    data: int,
    stage: int,
    recompute: Recompute,
    rows: int,
    micro_batches: int,
) -> float:
    """Time beyond the model's products, as a share of theirs at half of the device's peak."""
    count = tensor * pipeline * data
    step_tokens = rows * micro_batches * data * length
    plain = train_flops_per_token(model, length)
    compute_s = plain * step_tokens / count / (0.5 * device.tflops * 1e12)
    again = train_flops_per_token(model, length, recompute) / plain - 1
    link = (device.link_gbs or DEFAULT_LINK_GBS) / 2 * 1e9 * LINK_SHARE  # one direction
    network = (device.network_gbit_s or DEFAULT_NETWORK_GBIT) / 8 * 1e9 * NETWORK_SHARE
    config = model.config
    # Two all-reduces forward and two backward in each layer, 2 (t - 1) / t of the hidden states each (M. Shoeybi et al. 2019).
    tokens_here = step_tokens / data
    shared = 4 * 2 * (tensor - 1) / tensor * tokens_here * config.hidden_size * 2 * config.layers / pipeline
    tensor_s = shared / link * (4 / 3 if recompute == "full" else 1)
    outside = count > device.servers_of
    wire = network if outside else link
    mine = model.params / tensor / pipeline
    # Gradients are reduced once a step; ZeRO-3 gathers the weights twice for each micro-batch (Rajbhandari et al. 2020, section 7).
    moved = 2 * (data - 1) / data * mine * (4 if stage < 3 else 2 + 2 * micro_batches)
    data_s = moved / wire * (1 - OVERLAP)
    stage_s = 2 * 2 * tokens_here * config.hidden_size * 2 / wire * (1 - OVERLAP) if pipeline > 1 else 0.0
    waits = 1 / (1 - bubble_share(pipeline, micro_batches)) - 1
    return again + (tensor_s + data_s + stage_s) / compute_s + waits + SMALL_ROWS / rows


def _divisors(number: int, most: int) -> list[int]:
    return [k for k in range(1, min(number, most) + 1) if number % k == 0]


def least_devices(
    model: Model,
    device: Device,
    *,
    length: int,
    recompute: Recompute | None = None,
    batch_tokens: int | None = None,
    most: int = 1 << 16,
) -> int | None:
    """The fewest devices, a power of two, on which the model can be trained at all."""
    count = max(1, int(model.params * SCHEMES["megatron"].bytes_per_param / (device.memory_gb * 1e9 * ROOM)))
    count = 1 << (count - 1).bit_length()
    while count <= most:
        layout = best_layout(
            model, device, count, length=length, recompute=recompute, batch_tokens=batch_tokens
        )
        if layout is not None:
            return count
        count *= 2
    return None
