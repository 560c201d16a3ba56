"""Recipes of pipelines (``recipes/speedrun.toml``): each stage's own recipe, and a ladder of sizes over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from feilun.recipe import flat
from feilun.text import FeilunError
from feilun.train.recipe import DpoRecipe, PpoRecipe, PretrainRecipe, RewardRecipe, SftRecipe
from feilun.train.rollout import Sampling
from feilun.validation import invalid

BASES: Mapping[str, str | None] = {
    "pretrain": None,
    "sft": "pretrain",
    "reward": "sft",
    "ppo": "sft",
    "dpo": "sft",
}
"""The stages that make models, and the stage whose model each begins with."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class CorpusStage(_Part):
    """From pages to a corpus (`feilun.data.build`)."""

    recipe: str = "data/web.toml"
    """How: a path that begins at the pipeline's recipe."""
    sources: list[str] = Field(default_factory=list[str])
    """Pages, documents, texts; relative paths begin at the recipe. ``--source`` takes their place."""


class OwnAnswers(_Part):
    """Pairs out of the fine-tuned model's own answers: what somebody wrote is preferred to what the model says itself
    (Z. Chen et al. 2024, "SPIN", section 4.1)."""

    prompts: int = Field(default=600, gt=0)
    """So many examples of fine-tuning are answered."""
    sampling: Sampling = Field(default_factory=lambda: Sampling(tokens=64))
    likeliest: float = Field(default=0.5, ge=0, le=1)
    """The share of them that are answered as is likeliest instead: there a small model repeats itself, as it seldom does in
    what is drawn, and what a reward model has never seen it cannot judge."""
    sources: list[str] = Field(default_factory=list[str])
    """Files of pairs that are added to them."""


class EvaluateStage(_Part):
    """What every model is measured by."""

    questions: str = "eval/smalltalk.jsonl"
    """Questions with checks, outside the training data."""
    instructions: str | None = None
    """Instructions whose checks tell whether they were followed, outside the training data too."""
    tokens: int = Field(default=64, gt=0)
    """The most of an answer: a longer one has not ended."""
    compared: int = Field(default=100, gt=0)
    """Held-out prompts whose answers are compared between models."""
    peers: list[str] = Field(default_factory=list[str])
    """Other models (any source of ``feilun models add``) whose bits per byte of the held-out text stand beside ours."""


class ReleaseStage(_Part):
    """What is served."""

    gguf: Literal["f16", "q8_0", "q4_0"] = "q8_0"


class MachineRecipe(_Part):
    """What a size is meant for."""

    device: str = "here"
    count: int = Field(default=1, gt=0)


class PipelineRecipe(_Part):
    """Every stage of a chat model of one's own, in its order."""

    kind: Literal["pipeline"]
    name: str
    size: str
    """The rung of the ladder (``sizes``) whose values stand in for the others."""
    seed: int = 0
    machine: MachineRecipe = Field(default_factory=MachineRecipe)
    corpus: CorpusStage = Field(default_factory=CorpusStage)
    pretrain: PretrainRecipe
    sft: SftRecipe
    pairs: OwnAnswers = Field(default_factory=OwnAnswers)
    reward: RewardRecipe
    ppo: PpoRecipe
    dpo: DpoRecipe
    evaluate: EvaluateStage = Field(default_factory=EvaluateStage)
    release: ReleaseStage = Field(default_factory=ReleaseStage)
    sizes: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]], exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """What a stage's recipe is called, and what it begins with, is the pipeline's to say."""
        if not isinstance(given, dict):
            return given
        table = cast("dict[str, Any]", given)
        for stage, base in BASES.items():
            given_own = table.get(stage, {})
            if not isinstance(given_own, dict):
                continue  # which is told below
            own = cast("dict[str, Any]", given_own)
            said = {"kind": stage, "name": f"{table.get('name')}-{stage}", "seed": table.get("seed", 0)}
            said |= {"base": base} if base else {}
            said |= {"reward": "reward"} if stage == "ppo" else {}
            for key, value in said.items():
                if own.get(key, value) != value:
                    raise invalid(
                        f"{stage}.{key} is the pipeline's to say: leave it out",
                        f"{stage}.{key} 由流水线决定：请删去",
                    )
            table[stage] = {**own, **said}
        return table


def values_of(table: Mapping[str, Any], size: str | None) -> dict[str, object]:
    """What a size says, by dotted paths (``pretrain.run.steps``). Raises `FeilunError` if there is no such size."""
    sizes: Mapping[str, Any] = table.get("sizes") or {}
    wanted = size or str(table.get("size"))
    if wanted not in sizes:
        known = ", ".join(sizes)
        raise FeilunError(
            f"There is no size '{wanted}'. Sizes here: {known}.",
            f"没有名为“{wanted}”的规模。可用：{known}。",
            code="unknown_size",
        )
    if not isinstance(sizes[wanted], dict):
        raise FeilunError(
            f"The size '{wanted}' must be a table: [sizes.{wanted}].",
            f"规模“{wanted}”应为一个表：[sizes.{wanted}]。",
            code="unknown_size",
        )
    return {"size": wanted, **dict(flat(sizes[wanted]))}
