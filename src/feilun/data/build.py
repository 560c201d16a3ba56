"""A corpus out of raw pages, as a job: gather, refine, decide, write.

The sources are cut into parts (small files together, a range of a large one) that workers take one by one. What is known of a part
after a stage is a file under the job's ``work/``, so a build that is killed goes on where it was and ends with the same
corpus. Memory does not grow with the text: only scores and hashes of documents are ever together.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from feilun.data import pii, samples, table
from feilun.data.corpus import CLASSIFIER, FREQUENT, write_corpus
from feilun.data.decide import check_column
from feilun.data.decontaminate import Index, Item, read_items
from feilun.data.dedup import Writer, sketch
from feilun.data.dedup.passages import hashes
from feilun.data.forgotten import FORGOTTEN, is_forgotten, places_of, stand_in
from feilun.data.lines import LineCounter
from feilun.data.page import Context, Page, gather, refine
from feilun.data.recipe import CorpusRecipe
from feilun.data.reference import Learnt, learn, sides_of
from feilun.data.samples import SHOWN, Sample
from feilun.data.score import SCORES, quality
from feilun.data.sources import SUFFIXES, Failed, Raw, Split, read_split, splits
from feilun.data.workers import Each, collecting_rarely, local
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest, write_atomically

KIND = "corpus"
GATHERED = ("score.shifted.v1",)
"""Scores that the first stage knows."""

FILES, BYTES = 1000, 2**26
"""Of a part, at most (one larger file is a part of its own): small files go together."""
PARTS, LEAST = 32, 2**20
"""Parts of a small source have fewer bytes, so that there are so many for the workers; but as many bytes as this."""

Part = list[Split]
Stage = tuple[Path, Path]
"""A part's file of the stage before, and of this one."""


def build(
    recipe: CorpusRecipe,
    job: Job,
    folder: Path,
    each: Each | None = None,
    forgotten: frozenset[str] = frozenset(),
) -> Path | None:
    """Make the corpus ``folder`` inside ``job.running()``; None if the job was asked to stop before the end.

    ``each`` says where the work of the parts is done (default: in this process). ``forgotten``: documents that are left out
    (`feilun.data.forgotten`).

    Raises `FeilunError` if a source is missing, sources or recipe have changed since the build began, or a worker dies.
    """
    work = job.folder / "work"
    if made_by(job, folder):
        shutil.rmtree(work, ignore_errors=True)
        return folder
    _check_free(folder)
    passed: Counter[str] = Counter()
    parts = parts_of(recipe, passed)
    _check(recipe)
    of = f"{recipe.model_dump_json()}\n{parts!r}"
    if not same_as_before(work, hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()):
        raise FeilunError(
            "The sources or the recipe have changed since this build began. Put them back, or start anew without --resume.",
            "自构建开始以来数据源或配方已变化。请改回，或去掉 --resume 重新开始。",
            code="sources_changed",
        )
    names = [f"{number:06}.parquet" for number in range(len(parts))]
    gathered, refined = ([work / stage / name for name in names] for stage in ("pages", "refined"))
    each = each or local(1)
    gathering = each(gather_part, list(zip(parts, gathered, strict=True)), forgotten)
    if not done(job, "gather", gathering, len(parts)):
        return None
    learnt = _classifier(recipe, gathered, work / CLASSIFIER)
    known = Known(context_of(recipe, gathered, work), work / "sketches", recipe.dedup.by)
    if not done(
        job, "refine", each(refine_part, list(zip(gathered, refined, strict=True)), known), len(parts)
    ):
        return None
    lines = {site: sorted(keys) for site, keys in sorted(known.context.frequent.items())}
    shown = samples.pick(one for path in refined for one in samples.load(_shown(path)))
    beside = {FREQUENT: json.dumps(lines).encode(), SHOWN: samples.as_json(shown).encode()}
    if learnt is not None:
        beside[CLASSIFIER] = (work / CLASSIFIER).read_bytes()
    index = known.context.contaminants
    facts: dict[str, Any] = {
        "passed_over": dict(sorted(passed.items())),
        "sets": {name: {"items": index.count[name], "short": index.short[name]} for name in index.count}
        if index
        else {},
        **({"quality": learnt.model_dump()} if learnt else {}),
    }
    write_corpus(recipe, refined, known.sketches, folder, job, beside, facts)
    shutil.rmtree(work)
    return folder


def made_by(job: Job, folder: Path) -> bool:
    """Whether this job has left its corpus already, and was killed when it tidied up."""
    made = job.last("artifact")
    return made is not None and (folder / MANIFEST).is_file() and Manifest.read(folder).id == made["id"]


