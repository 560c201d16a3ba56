"""The part of a recipe that all training has: how it runs."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from feilun.validation import invalid


class RunRecipe(BaseModel):
    """How long, in which precision, and how often it is looked at and saved."""

    model_config = ConfigDict(extra="forbid")

    steps: int | None = Field(default=None, gt=0)
    """Of the optimiser; fine-tuning counts epochs instead."""
    rows: int = Field(default=8, gt=0)
    """Rows of a micro-batch, over all processes."""
    length: int = Field(default=512, gt=1)
    """Tokens of a row."""
    accumulate: int = Field(default=1, gt=0)
    """Micro-batches of a step."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """What products are computed in; weights are float32. ``auto``: bfloat16 where the processor has it."""
    compile: Literal["none", "blocks", "full"] = "none"
    """torch.compile: pays after some minutes (a minute of compiling for 15 to 20% more speed on a CPU)."""
    recompute: bool = False
    """Compute activations again in the backward pass: less memory, a third more work."""
    evaluate_every: int = Field(default=200, gt=0)
    save_every: int = Field(default=200, gt=0)
    keep: int = Field(default=2, gt=0)
    """Checkpoints kept."""

    @model_validator(mode="after")
    def _row_is_worth_it(self) -> Self:
        if self.rows * self.length * self.accumulate < 2:
            raise invalid("a step needs at least two tokens", "每步至少需要两个词元")
        return self

    @property
    def torch_dtype(self) -> torch.dtype:
        if self.dtype == "auto":
            return torch.bfloat16 if _has_bfloat16() else torch.float32
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


def _has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # Elsewhere bfloat16 is emulated, and slower than float32.
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())  # pyright: ignore[reportPrivateUsage]
