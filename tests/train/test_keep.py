"""What is kept does not move, beside what is learnt; and what does not change is read once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.train.shape import SHAPE

from feilun.model.config import ModelConfig
from feilun.model.lora import Lora, attach
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.train.batches import Examples
from feilun.train.keep import LearnAndKeep
from feilun.train.objectives import Batch
from feilun.train.origin import Recomputed, Remembered
from feilun.train.state import learning_weights


def model_with_adapter() -> Transformer:
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(3)
    with torch.no_grad():  # logits that an adapter can move
        model.embedding.weight.mul_(20)
    attach(model, Lora(rank=4, alpha=8), 0)
    with torch.no_grad():  # an adapter that does something, as the one of a release does
        for weight in learning_weights(model).values():
            weight.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    return model


def rows(keep: list[bool]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 64, (len(keep), 9), generator=generator)
    targets = ids.roll(-1, 1)
    targets[:, :4] = IGNORED
    targets[:, -1] = IGNORED
    return Batch(ids, targets, keep=torch.tensor(keep))


def test_the_loss_is_cross_entropy_of_what_is_learnt_and_divergence_of_what_is_kept() -> None:
    model, batch = model_with_adapter(), rows([False, True, True, False])
    objective = LearnAndKeep(Recomputed(model))
    with torch.no_grad():
        before = model(batch.ids)
        for weight in learning_weights(model).values():
            weight.add_(0.03)
    moved = {name: weight.clone() for name, weight in learning_weights(model).items()}
    loss = objective(model, batch, torch.float32)
    loss.backward()
    ours = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    assert all(torch.equal(weight, moved[name]) for name, weight in learning_weights(model).items())
    model.zero_grad()
    now, counts = model(batch.ids), batch.targets != IGNORED
    learnt, kept = counts & ~batch.keep[:, None], counts & batch.keep[:, None]  # type: ignore[index]
    expected = F.cross_entropy(now[learnt], batch.targets[learnt], reduction="sum") + F.kl_div(
        now[kept].log_softmax(-1), before[kept].log_softmax(-1), reduction="sum", log_target=True
    )
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    theirs = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    assert ours.keys() == theirs.keys() == moved.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_what_was_read_once_is_what_is_read_each_time(first: int) -> None:
    """Packed with other texts, after the weights have moved, and wherever learning begins."""
    model = model_with_adapter()
    for block in model.blocks[:first]:
        block.requires_grad_(False)
    random = torch.Generator().manual_seed(2)
    sizes = torch.randint(3, 90, (40,), generator=random).tolist()
    ids = [torch.randint(3, 64, (size,), generator=random).tolist() for size in sizes]
    shown = [(one, [True] * len(one)) for one in ids]
    keep = [bool(number % 3) for number in range(40)]
    once = Remembered(model, Examples(shown, rows=16, pad_id=0, keep=keep), torch.float32)
    each = Recomputed(model)
    with torch.no_grad():
        for weight in learning_weights(model).values():
            weight.add_(0.03)
    for batch in Examples(shown, rows=7, pad_id=0, keep=keep, keep_share=0.5).at(3).batches:
        assert batch.packing is not None
        assert batch.packing.documents is not None
        there = batch.packing.documents >= 0
        (x, before), (again, same) = (origin(model, batch, torch.float32) for origin in (once, each))
        torch.testing.assert_close(x[there], again[there], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            before[there[batch.kept_rows]], same[there[batch.kept_rows]], rtol=1e-4, atol=1e-5
        )


def test_at_the_start_only_what_is_learnt_pulls() -> None:
    model = model_with_adapter()
    loss = LearnAndKeep(Recomputed(model))(model, rows([True, True]), torch.float32)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    assert all(float(w.grad.abs().max()) < 1e-4 for w in model.parameters() if w.grad is not None)


def test_what_is_kept_stays_while_the_rest_is_learnt() -> None:
    def trained(*, keeping: bool) -> tuple[float, float]:
        """Nats of what was to be learnt, and how far the other row has moved, after some steps."""
        model, batch = model_with_adapter(), rows([False, True])
        learnt, other = batch.rows(slice(0, 1)), batch.rows(slice(1, 2))
        objective = LearnAndKeep(Recomputed(model))
        optimiser = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=2e-2)
        with torch.no_grad():
            before = model(other.ids)[other.targets != IGNORED].log_softmax(-1)
        for _ in range(60):
            optimiser.zero_grad()
            objective(model, batch if keeping else learnt, torch.float32).backward()
            optimiser.step()
        with torch.no_grad():
            now = model(other.ids)[other.targets != IGNORED].log_softmax(-1)
            return float(model.nats(learnt.ids, learnt.targets)), float(
                F.kl_div(now, before, reduction="sum", log_target=True)
            )

    batch = rows([False])
    untaught = float(model_with_adapter().nats(batch.ids, batch.targets).detach())
    alone, moved = trained(keeping=False)
    both, kept = trained(keeping=True)
    assert max(alone, both) < untaught / 4
    assert kept < moved / 5
