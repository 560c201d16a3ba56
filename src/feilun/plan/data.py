"""What a corpus of this size is: tokens, storage, the time to curate it, and the model it is enough for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from feilun.plan.budget import COMPUTE_OPTIMAL, OVER_TRAINED

Kind = Literal["web", "text"]
Language = Literal["en", "zh", "mixed"]

BYTES_PER_TOKEN = {"en": 4.4, "zh": 4.2, "mixed": 4.3}
"""UTF-8 bytes of a token of vocabularies of 100,000 and more: 4.4 letters of English, 1.4 characters of Chinese (assumed of the
middle; a vocabulary of 8,000 takes a third more tokens)."""

TEXT_OF_PAGE = 0.05
"""Text in a web page's bytes, markup taken away (assumed: Common Crawl's WET files are a twentieth of its uncompressed WARC)."""

KEPT = {"web": 0.15, "text": 0.7}
"""Share of the text that rules and the removal of copies leave: RefinedWeb kept 11.67% of the documents (G. Penedo et al. 2023)."""

CURATED_MB_S_CORE = {"web": 5.0, "text": 0.4}
"""Bytes that a core curates a second: of ``feilun data build``, 137 kB of markup in 27 ms, and short documents in 1.6 ms
(docs/performance.md). Longer documents go faster."""

REPEATS = 4
"""Epochs in which repeated tokens are worth about as much as new ones (N. Muennighoff et al. 2023, section 6)."""


class DataPlan(BaseModel):
    raw_bytes: float
    kind: Kind
    language: Language
    text_bytes: float
    kept_bytes: float
    tokens: float
    useful_tokens: float
    """With repeats."""
    token_shards_bytes: float
    storage_bytes: float
    """Raw, kept text compressed to a third, and token shards."""
    core_hours: float
    days: float
    cores: int
    compute_optimal_params: float
    over_trained_params: float
    """Models that this many tokens are enough for."""


def plan_data(
    raw_bytes: float,
    *,
    kind: Kind = "web",
    language: Language = "mixed",
    cores: int = 16,
    kept: float | None = None,
    vocab_size: int = 65_536,
    mb_s_core: float | None = None,
) -> DataPlan:
    """From the bytes that were collected (uncompressed) to tokens."""
    text = raw_bytes * (TEXT_OF_PAGE if kind == "web" else 1.0)
    left = text * (KEPT[kind] if kept is None else kept)
    tokens = left / BYTES_PER_TOKEN[language]
    shards = tokens * (2 if vocab_size <= 65_536 else 4)
    core_hours = raw_bytes / ((mb_s_core or CURATED_MB_S_CORE[kind]) * 1e6) / 3600
    return DataPlan(
        raw_bytes=raw_bytes,
        kind=kind,
        language=language,
        text_bytes=text,
        kept_bytes=left,
        tokens=tokens,
        useful_tokens=tokens * REPEATS,
        token_shards_bytes=shards,
        storage_bytes=raw_bytes + left / 3 + shards,
        core_hours=core_hours,
        days=core_hours / cores / 24,
        cores=cores,
        compute_optimal_params=tokens / COMPUTE_OPTIMAL,
        over_trained_params=tokens / OVER_TRAINED,
    )
