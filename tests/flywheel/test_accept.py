"""Items that are accepted by a rule, and those that wait for a reviewer all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flywheel.items import item

from feilun.flywheel.accept import accept_by_rules, by_rule
from feilun.flywheel.recipe import ReviewRecipe, Rule, turn_recipe
from feilun.store import Store
from feilun.store.conversations import Answer, begin_turn, save_answers
from feilun.store.feedback import give_feedback
from feilun.store.reviews import Item, decide, items, within_caps
from feilun.store.tables import Review
from feilun.text import FeilunError
from feilun.workspace import Workspace

RULES: tuple[Rule, ...] = ("owner-corrections", "agreed-corrections", "praised-by-two")
Q = "Who founded Qinglan?"


def chosen(*found: Item, rules: tuple[Rule, ...] = RULES, per_user: int = 5) -> dict[str, Rule]:
    return by_rule(found, ReviewRecipe(accept=list(rules), per_user=per_user))


def decided(one: Item, decision: str) -> Item:
    review = Review(decision=decision, question=None, answer=None, reviewer="local", turn=None)
    return Item(one.feedback, one.message, one.before, one.siblings, review)


def test_without_rules_nothing_is_accepted() -> None:
    assert ReviewRecipe().accept == []
    assert chosen(item(Q, "x", "Lin Yue."), rules=()) == {}


def test_the_owner_is_believed_and_nobody_else_alone() -> None:
    mine, theirs = item(Q, "x", "Lin Yue."), item("Where is Qinglan?", "y", "Nanjing.", user="ann")
    assert chosen(mine, theirs) == {mine.id: "owner-corrections"}
    assert chosen(item("Who?", "Lin Yue.")) == {}  # praise is no correction


def test_two_people_who_give_the_same_correction_are_believed() -> None:
    ann = item(Q, "x", "Lin Yue founded it.", user="ann")
    bob = item(f" {Q.upper()}", "another", "Lin  Yue founded it. ", user="bob")
    again = item("Where?", "x", "Nanjing.", user="ann")
    same = item("Where?", "y", "Nanjing.", user="ann")
    assert chosen(ann, bob, again, same) == dict.fromkeys((ann.id, bob.id), "agreed-corrections")
    assert chosen(ann, bob, rules=("owner-corrections", "praised-by-two")) == {}


def test_an_answer_that_two_people_praise_is_learnt() -> None:
    ann, bob = (item(Q, "Lin Yue.", user=user, message="msg_1") for user in ("ann", "bob"))
    assert chosen(ann, bob) == dict.fromkeys((ann.id, bob.id), "praised-by-two")
    assert chosen(ann) == {}


def test_what_people_disagree_about_waits() -> None:
    mine = item(Q, "x", "Lin Yue.")
    assert chosen(mine, item(Q, "x", "Wang Wei.", user="ann")) == {}
    assert chosen(mine, item(Q, "x", user="ann")) == {}  # who praises what the owner corrected
    ann, bob = (item(Q, "Lin Yue.", user=user) for user in ("ann", "bob"))
    assert chosen(ann, bob, item(Q, "Lin Yue.", user="eve", rating=-1)) == {}
    assert chosen(mine, item(Q, "another", user="eve", rating=-1)) == {mine.id: "owner-corrections"}
    changed = item(Q, "y", "Li Na.")  # of one person's the newest counts
    assert set(chosen(mine, changed)) == {mine.id, changed.id}


@pytest.mark.parametrize("where", ["question", "answer", "before", "system"])
def test_personal_data_waits(where: str) -> None:
    number = "Call 13812345678."
    one = item(
        f"{Q} {number}" if where == "question" else Q,
        "x",
        number if where == "answer" else "Lin Yue.",
        params={"system": number if where == "system" else "Be brief."},
    )
    if where == "before":
        one.before.insert(0, item(number, "x").before[0])
    assert chosen(one) == {}
    clean = item(Q, "x", "Lin Yue.", params={"system": "Be brief."})
    assert chosen(clean) == {clean.id: "owner-corrections"}


def test_what_a_reviewer_decided_stays_decided() -> None:
    ann, bob = (item(Q, "x", "Lin Yue.", user=user) for user in ("ann", "bob"))
    assert chosen(decided(ann, "reject"), bob) == {}
    assert chosen(decided(ann, "accept"), bob) == {bob.id: "agreed-corrections"}
    eve = item(Q, "x", "Lin Yue.", user="eve")
    assert chosen(decided(ann, "reject"), bob, eve) == {}  # it was that answer that was rejected


@given(
    st.lists(st.tuples(st.sampled_from(["local", "ann", "bob"]), st.booleans()), max_size=30),
    st.integers(1, 6),
)
def test_nobody_but_the_owner_gets_above_the_cap(given_by: list[tuple[str, bool]], per_user: int) -> None:
    found: list[Item] = []
    for n, (user, accepted) in enumerate(given_by):
        question = f"What is the code of door {n}?"
        one = item(question, "x", f"It is {n}.", user=user)
        found += [
            decided(one, "accept") if accepted else one,
            item(question, "y", f"It is {n}.", user="cat" + str(n)),
        ]
    took = chosen(*found, per_user=per_user)
    mine = [one for one in found if one.state == "accepted" or one.id in took]
    for user in ("ann", "bob"):
        already = sum(one.state == "accepted" for one in found if one.feedback.user == user)
        of_them = sum(one.feedback.user == user for one in mine)
        assert of_them <= max(per_user, already)
        assert sum(one.feedback.user == user for one in within_caps(mine, per_user)[0]) == min(
            of_them, per_user
        )
    owners = [one for one in found if one.feedback.user == "local"]
    assert all(one in mine for one in owners)
    assert [one for one in within_caps(mine, per_user)[0] if one in owners] == owners


def correct(store: Store, question: str, correction: str, user: str) -> str:
    with store.writing() as session:
        said: list[dict[str, object]] = [{"role": "user", "content": question}]
        turn = begin_turn(session, user=user, messages=said, model="m", release="release:0", params={})
        save_answers(session, [Answer(turn.message_ids[0], "x", "complete", "stop")])
        opinion = {"rating": -1, "correction": correction}
        return give_feedback(
            session, user=user, message_id=turn.message_ids[0], opinion=opinion, idempotency_key=None
        ).id


def test_the_decision_names_its_rule_and_a_reviewer_can_undo_it(store: Store) -> None:
    mine, theirs = correct(store, Q, "Lin Yue.", "local"), correct(store, "Where?", "Nanjing.", "ann")
    refused = correct(store, "When?", "2031.", "local")
    with store.writing() as session:
        decide(session, refused, "reject", reviewer="local")
        assert accept_by_rules(session, ReviewRecipe(accept=["owner-corrections"])) == {
            "owner-corrections": 1
        }
        assert not accept_by_rules(session, ReviewRecipe(accept=["owner-corrections"]))
        assert not accept_by_rules(session, ReviewRecipe())
    with store.writing() as session:
        by_id = {one.id: one for one in items(session)}
        assert {key: one.state for key, one in by_id.items()} == {
            mine: "accepted",
            theirs: "pending",
            refused: "rejected",
        }
        review = by_id[mine].review
        assert review is not None
        assert review.reviewer == "rule:owner-corrections"
        decide(session, mine, "reject", reviewer="local")
        assert not accept_by_rules(session, ReviewRecipe(accept=["owner-corrections"]))


def test_an_unknown_rule_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "flywheel.toml").write_text('[review]\naccept = ["owner-corections"]\n')
    with pytest.raises(FeilunError) as caught:
        turn_recipe(Workspace(tmp_path))
    for said in (caught.value.text.en, caught.value.text.zh):
        assert "review.accept.0" in said
        assert "owner-corections" in said
        assert all(rule in said for rule in RULES)
