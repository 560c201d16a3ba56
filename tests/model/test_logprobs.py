"""Log-probabilities and their gradients are those of a plain log-softmax, whether probabilities are kept or made again."""

from __future__ import annotations

import pytest
import torch

from feilun.model import logprobs
from feilun.model.logprobs import log_probabilities
from feilun.model.loss import CHUNK_ROWS


@pytest.mark.parametrize("kept", [0, 2**24])
@pytest.mark.parametrize("rows", [0, 5, CHUNK_ROWS + 3])
def test_values_and_gradients(rows: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "KEPT", kept)
    generator = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, 7, generator=generator, dtype=torch.float64)
    weight = torch.randn(11, 7, generator=generator, dtype=torch.float64)
    given = torch.randn(rows, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 11, (rows,), generator=generator)
    both = [(hidden.clone().requires_grad_(), weight.clone().requires_grad_()) for _ in range(2)]
    ours = log_probabilities(*both[0], targets)
    plain = (both[1][0] @ both[1][1].T).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(ours, plain)
    for values in (ours, plain):
        (values * given).sum().backward()
    for mine, theirs in zip(*both, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
