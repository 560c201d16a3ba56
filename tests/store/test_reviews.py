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


FIRST, EDITED = "When was Orvanta founded?", "In which year was Orvanta founded?"


def again(tell: Tell, turn: Turn, question: str, *answers: str, **where: Any) -> Turn:
    """The question, or an edit of it, in the same place of the conversation."""
    return tell(question, *answers, conversation_id=turn.conversation_id, **where)


def kinds(store: Store) -> dict[str, str | None]:
    """Of each item its kind and, in brackets, what it suggests."""
    return {item.id: f"{item.kind} [{item.suggestion or ''}]" for item in found(store)}


def test_every_item_has_a_kind(store: Store, tell: Tell) -> None:
    ids = [
        opine(store, tell("a", "b"), correction="c", rating=-1).id,
        opine(store, tell("d", "e"), rating=1).id,
        opine(store, tell("f", "g"), rating=-1).id,
    ]
    assert kinds(store) == dict(zip(ids, ["correction []", "praise []", "complaint []"], strict=True))


def test_a_praised_answer_among_several_is_a_choice(store: Store, tell: Tell) -> None:
    turn = tell("Hello", "Good morning!", "Go away.", "Hm.")
    opine(store, turn, rating=1)
    (item,) = found(store)
    assert (item.kind, item.answer, item.corrected) == ("choice", "Good morning!", False)
    assert [row.content for row in item.rejected] == ["Go away.", "Hm."]
    with store.writing() as session:  # whoever likes both has not chosen between them
        give_feedback(
            session, user=None, message_id=turn.message_ids[2], opinion={"rating": 1}, idempotency_key=None
        )
    assert [row.content for row in found(store)[0].rejected] == ["Go away."]


def test_what_a_correction_is_better_than_is_the_answer_alone(store: Store, tell: Tell) -> None:
    turn = tell("Hello", "Go away.", "Hm.")
    opine(store, turn, correction="Good morning!")
    (item,) = found(store)
    assert [row.content for row in item.rejected] == ["Go away."]
    opine(store, turn, correction=None, rating=-1)
    assert found(store)[0].rejected == []  # nothing is known to be better


def test_a_disliked_answer_that_was_asked_for_again(store: Store, tell: Tell) -> None:
    turn = tell(FIRST, "In 2001.")
    bad = opine(store, turn, rating=-1)
    other = again(tell, turn, FIRST, "In 2011.")
    assert kinds(store) == {bad.id: "complaint []"}  # nobody has gone on from it or liked it
    history = [
        {"role": "user", "content": FIRST},
        {"role": "assistant", "content": "In 2011."},
        {"role": "user", "content": "Thanks!"},
    ]
    again(tell, turn, history, "You're welcome.", parent_id=other.message_ids[0])  # pyright: ignore[reportArgumentType]
    (item,) = found(store)
    assert (item.kind, item.suggestion, item.answer) == ("choice", "In 2011.", None)
    assert [row.content for row in item.rejected] == ["In 2001."]
    worse = opine(store, other, rating=-1)
    assert kinds(store) == {bad.id: "complaint []", worse.id: "complaint []"}
    good = opine(store, other, correction="It was in 2011.")
    assert kinds(store) == {bad.id: "choice [It was in 2011.]", good.id: "correction []"}


def test_a_disliked_answer_whose_question_was_edited(store: Store, tell: Tell) -> None:
    turn = tell(FIRST, "In 2001.")
    edit = again(tell, turn, EDITED, "In 2011.")
    bad = opine(store, turn, rating=-1)
    (item,) = found(store)
    assert (item.kind, item.asked, item.suggestion) == ("edited question", FIRST, "In 2011.")
    liked = opine(store, edit, rating=1)
    assert kinds(store) == {bad.id: "edited question [In 2011.]", liked.id: "praise []"}
    disliked = opine(store, edit, rating=-1)
    assert kinds(store) == {bad.id: "complaint []", disliked.id: "complaint []"}


def test_a_praised_answer_to_an_edit_of_a_question_whose_answer_was_passed_over(
    store: Store, tell: Tell
) -> None:
    turn = tell(FIRST, "In 2001.")
    good = opine(store, again(tell, turn, EDITED, "In 2011."), rating=1)
    (item,) = found(store)
    assert (item.id, item.kind, item.asked) == (good.id, "edited question", FIRST)
    assert (item.message.content, item.suggestion, item.answer) == ("In 2001.", "In 2011.", None)
    opine(store, turn, rating=1)  # it was no bad answer
    assert [item.kind for item in found(store)] == ["praise", "praise"]


def test_a_suggestion_is_learnt_only_if_a_reviewer_says_so_and_as_it_read_then(
    store: Store, tell: Tell
) -> None:
    turn = tell(FIRST, "In 2001.")
    edit = again(tell, turn, EDITED, "In 2011.")
    bad = opine(store, turn, rating=-1)
    assert [item.id for item in found(store) if item.answer] == []  # what accepts all passes over it
    say(store, bad.id, "accept")
    (item,) = found(store, state="accepted")
    assert (item.question, item.answer, item.corrected) == (FIRST, "In 2011.", True)
    assert [row.content for row in item.rejected] == ["In 2001."]
    opine(store, edit, rating=-1)
    assert found(store, state="accepted")[0].answer == "In 2011."
    say(store, bad.id, "accept", answer="In 2012.")
    assert found(store, state="accepted")[0].answer == "In 2012."


@pytest.mark.parametrize(
    ("edit", "user", "status"),
    [
        ("Tell me a joke about penguins, please.", LOCAL_OWNER, "complete"),  # another thing
        (EDITED, "ann", "complete"),  # the dislike is not that of the person who asked
        (EDITED, LOCAL_OWNER, "stopped"),  # no whole answer
        ("When was Orvanta founded?" + " I mean it." * 100, LOCAL_OWNER, "complete"),
    ],
)
def test_where_nothing_is_suggested(store: Store, tell: Tell, edit: str, user: str, status: str) -> None:
    turn = tell(FIRST, "In 2001.")
    opine(store, turn, user=user, rating=-1)
    again(tell, turn, edit, "In 2011.", status=status)
    (item,) = found(store)
    assert (item.kind, item.suggestion) == ("complaint", None)


def test_an_edit_that_came_before_the_answer_is_no_reply_to_it(store: Store, tell: Tell) -> None:
    turn = tell(EDITED, "In 2011.")
    opine(store, again(tell, turn, FIRST, "In 2001."), rating=-1)
    (item,) = found(store)
    assert (item.kind, item.suggestion) == ("complaint", None)


def test_how_often_a_question_was_asked(store: Store, tell: Tell) -> None:
    for _ in range(3):
        tell(FIRST, "In 2001.")
    opine(store, tell(FIRST, "In 2011."), rating=1)
    opine(store, tell(EDITED, "In 2011."), rating=1)
    assert [item.times for item in found(store)] == [4, 1]
