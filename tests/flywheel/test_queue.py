"""The order of the review queue."""

from __future__ import annotations

from tests.flywheel.items import item

from feilun.flywheel.queue import ranked


def test_corrections_come_first_then_complaints_then_praise() -> None:
    praise, complaint = item("Hi", "Hello!"), item("What is a moon?", "Cheese.", rating=-1)
    correction = item("When?", "Now.", "At noon.")
    assert [one.item for one in ranked([praise, complaint, correction])] == [correction, complaint, praise]


def test_questions_that_are_nearly_the_same_stand_together_and_count_more() -> None:
    one = item("When was Orvanta founded?", "?", rating=-1)
    other = item("Which colour is the sea?", "?", "Blue.")
    same = item("when was Orvanta founded ?", "?", "In 2011.")
    queue = ranked([one, other, same])
    assert [q.item for q in queue] == [same, one, other]
    assert queue[0].group == queue[1].group == one.id
    assert queue[2].group == other.id


def test_disagreement_and_personal_data_are_marked() -> None:
    good = item("Is it?", "Yes.", message="msg_1", rating=1)
    bad = item("Is it?", "Yes.", "No, ask ann@example.com.", message="msg_1", user="ben")
    marked = {one.item.id: one for one in ranked([good, bad])}
    assert marked[good.id].disputed
    assert marked[bad.id].disputed
    assert marked[bad.id].personal == ["email"]
    assert marked[good.id].personal == []
