"""Documents as Parquet, on their way and in the end: one row a document, one column a score."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feilun.data.page import Page

pa: Any = import_module("pyarrow")  # which has no annotations
pc: Any = import_module("pyarrow.compute")
pq: Any = import_module("pyarrow.parquet")

TEXTS = ("id", "source", "reason", "kind", "url", "site", "title", "date", "lang", "charset", "text")
"""Columns of strings; ``reason`` is "" for what was not dropped."""
RECEIPT = "receipt"
"""A column of JSON: how many edits, lines, passages and masks a document took, and what evaluation sets stand in it."""
ROWS = 2000
"""Of a row group."""

Row = dict[str, Any]
_NOTHING: Row = {}


def row_of(page: Page, before: Row = _NOTHING) -> Row:
    """A page as a row; ``before``: the receipt of the stages before."""
    receipt: dict[str, Any] = {
        "edits": _counted(edit.cause for edit in page.edits),
        "lines": _counted(why for _, _, why in page.lines),
        "passages": _counted(cut.reason for cut in page.cuts),
        "masked": _counted(found.kind for found in page.masked),
    }
    if page.hits:
        receipt["hits"] = [list(hit) for hit in page.hits]
    if page.why is not None:
        receipt["why"] = [page.why.en, page.why.zh]
    receipt = {**before, **{key: value for key, value in receipt.items() if value}}
    texts = {name: getattr(page, name) for name in TEXTS}
    return {**texts, RECEIPT: json.dumps(receipt, ensure_ascii=False) if receipt else "", **page.scores}


def page_of(row: Row) -> Page:
    """What a row tells of its page: the texts and the scores."""
    page = Page(**{name: row[name] for name in TEXTS})
    page.scores = {name: value for name, value in row.items() if name.startswith("score.")}
    return page


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


class TableWriter:
    """Writes rows to a Parquet file that is there when it is whole. The same rows give the same bytes."""

    def __init__(self, path: Path, scores: Iterable[str], more: Iterable[tuple[str, Any]] = ()) -> None:
        """``scores``: columns of float32; what a row lacks of them is NaN. ``more``: other columns."""
        names = [*TEXTS, RECEIPT]
        fields = [(name, pa.string()) for name in names] + list(more)
        self._schema = pa.schema(fields + [(name, pa.float32()) for name in scores])
        self._path, self._draft = path, path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._draft, self._schema, compression="zstd", compression_level=3)
        self._rows: list[Row] = []
        self._whole = self._schema.empty_table()
        self.written = 0

    def add(self, row: Row) -> None:
        self._rows.append(row)
        self.written += 1
        if len(self._rows) >= ROWS:
            self._flush()

    def add_table(self, rows: Any) -> None:
        """Many rows, an Arrow table that has all columns: nothing of them becomes a Python object."""
        self.written += len(rows)
        self._whole = pa.concat_tables([self._whole, rows.select(self._schema.names).cast(self._schema)])
        while len(self._whole) >= ROWS:
            self._writer.write_table(self._whole.slice(0, ROWS).combine_chunks())
            self._whole = self._whole.slice(ROWS)

    def _flush(self) -> None:
        if self._rows:
            columns = {
                field.name: [
                    row.get(field.name, np.nan if field.type == pa.float32() else "") for row in self._rows
                ]
                for field in self._schema
            }
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows = []
        if len(self._whole):
            self._writer.write_table(self._whole.combine_chunks())
            self._whole = self._schema.empty_table()

    def close(self) -> None:
        """Finish the file and let it be seen."""
        self._flush()
        self._writer.close()
        with self._draft.open("rb") as file:
            os.fsync(file.fileno())
        self._draft.replace(self._path)

    def abandon(self) -> None:
        self._writer.close()
        self._draft.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(
    path: Path, scores: Iterable[str], more: Iterable[tuple[str, Any]] = ()
) -> Generator[TableWriter]:
    """A `TableWriter` whose file appears only if the block ends well."""
    writer = TableWriter(path, scores, more)
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    writer.close()


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file, a row group at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()


def tables(path: Path) -> Iterator[Any]:
    """The same as Arrow tables of at most `ROWS` rows."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield pa.Table.from_batches([batch])


def with_column(rows: Any, name: str, values: Any, kind: Any) -> Any:
    """An Arrow table with a column more, or with another one of that name."""
    column = pa.array(values, kind)
    at = rows.schema.get_field_index(name)
    field = pa.field(name, kind)
    return rows.append_column(field, column) if at < 0 else rows.set_column(at, field, column)


def columns(paths: Iterable[Path], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Some columns of several files, each (documents,): scores float32, all others objects, equal ones the same."""
    wanted = list(names)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
    for path in paths:
        table = pq.read_table(path, columns=wanted)
        for name in wanted:
            column = table[name].combine_chunks()
            if pa.types.is_string(column.type):  # a million documents have few sites and reasons
                coded = column.dictionary_encode()
                values = np.array(coded.dictionary.to_pylist(), object)
                parts[name].append(values[coded.indices.to_numpy()] if len(values) else values)
            else:
                parts[name].append(column.to_numpy())
    return {name: np.concatenate(found) if found else np.empty(0, object) for name, found in parts.items()}


def names(path: Path) -> list[str]:
    """The columns of a file, in order."""
    return list(pq.read_schema(path).names)


def rows_at(path: Path, places: Sequence[int]) -> list[Row]:
    """Some rows of a file, by their numbers in it."""
    return pq.read_table(path).take(list(places)).to_pylist()


def rows_where(path: Path, column: str, start: int, end: int) -> list[Row]:
    """The rows with ``start <= column < end``; row groups without one are not read."""
    return pq.read_table(path, filters=[(column, ">=", start), (column, "<", end)]).to_pylist()


def score_columns(path: Path) -> list[str]:
    """The scores of a file, in order."""
    return [field.name for field in pq.read_schema(path) if field.type == pa.float32()]
