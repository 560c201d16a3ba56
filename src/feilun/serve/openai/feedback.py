"""``/v1/feedback``: what OpenAI's API has no word for and the flywheel lives on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.exc import IntegrityError

from feilun.serve.context import Context, JsonRoute
from feilun.serve.openai.protocol import FeedbackRequest
from feilun.store.feedback import give_feedback, list_feedback
from feilun.store.tables import Feedback

router = APIRouter(route_class=JsonRoute, tags=["Feedback"])


@router.post("/v1/feedback", summary="Say what an answer was worth")
async def post_feedback(body: FeedbackRequest, services: Context) -> dict[str, Any]:
    """200 comes only after the commit. The body is a whole opinion: fields left out keep their previous value, null clears.

    Without `user` it is the opinion of whose conversation it is.
    With `idempotency_key` the same request may be repeated until it is answered, and counts once.
    """

    async def give() -> Feedback:
        return await services.store.write(
            give_feedback,
            user=body.user,
            message_id=body.message_id,
            opinion=body.opinion(),
            idempotency_key=body.idempotency_key,
        )

    try:
        row = await give()
    except IntegrityError:  # the same key at the same moment: the other one is stored now
        row = await give()
    services.judged.set()
    services.metrics.feedback.labels(str(row.rating)).inc()
    return _as_json(row)


@router.get("/v1/feedback", summary="The present opinions")
async def get_feedback(
    services: Context,
    message_id: Annotated[str | None, Query(max_length=256)] = None,
    user: Annotated[str | None, Query(max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=256)] = None,
) -> dict[str, Any]:
    """One opinion a person and message, oldest first; `after` is the id of the last one seen."""
    rows, more = await services.store.read(
        list_feedback, user=user, message_id=message_id, limit=limit, after=after
    )
    return {"object": "list", "data": [_as_json(row) for row in rows], "has_more": more}


def _as_json(row: Feedback) -> dict[str, Any]:
    names = ("id", "message_id", "user", "rating", "tags", "comment", "correction", "created_ms")
    return {"object": "feedback", **{name: getattr(row, name) for name in names}}
