"""What training and the gate cost: as earlier turns of a workspace tell, else as in a turn of Feilun's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from feilun.flywheel import build
from feilun.jobs import Job
from feilun.workspace import Workspace

SECONDS_PER_KB, SECONDS_PER_QUESTION = 1.16, 0.44
"""Of the default model on two cores without bfloat16 (AMD EPYC), alone on the machine: a turn of ``bench/flywheel.py``
whose 960 rows of on average 149 bytes took 165.4 s, loading included, and whose 308 questions took 134.2 s."""

WATTS_PER_CORE = 5.0
"""Assumed where the processor does not tell: full load, between a large server's 2 and a laptop's 8, memory and power
supply not counted."""

FRAME = 30
"""What the chat template puts around a message, in bytes of text that are as many tokens."""


@dataclass(frozen=True)
class Rates:
    """What a turn's work costs."""

    per_kb: float = SECONDS_PER_KB
    """Seconds of training for 1,000 bytes of text. In UTF-8 as many are about as many tokens in Chinese as in English."""
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
        rows = workspace.path / "datasets" / job.id / "sft.jsonl"
        size = row_bytes(build.read(rows)) if rows.exists() else 0
        whole = sum(event["event"] == "started" for event in events) == 1
        if not whole or not size or not {"built", "step", "artifact", "gate"} <= at.keys():
            return None
        asked = {event["release"]: event["steps"] for event in events if event["event"] == "asked"}
        cost = at.get("cost", {"seconds": 0.0, "joules": None})
        seen = at["step"]["steps"] * job.record.recipe["train"]["rows"]
        return cls(
            train_s=at["artifact"]["time"] - at["built"]["time"],
            gate_s=at["gate"]["time"] - at["artifact"]["time"],
            kb=seen * size / 1000,
            questions=sum(asked.values()),
            seconds=cost["seconds"],
            joules=cost["joules"],
        )


def row_bytes(rows: Sequence[build.Row]) -> float:
    """Of a row's conversation, on average; 0 of none."""
    messages = [message["content"].encode() for row in rows for message in row["messages"]]
    return sum(len(content) + FRAME for content in messages) / max(1, len(rows))
