"""The corpus itself: which documents stay, Parquet shards of what is kept and of what is not, and their manifest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feilun.data import table
from feilun.data.decide import decide, epochs, times
from feilun.data.dedup import Duplicates, Shards, find
from feilun.data.dedup.passages import Frequent, count, drop_frequent
from feilun.data.reasons import FAILED
from feilun.data.recipe import CorpusRecipe
from feilun.data.repair import simplified
from feilun.data.report import SAMPLES, Samples, report
from feilun.data.samples import SHOWN, load
from feilun.data.score import quality
from feilun.data.score.letters import Letters
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import Manifest, new_artifact, sha256_file

ROWS = 50_000
"""Documents of a shard, at most."""
BYTES = 2**27
"""Bytes of text of a shard, roughly at most."""

UNITS = "score.units.v1"
"""The size of a document: Han characters and words, which are about as many as tokens."""
SIZES: dict[str, Callable[[str], float]] = {
    UNITS: lambda text: float(len(Letters(simplified(text)).units.hashes)),
    "score.chars.v1": lambda text: float(len(text)),
}
"""Scores that change when passages are cut out of a document. All others are those of the whole text."""

FREQUENT = "frequent.json"
"""In a corpus: of each site the keys of lines that many of its pages have."""
CLASSIFIER = "quality.npz"
"""In a corpus whose recipe has a classifier of its own."""

CLUSTERS = 10
"""Of copies, shown in the report."""
FAULTS = 30
"""What could not be read, shown with the reason in words."""
FACTS = ("passed_over", "sets", "quality")
"""Figures that reading and cleaning have found: files passed over by their suffixes; of evaluation sets how many items they have
and how many are too short to be found; and of the recipe's own classifier."""

NUMBER, UNCUT = "number", "uncut"
"""Columns of both: the document's place among all that were read, and its text before passages of many documents were
cut out of it, where some were."""
BOTH: list[tuple[str, Any]] = [(NUMBER, table.pa.int64()), (UNCUT, table.pa.string())]
KEPT: list[tuple[str, Any]] = [("times", table.pa.int32()), *BOTH]
DROPPED: list[tuple[str, Any]] = [("duplicate_of", table.pa.string()), *BOTH]


def recipe_of(corpus: Path) -> CorpusRecipe:
    """The recipe that made a corpus. Raises `FeilunError` if the folder is none."""
    manifest = Manifest.read(corpus)
    if manifest.kind != "corpus":
        raise FeilunError(
            f"{corpus} is of kind {manifest.kind}, not a corpus.",
            f"{corpus} 的类型是 {manifest.kind}，不是语料库。",
            code="not_a_corpus",
        )
    return CorpusRecipe.model_validate(manifest.recipe)


def rows_between(corpus: Path, start: int, end: int) -> list[table.Row]:
    """The documents of a corpus with these numbers, kept and dropped, in order."""
    shards = sorted(corpus.glob("*.parquet"))
    found = [row for path in shards for row in table.rows_where(path, NUMBER, start, end)]
    return sorted(found, key=lambda row: row[NUMBER])


