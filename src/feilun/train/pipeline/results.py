"""What a pipeline has found out about its models (``results.json``)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from feilun.evaluate.figures import Difference
from feilun.train.pipeline.measure import Measured


class Results(BaseModel):
    """All figures of a run."""

    name: str
    size: str
    models: list[Measured]
    """After each stage that makes one, in their order."""
    ngram: dict[str, float] | None
    """Bits per byte of a 5-gram model that has read the same bytes as the base model."""
    peers: dict[str, dict[str, float]]
    """Bits per byte of other models on the same text."""
    reward_accuracy: dict[str, float] | None
    """Of the reward model, on held-out pairs."""
    wins: list[Difference]
    """PPO and DPO over fine-tuning."""
    asked: dict[str, str]
    """The last message of each question."""
    figures: dict[str, dict[str, Any]]
    """Of each stage's artifact."""
