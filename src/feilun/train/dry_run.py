"""A pre-training run without its weights: the model's shapes, what each process would hold, and which rows it would read.

What a run of a thousand devices would find wrong after an hour of loading is found here in seconds on a laptop.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel

from feilun.model.transformer import Transformer
from feilun.train.packed import PackedRows
from feilun.train.recipe import PretrainRecipe

DOCUMENT = 2000
"""Tokens of a document of the corpus that is made up to draw the order."""
EOS = 0
OPTIMISER_BYTES = {"adamw": 8, "muon": 4}
"""Of a number that learns, beside weight and gradient in float32: two moments, or one (AdamW of the embedding aside)."""


class Shards(BaseModel):
    """What each process holds, as FSDP2 spreads weights: each by its first dimension (`feilun.train.distributed.shard`)."""

    processes: int
    tensors: int
    numbers: int
    """Of the process that has the most,"""
    least: int
    """and of the one that has the least."""
    state_gb: float
    """Weights, gradients and optimiser of the first of these."""
    gathered_gb: float
    """The largest block, or the embedding, brought together while it computes."""


class Order(BaseModel):
    """Which rows the processes read. A row's number is its place in the stream of all documents."""

    rows_in_epoch: int
    epochs: float
    rows_of_a_step: int
    first: dict[str, list[int]]
    """The first and the last process's rows of the first step,"""
    last: dict[str, list[int]]
    """and of the last one."""


class DryRun(BaseModel):
    """What is known of a run without its weights."""

    params: int
    """Counted over the tensors of the model, which is the number that its configuration gives."""
    tokens: int
    shards: Shards
    order: Order


SHOWN = 4
"""Rows of a process that are told."""


def dry_run(recipe: PretrainRecipe, processes: int) -> DryRun:
    """Raises `FeilunError` if the rows of a step cannot be shared among so many processes."""
    config = recipe.model.config(recipe.tokenizer.vocab_size, (EOS,), EOS)
    with torch.device("meta"):
        model = Transformer(config)
    params = sum(weight.numel() for weight in model.parameters())
    assert params == config.params, f"{params} numbers, {config.params} by the configuration"
    run = recipe.run
    assert run.steps is not None
    tokens = run.steps * run.rows * run.accumulate * run.length
    return DryRun(
        params=params,
        tokens=tokens,
        shards=_shards(model, processes, recipe),
        order=_order(recipe, processes, tokens),
    )


def share(rows: int, process: int, processes: int) -> int:
    """Rows of a tensor that a process holds: equal parts rounded up, as long as there are any (torch.chunk, as FSDP2 does)."""
    part = -(-rows // processes)
    return max(0, min(rows - process * part, part))


def _shards(model: Transformer, processes: int, recipe: PretrainRecipe) -> Shards:
    shapes = [weight.shape for weight in model.parameters()]
    held = [
        sum(share(shape[0], process, processes) * shape[1:].numel() for shape in shapes)
        for process in (0, processes - 1)
    ]
    blocks = [sum(weight.numel() for weight in block.parameters()) for block in model.blocks]
    largest = max([*blocks, model.embedding.weight.numel()])
    numbers = 8 + OPTIMISER_BYTES[recipe.optimiser.kind]
    return Shards(
        processes=processes,
        tensors=len(shapes),
        numbers=held[0],
        least=held[1],
        state_gb=held[0] * numbers / 1e9,
        gathered_gb=largest * 4 / 1e9,
    )


def _order(recipe: PretrainRecipe, processes: int, tokens: int) -> Order:
    run = recipe.run
    corpus = max(tokens, run.rows * run.length)
    made_up: Any = range(corpus), range(0, corpus, DOCUMENT)
    rows = PackedRows(
        [made_up[0]],
        [made_up[1]],
        eos_id=EOS,
        length=run.length,
        rows=run.rows,
        accumulate=run.accumulate,
        seed=recipe.seed,
        world=processes,
    )
    assert run.steps is not None
    each = run.rows // processes

    def of_step(step: int) -> dict[str, list[int]]:
        first = step * run.rows * run.accumulate
        return {
            str(process): [rows.place(first + process * each + number) for number in range(min(each, SHOWN))]
            for process in sorted({0, processes - 1})
        }

    a_step = run.rows * run.accumulate
    return Order(
        rows_in_epoch=rows.rows_in_epoch,
        epochs=run.steps * a_step / rows.rows_in_epoch,
        rows_of_a_step=a_step,
        first=of_step(0),
        last=of_step(run.steps - 1),
    )
