"""Why a document is in a corpus, or is not: its way from the raw bytes, walked again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from feilun.data import table
from feilun.data.build import context_with, numbered
from feilun.data.corpus import FREQUENT, UNCUT, recipe_of
from feilun.data.dedup.passages import Cut
from feilun.data.page import Page, gather, refine
from feilun.data.recipe import CorpusRecipe
from feilun.data.repair import Edit, replay
from feilun.data.sources import read_split, splits
from feilun.text import FeilunError
from feilun.workspace import Manifest


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

    @property
    def cleaned(self) -> str:
        """The text without the dropped lines, of which `refined.cuts` speak."""
        dropped = {number for number, _, _ in self.refined.lines}
        lines = self.gathered.text.split("\n")
        return "\n".join(line for number, line in enumerate(lines) if number not in dropped)

    @property
    def uncut(self) -> str:
        """The corpus's text before passages of many documents were cut out of it."""
        return self.row.get(UNCUT) or self.row["text"]


def documents(corpus: Path, *, dropped: str | None = None) -> Iterator[table.Row]:
    """The rows of a corpus: those kept, or those ``dropped`` for a reason ("all": for any)."""
    for path in sorted(corpus.glob("kept-*.parquet" if dropped is None else "dropped-*.parquet")):
        for row in table.rows(path):
            if dropped in (None, "all", row["reason"]):
                yield row


def check_reason(corpus: Path, dropped: str | None) -> None:
    """Raises `FeilunError` (404) if it is a reason that nothing in the corpus was dropped for."""
    figures = Manifest.read(corpus).figures
    known = [*figures["failed"], *figures["dropped"]]
    if dropped not in (None, "all", *known):
        raise FeilunError(
            f"{corpus.name} dropped nothing for the reason {dropped}. Its reasons: {', '.join(known) or 'none'}.",
            f"{corpus.name} 中没有因 {dropped} 丢弃的文档。现有原因：{'、'.join(known) or '无'}。",
            status=404,
            code="no_such_reason",
        )


def find(corpus: Path, id: str) -> table.Row:
    """The row of a document, kept or dropped.

    Raises `FeilunError` if there is none (404), or if several sources have one and ``id`` does not name the source.
    """
    found = list(_places(corpus, id))
    names = list(dict.fromkeys(name for name, _, _ in found))
    exact = [one for one in found if one[0] == id]
    if not found:
        raise FeilunError(
            f"{corpus.name} has no document {id}. See some: feilun data sample {corpus.name}",
            f"{corpus.name} 中没有文档 {id}。查看一些：feilun data sample {corpus.name}",
            status=404,
            code="document_not_found",
        )
    if len(names) > 1 and not exact:
        raise FeilunError(
            f"{corpus.name} has {len(names)} documents {id}. Name the one that is meant: {', '.join(names)}",
            f"{corpus.name} 中有 {len(names)} 篇文档名为 {id}。请指明其一：{'、'.join(names)}",
            status=409,
            code="ambiguous_document",
        )
    _, path, at = (exact or found)[0]
    return next(islice(table.rows(path), at, None))


def _places(corpus: Path, id: str) -> Iterator[tuple[str, Path, int]]:
    """Of each document of this name: ``source/id``, its file, and which row it is there."""
    for path in (*sorted(corpus.glob("kept-*.parquet")), *sorted(corpus.glob("dropped-*.parquet"))):
        known = table.columns([path], ["source", "id"])
        for at, (source, own) in enumerate(zip(known["source"], known["id"], strict=True)):
            name = f"{source}/{own}"
            if id in (own, name):
                yield name, path, at


def why(corpus: Path, id: str) -> Trace:
    """Walk a document's way again. Raises `FeilunError` if it or its source is not there any more."""
    row, recipe = find(corpus, id), recipe_of(corpus)
    gathered = _again(recipe, row)
    refined = replace(gathered, scores=dict(gathered.scores))
    stored: dict[str, list[int]] = json.loads((corpus / FREQUENT).read_text(encoding="utf-8"))
    frequent: dict[str, Set[int]] = {site: frozenset(keys) for site, keys in stored.items()}
    refine(refined, context_with(recipe, frequent, corpus))
    known: dict[str, Any] = {name: np.array([value]) for name, value in row.items()}
    broken = [rule.reason for rule in recipe.rules if rule.broken(known, recipe.seed)[0]]
    return Trace(row, gathered, refined, list(dict.fromkeys(broken)))


def _again(recipe: CorpusRecipe, row: table.Row) -> Page:
    """The document after stage one. The others of its source are read as well, but not extracted."""
    for source in recipe.sources:
        if source.called != row["source"]:
            continue
        for split in splits(source.path, name=source.called, fields=source.fields):
            for id, raw in numbered(read_split(split)):
                if id == row["id"]:
                    page = gather(raw)
                    page.id = id
                    return page
    raise FeilunError(
        f"The source {row['source']} has no document {row['id']} any more.",
        f"数据源 {row['source']} 中已没有文档 {row['id']}。",
        status=404,
        code="document_gone",
    )


def repairs(original: str, edits: Sequence[Edit]) -> Iterator[tuple[str, list[Edit]]]:
    """The repairs of a text in their order: the text before each, and its edits from the beginning of the text to the end.

    The edits of a repair are listed from the end to the beginning, so the offsets of all of them hold in the text before it.
    """
    text, group = original, list[Edit]()
    for edit in edits:
        if group and edit.end > group[-1].start:
            yield text, group[::-1]
            text, group = replay(text, group), []
        group.append(edit)
    if group:
        yield text, group[::-1]


_SENTENCE = re.compile(r"[^。！？!?;；…｡.”’\"')）】』」》\n]*(?:[。！？!?;；…｡.”’\"')）】』」》\n]|$)")
"""Up to the next sign at which a passage may begin or end (`feilun.data.dedup.passages`)."""


def cut_across(row: table.Row) -> list[Cut]:
    """The passages that were cut because many documents have them; offsets in the uncut text.

    They are what is in the uncut text and not in the text. Empty if the one is not the other without some sentences.
    """
    kept = [sentence for sentence, _, _ in _sentences(row["text"])][::-1]
    cuts: list[Cut] = []
    goes_on = False
    for sentence, start, end in _sentences(row.get(UNCUT) or ""):
        if kept and sentence == kept[-1]:
            kept.pop()
            goes_on = False
        else:
            cuts.append(Cut("across", cuts.pop().start if goes_on else start, end))
            goes_on = True
    return [] if kept else cuts


def _sentences(text: str) -> Iterator[tuple[str, int, int]]:
    """Without the white space about them."""
    for match in _SENTENCE.finditer(text):
        if said := match[0].strip():
            start = match.start() + match[0].index(said)
            yield said, start, start + len(said)
