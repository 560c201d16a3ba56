"""How much better each token was than expected: from rewards to advantages."""

from __future__ import annotations

import torch
from torch import Tensor


def generalised(
    rewards: Tensor, values: Tensor, counts: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (J. Schulman et al. 2015, equation 16): advantages and returns, both (rows, length).

    rewards: of the token chosen at each place, values: expected before it, counts: bool, where a token was chosen; all
    (rows, length). After a row's last token there is nothing more to come. 0 where nothing counts.
    """
    advantages = torch.zeros_like(rewards)
    after = later = torch.zeros_like(rewards[:, 0])
    for place in reversed(range(rewards.shape[1])):
        here = counts[:, place]
        found = rewards[:, place] + gamma * later - values[:, place] + gamma * lam * after
        advantages[:, place] = torch.where(here, found, 0.0)
        after = advantages[:, place]
        later = torch.where(here, values[:, place], 0.0)
    return advantages, torch.where(counts, advantages + values, 0.0)


def whitened(values: Tensor, counts: Tensor, *, centred: bool = True) -> Tensor:
    """Values with deviation 1, and mean 0 if ``centred``, over where they count; 0 elsewhere. One value alone stays."""
    chosen = values[counts]
    if chosen.numel() < 2:
        return torch.where(counts, values, 0.0)
    mean = chosen.mean()
    scaled = (values - mean) * torch.rsqrt(chosen.var() + 1e-8)
    return torch.where(counts, scaled if centred else scaled + mean, 0.0)


def of_group(rewards: Tensor, group: int, *, scaled: bool = True) -> Tensor:
    """How much better each answer (n,) is than the mean of its ``group`` to the same question, which stand together
    (Z. Shao et al. 2024, section 4.1.2), in units of the group's deviation if ``scaled`` (without: Z. Liu et al. 2025).
    """
    grouped = rewards.view(-1, group)
    found = grouped - grouped.mean(1, keepdim=True)
    if scaled:
        found = found / (grouped.std(1, keepdim=True) + 1e-4)
    return found.flatten()
