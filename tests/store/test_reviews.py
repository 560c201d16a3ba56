"""What may be learnt: items, decisions, and what a turn takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from feilun.store import LOCAL_OWNER, Store
from feilun.store.conversations import Turn
from feilun.store.feedback import give_feedback
from feilun.store.reviews import Decision, Item, decide, items, take
from feilun.store.served import history, note_served
from feilun.store.tables import Feedback
from feilun.text import FeilunError

Tell = Callable[..., Turn]


def opine(store: Store, turn: Turn, user: str = LOCAL_OWNER, **opinion: Any) -> Feedback:
    with store.writing() as session:
        return give_feedback(
            session, user=user, message_id=turn.message_ids[0], opinion=opinion, idempotency_key=None
        )


def found(store: Store, **which: Any) -> list[Item]:
    with store.reading() as session:
        return items(session, **which)


def say(store: Store, feedback_id: str, decision: Decision, **changes: Any) -> None:
    with store.writing() as session:
        decide(session, feedback_id, decision, reviewer="rita", **changes)


def corrections(store: Store, tell: Tell, count: int, user: str) -> list[str]:
    """So many accepted corrections of one user; ids of the opinions."""
    ids: list[str] = []
    for number in range(count):
        turn = tell(f"question {number} of {user}", "wrong", user=user)
        ids.append(opine(store, turn, user=user, correction=f"right {number}").id)
        say(store, ids[-1], "accept")
    return ids


def test_an_opinion_becomes_an_item_and_a_new_one_a_new_item(store: Store, tell: Tell) -> None:
    turn = tell("When?", "In 2001.")
    assert found(store) == []
    comment = opine(store, turn, comment="hm")  # says neither good nor bad
    assert found(store) == []
    first = opine(store, turn, rating=-1)
    (item,) = found(store)
    assert (item.id, item.asked, item.answer, item.state) == (first.id, "When?", None, "pending")
    second = opine(store, turn, correction="In 2011.")
    (item,) = found(store)
    assert (item.id, item.answer, item.corrected) == (second.id, "In 2011.", True)
    assert comment.id != first.id != second.id
    say(store, second.id, "accept")
    assert found(store, state="accepted")[0].id == second.id
    third = opine(store, turn, correction="In 2012.")
    assert [item.id for item in found(store, state="pending")] == [third.id]
    with pytest.raises(FeilunError) as gone:
        say(store, second.id, "accept")
    assert gone.value.status == 404


def test_a_praised_answer_may_be_learnt_as_it_is(store: Store, tell: Tell) -> None:
    opine(store, tell("Hello", "Good morning!"), rating=1)
    (item,) = found(store)
    assert (item.answer, item.corrected) == ("Good morning!", False)


def test_a_reviewer_edits_and_the_newest_decision_counts(store: Store, tell: Tell) -> None:
    row = opine(store, tell("When?", "In 2001."), rating=-1)
    with pytest.raises(FeilunError) as nothing:
        say(store, row.id, "accept")
    assert nothing.value.code == "nothing_to_learn"
    say(store, row.id, "accept", answer="In 2011.", question="When was it founded?")
    (item,) = found(store, state="accepted")
    assert (item.question, item.asked, item.answer) == ("When was it founded?", "When?", "In 2011.")
    say(store, row.id, "reject")
    assert found(store, state="accepted") == []
    assert found(store, state="rejected")[0].review is not None


def test_a_turn_takes_what_is_accepted_once_and_the_same_again(store: Store, tell: Tell) -> None:
    mine = corrections(store, tell, 3, LOCAL_OWNER)
    with store.writing() as session:
        taken = take(session, "turn-1", per_user=5, least=3)
    assert [item.id for item in taken.items] == mine
    later = corrections(store, tell, 3, LOCAL_OWNER)  # while the turn is being made
    with store.writing() as session:
        assert [item.id for item in take(session, "turn-1", per_user=5, least=3).items] == mine
        assert [item.id for item in take(session, "turn-2", per_user=5, least=3).items] == later
    assert {item.state for item in found(store)} == {"taken"}


def test_nobody_but_the_owner_teaches_much_in_a_turn(store: Store, tell: Tell) -> None:
    theirs = corrections(store, tell, 30, "mallory")
    with store.writing() as session, pytest.raises(FeilunError) as refused:
        take(session, "turn-1", per_user=5, least=6)
    assert refused.value.code == "too_few_items"
    assert "25" in str(refused.value.text.en)
    assert {item.state for item in found(store)} == {"accepted"}  # nothing was taken
    mine = corrections(store, tell, 9, LOCAL_OWNER)
    with store.writing() as session:
        taken = take(session, "turn-1", per_user=5, least=6)
    assert {item.id for item in taken.items} == {*theirs[:5], *mine}
    assert taken.capped == {"mallory": 25}


def test_the_history_of_what_served_is_only_added_to(store: Store) -> None:
    for release in ("release:a", "release:a", "release:b", "release:a"):
        with store.writing() as session:
            note_served(session, "m", release, {"name": "m"}, reason="turn", turn=release)
    with store.reading() as session:
        assert [row.release_id for row in history(session, "m")] == ["release:a", "release:b", "release:a"]
        assert history(session, "other") == []
