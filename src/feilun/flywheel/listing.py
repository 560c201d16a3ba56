"""An item of the review queue as JSON: for the console, and for ``feilun review list --json``."""

from __future__ import annotations

from typing import Any

from feilun.flywheel.queue import Queued


def listed(one: Queued) -> dict[str, Any]:
    """What a reviewer has to know of it."""
    item, review = one.item, one.item.review
    return {
        "id": item.id,
        "kind": item.kind,
        "state": item.state,
        "user": item.feedback.user,
        "rating": item.feedback.rating,
        "tags": item.feedback.tags,
        "comment": item.feedback.comment,
        "question": item.question,
        "given": item.message.content,
        "answer": item.answer,
        "suggestion": item.suggestion,
        "thumb": item.thumb,
        "edited": review is not None and (review.question is not None or review.answer is not None),
        "reviewer": review.reviewer if review else None,
        "value": one.value,
        "group": one.group,
        "disputed": one.disputed,
        "personal": one.personal,
        "release": item.message.release,
        "conversation_id": item.message.conversation_id,
        "created_ms": item.feedback.created_ms,
    }
