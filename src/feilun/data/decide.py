"""What is kept: rules over columns of scores, and how often each kept document is read.

Scores are computed once and decided upon as often as wanted: a rule is a column with limits, and another limit needs no
page to be read again. The first rule of a recipe that a document breaks is the reason it was dropped for; what each rule
would drop alone is counted beside it, since a rule that drops nothing alone can go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from feilun.data.reasons import GIVEN
from feilun.text import FeilunError
from feilun.validation import invalid

Column = NDArray[Any]


class Rule(BaseModel):
    """Drop what lies outside of the limits. A score that is unknown (NaN) breaks no rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    reason: str
    """What a document that breaks it was dropped for: a short name such as ``too_short``."""
    column: str
    min: float | None = None
    max: float | None = None
    lang: str | None = None
    """Only documents of this language are judged. Default: all."""
    source: str | None = None
    """Only documents of the source of this name are judged. Default: all."""
    pareto: float | None = Field(default=None, gt=0)
    """Instead of limits GPT-3's draw (T. Brown et al. 2020, appendix A): kept if a Pareto variable of this shape is above
    1 - score, so that a few poor documents stay. The draw is a hash of the document's id and the seed."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if (self.min is None and self.max is None) == (self.pareto is None):
            raise invalid("give min or max, or pareto instead", "请给出 min 或 max，或改用 pareto")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise invalid("min is above max: nothing would be kept", "min 大于 max：将不会保留任何文档")
        return self

    @field_validator("reason")
    @classmethod
    def _own(cls, reason: str) -> str:
        if reason in GIVEN:  # what has it would come back where the rule is changed
            raise invalid(
                f"'{reason}' is a reason that no rule gives: choose another name",
                f"“{reason}”是内置的原因，规则不可使用：请另取名称",
            )
        return reason

    def check(self, columns: Collection[str]) -> None:
        """Raises `FeilunError` if the rule's column is none of these."""
        check_column(f"rule {self.reason}", self.column, columns)

    def broken(self, columns: Mapping[str, Column], seed: int) -> NDArray[np.bool_]:
        """(documents,) bool. Raises `FeilunError` if there is no such column."""
        self.check([name for name in columns if columns[name].dtype.kind in "fiu"])
        score = columns[self.column].astype(np.float64)
        with np.errstate(invalid="ignore"):
            if self.pareto is not None:
                found = _pareto(columns["id"], self.pareto, seed) <= 1 - score
            else:
                low, high = (
                    -np.inf if self.min is None else self.min,
                    np.inf if self.max is None else self.max,
                )
                found = (score < low) | (score > high)
        for name, wanted in (("lang", self.lang), ("source", self.source)):
            if wanted is not None:
                found &= columns[name] == wanted
        return found


def check_column(who: str, column: str, columns: Collection[str]) -> None:
    """Raises `FeilunError` if the column that ``who`` asks for is none of these."""
    if column not in columns:
        known = ", ".join(sorted(columns))
        raise FeilunError(
            f"The recipe's {who} asks for {column}, which was not computed. There is: {known}.",
            f"配方中的 {who} 需要 {column}，但未计算该列。现有：{known}。",
            code="no_such_column",
        )


class Effect(BaseModel):
    """What a rule does."""

    first: int
    """Documents that were dropped for it,"""
    breaks: int
    """that break it, whatever else they break,"""
    alone: int
    """and that break nothing else."""


def decide(
    rules: Sequence[Rule], columns: Mapping[str, Column], *, seed: int = 0
) -> tuple[NDArray[Any], dict[str, Effect]]:
    """The reason each document is dropped for, "" for what is kept (documents,); and what each rule does.

    ``columns``: ``id``, ``lang``, ``source`` and the scores, each (documents,). A document that was dropped before has its reason in
    ``reason``, and is judged by no rule.
    """
    reason = columns["reason"].astype(object)
    open_ = reason == ""
    broken = {rule.reason: np.zeros(len(reason), np.bool_) for rule in rules}
    for rule in rules:  # several rules may share a reason: for each language its own limit
        broken[rule.reason] |= rule.broken(columns, seed) & open_
    count = np.sum(list(broken.values()), axis=0) if rules else np.zeros(len(reason), int)
    effects: dict[str, Effect] = {}
    for name, mine in broken.items():
        first = mine & (reason == "")
        reason[first] = name
        effects[name] = Effect(
            first=int(first.sum()), breaks=int(mine.sum()), alone=int((mine & (count == 1)).sum())
        )
    return reason, effects


def times(ids: Column, epochs: float, *, seed: int = 0) -> NDArray[np.int64]:
    """How often each document is read in ``epochs`` passes (documents,): with 2.3 all twice, and 30% of them once more."""
    whole = int(epochs)
    return whole + (_uniform(ids, seed, "times") < epochs - whole).astype(np.int64)


def epochs(
    weights: Mapping[str, float], sizes: Mapping[str, float], *, most: float, units: float | None = None
) -> dict[str, float]:
    """How often each source is read, so that what is read of it is in proportion to its weight (T. Brown et al. 2020,
    table 2.2).

    Args:
        sizes: of what there is, in any unit. A source of which there is nothing has no part in it.
        most: epochs of the source that is the smallest for its weight.
        units: instead, what is read in all.
    """
    shares = {name: weights[name] for name in weights if sizes[name]}
    whole = sum(shares.values())
    if units is None:
        units = min((most * sizes[name] * whole / share for name, share in shares.items()), default=0.0)
    return {
        name: units * shares.get(name, 0.0) / whole / sizes[name] if sizes[name] else 0.0 for name in weights
    }


def _pareto(ids: Column, shape: float, seed: int) -> NDArray[np.float64]:
    """Lomax variables as ``numpy.random.pareto`` draws them, by id."""
    return (1 - _uniform(ids, seed, "pareto")) ** (-1 / shape) - 1


def _uniform(ids: Column, seed: int, purpose: str) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on id, seed and purpose alone."""
    hashes = [
        xxhash.xxh3_64_intdigest(f"{seed}/{purpose}/{id}".encode("utf-8", "surrogatepass")) for id in ids
    ]
    return np.array(hashes, np.uint64).astype(np.float64) / 2**64
