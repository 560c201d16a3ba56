"""Proximal policy optimisation of answers (J. Schulman et al. 2017; L. Ouyang et al. 2022, section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor

from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.train.advantages import generalised, whitened
from feilun.train.objectives import Batch, Tally


class Ppo(Tally):
    """The clipped losses of policy (equation 7) and value (N. Stiennon et al. 2020, appendix C).

    A batch brings (rows, length) each, where its targets are: ``old``, the log-probabilities and ``values`` with which they
    were drawn, their ``advantages`` and ``returns``. The value head sits on the policy itself. Gives a sum over tokens.
    """

    def __init__(
        self,
        *,
        clip: float = 0.2,
        clip_value: float = 0.2,
        value_weight: float = 0.1,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self._clip, self._clip_value, self._value_weight = clip, clip_value, value_weight
        self._temperature = temperature

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        counts, facts = batch.targets != IGNORED, batch.facts
        now, value = model.chosen_and_values(
            batch.ids, batch.targets, batch.packing, dtype, temperature=self._temperature
        )
        assert value is not None, "the policy has no value head"
        policy, clipped = clipped_ratio(now - facts["old"], facts["advantages"], self._clip, self._clip)
        before, wanted = facts["values"], facts["returns"]
        near = before + (value - before).clamp(-self._clip_value, self._clip_value)
        error = torch.maximum((value - wanted).square(), (near - wanted).square()) / 2
        self.add(clipped=clipped[counts].float(), value_error=(value - wanted)[counts].square())
        return (policy + self._value_weight * error)[counts].sum()


def clipped_ratio(gained: Tensor, advantages: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The clipped loss of each token, and whether it was clipped.

    ``gained``: how much its log-probability has risen since it was drawn.
    """
    ratio = gained.exp()
    free, held = ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages
    return -torch.minimum(free, held), held < free


def experience(
    old: Tensor,
    reference: Tensor,
    values: Tensor,
    scores: Tensor,
    counts: Tensor,
    *,
    penalty: float,
    gamma: float,
    lam: float,
    whiten: bool,
) -> dict[str, Tensor]:
    """What `Ppo` learns from: the facts of its batches.

    old, reference, values: log-probabilities and values of the answers' tokens (rows, length), ``counts`` where they are;
    ``scores`` (rows,) of whole answers, given at the last token. Each token pays ``penalty`` times its log-ratio.
    """
    last = counts & (counts.cumsum(1) == counts.sum(1, keepdim=True))
    rewards = torch.where(counts, penalty * (reference - old), 0.0) + torch.where(last, scores[:, None], 0.0)
    if whiten:
        rewards = whitened(rewards, counts, centred=False)
    advantages, returns = generalised(rewards, values, counts, gamma=gamma, lam=lam)
    return {"old": old, "values": values, "advantages": whitened(advantages, counts), "returns": returns}


class Controller:
    """Holds the divergence from the reference near a target by the weight of its penalty (D. Ziegler et al. 2019,
    section 2.2). With no target the weight stays as it is.
    """

    GAIN = 0.1

    def __init__(self, weight: float, target: float | None) -> None:
        self.weight, self._target = weight, target

    def saw(self, kl: float) -> None:
        """``kl``: nats of an answer, in the mean of those that were drawn with the present weight."""
        if self._target is not None:
            error = min(0.2, max(-0.2, kl / self._target - 1))
            self.weight *= 1 + self.GAIN * error
