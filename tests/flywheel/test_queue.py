"""The order of the review queue."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.flywheel.items import item

from feilun.evaluate.wording import normalise
from feilun.flywheel.queue import ALIKE, MOST_REPEATED, REPEATED, ranked
from feilun.store.tables import Message, Review


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


def test_different_corrections_of_one_answer_are_a_dispute() -> None:
    one, other, same = (
        item("Is it?", "Yes.", text, message="msg_2", user=user)
        for user, text in (("ann", "No."), ("ben", "Perhaps."), ("eve", "no. "))
    )
    assert all(q.disputed for q in ranked([one, other, same]))
    assert not any(q.disputed for q in ranked([one, same]))


def test_different_answers_to_one_question_are_a_dispute_wherever_it_was_asked() -> None:
    mine = item("When was Orvanta founded?", "?", "In 2011.")
    theirs = item("when was  Orvanta founded?", "In 1999.", "In 2001.", user="eve")
    other = item("Which colour is the sea?", "?", "Blue.")
    queue = ranked([other, mine, theirs])
    assert [q.item for q in queue] == [mine, theirs, other]
    assert [q.disputed for q in queue] == [True, True, False]
    agreed = item("When was Orvanta founded?", "In 1999.", "in 2011.", user="ben")
    assert not any(q.disputed for q in ranked([mine, agreed]))
    taken = replace(mine, review=Review(decision="accept", question=None, answer=None, turn="turn-1"))
    (queued,) = ranked([taken, theirs], "pending")
    assert queued.disputed
    elsewhere = replace(theirs, before=[*item("Of which firm?", "?").before, *theirs.before])
    assert not any(q.disputed for q in ranked([mine, elsewhere]))


def test_what_was_decided_before_counts_for_what_waits() -> None:
    done = item("When was Orvanta founded?", "In 2001.", message="msg_3", rating=-1, user="ann")
    done = replace(done, review=Review(decision="reject", question=None, answer=None, turn=None))
    waiting = item("When was Orvanta founded ?", "In 2001.", message="msg_3", rating=1)
    (queued,) = ranked([done, waiting], "pending")
    assert (queued.item, queued.group, queued.disputed) == (waiting, done.id, True)
    (alone,) = ranked([waiting], "pending")
    assert (alone.group, alone.disputed) == (waiting.id, False)
    assert queued.value > alone.value


def test_a_frequent_question_comes_first_but_asking_alone_lifts_nothing_to_the_top() -> None:
    rare, often = item("How high is it?", "?", rating=-1), item("When was Orvanta founded?", "?", rating=-1)
    correction = item("Which colour is the sea?", "?", "Blue.")
    often = replace(often, times=10**6)
    assert [q.item for q in ranked([rare, often])] == [often, rare]
    assert [q.value for q in ranked([rare, often])] == [2 + REPEATED * MOST_REPEATED, 2]
    assert ranked([often, correction])[0].value <= ranked([correction])[0].value


def test_a_suggested_answer_is_worth_more_than_a_bare_complaint() -> None:
    bare, found = item("How high is it?", "?", rating=-1), item("When was Orvanta founded?", "?", rating=-1)
    better = Message(id="msg_b", parent_id="msg_q", role="assistant", content="Ask ann@example.com.")
    found = replace(found, better=better, suggestion=better.content)
    queue = ranked([bare, found])
    assert [q.item for q in queue] == [found, bare]
    assert queue[0].personal == ["email"]


def test_personal_data_is_marked_wherever_it_would_be_learnt() -> None:
    asked = item("Whose number is it?", "?", "Ann's.", params={"system": "Write to ann@example.com."})
    asked.before.insert(0, item("Call 13812345678.", "?").before[0])
    clean = item("Whose number is it?", "?", "Ann's.", params={"system": "Be brief."})
    marked = {one.item.id: one.personal for one in ranked([asked, clean])}
    assert marked == {asked.id: ["email", "mobile"], clean.id: []}


words = st.sampled_from("when where is was the Orvanta lamp founded 星灯 多少钱 是 什么 颜色 的 ？ ?".split())  # noqa: SIM905
questions = st.lists(st.one_of(st.text(max_size=8), st.lists(words, max_size=9).map(" ".join)), max_size=12)


def triples(text: str) -> set[str]:
    padded = f"  {' '.join(normalise(text).split())} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


@given(questions)
def test_groups_are_those_of_comparing_everything_with_everything(texts: list[str]) -> None:
    every = [item(text, "?") for text in texts]
    wanted: dict[str, str] = {}
    for one in every:
        for head in [id for id, group in wanted.items() if id == group]:
            other = next(triples(it.question) for it in every if it.id == head)
            mine = triples(one.question)
            if len(mine & other) >= ALIKE * len(mine | other):
                wanted[one.id] = head
                break
        else:
            wanted[one.id] = one.id
    assert {q.item.id: q.group for q in ranked(every)} == wanted
