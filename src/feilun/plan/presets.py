"""Plans by name: of claims and tiers, and of models whose shape is known."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from feilun.model.config import ModelConfig
from feilun.plan import facts, quantities
from feilun.plan.arithmetic import Model
from feilun.plan.facts import Device, Preset
from feilun.plan.train import TrainPlan, plan_train
from feilun.text import FeilunError


class Presets(BaseModel):
    presets: dict[str, TrainPlan]
    claims: dict[str, Preset]
    """What each is a plan of."""


class Plans(BaseModel):
    """The cheapest first, or by the number of devices."""

    plans: list[TrainPlan]


class Catalogue(BaseModel):
    """What can be asked about by name."""

    devices: list[Device]
    models: dict[str, float]
    """And their parameters."""


def catalogue() -> Catalogue:
    return Catalogue(
        devices=list(facts.devices().values()),
        models={name: config.params for name, config in facts.shapes().items()},
    )


def plan_presets() -> Presets:
    known = facts.presets()
    return Presets(presets={name: plan_preset(name) for name in known}, claims=dict(known))


def plan_preset(name: str) -> TrainPlan:
    """Raises `FeilunError` (``unknown_preset``). What cannot be laid out is planned all the same, with a note."""
    preset = facts.presets().get(name)
    if preset is None:
        known = ", ".join(facts.presets())
        raise FeilunError(
            f"There is no preset '{name}'. Known: {known}.",
            f"没有预设“{name}”。现有：{known}。",
            code="unknown_preset",
            status=404,
        )
    return plan_train(
        Model.of_size(quantities.count(preset.params)),
        quantities.count(preset.tokens),
        facts.device(preset.device),
        preset.count,
        tflops=preset.tflops,
        must_fit=False,
    )


def model_named(name: str) -> Model:
    """A model of the table, or of a Hugging Face folder. Raises `FeilunError` (``unknown_model``)."""
    if name.lower() not in facts.shapes() and Path(name).is_dir():
        return Model.of_config(ModelConfig.read(Path(name)), Path(name).name)
    return known_model(name)


def known_model(name: str) -> Model:
    """A model of the table. Raises `FeilunError` (``unknown_model``)."""
    known = facts.shapes()
    if name.lower() in known:
        return Model.of_config(known[name.lower()], name.lower())
    raise FeilunError(
        f"The model '{name}' is not known. Known: {', '.join(known)}; or a folder with config.json, or --params.",
        f"未知模型“{name}”。已知：{'、'.join(known)}；也可给出含 config.json 的文件夹，或用 --params。",
        code="unknown_model",
        status=404,
        param="model",
    )
