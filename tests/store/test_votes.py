"""Thumbs as votes."""

from __future__ import annotations

from typing import Any

from tests.store.conftest import Tell

from feilun.store import Store
from feilun.store.feedback import give_feedback
from feilun.store.tables import now_ms
from feilun.store.votes import Vote, votes


def judge(store: Store, message_id: str, user: str | None = None, **opinion: Any) -> None:
    with store.writing() as session:
        give_feedback(session, user=user, message_id=message_id, opinion=opinion, idempotency_key=None)


def seen(store: Store, since_ms: int = 0, model: str = "tiny", release: str = "release:1") -> list[Vote]:
    with store.reading() as session:
        return votes(session, model, [release], since_ms)


def test_the_first_thumb_on_each_answer_counts_in_the_order_they_came(store: Store, tell: Tell) -> None:
    one, two, three, four = (tell(question, "Yes.").message_ids[0] for question in "abcd")
    judge(store, three, comment="hm")  # no vote
    judge(store, two, rating=1)
    judge(store, one, user="ann", rating=-1)
    judge(store, two, rating=-1)  # later
    judge(store, one, user="bob", rating=1)  # of the same answer
    judge(store, three, rating=1)
    judge(store, four, correction="No.")  # says that it was not good
    assert [(vote.good, vote.user) for vote in seen(store)] == [
        (True, "local"), (False, "ann"), (True, "local"), (False, "local"),
    ]  # fmt: skip


def test_only_answers_of_these_releases_since_then_count(store: Store, tell: Tell) -> None:
    old = tell("old", "Yes.").message_ids[0]
    since = now_ms() + 1
    while now_ms() < since:
        pass
    new = tell("new", "Yes.").message_ids[0]
    for message in (old, new):
        judge(store, message, rating=1)
    assert len(seen(store)) == 2
    assert len(seen(store, since)) == 1
    assert seen(store, since)[0].at_ms >= since
    assert seen(store, release="release:2") == seen(store, model="other") == []
