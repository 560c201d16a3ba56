"""Items without a store."""

from __future__ import annotations

from itertools import count
from typing import Any

from feilun.store.reviews import Item
from feilun.store.tables import Feedback, Message

_number = count(1)


def item(
    question: str, given: str, correction: str | None = None, *, user: str = "local", **more: Any
) -> Item:
    """One opinion of the answer ``given``."""
    n = next(_number)
    rating = more.get("rating", -1 if correction else 1)
    asked = Message(id=f"msg_q{n}", role="user", content=question, params={}, status="complete")
    answer = Message(
        id=more.get("message", f"msg_a{n}"),
        role="assistant",
        content=given,
        params=more.get("params", {}),
        status="complete",
    )
    feedback = Feedback(
        seq=n, id=f"fb_{n}", message_id=answer.id, user=user, rating=rating, correction=correction, tags=[]
    )
    siblings = [
        Message(id=f"msg_s{n}{i}", role="assistant", content=text, params={}, status="complete")
        for i, text in enumerate(more.get("siblings", ()))
    ]
    return Item(feedback, answer, [asked], siblings, None)
