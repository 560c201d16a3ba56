"""Directions that other text does not use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.test_lora import near, tiny
from torch import Tensor

from feilun.model import lora_files
from feilun.model.attention import Packing
from feilun.model.lora import Lora, adapters, attach, restrict
from feilun.model.spare import avoid, spare_directions
from feilun.model.transformer import Transformer


def moment(size: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A second moment with its eigenvalues and eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    vectors, _ = torch.linalg.qr(torch.randn(size, size, generator=generator).double())
    values = torch.rand(size, generator=generator).double() ** 4 * 10
    return (vectors * values) @ vectors.T, values, vectors


@given(size=st.integers(2, 12), seed=st.integers(0, 99), share=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_the_more_a_direction_is_used_the_less_is_left_of_it(size: int, seed: int, share: float) -> None:
    used, values, vectors = moment(size, seed)
    found = spare_directions(used, share).double()
    near(found, found.T, 1e-5)
    assert float(found.square().sum()) / size == pytest.approx(1, rel=1e-4)  # random rows keep their length
    left = torch.linalg.vector_norm(found @ vectors, dim=0)  # of each eigenvector
    free = left * (1 + values / (share * values.mean()))
    near(free, free.max().expand_as(free), 1e-3)
    near(spare_directions(7 * used, share).double(), found, 1e-4)  # however much text there was


def test_with_a_small_share_it_is_the_projection_on_what_is_unused() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 10, generator=generator).double()
    found = spare_directions(inputs.T @ inputs, 1e-5).double()
    projection = torch.eye(10).double() - torch.linalg.pinv(inputs) @ inputs
    near(found, projection * (10 / 7) ** 0.5, 1e-3)


def rows(seed: int) -> tuple[Tensor, Packing, Tensor]:
    ids = torch.randint(40, (3, 9), generator=torch.Generator().manual_seed(seed))
    counts = torch.ones_like(ids, dtype=torch.bool)
    counts[0, 5:] = False
    return ids, Packing.whole(ids), counts


def adapted() -> Transformer:
    model = tiny("gemma3", layers=4)
    attach(model, Lora(rank=4))
    restrict(model, "ffn", 1 / 2)
    return model


def test_only_words_that_count_are_avoided_and_only_what_learns_avoids_them() -> None:
    model = adapted()
    seen: list[Tensor] = []
    place = model.get_submodule("blocks.3.ffn.down")
    place.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    avoid(model, [rows(1), rows(2)], 0.1)
    inputs = torch.cat([x[counts] for x, (*_, counts) in zip(seen, (rows(1), rows(2)), strict=True)])
    found = {name for name, module in adapters(model).items() if module.directions is not None}
    assert found == {f"blocks.{layer}.ffn.{part}" for layer in (2, 3) for part in ("gate_up", "down")}
    directions = adapters(model)["blocks.3.ffn.down"].directions
    assert directions is not None
    near(directions, spare_directions(inputs.T @ inputs, 0.1), 1e-4)
    assert len(place._forward_pre_hooks) == 1  # ours alone


def test_what_is_learnt_changes_avoided_text_less(tmp_path: Path) -> None:
    (ids, *_), (others, *_) = rows(1), rows(9)
    few, whole = ids[1:2], torch.ones_like(ids[1:2], dtype=torch.bool)  # 9 words of 32 dimensions

    def moved(share: float | None) -> tuple[float, float]:
        model = adapted()
        before = model(few).detach(), model(others).detach()
        if share:
            avoid(model, [(few, Packing.whole(few), whole)], share)
        for module in adapters(model).values():
            if module.b.requires_grad:
                module.b.data = 0.02 * torch.randn(module.b.shape, generator=torch.Generator().manual_seed(2))
        lora_files.save_gguf(model, tmp_path / "a.gguf")
        saved = tiny("gemma3", layers=4)
        lora_files.load_adapter(saved, tmp_path / "a.gguf")
        near(saved(few), model(few), 1e-4)  # the directions are in what is written
        after = model(few).detach(), model(others).detach()
        own, other = (float((x - y).norm()) for x, y in zip(after, before, strict=True))
        return own, other

    free, anywhere = moved(None)
    held, elsewhere = moved(0.01)
    assert held < free / 3
    assert elsewhere > anywhere / 2