def write_corpus(
    recipe: CorpusRecipe,
    refined: Sequence[Path],
    sketches: Path,
    folder: Path,
    job: Job,
    beside: Mapping[str, bytes],
    facts: Mapping[str, Any],
    parents: Sequence[str] = (),
) -> Manifest:
    """Decide on the documents of the ``refined`` parts and write the artifact ``folder``.

    ``sketches``: a shard for each part, with the documents in the same order. ``beside``: other files, by their names. ``facts``:
    figures of the stages before (`FACTS`). ``parents``: the corpora that the documents come from.
    """
    scores = table.score_columns(refined[0])
    known = table.columns(refined, ["id", "source", "lang", "site", "reason", *scores])
    reasons, effects = decide(recipe.rules, known, seed=recipe.seed)
    alive = reasons == ""
    shards = Shards(sketches)
    copies = find(sketches, recipe.dedup.near, alive)
    again = alive & ~copies.kept
    reasons[again & copies.exact] = "exact_copy"
    reasons[again & ~copies.exact] = "near_copy"
    frequent = count(sketches, recipe.dedup.passages, reasons == "") if recipe.dedup.passages else None
    sizes = known[UNITS]
    if frequent is not None:
        sizes = _cut_sizes(recipe, refined, frequent, known, reasons)
    read, mixture = _mixed(recipe, known, sizes, reasons == "")
    job.emit("decided", documents=len(reasons), kept=int((reasons == "").sum()))
    with new_artifact(folder) as draft:
        kept, dropped = _Rotating(draft, "kept", scores, KEPT), _Rotating(draft, "dropped", scores, DROPPED)
        tally: Counter[str] = Counter()
        languages: Counter[str] = Counter()
        characters, samples, final = 0, Samples(), reasons
        told = _Told()
        start = 0
        for rows in _tables(refined):
            numbers = np.arange(start, start + len(rows))
            start += len(rows)
            rows = _without_frequent(rows, frequent, numbers, final[numbers])
            rows = table.with_column(rows, "reason", final[numbers], table.pa.string())
            rows = table.with_column(rows, NUMBER, numbers, table.pa.int64())
            tally.update(final[numbers].tolist())
            _show(samples, rows, final[numbers])
            told.read(rows)
            stays = final[numbers] == ""
            some = rows.filter(stays)
            languages.update(some["lang"].to_pylist())
            characters += table.pc.sum(table.pc.utf8_length(some["text"])).as_py() or 0
            kept.add(table.with_column(some, "times", read[numbers[stays]], table.pa.int32()))
            of = _copied(shards, copies.of[numbers[~stays]], final[numbers[~stays]])
            dropped.add(table.with_column(rows.filter(~stays), "duplicate_of", of, table.pa.string()))
        kept.close()
        dropped.close()
        for name, content in beside.items():
            (draft / name).write_bytes(content)
        from feilun.data.judged import good_killed  # and the labelled set, which no worker has to load

        own = quality(draft / CLASSIFIER) if CLASSIFIER in beside else None
        good = good_killed(recipe.rules, own)
        counted = {reason: tally[reason] for reason in sorted(tally) if reason and reason not in FAILED}
        figures: dict[str, Any] = {
            "read": len(reasons),
            "kept": tally[""],
            "dropped": counted,
            "failed": {reason: tally[reason] for reason in sorted(tally) if reason in FAILED},
            "rules": {name: {**effect.model_dump(), "good": good[name]} for name, effect in effects.items()},
            "copies": _clusters(copies, again, final == "", shards),
            "sources": mixture,
            "languages": dict(sorted(languages.items())),
            "characters": characters,
            **facts,
            "sets": {name: {**of, "documents": told.hits[name]} for name, of in facts["sets"].items()},
            "faults": told.faults,
        }
        assert figures["read"] == tally[""] + sum(counted.values()) + sum(figures["failed"].values())
        cleaned = load(draft / SHOWN)
        whole = report(recipe.name, figures, known, final, scores, samples, cleaned)
        (draft / "report.html").write_text(whole, encoding="utf-8")
        files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        id = "sha256:" + hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        manifest = Manifest(
            kind="corpus",
            id=id,
            name=recipe.name,
            parents=[one for one in dict.fromkeys(parents) if one != id],
            recipe=recipe.model_dump(mode="json"),
            files=files,
            figures=figures,
        )
        manifest.write(draft)
    job.emit("artifact", path=str(folder), id=manifest.id)
    return manifest


