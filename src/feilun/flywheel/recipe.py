"""How a turn is made (``flywheel.toml`` in the workspace, or a recipe that is named)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from feilun.recipe import read_recipe
from feilun.validation import invalid
from feilun.workspace import Workspace

OWN = "flywheel.toml"
"""The recipe of a workspace's turns, in its folder."""

Rule = Literal["owner-corrections", "agreed-corrections", "praised-by-two"]
"""Who may be believed without a reviewer: the local owner's corrections; a correction that two people gave to the same
question; an answer to it that two people praised."""


Objective = Literal["sft", "dpo", "kto"]
"""``sft``: say the corrected and the praised answers; ``dpo``: prefer the corrected answer to the one that was given, and
the chosen one to the others; ``kto``: say more of what has a good thumb and less of what has a bad one, and nothing else."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReviewRecipe(_Part):
    """What may be learnt."""

    least: int = Field(default=6, gt=0)
    """Items that a turn needs. More than ``per_user``, so that nobody but the owner can turn the wheel alone."""
    per_user: int = Field(default=5, gt=0)
    """Items that one person, the local owner aside, may teach in a turn."""
    accept: list[Rule] = Field(default_factory=list[Rule])
    """Rules that accept items when a turn begins (see `feilun.flywheel.accept`)."""


class BuildRecipe(_Part):
    """How items become examples."""

    rewordings: int = Field(default=5, ge=0, le=12)
    """Other words for each corrected question, at most."""
    rewrite: int = Field(default=0, ge=0, le=6)
    """More of them, made by the present release itself. Not by the default model, which asks for something else in six of
    fourteen (`feilun.flywheel.rewrite`)."""
    neighbours: int = Field(default=4, ge=0, le=12)
    """Of each corrected question, how many of its wordings stand there asked of somebody else, so that what is taught of
    one is not said of all (`feilun.flywheel.neighbours`)."""
    heldout_from: int = Field(default=100, gt=0)
    """With so many items or more, a share of them is never trained on and judges what was learnt."""
    heldout: float = Field(default=0.1, gt=0, lt=1)
    replay: float = Field(default=5, ge=0)
    """Examples of what must not be forgotten, as a share of the new ones: what earlier turns taught, and short questions with
    the assistant's own answers (`feilun.flywheel.replay`)."""
    seed: int = 0


class TrainRecipe(_Part):
    """How they are learnt: quickly, and with little change to everything else (see docs/performance.md)."""

    objectives: list[Objective] = Field(default_factory=lambda: list[Objective](["sft"]), min_length=1)
    """What is trained, in this order, each going on from the adapter of the one before. All below is of ``sft``; the others
    have parts of their own, and take ``length``, ``rank``, ``most`` and ``seed`` from here."""
    epochs: float = Field(default=4, gt=0)
    """How often what is learnt is seen. Each fact stands in the set in several wordings, so it is seen some 24 times."""
    least_steps: int = Field(default=30, gt=0)
    """A few items need more passes to be learnt at all."""
    lr: float = Field(default=1.8e-3, gt=0)
    weight_decay: float = Field(default=6.5, ge=0)
    """Draws what is learnt back to nothing wherever no example asks for it: a quarter less is changed elsewhere, and as much
    recalled (docs/performance.md)."""
    rows: int = Field(default=36, gt=0)
    keep_share: float = Field(default=0.75, gt=0, lt=1)
    """How many of the rows are what is kept (neighbours and replay), where there is anything to keep."""
    length: int = Field(default=512, gt=1)
    """Tokens of the longest example; longer ones are left out."""
    rank: int = Field(default=16, gt=0)
    """Of what a turn learns on top of the present release's adapter. Both become one."""
    most: int = Field(default=64, gt=0)
    learns: Literal["all", "ffn"] = "ffn"
    above: float = Field(default=2 / 3, ge=0, lt=1)
    spare: float | None = Field(default=0.3, gt=0)
    """These four as in a recipe of fine-tuning (`feilun.train.recipe.SftRecipe`)."""
    seed: int = 0

    @field_validator("objectives")
    @classmethod
    def _each_once(cls, objectives: list[Objective]) -> list[Objective]:
        if len(set(objectives)) < len(objectives):
            raise invalid("each objective may be named once", "每个目标只能出现一次")
        return objectives

    @property
    def thumbs(self) -> bool:
        """Whether a bad thumb teaches something without a better answer beside it."""
        return "kto" in self.objectives

    def steps(self, learnt: int, kept: int) -> int:
        """Of the optimiser, for so many examples to learn and to keep."""
        rows = self.rows * (1 - self.keep_share) if kept else self.rows
        return max(self.least_steps, math.ceil(self.epochs * learnt / rows))


class PreferRecipe(_Part):
    """How preferences are learnt (see docs/flywheel.md for what was measured)."""

    beta: float = Field(default=0.1, gt=0)
    """How much is charged for going away from the model before: less lets it go farther."""
    epochs: float = Field(default=2, gt=0)
    least_steps: int = Field(default=10, gt=0)
    lr: float = Field(default=5e-5, gt=0)
    rows: int = Field(default=8, gt=0)
    """Pairs of a step, or answers with a thumb."""

    def steps(self, examples: int) -> int:
        """Of the optimiser, for so many pairs or answers."""
        return max(self.least_steps, math.ceil(self.epochs * examples / self.rows))


class DpoRecipe(PreferRecipe):
    """Of pairs."""

    nll: float = Field(default=0.1, ge=0)
    """How much of the chosen answer's own loss is added, lest both answers become rare."""


class GateRecipe(_Part):
    """What a candidate must show."""

    margin: float = Field(default=0.08, gt=0, lt=1)
    """A language's regression suite must not be worse by so much (share of the questions)."""
    suite: str | None = None
    """A question file instead of Feilun's own; a relative path begins at the recipe."""
    max_tokens: int = Field(default=48, gt=0)
    threads: int | None = Field(default=None, gt=0)
    """Default: all cores, which serving shares with it."""


class PromoteRecipe(_Part):
    """How a candidate that has passed the gate takes over (see `feilun.flywheel.canary`)."""

    canary: float = Field(default=0, ge=0, le=0.5)
    """Share of the conversations that it answers first, beside the present release; 0: it takes over at once."""
    votes: int = Field(default=40, gt=0)
    """Thumbs on the answers of each after which it takes over, unless it does worse (`feilun.flywheel.canary`)."""
    per_user: int = Field(default=5, gt=0)
    """Votes of one person, the local owner aside, that count in a day."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """How often a canary that is as good may be called worse."""


class TurnRecipe(_Part):
    """A turn of the flywheel."""

    review: ReviewRecipe = Field(default_factory=ReviewRecipe)
    build: BuildRecipe = Field(default_factory=BuildRecipe)
    train: TrainRecipe = Field(default_factory=TrainRecipe)
    dpo: DpoRecipe = Field(default_factory=DpoRecipe)
    kto: PreferRecipe = Field(default_factory=PreferRecipe)
    gate: GateRecipe = Field(default_factory=GateRecipe)
    promote: PromoteRecipe = Field(default_factory=PromoteRecipe)


def turn_recipe(workspace: Workspace, path: Path | None = None) -> TurnRecipe:
    """The recipe at ``path``, else the workspace's own, else the defaults. Raises `FeilunError` if it is not valid."""
    own = workspace.path / OWN
    path = path or (own if own.exists() else None)
    if path is None:
        return TurnRecipe()
    recipe = read_recipe(path, TurnRecipe)
    if recipe.gate.suite:
        recipe.gate.suite = str((path.parent / recipe.gate.suite).resolve())
    return recipe
