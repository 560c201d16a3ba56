"""What the votes on a canary come to, and that it is done."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.canaries import canary

from feilun.evaluate.sequential import Comparison
from feilun.flywheel.canary import capped, check, running, standing
from feilun.flywheel.promote import begin_canary
from feilun.registry import SMALLEST, Canary, Registry
from feilun.store import LOCAL_OWNER, Store
from feilun.store.conversations import Answer, begin_turn, save_answers
from feilun.store.feedback import give_feedback
from feilun.store.served import history
from feilun.store.votes import Vote
from feilun.text import FeilunError

NAME = SMALLEST.name
DAY = 24 * 3600 * 1000


def vote(store: Store, release: str, good: bool, user: str = LOCAL_OWNER) -> None:
    with store.writing() as session:
        asked = [{"role": "user", "content": "Well?"}]
        turn = begin_turn(session, user=user, messages=asked, model=NAME, release=release, params={})
        save_answers(session, [Answer(turn.message_ids[0], "Yes.", "complete", "stop")])
        opinion = {"rating": 1 if good else -1}
        give_feedback(
            session, user=user, message_id=turn.message_ids[0], opinion=opinion, idempotency_key=None
        )


def reasons(store: Store) -> list[str]:
    with store.reading() as session:
        return [row.reason for row in history(session)]


def begin(registry: Registry, store: Store, votes: int = 40) -> Canary:
    one = canary(votes=votes)
    begin_canary(registry, store, one)
    return one


def test_a_worse_canary_is_withdrawn_as_soon_as_the_test_says_so(registry: Registry, store: Store) -> None:
    one = begin(registry, store)
    reference = Comparison()
    done = check(registry, store)
    for n in range(200):
        is_canary = n % 4 == 3
        good = not is_canary and n % 5 != 0
        vote(store, one.release.id if is_canary else SMALLEST.id, good)
        reference.add(is_canary, good)
        now = standing(registry, store, NAME)
        assert now is not None
        assert now.comparison == reference
        done = check(registry, store)
        if done:
            break
        assert reference.verdict(one.alpha) == "undecided"
    assert reference.verdict(one.alpha) == "worse"
    assert [outcome for _, outcome in done] == ["withdraw"]
    assert registry.serving(NAME) == (SMALLEST, None)
    assert reasons(store) == ["first", "canary", "canary_worse"]
    assert check(registry, store) == []
    assert standing(registry, store, NAME) is None


def test_one_that_is_as_good_takes_over_when_it_has_its_votes(registry: Registry, store: Store) -> None:
    one = begin(registry, store, votes=10)
    for n in range(20):
        assert check(registry, store) == []
        vote(store, (one.release if n % 2 else SMALLEST).id, n % 6 < 4)
    (now, outcome), *more = check(registry, store)
    assert (outcome, more) == ("take_over", [])
    report = now.report()
    assert report["votes"] == {"canary": {"up": 7, "down": 3}, "present": {"up": 7, "down": 3}, "capped": 0}
    assert report["evidence"]["needed"] == pytest.approx(20)
    assert registry.default() == one.release
    assert reasons(store) == ["first", "canary", "canary_passed"]


def test_one_that_is_better_need_not_wait_for_its_votes(registry: Registry, store: Store) -> None:
    one = begin(registry, store, votes=1000)
    for n in range(60):
        vote(store, (one.release if n % 2 else SMALLEST).id, bool(n % 2))
    assert [outcome for _, outcome in check(registry, store)] == ["take_over"]


def ballots(store: Store, release: str, up: int, down: int) -> None:
    for n in range(up + down):
        vote(store, release, n < up)


def waits_for(registry: Registry, store: Store) -> str | None:
    now = standing(registry, store, NAME)
    assert now is not None
    assert now.report()["waits_for"] == now.waits_for
    return now.waits_for


@pytest.mark.parametrize(
    ("present", "own", "reason"),
    [
        ((0, 0), (0, 40), "present_votes"),  # nothing to compare with
        ((5, 0), (0, 40), "present_votes"),  # all of it in one block: no bet can be won
        ((40, 0), (0, 40), "share"),
        ((40, 0), (35, 5), "share"),
    ],
)
def test_one_that_is_not_proven_worse_does_not_take_over_for_that(
    registry: Registry, store: Store, present: tuple[int, int], own: tuple[int, int], reason: str
) -> None:
    one = begin(registry, store)
    ballots(store, SMALLEST.id, *present)
    ballots(store, one.release.id, *own)
    assert check(registry, store) == []
    assert registry.serving(NAME) == (SMALLEST, one)
    assert waits_for(registry, store) == reason


def test_one_that_waited_takes_over_when_its_share_is_good_enough(registry: Registry, store: Store) -> None:
    one = begin(registry, store)
    ballots(store, one.release.id, 40, 0)
    assert check(registry, store) == []
    assert waits_for(registry, store) == "present_votes"
    ballots(store, SMALLEST.id, 39, 0)
    assert check(registry, store) == []
    ballots(store, SMALLEST.id, 1, 0)
    assert [outcome for _, outcome in check(registry, store)] == ["take_over"]
    assert registry.default() == one.release


def test_just_the_margin_below_is_good_enough(registry: Registry, store: Store) -> None:
    one = begin(registry, store, votes=10)
    ballots(store, SMALLEST.id, 8, 2)
    ballots(store, one.release.id, 7, 3)
    assert waits_for(registry, store) is None
    assert [outcome for _, outcome in check(registry, store)] == ["take_over"]


def test_a_guest_who_votes_all_day_counts_a_few_times(registry: Registry, store: Store) -> None:
    one = begin(registry, store)
    for n in range(40):
        vote(store, (one.release if n % 2 else SMALLEST).id, n % 2 == 0, user="mallory")
    now = standing(registry, store, NAME)
    assert now is not None
    assert now.capped == 35
    assert now.own.down + now.other.up == 5
    assert check(registry, store) == []


@settings(deadline=None, max_examples=50)
@given(
    users=st.lists(
        st.tuples(st.sampled_from([LOCAL_OWNER, "ann", "bob"]), st.booleans(), st.integers(0, 2)), max_size=60
    ),
    per_user=st.integers(1, 6),
)
def test_the_cap_looks_at_neither_arm_nor_thumb_nor_what_comes_later(
    users: list[tuple[str, bool, int]], per_user: int
) -> None:
    found = [Vote(str(n % 3), good, user, 7 + DAY * day) for n, (user, good, day) in enumerate(users)]
    kept = capped(found, per_user, 7)
    for day in range(3):
        for user in ("ann", "bob"):
            mine = [vote for vote in found if (vote.user, vote.at_ms) == (user, 7 + DAY * day)]
            assert [vote for vote in kept if vote in mine][: len(mine)] == [
                vote for vote in kept if (vote.user, vote.at_ms) == (user, 7 + DAY * day)
            ]
            assert sum((vote.user, vote.at_ms) == (user, 7 + DAY * day) for vote in kept) == min(
                len(mine), per_user
            )
    assert [vote for vote in kept if vote.user == LOCAL_OWNER] == [
        vote for vote in found if vote.user == LOCAL_OWNER
    ]
    turned = [Vote("x", not vote.good, vote.user, vote.at_ms) for vote in found]
    assert [vote.user for vote in capped(turned, per_user, 7)] == [vote.user for vote in kept]
    for length in range(len(found)):
        part = capped(found[:length], per_user, 7)
        assert part == kept[: len(part)]


def test_who_asks_for_a_canary_where_there_is_none_is_told(registry: Registry) -> None:
    with pytest.raises(FeilunError) as none:
        running(registry, NAME)
    assert none.value.code == "no_canary"
    with pytest.raises(FeilunError) as unknown:
        running(registry, "nobody")
    assert unknown.value.code == "model_not_found"
