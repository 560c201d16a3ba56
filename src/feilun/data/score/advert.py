"""Whether a page sells: a classifier of ours for the whole of it (``recipes/data/advert.npz``).

A list of sellers' words either drops the news of a market or keeps most of what sells: the honest use the same words. So
pages of both kinds about the same things were written, and the n-grams learnt that tell them apart.
"""

from __future__ import annotations

from functools import cache

from feilun.data.score.classifier import Classifier
from feilun.recipe import shipped


@cache
def advert() -> Classifier | None:
    """What gives the probability that a text is an advertisement (``score.advert.v1``); None where its file was taken out."""
    path = shipped("data/advert.npz")
    return Classifier.load(path) if path.is_file() else None
