"""``/api/flywheel``: the console's page of what has gathered, what is decided, and what a turn has come to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from feilun.flywheel.estimate import estimate
from feilun.flywheel.gate import Verdict
from feilun.flywheel.listing import listed
from feilun.flywheel.promote import roll_back
from feilun.flywheel.queue import ranked
from feilun.flywheel.recipe import turn_recipe
from feilun.flywheel.turn import KIND, discard, unfinished
from feilun.jobs import Event, Job, list_jobs
from feilun.serve.context import Context, JsonRoute, Services
from feilun.store import LOCAL_OWNER
from feilun.store.reviews import State, decide, items
from feilun.store.served import history
from feilun.text import FeilunError, Text, header_language

router = APIRouter(prefix="/api/flywheel", route_class=JsonRoute, tags=["Flywheel"])

Said = Annotated[str, StringConstraints(max_length=100_000)]


class DecisionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "reject"]
    question: Said | None = None
    answer: Said | None = None


@router.get("", summary="What has gathered, what serves, how the last turn went")
async def overview(services: Context) -> dict[str, Any]:
    everything = await services.store.read(items)
    count = dict.fromkeys(("pending", "accepted", "rejected", "taken"), 0)
    for item in everything:
        count[item.state] += 1
    served = await services.store.read(history)
    recipe = await asyncio.to_thread(turn_recipe, services.workspace)
    release = services.pool.registry.default()
    like = None
    with contextlib.suppress(FeilunError):  # what is wrong the turn will say
        like = await asyncio.to_thread(estimate, services.workspace, services.store, recipe, release.name)
    turns = await asyncio.to_thread(_turns, services)
    waiting = await asyncio.to_thread(unfinished, services.workspace, services.store)
    return {
        "items": count,
        "least": recipe.review.least,
        "objectives": recipe.train.objectives,
        "estimate": like and {**like.model_dump(mode="json"), "words": _both(like.words())},
        "model": release.name,
        "release": release.id,
        "turns": [_turn(services, job) for job in reversed(turns[-20:])],
        "unfinished": waiting.id if waiting and waiting.state != "running" else None,
        "history": [
            {
                "model": row.model,
                "release": row.release_id,
                "reason": row.reason,
                "turn": row.turn,
                "since_ms": row.since_ms,
            }
            for row in reversed(served)
        ],
    }


@router.get("/items", summary="The review queue, the most valuable first")
async def queue(
    services: Context,
    state: Annotated[State | None, Query()] = "pending",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    found = await asyncio.to_thread(ranked, await services.store.read(items), state)
    return {"data": [listed(one) for one in found[:limit]], "total": len(found)}


@router.post("/items/{feedback_id}", summary="Decide what may be learnt")
async def decision(feedback_id: str, body: DecisionRequest, services: Context) -> dict[str, Any]:
    """The newest decision counts, and answers only after it is committed."""
    recipe = await asyncio.to_thread(turn_recipe, services.workspace)
    row = await services.store.write(
        decide,
        feedback_id,
        body.decision,
        reviewer=LOCAL_OWNER,
        question=body.question,
        answer=body.answer,
        thumbs=recipe.train.thumbs,
    )
    return {"id": row.id, "feedback_id": row.feedback_id, "decision": row.decision}


@router.post("/turns", status_code=202, summary="Begin a turn, or go on with the unfinished one")
async def begin(request: Request, services: Context) -> dict[str, Any]:
    """The turn is a process of its own: it outlives the server. Its course is in `turns` of `/api/flywheel`."""
    command = [sys.executable, "-m", "feilun", "-w", str(services.workspace.path), "turn", "--json"]
    language = header_language(request.headers.get("accept-language"))

    def running() -> set[str]:
        return {job.id for job in _turns(services) if job.state == "running"}

    def start() -> str:
        before = running()
        with tempfile.TemporaryFile() as said:  # a pipe would break when nobody reads it any more
            process = subprocess.Popen(
                command,
                env={**os.environ, "FEILUN_LANG": language},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            while process.poll() is None:
                if new := running() - before:
                    return new.pop()
                time.sleep(0.1)
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
        if process.returncode:
            why = re.sub(r"^(Error: |错误：)", "", lines[-1]) if lines else f"exit {process.returncode}"
            raise FeilunError(why, why, status=409, code="turn_not_begun")
        return _turns(services)[-1].id

    return {"id": await asyncio.to_thread(start)}


@router.post(
    "/turns/{turn_id}/discard", summary="Give the unfinished turn up: what it took waits for another one"
)
async def give_up(turn_id: str, services: Context) -> dict[str, Any]:
    job, count = await asyncio.to_thread(discard, services.workspace, services.store, turn_id)
    return {"id": job.id, "items": count}


@router.get("/turns/{turn_id}", summary="A turn's events, verdict, and the answers that changed")
async def one_turn(turn_id: str, services: Context) -> dict[str, Any]:
    job = next((job for job in await asyncio.to_thread(_turns, services) if job.id == turn_id), None)
    if job is None:
        raise FeilunError(
            f"There is no turn {turn_id}.",
            f"没有编号为 {turn_id} 的轮次。",
            status=404,
            code="turn_not_found",
        )
    verdict = _verdict(services, job)
    return {
        **_turn(services, job),
        "events": _told(job),
        "verdict": verdict.model_dump(mode="json") if verdict else None,
    }


@router.post("/rollback", summary="Let the release before the present one serve again")
async def rollback(services: Context) -> dict[str, Any]:
    registry = services.pool.registry
    name = registry.default().name
    earlier = await asyncio.to_thread(roll_back, registry, services.store, name)
    services.pool.warm(earlier)
    return {"model": name, "release": earlier.id}


def _turns(services: Services) -> list[Job]:
    return [job for job in list_jobs(services.workspace.path / "runs") if job.record.kind == KIND]


def _turn(services: Services, job: Job) -> dict[str, Any]:
    verdict = _verdict(services, job)
    return {
        "id": job.id,
        "state": job.state,
        "created": job.record.created,
        "last": job.last(),
        "passed": verdict.passed if verdict else None,
        "discarded": job.last("discarded") is not None,
        "words": _both(verdict.words()) if verdict else [],
    }


def _both(lines: list[Text]) -> list[dict[str, str]]:
    return [{"en": line.en, "zh": line.zh} for line in lines]


def _told(job: Job) -> list[Event]:
    """The events; of how many questions a release has been asked only the newest, since that one says it all."""
    events = list(job.events())
    newest = {event["release"]: event for event in events if event["event"] == "asked"}
    return [event for event in events if event["event"] != "asked" or newest[event["release"]] is event]


def _verdict(services: Services, job: Job) -> Verdict | None:
    path = services.workspace.path / "reports" / job.id / "verdict.json"
    return Verdict.model_validate_json(path.read_bytes()) if path.exists() else None
