"""Rows of equal length for pre-training, filled with documents one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate as running_sum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from feilun.model.attention import Packing
from feilun.model.loss import IGNORED
from feilun.text import FeilunError
from feilun.train.batches import StepBatches
from feilun.train.objectives import Batch
from feilun.train.order import Permutation

Ints = NDArray[np.int64]


class _Piece(NamedTuple):
    """What stands of a document in a row."""

    begins: bool
    """Whether it begins here: before its first token stands the end token."""
    tokens: NDArray[Any]
    """As they are stored."""


class PackedRows:
    """Rows out of the stream of all documents, in an order shuffled anew in each epoch.

    Before each document stands ``eos_id`` once more, so that its first token is learnt as well. ``tokens`` holds per shard the
    documents' ids, each with its end token; ``starts`` where each begins in its shard, from 0. Both may be memory-mapped: nothing
    is kept of them, and which row comes when is computed (`Permutation`), so a corpus may be as large as it likes. A document
    that does not fit is cut, and goes on in another row. Documents see neither each other nor predict each other's first token.
    """

    def __init__(
        self,
        tokens: Sequence[NDArray[Any]],
        starts: Sequence[NDArray[Any]],
        *,
        eos_id: int,
        length: int,
        rows: int,
        accumulate: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._tokens, self._starts = tokens, starts
        # One more a document than is stored: the token that stands before each.
        sizes = [len(ids) + len(begin) for ids, begin in zip(tokens, starts, strict=True)]
        self._shard_ends = list(running_sum(sizes))
        total = self._shard_ends[-1] if sizes else 0
        self._eos_id, self._length, self._rows, self._accumulate = eos_id, length, rows, accumulate
        self._seed, self._rank, self._world = seed, rank, world
        self.rows_in_epoch = total // length
        if self.rows_in_epoch < rows:
            raise FeilunError(
                f"The corpus has {total:,} tokens, less than one batch ({rows} rows of {length}). "
                "Give more text, or set fewer rows or a smaller length.",
                f"语料只有 {total:,} 个 token，不足一个批次（{rows} 行 × {length}）。请提供更多文本，或减少行数或长度。",
                code="corpus_too_small",
            )
        if rows % world:
            raise FeilunError(
                f"{rows} rows in a batch cannot be shared among {world} processes evenly.",
                f"一个批次的 {rows} 行无法平均分给 {world} 个进程。",
                code="uneven_batch",
            )

    def at(self, step: int) -> StepBatches:
        first = step * self._rows * self._accumulate
        batches: list[Batch] = []
        learnt = 0
        for part in range(self._accumulate):
            begin = first + part * self._rows
            batch = self._batch(range(begin, begin + self._rows))
            learnt += batch.learnt
            share = self._rows // self._world
            batches.append(batch.rows(slice(self._rank * share, (self._rank + 1) * share)))
        return StepBatches(batches, learnt, self._rows * self._accumulate * self._length)

    def place(self, number: int) -> int:
        """Where in the stream of all documents the row ``number`` of the run begins, in rows."""
        epoch, place = divmod(number, self.rows_in_epoch)
        return self._order(epoch)(place)

    def consumed(self, steps: int) -> Iterator[NDArray[Any]]:
        """The pieces of documents that ``steps`` steps have read, each once, as they are stored."""
        count = min(steps * self._rows * self._accumulate, self.rows_in_epoch)
        places = sorted(map(self.place, range(count)))
        begin = 0
        while begin < count:
            end = begin + 1
            while end < count and places[end] == places[end - 1] + 1:  # rows that stand side by side
                end += 1
            span = range(places[begin] * self._length, (places[end - 1] + 1) * self._length)
            yield from (piece.tokens for piece in self._pieces(span) if len(piece.tokens))
            begin = end

    def _batch(self, numbers: range) -> Batch:
        rows = [self._row(number) for number in numbers]
        ids, documents, positions = (
            torch.from_numpy(np.stack([row[part] for row in rows]))  # pyright: ignore[reportUnknownMemberType]
            for part in range(3)
        )
        targets = ids.roll(-1, 1)
        targets[:, -1] = IGNORED
        targets[:, :-1][documents[:, 1:] != documents[:, :-1]] = IGNORED
        alone = bool((documents == documents[:, :1]).all())
        # Rotary angles are relative: within a row it does not matter where a document's positions begin.
        packing = None if alone else Packing(positions, documents)
        return Batch(ids, targets, packing)

    def _row(self, number: int) -> tuple[Ints, Ints, Ints]:
        """Ids, document numbers and positions of one row, each (length,) int64."""
        begin = self.place(number) * self._length
        ids = np.empty(self._length, np.int64)
        documents, positions = np.empty_like(ids), np.empty_like(ids)
        filled = 0
        for count, piece in enumerate(self._pieces(range(begin, begin + self._length))):
            size = len(piece.tokens) + piece.begins
            end = filled + size
            if piece.begins:
                ids[filled] = self._eos_id
            ids[end - len(piece.tokens) : end] = piece.tokens
            documents[filled:end] = count
            positions[filled:end] = np.arange(size)
            filled = end
        return ids, documents, positions

    def _pieces(self, span: range) -> Iterator[_Piece]:
        """What stands in a part of the stream."""
        at = span.start
        while at < span.stop:
            shard = bisect_right(self._shard_ends, at)
            tokens, starts = self._tokens[shard], self._starts[shard]
            shard_begin = self._shard_ends[shard] - len(tokens) - len(starts)

            def begins(number: int, starts: NDArray[Any] = starts, shard_begin: int = shard_begin) -> int:
                return shard_begin + int(starts[number]) + number

            number = bisect_right(range(len(starts)), at, key=begins) - 1
            last = number + 1 == len(starts)
            end = min(self._shard_ends[shard] if last else begins(number + 1), span.stop)
            first = int(starts[number])
            # The document's place 0 in the stream is the token before it.
            skip = at - begins(number)
            piece = tokens[first + max(skip - 1, 0) : first + end - begins(number) - 1]
            yield _Piece(skip == 0, piece)
            at = end

    @lru_cache(maxsize=2)  # noqa: B019 (two epochs of an object that lives as long as the run)
    def _order(self, epoch: int) -> Permutation:
        return Permutation(self.rows_in_epoch, [self._seed, epoch])
