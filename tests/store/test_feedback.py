"""Opinions of answers: merged, counted once, never overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from feilun.store import Store
from feilun.store.conversations import Turn, delete_conversation
from feilun.store.feedback import OPINION, give_feedback, list_feedback, opinions_in
from feilun.store.tables import Feedback
from feilun.text import FeilunError

Tell = Callable[..., Turn]

NOTHING: dict[str, Any] = {"rating": None, "tags": [], "comment": None, "correction": None}


def give(
    store: Store, message_id: str, key: str | None = None, user: str | None = "local", **opinion: Any
) -> Feedback:
    with store.writing() as session:
        return give_feedback(session, user=user, message_id=message_id, opinion=opinion, idempotency_key=key)


def values(row: Feedback) -> dict[str, Any]:
    return {name: getattr(row, name) for name in OPINION}


def history(store: Store) -> list[dict[str, Any]]:
    with store.reading() as session:
        return [values(row) for row in session.scalars(select(Feedback).order_by(Feedback.seq))]


OPINIONS = st.fixed_dictionaries(
    {},
    optional={
        "rating": st.sampled_from([1, -1, None]),
        "tags": st.lists(st.sampled_from(["clear", "wrong_fact", "其他"]), max_size=2),
        "comment": st.none() | st.sampled_from(["因为…", ""]),
        "correction": st.none() | st.just("better"),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.sampled_from(["ada", "ben"]), st.integers(0, 1), OPINIONS), max_size=8))
def test_each_post_is_the_whole_opinion_from_then_on_and_history_is_only_added_to(
    store: Store, tell: Tell, said: list[tuple[str, int, dict[str, Any]]]
) -> None:
    with store.writing() as session:
        session.execute(delete(Feedback))
    turn = tell("hi", "one", "two", user="ada")
    present: dict[tuple[str, str], dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for user, which, opinion in said:
        message_id = turn.message_ids[which]
        whole = {**present.pop((user, message_id), NOTHING), **opinion}
        present[user, message_id] = whole  # popped and put back: the order is that of the last posts
        rows.append(whole)
        assert values(give(store, message_id, user=user, **opinion)) == whole
        assert history(store) == rows
    with store.reading() as session:
        listed, more = list_feedback(session)
        assert [((row.user, row.message_id), values(row)) for row in listed] == list(present.items())
        assert not more
        mine = {i: values(row) for i, row in opinions_in(session, turn.conversation_id, "ada").items()}
    assert mine == {message_id: whole for (user, message_id), whole in present.items() if user == "ada"}


def test_the_same_request_counts_once(store: Store, tell: Tell) -> None:
    message_id = tell("hi", "hello").message_ids[0]
    first = give(store, message_id, "key", rating=1)
    give(store, message_id, comment="between")
    again = give(store, message_id, "key", rating=1)
    assert again.id == first.id
    assert len(history(store)) == 2
    assert history(store)[-1]["comment"] == "between"


def test_a_key_used_for_other_feedback_is_refused(store: Store, tell: Tell) -> None:
    one, two = tell("hi", "one", "two").message_ids
    give(store, one, "key", rating=1)
    for message_id, rating in ((one, -1), (two, 1)):
        with pytest.raises(FeilunError) as refused:
            give(store, message_id, "key", rating=rating)
        assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")
    assert len(history(store)) == 1


def test_keys_of_different_users_do_not_meet(store: Store, tell: Tell) -> None:
    message_id = tell("hi", "hello").message_ids[0]
    rows = [give(store, message_id, "key", user=user, rating=1) for user in ("ada", "ben")]
    assert rows[0].id != rows[1].id


def test_feedback_without_a_user_is_of_whose_conversation_it_is(store: Store, tell: Tell) -> None:
    assert give(store, tell("hi", "hello", user="ada").message_ids[0], user=None, rating=1).user == "ada"


def test_the_same_request_sent_at_once_counts_once(store: Store, tell: Tell) -> None:
    message_id = tell("hi", "hello").message_ids[0]
    together = threading.Barrier(6)
    ids: list[str] = []
    failures: list[Exception] = []

    def post() -> None:
        together.wait()
        try:
            ids.append(give(store, message_id, "key", rating=1).id)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(ids)) == 1
    assert len(history(store)) == 1


def test_feedback_belongs_to_an_answer_that_exists(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    assert turn.parent_id
    for message_id, status, code in (
        ("msg_unknown", 404, "message_not_found"),
        (turn.parent_id, 400, "not_an_answer"),
    ):
        with pytest.raises(FeilunError) as refused:
            give(store, message_id, rating=1)
        assert (refused.value.status, refused.value.code) == (status, code)
    assert history(store) == []


def test_lists_are_paged_and_filtered(store: Store, tell: Tell) -> None:
    ids = [tell(f"q{i}", "a").message_ids[0] for i in range(5)]
    for message_id in ids:
        give(store, message_id, rating=1)
    give(store, ids[0], user="ada", rating=-1)
    seen: list[str] = []
    after: str | None = None
    more = True
    while more:
        with store.reading() as session:
            rows, more = list_feedback(session, user="local", limit=2, after=after)
        seen += [row.message_id for row in rows]
        after = rows[-1].id
    assert seen == ids
    with store.reading() as session:
        assert [row.user for row in list_feedback(session, message_id=ids[0])[0]] == ["local", "ada"]
        assert list_feedback(session, user="nobody") == ([], False)


def test_feedback_of_deleted_conversations_is_not_listed(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    give(store, turn.message_ids[0], rating=1)
    with store.writing() as session:
        delete_conversation(session, turn.conversation_id, "local")
    with pytest.raises(FeilunError) as refused:
        give(store, turn.message_ids[0], rating=-1)
    assert refused.value.status == 404
    with store.reading() as session:
        assert list_feedback(session) == ([], False)
        assert session.scalar(select(func.count()).select_from(Feedback)) == 1  # an undo brings it back
