"""What a model in training answers to whole conversations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import BaseModel

from feilun.model.chat_template import Message
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.train.preferences import prompt_ids
from feilun.train.rollout import Sampling, sample

ROWS = 32
"""Conversations that are answered at a time."""


class Reply(BaseModel):
    """What was said."""

    ids: list[int]
    """The token that ended it included."""
    text: str
    ended: bool


def replies(
    model: Transformer,
    tokenizer: Tokenizer,
    conversations: Sequence[Sequence[Message]],
    sampling: Sampling,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> list[Reply]:
    """One reply to each conversation, which ends with the user's message; none to none."""
    if not conversations:
        return []
    prompts = [prompt_ids(tokenizer, messages) for messages in conversations]
    # Prompts of like length together: what is shorter is computed as far as the longest.
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    drawn = sample(
        model,
        [prompts[number] for number in order],
        sampling,
        stop=tokenizer.end_ids,
        seed=seed,
        together=ROWS,
        dtype=dtype,
    )
    found: dict[int, Reply] = {}
    for number, answer in zip(order, drawn, strict=True):
        ended = answer.end == "stop"
        text = tokenizer.decode(answer.ids[:-1] if ended else answer.ids)
        found[number] = Reply(ids=answer.ids, text=text.strip(), ended=ended)
    return [found[number] for number in range(len(prompts))]