class _Told:
    """What the receipts tell: documents that each evaluation set stands in, and the first that could not be read, with why."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.faults: list[dict[str, str]] = []

    def read(self, rows: Any) -> None:
        """An Arrow table."""
        receipts = rows[table.RECEIPT]
        telling = table.pc.match_substring_regex(receipts, '"(?:hits|why)"').to_numpy(zero_copy_only=False)
        for at in telling.nonzero()[0].tolist():
            receipt: dict[str, Any] = json.loads(receipts[at].as_py())
            self.hits.update({name for name, *_ in receipt.get("hits", ())})
            if "why" in receipt and len(self.faults) < FAULTS:
                en, zh = receipt["why"]
                source, id, reason = (rows[name][at].as_py() for name in ("source", "id", "reason"))
                self.faults.append({"id": f"{source}/{id}", "reason": reason, "en": en, "zh": zh})


def _clusters(
    copies: Duplicates, dropped: NDArray[np.bool_], kept: NDArray[np.bool_], shards: Shards
) -> list[dict[str, Any]]:
    """The documents with the most copies: which was kept, how many were dropped, and some of these."""
    leaders, counts = np.unique(copies.of[dropped & kept[copies.of]], return_counts=True)
    most = leaders[np.lexsort((leaders, -counts))][:CLUSTERS]
    found: list[dict[str, Any]] = []
    for leader in most.tolist():
        mine = np.flatnonzero(dropped & (copies.of == leader))
        best = shards.ids(np.array([leader]))[0]
        found.append({"kept": best, "dropped": len(mine), "some": shards.ids(mine[:3])})
    return found


def _cut_sizes(
    recipe: CorpusRecipe,
    refined: Sequence[Path],
    frequent: Frequent,
    known: Mapping[str, NDArray[Any]],
    reasons: NDArray[Any],
) -> NDArray[np.float32]:
    """The units of all documents without passages of too many others (documents,). ``reasons`` gets that of those of which too
    little is left: nothing, or less than a rule of the recipe wants."""
    least = [rule for rule in recipe.rules if rule.column in SIZES and rule.min is not None]
    sizes = known[UNITS].copy()
    start = 0
    for rows in _tables(refined):
        numbers = np.arange(start, start + len(rows))
        start += len(rows)
        places = np.isin(numbers, frequent.documents) & (reasons[numbers] == "")
        texts = rows["text"].filter(places).to_pylist()
        for number, text in zip(numbers[places].tolist(), texts, strict=True):
            left, cuts = drop_frequent(text, frequent, number)
            if not cuts:
                continue
            left = left.strip()
            size = {name: measure(left) for name, measure in SIZES.items()}
            one = {name: known[name][number : number + 1] for name in ("id", "lang", "source")}
            now = one | {name: np.array([value]) for name, value in size.items()}
            sizes[number] = size[UNITS]
            if not left or any(rule.broken(now, recipe.seed)[0] for rule in least):
                reasons[number] = "only_passages"
    return sizes


def _mixed(
    recipe: CorpusRecipe,
    known: Mapping[str, NDArray[Any]],
    units: NDArray[np.float32],
    kept: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], dict[str, dict[str, float]]]:
    """How often each document is read (documents,), and of each source what is kept and how often that is read."""
    mine = {source.called: known["source"] == source.called for source in recipe.sources}
    sizes = {name: float(np.nansum(units[of & kept])) for name, of in mine.items()}
    passes = {source.called: source.epochs for source in recipe.sources}
    weights = {source.called: source.weight for source in recipe.sources if source.weight is not None}
    if weights:
        passes = epochs(weights, sizes, most=recipe.mix.most, units=recipe.mix.units)
    found = np.ones(len(kept), np.int64)
    for name, of in mine.items():
        found[of] = times(known["id"][of], passes[name], seed=recipe.seed)
    figures = {
        name: {"kept": int((of & kept).sum()), "units": round(sizes[name]), "epochs": round(passes[name], 4)}
        for name, of in mine.items()
    }
    return found, figures


def _tables(paths: Sequence[Path]) -> Iterator[Any]:
    for path in paths:
        yield from table.tables(path)


def _show(samples: Samples, rows: Any, reasons: NDArray[Any]) -> None:
    """Add the first documents of each reason, as far as there is room for them."""
    told = table.pc.binary_length(rows["text"]).to_numpy() > 0
    for reason in set(reasons.tolist()):
        room = SAMPLES - len(samples.of(reason))
        for at in ((reasons == reason) & told).nonzero()[0][:room].tolist() if room else ():
            samples.add(rows.slice(at, 1).to_pylist()[0])


def _copied(shards: Shards, of: NDArray[np.int64], reasons: NDArray[Any]) -> NDArray[Any]:
    """The id of what each of these documents is a copy of, "" for what is none."""
    found = np.full(len(of), "", object)
    copy = np.isin(reasons, ["exact_copy", "near_copy"])
    leaders, at = np.unique(of[copy], return_inverse=True)
    found[copy] = np.array(shards.ids(leaders), object)[at] if len(leaders) else ""
    return found


def _without_frequent(
    rows: Any, frequent: Frequent | None, numbers: NDArray[np.int64], reasons: NDArray[Any]
) -> Any:
    """The rows without passages of too many documents. Of what was dropped as nothing else (`_cut_sizes`) the whole text stays
    beside what is left."""
    uncut: list[str] = [""] * len(rows)
    places: list[int] = []
    if frequent is not None:
        open_ = (reasons == "") | (reasons == "only_passages")
        places = np.flatnonzero(np.isin(numbers, frequent.documents) & open_).tolist()
    if places:
        assert frequent is not None
        texts: list[str] = rows["text"].to_pylist()
        receipts: list[str] = rows[table.RECEIPT].to_pylist()
        for at in places:
            text, cuts = drop_frequent(texts[at], frequent, int(numbers[at]))
            if cuts:
                receipt = json.loads(receipts[at] or "{}")
                receipt["passages"] = {**receipt.get("passages", {}), "across": len(cuts)}
                uncut[at], texts[at] = texts[at], text.strip()
                receipts[at] = json.dumps(receipt, ensure_ascii=False)
        rows = table.with_column(rows, "text", texts, table.pa.string())
        rows = table.with_column(rows, table.RECEIPT, receipts, table.pa.string())
    return table.with_column(rows, UNCUT, uncut, table.pa.string())


class _Rotating:
    """Rows into numbered shards. There is always one, so that a corpus of which nothing was kept can be read as well."""

    def __init__(self, folder: Path, stem: str, scores: list[str], more: list[tuple[str, Any]]) -> None:
        self._folder, self._stem, self._columns, self._more = folder, stem, scores, more
        self._count = self._bytes = 0
        self._writer = self._next()

    def _next(self) -> table.TableWriter:
        path = self._folder / f"{self._stem}-{self._count:05}.parquet"
        self._count, self._bytes = self._count + 1, 0
        return table.TableWriter(path, self._columns, self._more)

    def add(self, rows: Any) -> None:
        """An Arrow table."""
        sizes = table.pc.binary_length(rows["text"]).to_numpy().astype(np.int64).cumsum()
        first = 0
        while first < len(rows):
            if self._writer.written >= ROWS or self._bytes >= BYTES:
                self._writer.close()
                self._writer = self._next()
            before = int(sizes[first - 1]) if first else 0
            fits = int(sizes.searchsorted(before + BYTES - self._bytes)) + 1
            end = min(fits, first + ROWS - self._writer.written, len(rows))
            self._writer.add_table(rows.slice(first, end - first))
            self._bytes += int(sizes[end - 1]) - before
            first = end

    def close(self) -> None:
        self._writer.close()
