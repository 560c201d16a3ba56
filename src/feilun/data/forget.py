"""Documents taken out of a workspace: of its corpora, and of builds that are not done.

In a corpus a row without text stands in the place of each, so that its counts add up; all that hangs on the text
(copies, samples, the report) is made anew, as by `feilun data decide`. Killed, it is begun again by another call.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from feilun.data import table
from feilun.data.again import Named, decide_again
from feilun.data.corpus import NUMBER, UNCUT, recipe_of
from feilun.data.forgotten import place_of, places_of, root_of
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import Manifest


@dataclass(frozen=True)
class Held:
    """A document that a corpus has."""

    corpus: Path
    source: str
    id: str
    root: str
    """The source as a URL."""
    url: str
    text: str
    """With what was cut out of it."""
    kept: bool
    """Whether it was read in training; of others the corpus has the text as well."""
    copies: list[str]
    """``source/id`` of what is nearly the same, or is it."""

    @property
    def places(self) -> list[str]:
        return places_of(self.root, self.id, self.url)


def corpora(workspace: Path) -> Iterator[Path]:
    """The folders of a workspace's corpora."""
    for path in sorted(workspace.glob("corpora/*/artifact.json")):
        if not path.parent.name.startswith(".") and Manifest.read(path.parent).kind == "corpus":
            yield path.parent


def held(corpus: Path, document: str) -> list[Held]:
    """What a corpus has of a document: named by its id, ``source/id`` or address, or by the path of a file or folder of
    which all documents are meant.

    Raises `FeilunError` (409) if several sources have one of that id, or an older Feilun has made the corpus.
    """
    recipe = recipe_of(corpus)
    roots = {source.called: root_of(source.path) for source in recipe.sources if source.path}
    path = place_of(document)
    shards = [*sorted(corpus.glob("kept-*.parquet")), *sorted(corpus.glob("dropped-*.parquet"))]
    found: list[Held] = []
    for shard in shards:
        known = table.columns([shard], ["source", "id", "url"])
        places = zip(known["source"], known["id"], known["url"], strict=True)
        wanted = [
            at
            for at, (source, id, url) in enumerate(places)
            if document in (id, f"{source}/{id}", url) or _within(roots.get(source, ""), id, path)
        ]
        if wanted:
            found += [
                Held(
                    corpus,
                    row["source"],
                    row["id"],
                    roots.get(row["source"], ""),
                    row["url"],
                    row.get(UNCUT) or row["text"],
                    kept=shard.name.startswith("kept"),
                    copies=[row["duplicate_of"]] if row.get("duplicate_of") else [],
                )
                for row in table.rows_at(shard, wanted)
            ]
    _check(corpus, document, found)
    _add_copies(shards, found)
    return found


def _within(root: str, id: str, path: str) -> bool:
    """Whether a document is, or lies in, the file or folder ``path`` (a URL), which may be its whole source."""
    place = f"{root}/{id}"
    return path in (root, place) or place.startswith((f"{path}/", f"{path}#", f"{path}@", f"{path}~"))


def _check(corpus: Path, document: str, found: Sequence[Held]) -> None:
    called = {f"{one.source}/{one.id}" for one in found if one.id == document}
    if len(called) > 1:
        raise FeilunError(
            f"{corpus.name} has {len(called)} documents {document}. Name the one that is meant: {', '.join(sorted(called))}",
            f"{corpus.name} 中有 {len(called)} 篇文档名为 {document}。请指明其一：{'、'.join(sorted(called))}",
            status=409,
            code="ambiguous_document",
        )
    if found and NUMBER not in table.names(corpus / "kept-00000.parquet"):
        raise FeilunError(
            f"{corpus.name} was made by an older version of Feilun. Build it again, or delete {corpus}.",
            f"{corpus.name} 由旧版飞轮制作。请重新构建，或删除 {corpus}。",
            status=409,
            code="older_corpus",
        )


def _add_copies(shards: Sequence[Path], found: Sequence[Held]) -> None:
    named = {f"{one.source}/{one.id}": one for one in found}
    leaders = {of: one for name, one in named.items() for of in (name, *one.copies)}
    for shard in shards if found else ():
        if shard.name.startswith("dropped"):
            known = table.columns([shard], ["source", "id", "duplicate_of"])
            for source, id, of in zip(*known.values(), strict=True):
                if of in leaders and f"{source}/{id}" not in named:
                    leaders[of].copies.append(f"{source}/{id}")
    for one in found:
        one.copies[:] = sorted({name for name in one.copies if name not in named})


def unfinished(workspace: Path, document: str, found: Sequence[Held]) -> list[Path]:
    """Folders in which builds that are not done keep pages of a document: begun again they leave it out.

    Raises `FeilunError` (409) if one of them is running.
    """
    names = {(one.source, one.id) for one in found}
    path = place_of(document)
    works = [
        work
        for work in sorted(workspace.glob("runs/**/work"))
        if any(_stands_in(part, document, names, path) for part in sorted(work.glob("*/*.parquet")))
    ]
    for work in works:
        job = next((Job.open(folder) for folder in work.parents if (folder / "job.json").is_file()), None)
        if job is not None and job.state == "running":
            raise FeilunError(
                f"{job.folder.name} is reading it now. Stop it first: feilun jobs stop {job.folder.name}",
                f"{job.folder.name} 正在读取该文档。请先停止：feilun jobs stop {job.folder.name}",
                status=409,
                code="job_running",
            )
    return works


def _stands_in(part: Path, document: str, names: Set[Named], path: str) -> bool:
    """Whether a part of a build has the document. Where its sources lie is not known here: the end of a path has to do."""
    known = table.columns([part], ["source", "id", "url"])
    return any(
        (source, id) in names
        or document in (id, f"{source}/{id}", url)
        or path.endswith(f"/{re.split('[#@~]', id)[0]}")
        for source, id, url in zip(*known.values(), strict=True)
    )


def take_out(corpus: Path, documents: Iterable[Named]) -> None:
    """Make a corpus without these documents, which takes its place. Raises `FeilunError` if it was asked to stop."""
    recipe = recipe_of(corpus)
    for left in corpus.parent.glob(".forget.*"):  # by a call that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=corpus.parent, prefix=".forget.") as runs:
        job = Job.create(Path(runs), "forget", recipe.name, recipe.model_dump(mode="json"))
        with job.running():
            made = decide_again(corpus, recipe, job, corpus, forgotten=frozenset(documents))
    if made is None:
        raise FeilunError(
            f"Stopped: {corpus.name} is as it was. Give the same command again.",
            f"已停止：{corpus.name} 未改变。请再次运行同一命令。",
            status=409,
            code="stopped",
        )
