"""What training and the gate cost: as earlier turns of a workspace tell, else as in a turn of Feilun's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from feilun.flywheel import build
from feilun.flywheel.recipe import Objective, TurnRecipe
from feilun.jobs import Job
from feilun.workspace import Workspace

SECONDS_PER_KB, SECONDS_PER_QUESTION = 0.27, 0.35
"""Of the default model on two cores with AMX, alone on the machine. Training: turns of ``bench/flywheel.py`` whose 2,268 rows of
on average 201 bytes took 100 to 147 s, and 2,880 rows 145 to 169 s, loading included (without bfloat16 half as much again, by
what it was before). The gate: 0.31 to 0.40 s a question; the engine does not use AMX."""

COST: dict[Objective, float] = {"sft": 1.0, "dpo": 5.1, "kto": 5.1}
"""What a byte costs, in those of ``sft``, which leaves out most of the vocabulary and the layers below those that learn, reads each
example once through them, and lays its examples side by side. Of DPO as measured in the same turn (35 s for ten steps of eight
pairs, loading included); KTO reads as much as DPO."""

WATTS_PER_CORE = 5.0
"""Assumed where the processor does not tell: full load, between a large server's 2 and a laptop's 8, memory and power
supply not counted."""

FRAME = 30
"""What the chat template puts around a message, in bytes of text that are as many tokens."""


@dataclass(frozen=True)
class Rates:
    """What a turn's work costs."""

    per_kb: float = SECONDS_PER_KB
    """Seconds of training for 1,000 bytes of text (see `work_kb`). In UTF-8 as many are about as many tokens in Chinese as in
    English."""
    per_question: float = SECONDS_PER_QUESTION
    watts: float = WATTS_PER_CORE * (os.cpu_count() or 1)
    measured: bool = False
    turns: int = 0

    @classmethod
    def of(cls, jobs: Sequence[Job], workspace: Workspace) -> Rates:
        """As in these turns. One that was interrupted does not say how long its steps took."""
        costs = [cost for job in jobs if (cost := _Cost.of(job, workspace)) is not None]
        if not costs:
            return cls()
        counted = [cost for cost in costs if cost.joules is not None]
        watts = (
            sum(cost.joules or 0 for cost in counted) / sum(cost.seconds for cost in counted)
            if counted
            else None
        )
        asked = sum(cost.questions for cost in costs)
        return cls(
            per_kb=sum(cost.train_s for cost in costs) / sum(cost.kb for cost in costs),
            per_question=sum(cost.gate_s for cost in costs) / asked if asked else SECONDS_PER_QUESTION,
            watts=cls.watts if watts is None else watts,
            measured=watts is not None,
            turns=len(costs),
        )


@dataclass(frozen=True)
class _Cost:
    """What a turn took."""

    train_s: float
    gate_s: float
    kb: float
    questions: int
    seconds: float
    joules: float | None

    @classmethod
    def of(cls, job: Job, workspace: Workspace) -> _Cost | None:
        events = list(job.events())
        at = {event["event"]: event for event in events}  # the last of each name
        folder = workspace.path / "datasets" / job.id
        whole = sum(event["event"] == "started" for event in events) == 1
        if not whole or not folder.exists() or not {"built", "step", "artifact", "gate"} <= at.keys():
            return None
        try:
            recipe = TurnRecipe.model_validate({k: v for k, v in job.record.recipe.items() if k != "model"})
        except ValidationError:  # written by another version of Feilun
            return None
        steps: dict[Objective, int] = {
            event.get("part", "sft"): event["steps"] for event in events if event["event"] == "step"
        }
        kb = sum(
            work_kb(recipe, objective, count, build.read(folder / build.SETS[objective]))
            for objective, count in steps.items()
        )
        if not kb:  # what it learnt was forgotten
            return None
        asked = [event for event in events if event["event"] == "asked"]
        cost = at.get("cost", {"seconds": 0.0, "joules": None})
        return cls(
            train_s=at["artifact"]["time"] - at["built"]["time"],
            gate_s=at["gate"]["time"] - at["artifact"]["time"],
            kb=kb,
            questions=sum(event["steps"] for event in asked if event["step"] == event["steps"]),
            seconds=cost["seconds"],
            joules=cost["joules"],
        )


def work_kb(recipe: TurnRecipe, objective: Objective, steps: int, rows: Sequence[build.Row]) -> float:
    """What a stage of so many steps over ``rows`` reads, in 1,000 bytes that cost as much as those of ``sft``.

    Of a pair both sides are read, of a thumb its answer and a stranger's; and all once before the training, without a
    gradient, which is a third of the work.
    """
    if objective == "sft":
        seen = steps * recipe.train.rows
    else:
        how = recipe.dpo if objective == "dpo" else recipe.kto
        seen = 2 * (steps * how.rows + len(rows) / 3)
    return COST[objective] * seen * row_bytes(rows) / 1000


def row_bytes(rows: Sequence[build.Row]) -> float:
    """Of a row's conversation, on average, with one of its answers where there are two; 0 of none."""
    return sum(map(_bytes, rows)) / max(1, len(rows))


def _bytes(row: build.Row) -> float:
    sides = [row[side] for side in ("chosen", "rejected") if side in row]
    before, answers = (
        sum(len(message["content"].encode()) + FRAME for message in messages)
        for messages in (row["messages"], sides)
    )
    return before + answers / max(1, len(sides))
