"""The quality classifier of a recipe: trained in the build, reference against raw text (T. Brown et al. 2020, appendix A).

It learns from texts as they are after extraction and repair. Of each side those with the smallest hashes are taken, so
the same pages give the same classifier however they are split among workers.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel

from feilun.data import table
from feilun.data.page import gather
from feilun.data.recipe import CorpusRecipe, QualityRecipe, called
from feilun.data.score import Classifier
from feilun.data.score.classifier import train
from feilun.data.sources import read_split, splits
from feilun.text import FeilunError

LONGEST = 2000
"""Characters of a text that are learnt from, so that a book does not count for more than a page."""
HELD = 10
"""One in so many texts is held back, to tell how well the classifier tells the sides apart."""

Text = tuple[str, str]
"""Id and text."""


class Learnt(BaseModel):
    """What the classifier was made of."""

    reference: int
    raw: int
    """Texts of each side that it learnt from."""
    auc: float | None
    """How often a held back text of the reference scores above a raw one; None where too little was held back."""


def learn(wanted: QualityRecipe, recipe: CorpusRecipe, gathered: Sequence[Path]) -> tuple[Classifier, Learnt]:
    """Train the classifier on the pages of the first stage, and on the paths that the recipe names beside them.

    Raises `FeilunError` if a side has no text, or a name in ``raw`` is no source.
    """
    names, raw = sides_of(wanted, recipe)
    within = set(wanted.reference) & names
    good = _some(_of(gathered, within), wanted.documents, recipe.seed)
    for path in wanted.reference:
        if path not in names:
            good += _some(_beside(path), wanted.documents, recipe.seed)
    good = _some(good, wanted.documents, recipe.seed)
    bad = _some(_of(gathered, raw), wanted.documents, recipe.seed)
    (good, held_good), (bad, held_bad) = _parted(good), _parted(bad)
    model = train((text for _, text in good), (text for _, text in bad))
    auc = _auc(model, held_good, held_bad)
    return model, Learnt(reference=len(good), raw=len(bad), auc=auc)


def sides_of(wanted: QualityRecipe, recipe: CorpusRecipe) -> tuple[set[str], set[str]]:
    """Names of all sources, and of those that are the raw side. Raises `FeilunError` if ``raw`` names what is no source."""
    names = {source.called for source in recipe.sources}
    raw = set(wanted.raw) or names - set(wanted.reference)
    if unknown := sorted(raw - names):
        raise FeilunError(
            f"[quality] raw names {unknown[0]}, which is no source of this recipe. There is: {', '.join(sorted(names))}.",
            f"[quality] raw 中的 {unknown[0]} 不是此配方的数据源。现有：{'、'.join(sorted(names))}。",
            code="no_such_source",
        )
    return names, raw


def _of(gathered: Sequence[Path], sources: set[str]) -> Iterator[Text]:
    for path in gathered if sources else ():
        for row in table.rows(path):
            if row["source"] in sources and not row["reason"]:
                yield f"{row['source']}/{row['id']}", row["text"]


def _beside(path: str) -> Iterator[Text]:
    for file in splits(path, name=called(path, None)):
        for raw in read_split(file):
            page = gather(raw)
            if not page.reason:
                yield f"{page.source}/{page.id}", page.text


def _some(texts: Iterable[Text], most: int, seed: int) -> list[Text]:
    """At most so many texts, cut: those with the smallest hashes, in that order."""

    def key(one: Text) -> tuple[int, Text]:
        said = f"{seed}/quality/{one[0]}".encode("utf-8", "surrogatepass")
        return xxhash.xxh3_64_intdigest(said), (one[0], one[1][:LONGEST])

    return [text for _, text in heapq.nsmallest(most, map(key, texts))]


def _parted(texts: list[Text]) -> tuple[list[Text], list[Text]]:
    held = len(texts) // HELD
    return texts[held:], texts[:held]


def _auc(model: Classifier, good: Sequence[Text], bad: Sequence[Text]) -> float | None:
    """Without what has no score."""
    above, below = (_scores(model, texts) for texts in (good, bad))
    if not above.size or not below.size:
        return None
    difference = np.sign(above[:, None] - below)
    return round(float(difference.mean()) / 2 + 0.5, 4)


def _scores(model: Classifier, texts: Sequence[Text]) -> NDArray[np.float64]:
    found = np.array([model.score(text) for _, text in texts], np.float64)
    return found[np.isfinite(found)]
