"""Losses and their gradients are TRL's, to 1e-6 in float64 (figures: `trl_figures.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train import trl_figures as shared
from tests.train.shape import SHAPE
from tests.train.trl_figures import BETA, LENGTH, PROMPT, ROWS, VOCAB, answered, drawn, ids
from torch import Tensor

from feilun.model.config import ModelConfig
from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.train.dpo import Dpo, Kto
from feilun.train.grpo import Grpo
from feilun.train.objectives import Batch, Objective
from feilun.train.ppo import Ppo, experience
from feilun.train.reward import BradleyTerry

FIGURES = json.loads((Path(__file__).parent / "trl_figures.json").read_text())
F64 = torch.float64


class Given(Transformer):
    """A model whose logits, and values, are given: what projects them reads them off."""

    def __init__(self, logits: Tensor, values: Tensor) -> None:
        size = VOCAB + 1
        super().__init__(ModelConfig(**SHAPE | {"vocab_size": VOCAB, "hidden_size": size, "tied": False}))
        self.add_value_head()
        assert self.value is not None
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(VOCAB, size))
            self.value.weight.copy_(torch.eye(size)[-1:])
        self.double()
        self.given = logits, values

    def hidden(self, ids: Tensor, packing: Any = None, dtype: torch.dtype = F64) -> Tensor:
        return torch.cat([self.given[0], self.given[1][..., None]], -1)


def batch(**facts: Tensor) -> Batch:
    targets = ids().roll(-1, 1).masked_fill(~answered().roll(-1, 1), IGNORED)
    targets[:, -1] = IGNORED
    return Batch(ids(), targets, facts=facts)


def check(name: str, objective: Objective, given: Batch, count: int, *leaves: Tensor) -> None:
    logits, values = leaves
    loss = objective(Given(logits, values), given, F64) / count
    loss.backward()
    assert float(loss.detach()) == pytest.approx(FIGURES[name]["loss"], rel=1e-6)
    found = [leaf.grad for leaf in leaves if leaf.grad is not None and float(leaf.grad.abs().sum())]
    assert len(found) == len(FIGURES[name]["gradients"])
    for ours, theirs in zip(found, FIGURES[name]["gradients"], strict=True):
        torch.testing.assert_close(ours, torch.tensor(theirs, dtype=F64), rtol=1e-6, atol=1e-9)


def leaves() -> tuple[Tensor, Tensor]:
    return drawn("logits", ROWS, LENGTH, VOCAB).requires_grad_(), drawn(
        "values", ROWS, LENGTH
    ).requires_grad_()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dpo sigmoid", {}),
        ("dpo smoothed", {"smoothing": 0.2}),
        ("dpo ipo", {"loss": "ipo"}),
        ("dpo normalised", {"normalised": True}),
    ],
)
def test_dpo(name: str, options: dict[str, Any]) -> None:
    objective = Dpo(BETA, **options)
    check(name, objective, batch(reference=shared.reference()), ROWS // 2, *leaves())
    assert objective.take().keys() == {"accuracy", "margin", "chosen", "nats", "nats_before"}


def test_kto() -> None:
    label = torch.tensor(shared.LABELS).repeat_interleave(2)
    given = batch(reference=shared.reference() - 8, label=label)
    check("kto", Kto(BETA, bad=1.5), given, ROWS // 2, *leaves())


@pytest.mark.parametrize("margin", [False, True])
def test_reward(margin: bool) -> None:
    """TRL's figures have one value a row: it stands where the answer ends."""
    values = drawn("values", ROWS).requires_grad_()
    spread = torch.zeros(ROWS, LENGTH, dtype=F64)
    spread[torch.arange(ROWS), shared.lengths() - 1] = 1.0
    facts = {"margin": torch.tensor(shared.MARGINS, dtype=F64).repeat_interleave(2)} if margin else {}
    objective = BradleyTerry(centre=0.01 if margin else 0.0)
    name = "reward margin" if margin else "reward"
    logits = torch.zeros(ROWS, LENGTH, VOCAB, dtype=F64)
    loss = objective(Given(logits, spread * values[:, None]), batch(**facts), F64) / (ROWS // 2)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(FIGURES[name]["loss"], rel=1e-6)
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.tensor(FIGURES[name]["gradients"][0], dtype=F64))


def logprobs(logits: Tensor) -> Tensor:
    """Of each next token (ROWS, LENGTH); the last column is of no meaning."""
    return logits.log_softmax(-1).gather(-1, ids().roll(-1, 1)[..., None])[..., 0].detach()


@pytest.mark.parametrize("mean", ["answers", "tokens"])
def test_grpo(mean: Any) -> None:
    logits, values = leaves()
    now = logprobs(logits / 0.7)
    old, far = now + 0.2 * drawn("old", ROWS, LENGTH), now + 0.5 * drawn("far", ROWS, LENGTH)
    given = batch(
        old=old, reference=far, advantages=drawn("advantages", ROWS), penalty=torch.full((ROWS,), BETA)
    )
    objective = Grpo(clip=(0.2, 0.3), mean=mean, temperature=0.7)
    check(f"grpo {mean}", objective, given, ROWS if mean == "answers" else given.learnt, logits, values)


def test_ppo_from_scores_to_gradients() -> None:
    """Answers of full length: in shorter ones TRL gives the score one place after the end."""
    logits, values = leaves()
    targets = ids().roll(-1, 1)
    targets[:, : PROMPT - 1] = targets[:, -1] = IGNORED
    counts = targets != IGNORED
    old = logprobs(logits + 0.2 * drawn("old", ROWS, LENGTH, VOCAB))
    far = logprobs(logits + 0.5 * drawn("far", ROWS, LENGTH, VOCAB))
    before = (values + 0.3 * drawn("before", ROWS, LENGTH)).detach()
    held = [torch.where(counts, x, 0.0) for x in (old, far, before)]
    facts = experience(
        held[0],
        held[1],
        held[2],
        drawn("scores", ROWS),
        counts,
        penalty=0.1,
        gamma=0.97,
        lam=0.9,
        whiten=True,
    )
    check("ppo", Ppo(), Batch(ids(), targets, facts=facts), int(counts.sum()), logits, values)
