"""One of our own training recipes as a plan, without PyTorch.

What is read here of a recipe, and its defaults, is held against `feilun.train.recipe` by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from feilun.model.config import Family, ModelConfig
from feilun.plan.arithmetic import Model, feilun_saved_bytes
from feilun.plan.facts import Device
from feilun.plan.memory import SCHEMES
from feilun.plan.throughput import blind
from feilun.plan.train import TrainPlan, plan_train
from feilun.text import FeilunError
from feilun.validation import explain

LOGIT_ROWS = 512
"""Rows of logits that `feilun.model.loss` holds at a time, with their gradients."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Shape(_Part):
    family: Family = "qwen3"
    hidden_size: int = 384
    layers: int = 6
    heads: int = 6
    kv_heads: int | None = None
    head_dim: int | None = None
    ffn_size: int | None = None
    context: int = 2048
    tied: bool = True


class _Tokenizer(_Part):
    vocab_size: int = 8192


class _Run(_Part):
    steps: int | None = None
    rows: int = 8
    length: int = 512
    accumulate: int = 1
    recompute: bool = False


class _Optimiser(_Part):
    kind: str = "adamw"


TRAINED = {"pretrain", "pipeline", "sft", "reward", "dpo", "kto", "ppo", "grpo"}


class _Recipe(_Part):
    kind: str = "pretrain"
    tokenizer: _Tokenizer = Field(default_factory=_Tokenizer)
    model: _Shape = Field(default_factory=_Shape)
    run: _Run = Field(default_factory=_Run)
    optimiser: _Optimiser = Field(default_factory=_Optimiser)


def of_recipe(
    recipe: Mapping[str, Any],
    device: Device,
    count: int = 1,
    *,
    factor: float = 1.0,
    config: ModelConfig | None = None,
) -> TrainPlan:
    """The plan of a recipe as it stands in its file, or as a job has recorded it.

    Args:
        factor: what finished runs took in relation to their plans (`feilun.plan.calibration`).
        config: of the base that is fine-tuned; of a pre-training recipe its own shape is taken.

    Raises `FeilunError`: ``recipe_invalid``; ``not_planned`` for recipes that do not say how many tokens they read.
    """
    try:
        known = _Recipe.model_validate(recipe)
        shape = config or shape_of_recipe(known)
    except ValidationError as error:
        why = explain(error.errors()[0])
        raise FeilunError(
            f"The recipe cannot be planned: {why.en}.",
            f"无法为该配方做计划：{why.zh}。",
            code="recipe_invalid",
            status=422,
        ) from None
    run = known.run
    if run.steps is None or (known.kind != "pretrain" and config is None):
        raise FeilunError(
            f"A recipe of kind {known.kind} says how long it trains only once its data are read: use feilun plan finetune.",
            f"{known.kind} 类配方要读入数据后才知道训练多久：请用 feilun plan finetune。",
            code="not_planned",
            status=422,
        )
    model = Model.of_config(shape)
    recompute = "full" if run.recompute else "none"
    speed = blind(model, device, recompute=recompute, count=count)
    if factor != 1.0:
        speed = speed.model_copy(
            update={"tflops": speed.tflops / factor, "basis": "calibrated", "low": 0.75, "high": 1.4}
        )
    plan = plan_train(
        model,
        float(run.steps) * run.rows * run.length * run.accumulate,
        device,
        count,
        speed=speed,
        length=run.length,
        recompute=recompute,
        batch_tokens=run.rows * run.length,
        scheme=SCHEMES["muon" if known.optimiser.kind == "muon" else "amp"],
        precision="fp32" if device.cpu else "bf16",
        must_fit=False,
    )
    if plan.layout is None or run.recompute or not device.cpu:
        return plan
    # On a processor what our own training keeps is known tensor by tensor; of the logits a part is held at a time.
    memory = plan.layout.memory
    kept = feilun_saved_bytes(shape, run.rows, run.length) / 1e9
    logits = 2 * 4 * min(LOGIT_ROWS, run.rows * run.length) * shape.vocab_size / 1e9
    total = memory.total_gb - memory.activations_gb - memory.logits_gb + kept + logits
    memory = memory.model_copy(update={"activations_gb": kept, "logits_gb": logits, "total_gb": total})
    return plan.model_copy(update={"layout": plan.layout.model_copy(update={"memory": memory})})


def pretraining_of(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a pipeline as it stands in its file the recipe of its base model, at the size that it names; others are as they are.

    Raises `FeilunError` (``recipe_invalid``) for a file that is no recipe of `feilun train`.
    """
    if table.get("kind") not in TRAINED:
        raise FeilunError(
            "This is no recipe of a training run (its kind would be pretrain, pipeline, sft or another), so there is nothing to plan.",
            "这不是训练配方（其 kind 应为 pretrain、pipeline、sft 等），没有可计划的内容。",
            code="recipe_invalid",
            status=422,
        )
    if table.get("kind") != "pipeline":
        return table
    size: Mapping[str, Any] = table.get("sizes", {}).get(table.get("size"), {})
    return {**_merged(table.get("pretrain", {}), size.get("pretrain", {})), "kind": "pretrain"}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        inner = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merged(found[key], cast("dict[str, Any]", value)) if inner else value
    return found


def shape_of_recipe(recipe: _Recipe | Mapping[str, Any]) -> ModelConfig:
    """The model of a pre-training recipe."""
    known = recipe if isinstance(recipe, _Recipe) else _Recipe.model_validate(recipe)
    shape = known.model
    return ModelConfig(
        family=shape.family,
        vocab_size=known.tokenizer.vocab_size,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads or shape.heads,
        head_dim=shape.head_dim or shape.hidden_size // shape.heads,
        ffn_size=shape.ffn_size or round(shape.hidden_size * 8 / 3 / 32) * 32,
        context=shape.context,
        tied=shape.tied,
    )
