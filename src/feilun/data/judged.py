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
from feilun.data.score import quality as shipped_quality
from feilun.data.sources import Raw
from feilun.recipe import shipped


def raw_of(labelled: Labelled) -> Raw:
    """The page as it would lie in a source."""
    return Raw(labelled.id, "labelled", "html", labelled.html, charset=labelled.charset)


def columns_of(raws: Iterable[Raw], quality: Callable[[str], float] | None) -> dict[str, NDArray[Any]]:
    """The columns that `feilun.data.decide` asks for, of these pages after every step, each (pages,)."""
    rows = [table.row_of(_refined(raw, Context(quality=quality))) for raw in raws]
    nothing = {name: float("nan") for name in SCORES}
    return {name: np.array([{**nothing, **row}[name] for row in rows]) for name in (*rows[0], *SCORES)}


def _refined(raw: Raw, context: Context) -> Page:
    page = gather(raw)
    refine(page, context)
    return page


def broken(rules: Sequence[Rule], columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.bool_]]:
    """Of each reason which pages break one of its rules, whatever the other rules say of them, each (pages,)."""
    found = {rule.reason: np.zeros(len(columns["id"]), np.bool_) for rule in rules}
    for rule in rules:
        found[rule.reason] |= rule.model_copy(update={"source": None}).broken(columns, 0)
    return found


def good_columns(quality: Callable[[str], float] | None) -> dict[str, NDArray[Any]]:
    """Of the good pages what `broken` asks for, and ``weight``: the characters of each that are to be kept."""
    good = [page for page in pages() if page.good]
    columns = columns_of(map(raw_of, good), quality)
    wanted = {
        name: column
        for name, column in columns.items()
        if name in ("id", "source", "lang") or name.startswith("score.")
    }
    return wanted | {"weight": np.array([len(page.gold) for page in good], np.float64)}


def known_columns() -> dict[str, NDArray[Any]]:
    """The same by the classifier that comes with Feilun. They come with it as well (`scripts/data_judged.py`): to make and
    read the pages takes a second."""
    path = shipped("data/judged.npz")
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            if set(SCORES) <= set(file.files):
                return dict(file)
    return good_columns(shipped_quality())


def good_killed(rules: Sequence[Rule], own: Callable[[str], float] | None = None) -> dict[str, float]:
    """Of each reason the share of good text (characters) that its rules would drop. ``own``: what scores quality, if it is
    not what comes with Feilun."""
    columns = known_columns() if own is None else good_columns(own)
    weight = columns["weight"]
    return {
        name: round(float(weight[dropped].sum() / weight.sum()), 4)
        for name, dropped in broken(rules, columns).items()
    }
