"""Bits per byte: how well a model predicts text, comparable between tokenizers.

A model's loss is in nats per token, and what a token is differs between models. The same loss summed over a text and
divided by the text's UTF-8 bytes does not depend on that.
"""

from __future__ import annotations

import math
from collections import defaultdict

ALL = "all"
"""The name of the figure for all languages together."""


def bits_per_byte(nats: float, size: int) -> float:
    """``nats``: summed negative natural log-probability of texts of ``size`` UTF-8 bytes.

    Raises `ValueError` if there are no bytes.
    """
    if size <= 0:
        raise ValueError(f"bits per byte of {size} bytes")
    return nats / (size * math.log(2))


class Bits:
    """Sums over texts, per language.

    What predicts the end of a document (a model's end token) belongs to its nats; the end itself has no bytes.
    """

    def __init__(self) -> None:
        self._nats: dict[str, list[float]] = defaultdict(list)
        self._size: dict[str, int] = defaultdict(int)

    def add(self, nats: float, size: int, language: str | None = None) -> None:
        """Count a text, or any number of them, of ``size`` UTF-8 bytes; without a language it counts in the whole only."""
        for name in {ALL, language or ALL}:
            self._nats[name].append(nats)
            self._size[name] += size

    def figures(self) -> dict[str, float]:
        """Bits per byte of the whole (``all``) and of each language that has bytes; empty before anything is added."""
        names = sorted(name for name, size in self._size.items() if size)
        names.sort(key=lambda name: name != ALL)
        return {name: bits_per_byte(math.fsum(self._nats[name]), self._size[name]) for name in names}
