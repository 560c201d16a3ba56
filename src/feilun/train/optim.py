"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.optim import Optimizer

from feilun.train.muon import Muon

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimiserRecipe(BaseModel):
    """How weights move."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["adamw", "muon"] = "adamw"
    """``muon``: Muon (Jordan et al. 2024) for the blocks' matrices, AdamW for everything else."""
    lr: float = Field(default=1e-3, gt=0)
    """Peak of AdamW's learning rate."""
    muon_lr: float = Field(default=0.02, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; norms never decay."""
    betas: tuple[Beta, Beta] = (0.9, 0.95)
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    warmup: int = Field(default=50, ge=0)
    """Steps of linear warm-up."""
    decay: float = Field(default=0.2, ge=0, le=1)
    """Share of the steps in which ``wsd`` comes down (Hu et al. 2024, section 4)."""
    floor: float = Field(default=0.1, ge=0, le=1)
    """Where the schedule ends, as a share of the peak."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Weight of the old average in an exponential average of the weights, which is what is kept at the end."""


def learning_rate(recipe: OptimiserRecipe, step: int, steps: int) -> float:
    """The share of the peak at ``step`` (from 0) of ``steps``."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "wsd":
        begin = max(recipe.warmup, round(steps * (1 - recipe.decay)))
        done = (step - begin + 1) / max(1, steps - begin) if step >= begin else 0.0
        return 1.0 - (1.0 - recipe.floor) * done
    done = min(1.0, (step - recipe.warmup) / max(1, steps - recipe.warmup))
    return recipe.floor + (1.0 - recipe.floor) * (1 + math.cos(math.pi * done)) / 2


class Optimisers:
    """One or two optimisers that act as one."""

    def __init__(
        self,
        recipe: OptimiserRecipe,
        named: Iterable[tuple[str, nn.Parameter]],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """``dtype``: what products are computed in."""
        self.recipe = recipe
        parameters = [(name, weight) for name, weight in named if weight.requires_grad]
        muon = [
            weight
            for name, weight in parameters
            if recipe.kind == "muon" and weight.ndim == 2 and name.startswith("blocks.")
        ]
        chosen = {id(weight) for weight in muon}
        rest = [weight for _, weight in parameters if id(weight) not in chosen]
        self.parameters = [weight for _, weight in parameters]
        matrices, vectors = [w for w in rest if w.ndim >= 2], [w for w in rest if w.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.all: list[Optimizer] = []
        if rest:
            groups = [group for group in groups if group["params"]]
            self.all.append(torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True))
        if muon:
            self.all.append(Muon(muon, lr=recipe.muon_lr, weight_decay=recipe.weight_decay, dtype=dtype))
        # Not in the groups: a run that goes on with another rate is not to find the old one in its checkpoint.
        self._peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.all]

    def step(self, share: float) -> None:
        """Move the weights at ``share`` of the peak learning rates, and forget the gradients."""
        for optimiser, peaks in zip(self.all, self._peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            optimiser.step()
        for weight in self.parameters:
            weight.grad = None
