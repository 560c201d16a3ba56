"""``/api/plan``: the planner's answers over HTTP, the same as with ``--json``. The names are those of the options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query

from feilun.plan.ask import (
    CompareQuestion,
    ServePlans,
    ServeQuestion,
    TrainQuestion,
)
from feilun.plan.budget import BudgetPlan
from feilun.plan.compare import Comparison
from feilun.plan.fits import Fits
from feilun.plan.presets import Catalogue, Plans, Presets, catalogue, plan_presets
from feilun.plan.serve import ServePlan
from feilun.plan.train import TrainPlan


def router(workspace: Path) -> APIRouter:
    """The endpoints. Formulas take up to a second, so these are functions that FastAPI runs in threads.

    Args:
        workspace: where a probe of this machine is kept.
    """
    routes = APIRouter(prefix="/api/plan", tags=["Planner"])

    @routes.get(
        "/train", summary="What training takes; of several counts; or backwards, of a budget or a deadline"
    )
    def train(asked: Annotated[TrainQuestion, Query()]) -> TrainPlan | Plans | BudgetPlan:
        return asked.answer(workspace)

    @routes.get("/train/fits", summary="What would fit in place of a run that does not")
    def train_fits(asked: Annotated[TrainQuestion, Query()]) -> Fits:
        return asked.fits(workspace)

    @routes.get("/serve", summary="What answering takes, of some users or of several numbers of them")
    def serve(asked: Annotated[ServeQuestion, Query()]) -> ServePlan | ServePlans:
        return asked.answer(workspace)

    @routes.get("/serve/fits", summary="What would fit in place of a model that does not")
    def serve_fits(asked: Annotated[ServeQuestion, Query()]) -> Fits:
        return asked.fits(workspace)

    @routes.get("/compare", summary="The same run on many devices")
    def compare(asked: Annotated[CompareQuestion, Query()]) -> Comparison:
        return asked.answer(workspace)

    @routes.get(
        "/presets", summary="Claims that contradict each other, the tiers of deployment, and their plans"
    )
    def presets() -> Presets:
        return plan_presets()

    @routes.get("/devices", summary="Devices and models that are known by name")
    def devices() -> Catalogue:
        return catalogue()

    return routes
