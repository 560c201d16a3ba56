"""Why a document is in a corpus, or is not: its way from the raw bytes, walked again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from feilun.data import table
from feilun.data.build import context_with, pages_of, parts_of
from feilun.data.corpus import FREQUENT, recipe_of
from feilun.data.page import Page, refine
from feilun.data.recipe import CorpusRecipe
from feilun.text import FeilunError


@dataclass(frozen=True)
class Trace:
    """A document's way."""

    row: table.Row
    """What the corpus has of it; ``reason`` is "" if it was kept."""
    gathered: Page
    """After decoding, extraction and repair,"""
    refined: Page
    """and after everything else that is done to a page alone."""
    broken: list[str]
    """Reasons of all rules that it breaks, not the first alone."""


def documents(corpus: Path, *, dropped: str | None = None) -> Iterator[table.Row]:
    """The rows of a corpus: those kept, or those ``dropped`` for a reason ("all": for any)."""
    for path in sorted(corpus.glob("kept-*.parquet" if dropped is None else "dropped-*.parquet")):
        for row in table.rows(path):
            if dropped in (None, "all", row["reason"]):
                yield row


def find(corpus: Path, id: str) -> table.Row:
    """The row of a document, kept or dropped. Raises `FeilunError` (404) if there is none."""
    for dropped in (None, "all"):
        for row in documents(corpus, dropped=dropped):
            if id in (row["id"], f"{row['source']}/{row['id']}"):
                return row
    raise FeilunError(
        f"{corpus.name} has no document {id}. See some: feilun data sample {corpus.name}",
        f"{corpus.name} 中没有文档 {id}。查看一些：feilun data sample {corpus.name}",
        status=404,
        code="document_not_found",
    )


def why(corpus: Path, id: str) -> Trace:
    """Walk a document's way again. Raises `FeilunError` if it or its source is not there any more."""
    row, recipe = find(corpus, id), recipe_of(corpus)
    gathered = _again(recipe, row)
    refined = replace(gathered, scores=dict(gathered.scores))
    stored: dict[str, list[int]] = json.loads((corpus / FREQUENT).read_text(encoding="utf-8"))
    frequent: dict[str, Set[int]] = {site: frozenset(keys) for site, keys in stored.items()}
    if not refined.reason:
        refine(refined, context_with(recipe, frequent, corpus))
    known: dict[str, Any] = {name: np.array([value]) for name, value in row.items()}
    broken = [rule.reason for rule in recipe.rules if rule.broken(known, recipe.seed)[0]]
    return Trace(row, gathered, refined, list(dict.fromkeys(broken)))


def _again(recipe: CorpusRecipe, row: table.Row) -> Page:
    for part in parts_of(recipe):
        for page in pages_of([file for file in part if file.source == row["source"]]):
            if page.id == row["id"]:
                return page
    raise FeilunError(
        f"The source {row['source']} has no document {row['id']} any more.",
        f"数据源 {row['source']} 中已没有文档 {row['id']}。",
        status=404,
        code="document_gone",
    )
