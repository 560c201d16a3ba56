"""Recipes of corpora (``recipes/data/*.toml``)."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from feilun.data.decide import Rule
from feilun.data.pii import Kind
from feilun.data.sources.records import NAMES
from feilun.validation import invalid


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceRecipe(_Part):
    """Where pages lie."""

    path: str = ""
    """A file or folder (a relative path begins at the recipe), or any URL that fsspec knows. Without one the source is left
    out unless ``--source NAME=PATH`` gives it."""
    name: str | None = None
    """What it is called in the corpus. Default: the last part of its path."""
    epochs: float = Field(default=1, ge=0, le=1000)
    """How often each of its kept documents is read in training; 0.5: half of them."""
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Instead of ``epochs``: its part of what is read, beside the weights of the other sources (`MixRecipe`)."""
    fields: dict[str, str] = Field(default_factory=dict[str, str])
    """What its JSON and Parquet call ours, for instance ``text = "story"``."""

    @field_validator("fields")
    @classmethod
    def _ours(cls, fields: dict[str, str]) -> dict[str, str]:
        for one in fields:
            if one not in NAMES:
                known = ", ".join(NAMES)
                raise invalid(f"'{one}' is none of {known}", f"“{one}”不属于 {known}")
        return fields

    @property
    def called(self) -> str:
        return called(self.path, self.name)


class MixRecipe(_Part):
    """How much is read where sources have weights (T. Brown et al. 2020, section 2.2): what is better is read more often
    than its size would say."""

    most: float = Field(default=3.4, gt=0, le=1000)
    """No source is read more often. The source that is the smallest for its weight is read so often."""
    units: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Instead: how much is read in all, in Han characters and words."""


class QualityRecipe(_Part):
    """A quality classifier that is trained in the build, instead of Feilun's own: reference against raw text."""

    reference: list[str] = Field(min_length=1)
    """Names of sources of the recipe, or paths of others (which are only compared with)."""
    raw: list[str] = Field(default_factory=list[str])
    """Names of sources. Default: all that are no reference."""
    documents: int = Field(default=5000, gt=1)
    """Of each side, at most."""


class LinesRecipe(_Part):
    """Which lines are a site's and not a page's."""

    least: int = Field(default=5, gt=1)
    share: float = Field(default=0.2, gt=0, le=1)
    """A line on at least ``least`` pages of a site and on this share of them is dropped."""


class DedupRecipe(_Part):
    """What is there more than once."""

    near: float = Field(default=0.8, gt=0, le=1)
    """Of documents whose shingles have this Jaccard similarity the best is kept; 1: all of them are the same."""
    passages: int | None = Field(default=None, gt=1)
    """Passages in more documents than this stay in the best of them alone. Default: passages are let be."""
    by: str = "score.quality.v1"
    """The score of the best copy."""


class SetRecipe(_Part):
    """An evaluation set that must not be trained on."""

    path: str
    name: str | None = None
    fields: list[str] | None = None
    """The fields whose strings count. Default: all."""

    @property
    def called(self) -> str:
        return called(self.path, self.name)


def called(path: str, name: str | None) -> str:
    return name or path.rstrip("/").rsplit("/", 1)[-1]


class CorpusRecipe(_Part):
    """A corpus: where from, how cleaned, what is kept."""

    kind: Literal["corpus"]
    name: str
    seed: int = 0
    sources: list[SourceRecipe] = Field(default_factory=list[SourceRecipe])
    """``--source`` takes their place."""
    lines: LinesRecipe = Field(default_factory=LinesRecipe)
    mask: list[Kind] = Field(default_factory=lambda: sorted(get_args(Kind)))
    """Kinds of personal data that are masked, and companies' credit codes."""
    dedup: DedupRecipe = Field(default_factory=DedupRecipe)
    quality: QualityRecipe | None = None
    mix: MixRecipe = Field(default_factory=MixRecipe)
    decontaminate: list[SetRecipe] = Field(default_factory=list[SetRecipe])
    rules: list[Rule] = Field(default_factory=list[Rule])

    @model_validator(mode="after")
    def _weights(self) -> Self:
        if len({one.weight is None for one in self.sources}) > 1:
            raise invalid("give a weight to all sources, or to none", "请为所有数据源设置 weight，或都不设置")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for part in (self.sources, self.decontaminate):
            names = [one.called for one in part]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise invalid(
                    f"two are called {twice}: give each a name of its own", f"有两个名为 {twice}：请分别命名"
                )
        return self
