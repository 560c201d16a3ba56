"""What a recipe may say otherwise when a run goes on by it."""

from __future__ import annotations

import json
from typing import Any

from feilun.jobs import Job
from feilun.recipe import flat
from feilun.text import FeilunError, Text

MAY_CHANGE = (
    "run.steps",
    "optimiser.lr",
    "optimiser.muon_lr",
    "optimiser.clip",
    "optimiser.warmup",
    "rollout.penalty",
    "rollout.most",
)
"""What a recipe of one stage may say otherwise when a run goes on: how long it is, and what is advised when it has gone wrong."""

UNDER_WAY = (*MAY_CHANGE, "samples", "run.save_every", "run.evaluate_every", "run.keep")
"""The same of a pipeline's stage that has checkpoints already, and on what no weights depend."""


def other_recipe(job: Job, key: str, before: dict[str, Any], why: Text) -> FeilunError:
    """The run was begun with the recipe ``before``, and may not go on with another value of this key (``run.rows``)."""
    was = json.dumps(dict(flat(before)).get(key), ensure_ascii=False)  # null: it was not there
    return FeilunError(
        f"The run {job.id} was begun with another recipe: {key} is not what it was ({was}). {why.en} "
        "Put it back, or start anew without --resume.",
        f"运行 {job.id} 开始时的配方与现在不同：{key} 已改变（原为 {was}）。{why.zh}请改回，或去掉 --resume 重新开始。",
        code="other_recipe",
    )
