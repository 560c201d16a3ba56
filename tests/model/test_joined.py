"""An adapter on top of another one, and the two as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.model.test_lora import FAMILIES, ids, near, shake, tiny

from feilun.model import lora_files
from feilun.model.joined import attach_above, join
from feilun.model.lora import ALL_TARGETS, Lora, adapters, attach, merge
from feilun.model.transformer import Transformer
from feilun.text import FeilunError

BELOW = Lora(rank=3, alpha=5, targets=("q", "v", "gate", "down"))
ABOVE = Lora(rank=2, alpha=8, targets=("k", "gate", "up"))


def adapted(family: str = "gemma3", below: Lora = BELOW) -> Transformer:
    model = tiny(family)
    attach(model, below)
    shake(model)
    return model


@pytest.mark.parametrize(
    "above", [ABOVE, Lora(rank=1, alpha=1, targets=("o",)), Lora(rank=2, targets=ALL_TARGETS)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_both_count_and_become_one(family: str, above: Lora, tmp_path: Path) -> None:
    model, plain = adapted(family), tiny(family)
    before = model(ids()).detach()
    below = attach_above(model, above)
    near(model(ids()), before, 1e-4)
    assert all(
        not name.endswith("weight") for name, weight in model.named_parameters() if weight.requires_grad
    )
    shake(model)
    taught = model(ids()).detach()
    assert not torch.allclose(taught, before, atol=1e-2)
    lora = join(model, below, most=64)
    assert (lora.rank, lora.scale, set(lora.targets)) == (3 + above.rank, 1, {*BELOW.targets, *above.targets})
    near(model(ids()), taught, 1e-4)
    lora_files.save_gguf(model, tmp_path / "both.gguf")  # as one adapter of the base as it was
    lora_files.load_adapter(plain, tmp_path / "both.gguf")
    near(plain(ids()), taught, 1e-4)


def test_beyond_the_highest_rank_it_is_the_nearest() -> None:
    model, base = adapted(), tiny("gemma3").state_dict()
    below = attach_above(model, Lora(rank=3, targets=("gate", "down")))
    shake(model)
    merged = tiny("gemma3")
    attach(merged, BELOW)
    whole = {
        f"{name}.{target}": module.base.weight.detach()[begin:end]
        + module.lora.scale * views["b"] @ views["a"]
        - base[f"{name}.weight"][begin:end]
        for name, module in adapters(model).items()
        for (target, views), (begin, end) in zip(module.tensors(), module.rows.values(), strict=True)
    }
    assert join(model, below, most=4).rank == 4
    for name, module in adapters(model).items():
        for target, views in module.tensors():
            if target not in ("gate", "down"):
                continue  # of rank 3
            u, values, v = torch.linalg.svd(whole[f"{name}.{target}"])
            near(views["b"] @ views["a"], u[:, :4] * values[:4] @ v[:4], 1e-4)


def test_the_one_below_never_loses_its_rank() -> None:
    model = adapted()
    below = attach_above(model, Lora(rank=2))
    before = model(ids()).detach()  # the new one has learnt nothing
    assert join(model, below, most=1).rank == BELOW.rank
    near(model(ids()), before, 1e-4)


def test_it_can_be_done_again_and_again() -> None:
    model = adapted()
    for turn in range(4):
        below = attach_above(model, Lora(rank=2), seed=turn)
        shake(model)
        before = model(ids()).detach()
        assert join(model, below, most=11).rank == 5 + 2 * turn
        near(model(ids()), before, 1e-4)  # nothing is rounded off yet
    merge(model)


@pytest.mark.parametrize("which", [0, 1])
def test_magnitudes_are_refused(which: int) -> None:
    kinds: list[Any] = [BELOW, ABOVE]
    kinds[which] = kinds[which].model_copy(update={"dora": True})
    model = adapted(below=kinds[0])
    with pytest.raises(FeilunError) as refused:
        attach_above(model, kinds[1])
    assert refused.value.code == "dora_joined"
    assert next(iter(adapters(model).values())).lora == kinds[0]
