"""How well a model predicts text that it has never seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from feilun.data.tokens import TokenDocument, Tokens
from feilun.evaluate.bits import Bits
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer


def heldout_documents(tokens: Tokens, limit: int) -> list[TokenDocument]:
    """Held-out documents of each language, in order, until ``limit`` tokens of it are reached."""
    chosen: list[TokenDocument] = []
    for language in sorted({document.language for document in tokens.documents("heldout")}):
        size = 0
        for document in tokens.documents("heldout", language):
            if size >= limit:
                break
            size += len(document.tokens)
            chosen.append(document)
    return chosen


@torch.no_grad()
def bits_per_byte(
    model: Transformer, documents: Iterable[TokenDocument], *, eos_id: int, length: int, dtype: torch.dtype
) -> dict[str, float]:
    """Bits per UTF-8 byte of the documents and their ends, of all (``all``) and of each language.

    A document longer than ``length`` is read in pieces that do not see each other, but for one token.
    """
    bits = Bits()
    for document in documents:
        ids = [eos_id, *map(int, document.tokens)]
        nats = 0.0
        for rows in _batched(_pieces(ids, length), 8):
            width = max(map(len, rows))
            whole = torch.full((len(rows), width), eos_id)
            targets = torch.full((len(rows), width), IGNORED)
            for number, row in enumerate(rows):
                whole[number, : len(row)] = torch.tensor(row)
                targets[number, : len(row) - 1] = torch.tensor(row[1:])
            nats += float(model.nats(whole.to(model.device), targets.to(model.device), dtype=dtype))
        bits.add(nats, document.bytes, document.language)
    return bits.figures()


def _pieces(ids: list[int], length: int) -> Iterator[list[int]]:
    for begin in range(0, len(ids) - 1, length):
        yield ids[begin : begin + length + 1]


def _batched(pieces: Iterator[list[int]], size: int) -> Iterator[list[list[int]]]:
    while batch := list(islice(pieces, size)):
        yield batch
