"""``/api/lineage``: what something was made of, and what was made of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from feilun.flywheel.lineage import ancestors, descendants
from feilun.flywheel.lineage_graph import Direction, Tree
from feilun.serve.context import Context, JsonRoute

router = APIRouter(prefix="/api/lineage", route_class=JsonRoute, tags=["Flywheel"])


@router.get("/{what:path}", summary="A tree of what something was made of, or of what was made of it")
async def lineage(what: str, services: Context, direction: Annotated[Direction, Query()] = "up") -> Tree:
    """``what`` is the id of a message, release, artifact, feedback or conversation, an artifact's folder, a turn, or a user."""
    look = ancestors if direction == "up" else descendants
    return await services.store.read(lambda session: look(services.workspace, session, what))
