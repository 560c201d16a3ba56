"""A corpus decided on again: other rules, limits, copies or mixture, and no page is read again.

What was dropped stands beside what was kept, with its scores, so both go through the last stage once more. The same
recipe gives the same corpus, byte for byte.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from feilun.data import samples, table
from feilun.data.build import GATHERED, add_sketch, check_columns, done, made_by, same_as_before
from feilun.data.corpus import (
    CLASSIFIER,
    FACTS,
    FREQUENT,
    NUMBER,
    UNCUT,
    recipe_of,
    rows_between,
    write_corpus,
)
from feilun.data.dedup import Writer
from feilun.data.forgotten import FORGOTTEN, stand_in
from feilun.data.reasons import COPIES
from feilun.data.recipe import CorpusRecipe
from feilun.data.repair import simplified
from feilun.data.samples import SHOWN
from feilun.data.score import QUALITY, SCORES, quality, scores
from feilun.data.workers import Each, local
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.validation import explain
from feilun.workspace import Manifest

DECIDE, RESCORE = "decide", "rescore"
"""Kinds of jobs."""
ROWS = 20_000
"""Documents of a part."""
FIXED = ("lines", "mask", "decontaminate", "quality")
"""What a recipe says of reading and cleaning, which is done."""


Named = tuple[str, str]
"""A document by its source's name and its id."""


@dataclass(frozen=True)
class Known:
    """What the work on a part has to know."""

    corpus: Path
    sketches: Path
    by: str
    decided: frozenset[str]
    """Reasons that were decided upon and are open now."""
    columns: list[str]
    """The scores."""
    rescore: bool
    quality: Callable[[str], float] | None
    forgotten: frozenset[Named]


def changed(made_by: CorpusRecipe, wanted: CorpusRecipe) -> CorpusRecipe:
    """A corpus's recipe with the rules, the copies and the mixture of another.

    Raises `FeilunError` if the other one also reads or cleans differently, which needs the pages, or if the two do not
    fit together: one has weights, and the other a source without one.
    """
    for name in FIXED:
        if getattr(made_by, name) != getattr(wanted, name):
            raise FeilunError(
                f"The recipe has another [{name}] than this corpus was made with, which needs the pages: feilun data build",
                f"该配方的 [{name}] 与制作此语料库时不同，需要重新读取网页：feilun data build",
                code="needs_build",
            )
    named = {source.called: source for source in wanted.sources}
    sources = [
        source.model_copy(update={"epochs": of.epochs, "weight": of.weight})
        if (of := named.get(source.called))
        else source
        for source in made_by.sources
    ]
    update = {name: getattr(wanted, name) for name in ("rules", "dedup", "mix", "seed")}
    both = made_by.model_copy(update={**update, "sources": sources})
    try:
        return CorpusRecipe.model_validate(both.model_dump())
    except ValidationError as error:
        said = explain(error.errors()[0])
        names = [source.called for source in made_by.sources]
        raise FeilunError(
            f"The recipe does not fit the sources of this corpus, {', '.join(names)}: {said.en}.",
            f"该配方与此语料库的数据源 {'、'.join(names)} 不符：{said.zh}。",
            code="recipe_invalid",
        ) from None