def _check_free(folder: Path) -> None:
    """A corpus takes the place of an older one of its name, and of nothing else."""
    taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken and not ((folder / MANIFEST).is_file() and Manifest.read(folder).kind == KIND):
        raise FeilunError(
            f"{folder} exists and holds something else. Choose another name: --name",
            f"{folder} 已存在且存放着其他内容。请用 --name 换一个名称。",
            code="name_taken",
        )


def _check(recipe: CorpusRecipe) -> None:
    """What the last stages would stop at, told before the work of the first. Raises `FeilunError`."""
    check_columns(recipe, [*GATHERED, *SCORES])
    if recipe.quality is not None:
        sides_of(recipe.quality, recipe)
    for one in recipe.decontaminate:
        if not any(
            any(map(str.strip, item.strings)) for item in list(read_items(Path(one.path), one.fields))
        ):
            fields = ", ".join(one.fields or ())
            raise FeilunError(
                f"There is nothing in the evaluation set {one.path}"
                + (f": no text in {fields}." if fields else "."),
                f"评测集 {one.path} 中没有内容" + (f"：{fields} 中没有文本。" if fields else "。"),
                code="empty_set",
            )


def check_columns(recipe: CorpusRecipe, columns: Sequence[str]) -> None:
    """Raises `FeilunError` if a rule, or the choice of the best copy, asks for a score that is none of these."""
    for rule in recipe.rules:
        rule.check(columns)
    check_column("dedup.by", recipe.dedup.by, columns)


