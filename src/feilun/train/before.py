"""The model as it was before the training, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import torch

from feilun.model.transformer import Transformer
from feilun.train.state import learning_weights


class Before:
    """A model's learning weights as they are now, to be put back for a while later.

    Of an adapter it is little; where all weights learn it is a second model.
    """

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._weights = {name: weight.clone() for name, weight in learning_weights(model).items()}

    @contextlib.contextmanager
    def __call__(self) -> Generator[None]:
        """Inside the model is what it was; nothing must be learnt there."""
        learning = {name: weight for name, weight in self._model.named_parameters() if weight.requires_grad}
        now = {name: weight.data for name, weight in learning.items()}
        try:
            for name, weight in learning.items():
                weight.data = self._weights[name].to(weight.device)
            with torch.no_grad():
                yield
        finally:
            for name, weight in learning.items():
                weight.data = now[name]
