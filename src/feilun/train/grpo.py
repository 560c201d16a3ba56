"""Group-relative policy optimisation (Z. Shao et al. 2024): several answers to a question are one another's baseline."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.train.objectives import Batch, Tally
from feilun.train.ppo import clipped_ratio


class Grpo(Tally):
    """The clipped loss with a divergence from the reference beside it (equations 3 and 4).

    A batch brings ``old`` and ``reference``: log-probabilities (rows, length) where its targets are; and ``advantages`` and
    ``penalty``, the weight of the divergence (both (rows,)). ``mean``: ``answers`` gives a sum over answers of means over
    their tokens, ``tokens`` a sum over tokens, so that long answers count as much as they are long (Q. Yu et al. 2025,
    "DAPO", equation 8).
    """

    def __init__(
        self,
        *,
        clip: tuple[float, float] = (0.2, 0.2),
        mean: Literal["answers", "tokens"] = "answers",
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self._clip, self._mean, self._temperature = clip, mean, temperature

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        counts, facts = batch.targets != IGNORED, batch.facts
        now, _ = model.chosen_and_values(
            batch.ids, batch.targets, batch.packing, dtype, temperature=self._temperature
        )
        loss, clipped = clipped_ratio(now - facts["old"], facts["advantages"][:, None], *self._clip)
        behind = facts["reference"] - now
        loss = loss + facts["penalty"][:, None] * (behind.exp() - behind - 1)
        self.add(clipped=clipped[counts].float())
        loss = torch.where(counts, loss, 0.0)
        return (loss.sum(1) / counts.sum(1).clamp(min=1)).sum() if self._mean == "answers" else loss.sum()