def parts_of(recipe: CorpusRecipe, passed: Counter[str] | None = None) -> list[Part]:
    """The units of work of all sources, in order; ``passed``: see `splits`. Raises `FeilunError` if there is nothing to read."""
    if not recipe.sources:
        raise FeilunError(
            "There is nothing to read: name sources in the recipe, or give --source.",
            "没有可读取的内容：请在配方中列出 sources，或使用 --source。",
            code="no_source",
        )
    read = [
        splits(source.path, name=source.called, fields=source.fields, passed=passed)
        for source in recipe.sources
    ]
    whole = sum(file.size for files in read for file in files)
    most = min(max(whole // PARTS, LEAST), BYTES)
    found = [part for files in read for part in grouped(files, most)]
    if not found:
        raise FeilunError(
            f"There is no file of a known kind in {', '.join(source.path for source in recipe.sources)}. Known: "
            f"{', '.join(SUFFIXES)}, and those with .gz or .zst after them.",
            f"{'、'.join(source.path for source in recipe.sources)} 中没有可读取的文件。可读取：{'、'.join(SUFFIXES)}，"
            "其后可加 .gz 或 .zst。",
            code="no_source",
        )
    return found


def grouped(files: Iterable[Split], most: int = BYTES) -> Iterator[Part]:
    """The same files in their order, small ones together: at most so many bytes."""
    part: Part = []
    size = 0
    for file in files:
        if part and (len(part) >= FILES or size + file.size > most):
            yield part
            part, size = [], 0
        part.append(file)
        size += file.size
    if part:
        yield part


def _classifier(recipe: CorpusRecipe, gathered: Sequence[Path], path: Path) -> Learnt | None:
    """The recipe's own quality classifier, if it has one: trained once, and then a file."""
    if recipe.quality is None:
        return None
    figures = path.with_suffix(".json")
    if not figures.exists():
        model, learnt = learn(recipe.quality, recipe, gathered)
        model.save(path)
        write_atomically(figures, learnt.model_dump_json())
    return Learnt.model_validate_json(figures.read_text())


def context_of(recipe: CorpusRecipe, gathered: Sequence[Path], work: Path) -> Context:
    """What the second stage has to know of all pages and of the recipe."""
    counter = LineCounter()
    for path in gathered:
        counter.merge(LineCounter.load(_lines(path)))
    several = {site: count for site, count in counter.pages.items() if count >= recipe.lines.least}
    lines = counter.by_site(several, least=recipe.lines.least, share=recipe.lines.share)
    return context_with(recipe, {site: keys for site, keys in lines.items() if keys}, work)


def context_with(recipe: CorpusRecipe, frequent: Mapping[str, Set[int]], folder: Path) -> Context:
    """The same where the lines are known; ``folder`` is where the recipe's own classifier lies, if it has one."""
    sets: dict[str, Iterable[Item]] = {
        one.called: read_items(Path(one.path), one.fields) for one in recipe.decontaminate
    }
    return Context(
        frequent=frequent,
        masked=frozenset(recipe.mask),
        quality=quality(folder / CLASSIFIER if recipe.quality else None),
        contaminants=Index(sets) if sets else None,
    )


@collecting_rarely()
def gather_part(stage: tuple[Part, Path], forgotten: frozenset[str]) -> None:
    """Stage one of a part."""
    part, out = stage
    if out.exists():
        return
    extracted: dict[str, str] = {}
    lines = LineCounter()
    with table.writing(out, GATHERED) as writer:
        for page in pages_of(part, forgotten):
            if page.site and not page.reason:
                lines.add(page.site, page.text.split("\n"))
            if page.edits and not page.reason and len(extracted) < samples.PART:
                extracted[f"{page.source}/{page.id}"] = page.extracted
            writer.add(table.row_of(page))
        write_atomically(_before(out), json.dumps(extracted))
        lines.save(_lines(out))


def _before(gathered: Path) -> Path:
    """Texts of a part's first pages that were repaired, as they were before."""
    return gathered.with_suffix(".before.json")


def _lines(gathered: Path) -> Path:
    """How many pages of each site have each line, in a part."""
    return gathered.with_suffix(".lines.npz")


def pages_of(part: Part, forgotten: frozenset[str]) -> Iterator[Page]:
    """The pages of a part after stage one, each id once: a file that says the same id twice gives it a number."""
    for file in part:
        for id, raw in numbered(read_split(file)):
            places = [*places_of(file.root, id, getattr(raw, "url", None)), file.address]
            if is_forgotten(places, forgotten):
                yield Page(stand_in(raw.source, id), raw.source, reason=FORGOTTEN)
                continue
            page = gather(raw)
            page.id = id
            yield page


def numbered(raws: Iterable[Raw | Failed]) -> Iterator[tuple[str, Raw | Failed]]:
    """The pages of a file with their ids in the corpus."""
    seen: dict[str, int] = {}
    """How often an id was said; of one that was given to another page, 1."""
    for raw in raws:
        id, again = raw.id, seen.get(raw.id, 0)
        while id in seen:
            again += 1
            id = f"{raw.id}~{again}"
        seen[raw.id] = max(again, 1)
        seen.setdefault(id, 1)
        yield id, raw


@dataclass(frozen=True)
class Known:
    """What the second stage has to know."""

    context: Context
    sketches: Path
    by: str
    """The score that tells the best copy."""


@collecting_rarely()
def refine_part(stage: Stage, known: Known) -> None:
    """Stage two of a part. Every row of the first stage is a row of this one, in the same order."""
    gathered, out = stage
    if out.exists():
        return
    extracted: dict[str, str] = json.loads(_before(gathered).read_bytes())
    shown: list[Sample] = []
    with table.writing(out, [*GATHERED, *SCORES]) as writer, Writer(known.sketches, out.stem) as shard:
        for row in table.rows(gathered):
            page = table.page_of(row)
            receipt = json.loads(row[table.RECEIPT] or "{}")
            refine(page, known.context)
            shadow = "" if page.reason else page.shadow
            refined = table.row_of(page, receipt)
            before = extracted.get(f"{page.source}/{page.id}") or (row["text"] if page.lines else None)
            if before and page.text and len(shown) < samples.PART:
                shown.append(_sample(refined, pii.mask(before, known.context.masked)))
            add_sketch(shard, refined, shadow, known.by)
            writer.add(refined)
        samples.save(_shown(out), shown)


def _shown(refined: Path) -> Path:
    return refined.with_suffix(".samples.json")


def _sample(row: table.Row, before: str) -> Sample:
    done: dict[str, dict[str, int]] = json.loads(row[table.RECEIPT] or "{}")
    causes = sorted(
        {cause for name in ("edits", "lines", "passages", "masked") for cause in done.get(name, {})}
    )
    old, new = samples.excerpt(before, row["text"])
    return Sample(
        source=row["source"], id=row["id"], title=row["title"], causes=causes, before=old, after=new
    )


def add_sketch(shard: Writer, row: table.Row, shadow: str, by: str) -> None:
    """What the last stage compares of a document; ``by``: the score that tells the best copy."""
    shard.add(
        f"{row['source']}/{row['id']}",
        sketch(shadow),
        float(np.float32(row.get(by, len(row["text"])))),  # as it is stored, so that it is the same again
        hashes(shadow) if shadow else None,
    )


def same_as_before(work: Path, said: str) -> bool:
    """Whether what ``work`` is of (``said``) is what it was when the work began."""
    path = work / "of"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        write_atomically(path, said)
    return path.read_text() == said


def done(job: Job, stage: str, work: Generator[None], parts: int) -> bool:
    """Tell how far the work is. False: the job was asked to stop; what is done stays done."""
    job.emit("stage", stage=stage, steps=parts)
    with contextlib.closing(work):
        for number, _ in enumerate(work, 1):
            job.emit("step", stage=stage, step=number, steps=parts)
            if job.stop_wanted and number < parts:
                return False
    return not job.stop_wanted
