"""What rules do to the labelled set: pages of which it is known what should become of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feilun.data import table
from feilun.data.decide import Rule
from feilun.data.labelled import Labelled, pages
from feilun.data.page import Context, Page, gather, refine
from feilun.data.score import SCORES
from feilun.data.sources import Raw


def columns_of(
    labelled: Iterable[Labelled], quality: Callable[[str], float] | None
) -> dict[str, NDArray[Any]]:
    """The columns that `feilun.data.decide` asks for, of these pages after every step, each (pages,)."""
    rows = [table.row_of(_refined(page, Context(quality=quality))) for page in labelled]
    nothing = {name: float("nan") for name in SCORES}
    return {name: np.array([{**nothing, **row}[name] for row in rows]) for name in (*rows[0], *SCORES)}


def _refined(labelled: Labelled, context: Context) -> Page:
    page = gather(Raw(labelled.id, "labelled", "html", labelled.html, charset=labelled.charset))
    if not page.reason:
        refine(page, context)
    return page


def good_killed(rules: Sequence[Rule], quality: Callable[[str], float] | None) -> dict[str, float]:
    """Of each reason the share of good text (characters) that its rules would drop."""
    good = [page for page in pages() if page.good]
    columns = columns_of(good, quality)
    weight = np.array([len(page.gold) for page in good], np.float64)
    found = {rule.reason: np.zeros(len(good), np.bool_) for rule in rules}
    for rule in rules:
        found[rule.reason] |= rule.model_copy(update={"source": None}).broken(columns, 0)
    return {name: round(float(weight[broken].sum() / weight.sum()), 4) for name, broken in found.items()}
