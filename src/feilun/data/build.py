"""A corpus out of raw pages, as a job: gather, refine, decide, write.

The sources are cut into parts (a file, or a range of a large one) that workers take one by one. What is known of a part
after a stage is a file under the job's ``work/``, so a build that is killed goes on where it was and ends with the same
corpus. Memory does not grow with the text: only scores and hashes of documents are ever together.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from feilun.data import table
from feilun.data.corpus import write_corpus
from feilun.data.decontaminate import Index, Item, read_items
from feilun.data.dedup import Writer, sketch
from feilun.data.dedup.passages import hashes
from feilun.data.lines import LineCounter
from feilun.data.page import Context, Page, gather, refine
from feilun.data.recipe import CorpusRecipe
from feilun.data.repair import simplified
from feilun.data.score import SCORES, quality
from feilun.data.sources import Split, read_split, splits
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import write_atomically

KIND = "corpus"
GATHERED = ("score.shifted.v1",)
"""Scores that the first stage knows."""


def build(recipe: CorpusRecipe, job: Job, folder: Path, *, workers: int = 1) -> Path | None:
    """Make the corpus ``folder`` inside ``job.running()``; None if the job was asked to stop before the end.

    Raises `FeilunError` if a source is missing, or has changed since the build began.
    """
    work = job.folder / "work"
    parts = parts_of(recipe)
    _same_as_before(work, parts)
    names = [f"{number:06}" for number in range(len(parts))]
    gathered = [work / "pages" / f"{name}.parquet" for name in names]
    refined = [work / "refined" / f"{name}.parquet" for name in names]
    todo = [partial(gather_part, *pair) for pair in zip(parts, gathered, strict=True)]
    if not _each(todo, job, "gather", workers):
        return None
    context = context_of(recipe, gathered)
    sketches = work / "sketches"
    todo = [
        partial(refine_part, *pair, sketches, context, recipe.dedup.by)
        for pair in zip(gathered, refined, strict=True)
    ]
    if not _each(todo, job, "refine", workers):
        return None
    lines = {site: sorted(keys) for site, keys in sorted(context.frequent.items())}
    write_corpus(recipe, refined, sketches, folder, job, {"frequent.json": json.dumps(lines)})
    return folder


def parts_of(recipe: CorpusRecipe) -> list[Split]:
    """The units of work of all sources, in order."""
    if not recipe.sources:
        raise FeilunError(
            "There is nothing to read: name sources in the recipe, or give --source.",
            "没有可读取的内容：请在配方中列出 sources，或使用 --source。",
            code="no_source",
        )
    found: list[Split] = []
    for source in recipe.sources:
        found += splits(source.path, name=source_name(source.path, source.name), fields=source.fields)
    return found


def source_name(path: str, name: str | None) -> str:
    """What a source is called in the corpus."""
    return name or path.rstrip("/").rsplit("/", 1)[-1]


def context_of(recipe: CorpusRecipe, gathered: Sequence[Path]) -> Context:
    """What the second stage has to know of all pages and of the recipe."""
    counter, pages = LineCounter(), Counter[str]()
    for path in gathered:
        for row in table.rows(path):
            if row["site"] and not row["reason"]:
                pages[row["site"]] += 1
                counter.add(row["site"], row["text"].split("\n"))
    several = {site: count for site, count in pages.items() if count >= recipe.lines.least}
    lines = counter.by_site(several, least=recipe.lines.least, share=recipe.lines.share)
    return context_with(recipe, {site: keys for site, keys in lines.items() if keys})


def context_with(recipe: CorpusRecipe, frequent: Mapping[str, Set[int]]) -> Context:
    """The same where the lines are known."""
    sets: dict[str, Iterable[Item]] = {
        one.name or Path(one.path).name: read_items(Path(one.path), one.fields)
        for one in recipe.decontaminate
    }
    return Context(
        frequent=frequent,
        masked=frozenset(recipe.mask),
        quality=quality(),
        contaminants=Index(sets) if sets else None,
    )


def gather_part(part: Split, out: Path) -> None:
    """Stage one of a part."""
    if out.exists():
        return
    with table.writing(out, GATHERED) as writer:
        for page in pages_of(part):
            writer.add(table.row_of(page))


def pages_of(part: Split) -> Iterator[Page]:
    """The pages of a part after stage one, each id once: a file that says the same id twice gives it a number."""
    seen: Counter[str] = Counter()
    for raw in read_split(part):
        page = gather(raw)
        seen[page.id] += 1
        if seen[page.id] > 1:
            page.id = f"{page.id}~{seen[page.id]}"
        yield page


def refine_part(gathered: Path, out: Path, sketches: Path, context: Context, by: str) -> None:
    """Stage two of a part. Every row of the first stage is a row of this one, in the same order."""
    if out.exists():
        return
    with table.writing(out, [*GATHERED, *SCORES]) as writer, Writer(sketches, out.stem) as shard:
        for row in table.rows(gathered):
            page = table.page_of(row)
            receipt = json.loads(row[table.RECEIPT] or "{}")
            if not page.reason:
                refine(page, context)
            alive = not page.reason
            shadow = simplified(page.text) if alive else ""
            shard.add(
                f"{page.source}/{page.id}",
                sketch(shadow),
                page.scores.get(by, float(len(page.text))),
                hashes(shadow) if alive else None,
            )
            writer.add(table.row_of(page, receipt))


def _same_as_before(work: Path, parts: Sequence[Split]) -> None:
    said = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
    path = work / "parts.sha256"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        write_atomically(path, said)
    elif path.read_text() != said:
        raise FeilunError(
            "The sources have changed since this build began. Start a new one: feilun data build",
            "自构建开始以来数据源已变化。请重新开始：feilun data build",
            code="sources_changed",
        )


def _each(todo: Sequence[Callable[[], None]], job: Job, stage: str, workers: int) -> bool:
    """Do all, in any order. False: the job was asked to stop; what is done stays done."""
    job.emit("stage", stage=stage, steps=len(todo))
    if workers == 1:
        for number, one in enumerate(todo, 1):
            if job.stop_wanted:
                return False
            one()
            job.emit("step", stage=stage, step=number, steps=len(todo))
        return True
    # Not forked: a child of a process with threads may find their locks held for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(one) for one in todo]
        try:
            for number, done in enumerate(as_completed(running), 1):
                done.result()
                job.emit("step", stage=stage, step=number, steps=len(todo))
                if job.stop_wanted:
                    return number == len(todo)
        finally:
            for one in running:
                one.cancel()
    return True