def decide_again(
    corpus: Path,
    recipe: CorpusRecipe,
    job: Job,
    folder: Path,
    each: Each | None = None,
    *,
    rescore: bool = False,
    forgotten: frozenset[Named] = frozenset(),
) -> Path | None:
    """Make the corpus ``folder`` (which may be ``corpus`` itself) of the documents of another, inside ``job.running()``. Killed, it
    goes on where it was if it is called again.

    ``recipe`` is one that `changed` gave. ``rescore``: the scores are computed anew, as this version of Feilun does.
    ``forgotten``: documents of which nothing is left but that there were so many. None if the job was asked to stop before the end.
    """
    work = job.folder / "work"
    if made_by(job, folder):
        shutil.rmtree(work, ignore_errors=True)
        return folder
    manifest, before = Manifest.read(corpus), recipe_of(corpus)
    if not same_as_before(work, manifest.id):
        raise FeilunError(
            f"{corpus.name} has changed since this began. Begin again without --resume.",
            f"自开始以来 {corpus.name} 已变化。请去掉 --resume 重新开始。",
            code="sources_changed",
        )
    names = table.names(corpus / "kept-00000.parquet")
    if NUMBER not in names:
        raise FeilunError(
            f"{corpus.name} was made by an older version of Feilun. Build it again: feilun data build",
            f"{corpus.name} 由旧版飞轮制作。请重新构建：feilun data build",
            code="older_corpus",
        )
    own = corpus / CLASSIFIER if before.quality else None
    known = Known(
        corpus=corpus,
        sketches=work / "sketches",
        by=recipe.dedup.by,
        decided=COPIES | {rule.reason for rule in before.rules},
        columns=[*GATHERED, *SCORES] if rescore else [name for name in names if name.startswith("score.")],
        rescore=rescore,
        quality=quality(own) if rescore else None,
        forgotten=forgotten,
    )
    check_columns(recipe, known.columns)
    starts = range(0, manifest.figures["read"], ROWS)
    parts = [(start, work / "refined" / f"{start:012}.parquet") for start in starts]
    if not done(
        job, RESCORE if rescore else DECIDE, (each or local(1))(again_part, parts, known), len(parts)
    ):
        return None
    beside = {
        name: (corpus / name).read_bytes() for name in (FREQUENT, CLASSIFIER) if (corpus / name).exists()
    }
    if (corpus / SHOWN).exists():
        shown = [one for one in samples.load(corpus / SHOWN) if (one.source, one.id) not in forgotten]
        beside[SHOWN] = samples.as_json(shown).encode()
    nothing: dict[str, Any] = {"passed_over": {}, "sets": {}}  # of a corpus that an older Feilun has made
    facts = nothing | {name: manifest.figures[name] for name in FACTS if name in manifest.figures}
    write_corpus(
        recipe,
        [out for _, out in parts],
        known.sketches,
        folder,
        job,
        beside,
        facts,
        [*manifest.parents, manifest.id],
    )
    shutil.rmtree(work)
    return folder


def again_part(stage: tuple[int, Path], known: Known) -> None:
    """The documents of a part as they were before the last stage, in the order in which they were read."""
    start, out = stage
    if out.exists():
        return
    with table.writing(out, known.columns) as writer, Writer(known.sketches, out.stem) as shard:
        for row in rows_between(known.corpus, start, start + ROWS):
            if (row["source"], row["id"]) in known.forgotten:
                row = _nothing_of(row)
            else:
                _undo(row, known.decided)
            shadow = "" if row["reason"] else simplified(row["text"])
            if known.rescore and shadow:
                row |= scores(row["text"], row["title"], shadow)
                if known.quality is not None:
                    row[QUALITY] = known.quality(shadow)
            add_sketch(shard, row, shadow, known.by)
            writer.add(row)


def _nothing_of(row: table.Row) -> table.Row:
    """What is left of a document that is forgotten."""
    nothing = dict.fromkeys((*table.TEXTS, table.RECEIPT), "")
    name = stand_in(row["source"], row["id"])
    return {**nothing, "id": name, "source": row["source"], "reason": FORGOTTEN}


def _undo(row: table.Row, decided: frozenset[str]) -> None:
    if row["reason"] in decided:
        row["reason"] = ""
    if row[UNCUT]:
        row["text"] = row[UNCUT]
        receipt = json.loads(row[table.RECEIPT])
        receipt["passages"].pop("across")
        if not receipt["passages"]:
            receipt.pop("passages")
        row[table.RECEIPT] = json.dumps(receipt, ensure_ascii=False) if receipt else ""
