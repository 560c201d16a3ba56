"""Tables: the same rows give the same file, whatever way they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feilun.data import table
from feilun.data.page import Page

SCORES = ("score.a.v1", "score.b.v1")
MORE = [("number", table.pa.int64())]


def made(count: int) -> list[table.Row]:
    rows: list[table.Row] = []
    for at in range(count):
        page = Page(f"{at}.html", "web", site=f"{at % 7}.example", text=f"第{at}篇" * (at % 11))
        page.scores = {"score.a.v1": at / 8} if at % 3 else {"score.a.v1": 0.5, "score.b.v1": float(at)}
        rows.append({**table.row_of(page), "number": at})
    return rows


def write(path: Path, rows: list[table.Row]) -> bytes:
    with table.writing(path, SCORES, MORE) as writer:
        for row in rows:
            writer.add(row)
    return path.read_bytes()


@pytest.mark.parametrize("count", [0, 1, table.ROWS, 2 * table.ROWS + 3])
def test_tables_are_written_like_their_rows(tmp_path: Path, count: int) -> None:
    whole = write(tmp_path / "rows.parquet", made(count))
    with table.writing(tmp_path / "tables.parquet", SCORES, MORE) as writer:
        for rows in table.tables(tmp_path / "rows.parquet"):
            for start in range(0, len(rows), 777):
                writer.add_table(rows.slice(start, 777))
        assert writer.written == count
    assert (tmp_path / "tables.parquet").read_bytes() == whole


def test_columns_are_those_of_the_rows(tmp_path: Path) -> None:
    rows = made(50)
    for part in range(2):
        write(tmp_path / f"{part}.parquet", rows[25 * part : 25 * part + 25])
    write(tmp_path / "2.parquet", [])
    paths = [tmp_path / f"{part}.parquet" for part in range(3)]
    found = table.columns(paths, ["site", "score.b.v1"])
    assert found["site"].tolist() == [row["site"] for row in rows]
    wanted = np.array([row.get("score.b.v1", np.nan) for row in rows], np.float32)
    assert np.array_equal(found["score.b.v1"], wanted, equal_nan=True)


def test_a_column_more_and_another_one() -> None:
    rows = table.pa.table({"a": ["x", "y"], "b": [1, 2]})
    rows = table.with_column(rows, "a", ["p", "q"], table.pa.string())
    rows = table.with_column(rows, "c", np.array([0.5, 1.5]), table.pa.float32())
    assert rows.to_pydict() == {"a": ["p", "q"], "b": [1, 2], "c": [0.5, 1.5]}
