# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's annotations of tolist and others are partial.)
"""Answers drawn from the weights that are being trained: many at once, each token at the cost of one.

What is drawn is a function of weights, prompts and seed alone. Every row has its own random numbers, one for each
token, so it does not matter which other rows are drawn beside it or have come to an end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from feilun.model.cache import Cache
from feilun.model.reading import Reader
from feilun.model.transformer import Transformer
from feilun.train.rows import rounded

FEWER = 0.75
"""Rows that have ended and that no others replace are left out when no more than this share of those at work goes on: copying
what the others have read takes about as long as a token."""


class Sampling(BaseModel):
    """How tokens are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int = Field(default=128, gt=0)
    """The most of an answer."""
    temperature: float = Field(default=1.0, ge=0)
    """0: the likeliest token, always."""
    top_k: int | None = Field(default=None, gt=0)
    """Only the likeliest ones."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Only the likeliest ones that have this probability together (A. Holtzman et al. 2019, section 3.1)."""


@dataclass(frozen=True)
class Answer:
    """What was drawn after a prompt."""

    ids: list[int]
    """The token that ended it included."""
    logprobs: list[float]
    """Of each token, at the temperature, before the unlikely ones were left out."""
    values: list[float]
    """What the value head expected before each token; empty without one."""
    end: Literal["stop", "length"]


@torch.no_grad()
def sample(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    stop: Collection[int],
    seed: Sequence[int] | int = 0,
    copies: int = 1,
    first: int = 0,
    together: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[Answer]:
    """``copies`` answers to each prompt, those of a prompt together, up to a token of ``stop``, which is part of them.

    ``first``: the number of the first row among those that other processes draw with the same seed; ``together``: rows that
    are drawn at the same time (default: all). The prompts of as many others are read ahead, and each takes the place of the
    next one that ends.
    """
    device, rows, reads = model.device, len(prompts) * copies, Reader(model, dtype)
    room = rounded(max(map(len, prompts))) + sampling.tokens
    chances = _uniform(seed, range(first, first + rows), sampling.tokens).to(device)
    ends = torch.tensor(sorted(stop), device=device)
    drawn = torch.zeros(rows, sampling.tokens, dtype=torch.long, device=device)
    logprobs = torch.zeros(
        rows, sampling.tokens, dtype=torch.promote_types(dtype, torch.float32), device=device
    )
    values = torch.zeros_like(logprobs)
    counts = torch.zeros(rows, dtype=torch.long, device=device)
    stopped = torch.zeros(rows, dtype=torch.bool, device=device)

    def begin(begun: range, room: int | None = None) -> tuple[Cache, Tensor]:
        """What these rows have read when their prompts are, and the hidden states before their first tokens."""
        asked = range(begun.start // copies, (begun.stop - 1) // copies + 1)
        each = torch.arange(begun.start, begun.stop, device=device) // copies - asked.start
        return _read(reads, [prompts[number] for number in asked], each, room)

    at_once = min(together or rows, rows)
    cache, hidden = begin(range(at_once), room)
    row = torch.arange(at_once, device=device)
    going = torch.ones(at_once, dtype=torch.bool, device=device)
    begun, ahead, waiting = at_once, range(at_once, at_once), None
    while True:
        place = counts[row].clamp(max=sampling.tokens - 1)
        token, logprob = choose(reads.head(hidden), sampling, chances[row, place])
        mine, place = row[going], place[going]
        drawn[mine, place], logprobs[mine, place] = token[going], logprob[going]
        if model.value is not None:
            values[mine, place] = model.worth(hidden)[going]
        counts[mine] += 1
        stopped[mine] = torch.isin(token[going], ends)
        going = going & ~stopped[row] & (counts[row] < sampling.tokens)
        left = int(going.sum())
        if left == 0 and begun == rows:
            break
        if begun == rows and left <= FEWER * len(row):
            kept = going.nonzero()[:, 0]
            cache.choose(kept)
            row, token, going = row[kept], token[kept], going[kept]
        if left:
            hidden = reads.read(token[:, None], cache)[:, 0]
        for free in [] if begun == rows else (~going).nonzero()[: rows - begun, 0]:
            if waiting is None or begun == ahead.stop:
                ahead = range(begun, min(begun + at_once, rows))
                waiting = begin(ahead)
            others, states = waiting
            cache.replace(free, others, begun - ahead.start)
            row[free], hidden[free], going[free] = begun, states[begun - ahead.start], True
            begun += 1
    return [
        Answer(
            drawn[number, :count].tolist(),
            logprobs[number, :count].tolist(),
            values[number, :count].tolist() if model.value is not None else [],
            "stop" if ended else "length",
        )
        for number, (count, ended) in enumerate(zip(counts.tolist(), stopped.tolist(), strict=True))
    ]


def _read(
    reads: Reader, prompts: Sequence[Sequence[int]], each: Tensor, room: int | None
) -> tuple[Cache, Tensor]:
    """The prompts in a cache (with no room but for them), a row for each number in ``each``, and what stands before the
    first token of the rows.
    """
    device = each.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    ids = torch.zeros(len(prompts), rounded(int(lengths.max())), dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=device)
    cache = Cache(lengths, room or ids.shape[1])
    hidden = reads.read(ids, cache)[torch.arange(len(prompts), device=device), lengths - 1]
    if len(each) != len(prompts):
        cache.choose(each)
        hidden = hidden[each]
    return cache, hidden


def choose(logits: Tensor, sampling: Sampling, chance: Tensor) -> tuple[Tensor, Tensor]:
    """A token of each row of ``logits`` (rows, vocab), and its log-probability. ``chance`` (rows,): from 0 to 1, what
    decides.
    """
    if sampling.temperature == 0:
        token = logits.argmax(-1)
        return token, logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(-1)
    whole = (logits / sampling.temperature).softmax(-1)
    allowed, order = whole, None
    if sampling.top_k is not None or sampling.top_p < 1:
        allowed, order = whole.sort(-1, descending=True)
        before = allowed.cumsum(-1) - allowed
        allowed = allowed.masked_fill(before >= sampling.top_p, 0)
        if sampling.top_k is not None:
            allowed[:, sampling.top_k :] = 0
    reached = allowed.cumsum(-1)
    # Below the sum even after rounding, so that what is found is possible.
    chance = chance.to(reached.dtype).clamp(max=1 - 2**-23)
    token = torch.searchsorted(reached, chance[:, None] * reached[:, -1:], right=True)
    # Of logits that are no numbers it is beyond the last: then the log-probability, which is none either, has to tell.
    token = token.clamp(max=logits.shape[-1] - 1)
    if order is not None:
        token = order.gather(1, token)
    return token[:, 0], whole.gather(1, token).log()[:, 0]


def _uniform(seed: Sequence[int] | int, rows: range, tokens: int) -> Tensor:
    """(rows, tokens), from 0 to 1: of each row the same, however many there are."""
    seeds = [seed] if isinstance(seed, int) else list(seed)
    drawn = [np.random.Generator(np.random.PCG64([*seeds, row])).random(tokens) for row in rows]
    return torch.from_numpy(np.stack(drawn))
