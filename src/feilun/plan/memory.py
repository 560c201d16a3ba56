"""Bytes that a device holds while it trains: weights, gradients, optimiser, activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from feilun.plan.arithmetic import Model, Recompute, activation_bytes_per_layer


@dataclass(frozen=True)
class Scheme:
    """Bytes per parameter of weights, gradients and optimiser."""

    weights: float
    gradients: float
    optimiser: float

    @property
    def bytes_per_param(self) -> float:
        return self.weights + self.gradients + self.optimiser


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "megatron": Scheme(
            2, 4, 12
        ),  # 18: D. Narayanan et al. 2021; float32 gradients, weights and both moments
        "amp": Scheme(
            4, 4, 8
        ),  # 16: float32 weights that are cast where they are used: FSDP's mixed precision, and Feilun
        "bf16": Scheme(2, 2, 4),  # 8: all of it in 16 bits
        "muon": Scheme(4, 4, 4),  # one momentum in the place of two moments, of the blocks' matrices
    }
)

ROOM = 0.92
"""Share of a device's memory that can be filled: the rest is the driver's, the buffers' and what lies between blocks."""


class Memory(BaseModel):
    """Of one device, in GB (1e9 bytes)."""

    weights_gb: float
    gradients_gb: float
    optimiser_gb: float
    activations_gb: float
    logits_gb: float
    gathered_gb: float
    """Weights of two layers that are brought together (ZeRO stage 3)."""
    total_gb: float
    device_gb: float

    @property
    def fits(self) -> bool:
        return self.total_gb <= ROOM * self.device_gb


def state_bytes_per_param(scheme: Scheme, stage: int, data: int) -> tuple[float, float, float]:
    """Weights, gradients and optimiser of a parameter on each of ``data`` devices (S. Rajbhandari et al. 2020, "ZeRO", section 5:
    stage 1 divides the optimiser, 2 gradients as well, 3 all)."""
    return (
        scheme.weights / (data if stage >= 3 else 1),
        scheme.gradients / (data if stage >= 2 else 1),
        scheme.optimiser / (data if stage >= 1 else 1),
    )


def state_bytes(
    model: Model, scheme: Scheme, *, tensor: int, pipeline: int, data: int, stage: int
) -> tuple[float, float, float]:
    """Weights, gradients and optimiser that the fullest device holds, of the pipeline stage with most layers."""
    layers = model.config.layers
    mine = model.params * -(-layers // pipeline) / layers / tensor
    weights, gradients, optimiser = state_bytes_per_param(scheme, stage, data)
    return weights * mine, gradients * mine, optimiser * mine


def device_memory(
    model: Model,
    device_gb: float,
    *,
    rows: int,
    length: int,
    tensor: int = 1,
    pipeline: int = 1,
    data: int = 1,
    stage: int = 0,
    recompute: Recompute = "none",
    flash: bool = True,
    micro_batches: int = 1,
    scheme: Scheme = SCHEMES["megatron"],
) -> Memory:
    """What the fullest device, of the first pipeline stage, holds.

    The schedule is one forward, one backward: the first stage keeps the activations of as many micro-batches as there are
    stages (Narayanan et al. 2021, section 2.2). ``flash``: attention that keeps no scores, as kernels do since 2022. Feed-forward
    activations of a mixture of experts are those of its active part.
    """
    weights, gradients, optimiser = state_bytes(
        model, scheme, tensor=tensor, pipeline=pipeline, data=data, stage=stage
    )
    activations, logits, gathered = passing_bytes(
        model,
        rows=rows,
        length=length,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        stage=stage,
        recompute=recompute,
        flash=flash,
        micro_batches=micro_batches,
        scheme=scheme,
    )
    parts = [part / 1e9 for part in (weights, gradients, optimiser, activations, logits, gathered)]
    names = ("weights_gb", "gradients_gb", "optimiser_gb", "activations_gb", "logits_gb", "gathered_gb")
    return Memory(**dict(zip(names, parts, strict=True)), total_gb=sum(parts), device_gb=device_gb)


def passing_bytes(
    model: Model,
    *,
    rows: int,
    length: int,
    tensor: int,
    pipeline: int,
    data: int,
    stage: int,
    recompute: Recompute,
    flash: bool = True,
    micro_batches: int = 1,
    scheme: Scheme = SCHEMES["megatron"],
) -> tuple[float, float, float]:
    """Activations, logits and gathered weights, see `device_memory`."""
    config = model.config
    kept: Recompute = "selective" if recompute == "none" and flash else recompute
    per_layer = activation_bytes_per_layer(
        config, rows, length, tensor=tensor, sequence=tensor > 1, recompute=kept
    )
    activations = per_layer * -(-config.layers // pipeline) * min(pipeline, micro_batches)
    if recompute == "full":  # one layer is computed again as a whole
        activations += 34 * rows * length * config.hidden_size / tensor
    logits = 6 * rows * length * config.vocab_size / tensor if pipeline == 1 else 0.0
    gathered = 2 * scheme.weights * model.params / config.layers / tensor if stage >= 3 and data > 1 else 0.0
    return activations, logits, gathered
