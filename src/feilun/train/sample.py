"""Text from a model in training, to look at."""

from __future__ import annotations

import torch

from feilun.model.transformer import Transformer

TOKENS = 64
"""Of a sample in a report, at most."""


@torch.no_grad()
def generate(
    model: Transformer,
    ids: list[int],
    *,
    tokens: int,
    stop: frozenset[int],
    dtype: torch.dtype,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[int]:
    """At most ``tokens`` ids that follow ``ids``, up to one of ``stop``; greedy at temperature 0.

    Every step reads the whole text again: right for a few short samples, not for serving.
    """
    generator = torch.Generator().manual_seed(seed)
    text = list(ids)
    for _ in range(tokens):
        window = torch.tensor([text[-model.config.context :]], device=model.device)
        logits = model.following(window, dtype).float()[0].cpu()
        if temperature > 0:
            following = int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
        else:
            following = int(logits.argmax())
        if following in stop:
            break
        text.append(following)
    return text[len(ids) :]
