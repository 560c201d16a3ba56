"""Operations of a step, beside those that PyTorch counts as it does them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.train.shape import SHAPE
from torch.utils.flop_counter import FlopCounterMode

from feilun.model.config import ModelConfig
from feilun.model.lora import Lora, attach, restrict
from feilun.model.transformer import Transformer
from feilun.train.batches import Examples
from feilun.train.dpo import Dpo
from feilun.train.flops import counted
from feilun.train.objectives import NextToken


def whole(model: Transformer) -> None:
    pass


def adapter(model: Transformer) -> None:
    attach(model, Lora(rank=4, alpha=8))


def upper_adapter(model: Transformer) -> None:
    adapter(model)
    restrict(model, "all", 0.5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("learns", [whole, adapter, upper_adapter])
def test_fine_tuning_takes_what_pytorch_counts(learns: Callable[[Transformer], None], tied: bool) -> None:
    model = Transformer(ModelConfig(**{**SHAPE, "hidden_size": 96, "ffn_size": 256, "tied": tied}))
    model.initialise(0)
    learns(model)
    # As long as a row is, so that there is no padding.
    examples = [([1 + n % 60] * 64, [n < 48 for n in range(64)]) for n in range(8)]
    batches = Examples(examples, rows=8, pad_id=0)
    work = batches.at(0)
    count = counted(model, batches, NextToken(), 64)
    assert count is not None
    with FlopCounterMode(display=False) as counter:
        for batch in work.batches:
            NextToken()(model, batch, torch.float32).backward()
    done = {str(name): number for name, number in counter.get_flop_counts()["Global"].items()}
    # The others are attention. The first block that learns spares a product or two: nothing before it wants a gradient.
    assert count(work) == pytest.approx(done["aten.mm"], rel=0 if learns is whole else 0.06)


def test_what_else_is_computed_is_not_counted() -> None:
    model = Transformer(ModelConfig(**SHAPE))
    batches = Examples([([1, 2, 3], [False, True, True])], rows=1, pad_id=0)
    assert counted(model, batches, Dpo(), 8) is None
