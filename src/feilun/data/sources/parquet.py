"""Parquet: a row group is the unit of work, and rows are read a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any

from feilun.data.sources.files import Split
from feilun.data.sources.raw import Failed, Fault, Raw, in_pieces
from feilun.data.sources.records import NAMES, names_of, page

_ROWS = 64

_LARGEST_GROUP, _BOMB_RATIO = 2**30, 250


def _opened(file: IO[bytes]) -> Any:
    pyarrow = import_module("pyarrow")
    try:
        return import_module("pyarrow.parquet").ParquetFile(file, memory_map=False, pre_buffer=False)
    except pyarrow.ArrowException as error:
        raise Fault("broken", f"It is no Parquet file: {error}.", f"不是 Parquet 文件：{error}。") from None


def group_sizes(file: IO[bytes]) -> list[int]:
    """Bytes of each row group, unpacked.

    Raises:
        Fault: the file is broken.
    """
    metadata = _opened(file).metadata
    return [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]


def read_parquet(split: Split, file: IO[bytes]) -> Iterator[Raw | Failed]:
    """The rows of the split's row groups. Columns are known by name (`NAMES`), others are not read."""
    parquet = _opened(file)
    names = names_of(split)
    present = set(parquet.schema_arrow.names)
    wanted = {field: [name for name in names[field] if name in present] for field in NAMES}
    if not wanted["html"] and not wanted["text"]:
        shown = ", ".join(sorted(present)[:20])
        raise Fault(
            "no_content",
            f"No column is known to hold text; name one in the recipe's fields. There are: {shown}.",
            f"没有可识别的文本列，请在配方的 fields 中指定。现有列：{shown}。",
        )
    columns = sorted({name for found in wanted.values() for name in found})
    metadata = parquet.metadata
    groups = range(split.start, metadata.num_row_groups if split.end is None else split.end)
    first = sum(metadata.row_group(number).num_rows for number in range(split.start))
    for number in groups:
        group = metadata.row_group(number)
        try:
            _check_size(group)
            for row, record in enumerate(_rows(parquet, number, columns), first):
                place = f"{split.place}@{row}"
                try:
                    yield from in_pieces(page(split, place, wanted, record))
                except Fault as fault:
                    yield fault.failed(place, split.source)
        except Fault as fault:  # the other groups can still be read
            yield fault.failed(f"{split.place}@{first}-{first + group.num_rows}", split.source)
        first += group.num_rows


def _check_size(group: Any) -> None:
    packed = sum(group.column(at).total_compressed_size for at in range(group.num_columns))
    if group.total_byte_size > max(_LARGEST_GROUP, _BOMB_RATIO * packed):
        raise Fault(
            "bomb",
            f"{packed:,} bytes of a row group unpack to {group.total_byte_size:,}: no text packs like that.",
            f"一个行组的 {packed:,} 字节解压后为 {group.total_byte_size:,} 字节，正常文本不会如此。",
        )


def _rows(parquet: Any, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    try:
        for batch in parquet.iter_batches(_ROWS, row_groups=[group], columns=columns, use_threads=False):
            yield from _records(batch)
    except OSError as error:
        if error.errno is not None:
            raise
        raise Fault("broken", f"The data is damaged: {error}", f"数据已损坏：{error}") from None


def _records(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch. A string that is not UTF-8 costs its bad bytes, not the other rows."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        columns = {name: _decoded(batch.column(name)) for name in batch.schema.names}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _decoded(column: Any) -> list[Any]:
    pyarrow = import_module("pyarrow")
    if not (pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)):
        return column.to_pylist()
    values: list[bytes | None] = column.cast(pyarrow.large_binary()).to_pylist()
    return [value if value is None else value.decode("utf-8", "replace") for value in values]
