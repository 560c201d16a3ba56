"""The canary's test: fair bets by enumeration, false alarms and power by simulation."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.sequential import RATIOS, Comparison

Votes = list[tuple[bool, bool]]

VOTES = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80)
BOTH_WAYS = (False, True)


def likelihood(votes: Votes, canary: float, present: float) -> float:
    """Of the thumbs, given who was asked and each arm's share of thumbs up."""
    return math.prod(
        share if up else 1 - share for arm, up in votes for share in [canary if arm else present]
    )


def outcomes(arms: tuple[bool, ...]) -> list[Votes]:
    return [list(zip(arms, thumbs, strict=True)) for thumbs in product(BOTH_WAYS, repeat=len(arms))]


def stream(rng: random.Random, n: int, canary: float, present: float, traffic: float) -> Votes:
    arms = [rng.random() < traffic for _ in range(n)]
    return [(arm, rng.random() < (canary if arm else present)) for arm in arms]


def when(votes: Votes, verdict: str) -> float:
    """After how many votes a watcher who looks after each of them sees the verdict; inf if never."""
    comparison = Comparison()
    for canary, good in votes:
        comparison.add(canary, good)
        if comparison.run == 0 and comparison.verdict() == verdict:
            return comparison.votes
    return math.inf


# ------------------------------------------------------------------------------------------- one block


def test_a_block_by_hand() -> None:
    """Up, up, down of the present release, then a down of the canary: 2 of 4 up, and the single one is not."""
    comparison = Comparison.of([(False, True), (False, True), (False, False)])
    assert (comparison.e_worse, comparison.e_better, comparison.run) == (1, 1, 3)
    comparison.add(canary=True, good=False)
    assert comparison.run == 0
    # under the null it is down with 1/2; with odds r times the others' with 2 / (2r + 2)
    assert comparison.e_worse == pytest.approx((1 / (0.5 + 0.5 / 2) + 1 / (0.5 + 0.5 / 6)) / 2)
    assert comparison.e_better == pytest.approx((1 / (0.5 + 0.5 * 2) + 1 / (0.5 + 0.5 * 6)) / 2)


@pytest.mark.parametrize("single", BOTH_WAYS)
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("odds", [0.2, 1.0, 7.0])
def test_the_bet_is_the_ratio_of_conditional_likelihoods(single: bool, size: int, odds: float) -> None:
    """By Bayes' rule from two Bernoulli shares, whatever the odds of a thumb up are."""
    arms = (not single,) * (size - 1) + (single,)
    present, table = odds / (1 + odds), outcomes(arms)
    for votes in table:
        ups = sum(up for _, up in votes)
        alike = [other for other in table if sum(up for _, up in other) == ups and other[-1] == votes[-1]]
        given_ups = [other for other in table if sum(up for _, up in other) == ups]
        expected = []
        for ratio in RATIOS:
            canary = odds / ratio / (1 + odds / ratio)
            worse, same = (
                sum(likelihood(v, c, present) for v in alike)
                / sum(likelihood(v, c, present) for v in given_ups)
                for c in (canary, present)
            )
            expected.append(worse / same)
        assert Comparison.of(votes).e_worse == pytest.approx(sum(expected) / len(expected))


def test_blocks_close_with_the_first_vote_of_the_other_arm() -> None:
    comparison, open_votes = Comparison(), []
    for canary in (False, False, True, True, False, True, True, True):
        comparison.add(canary, good=True)
        open_votes.append(comparison.run)
    assert open_votes == [1, 2, 0, 1, 0, 1, 2, 3]
    assert comparison.votes == 8


# ------------------------------------------------------------------------------------------- fair bets


def test_the_mean_is_one_if_the_arms_are_alike_and_less_if_they_differ_the_other_way() -> None:
    """Over every outcome of every sequence of 7 arms."""
    shares = [(0.5, 0.5), (0.2, 0.2), (0.9, 0.9), (0.6, 0.5), (0.9, 0.3)]
    for arms in product(BOTH_WAYS, repeat=7):
        states = [(votes, Comparison.of(votes)) for votes in outcomes(arms)]
        for better, worse in shares:
            worse_e = sum(likelihood(votes, better, worse) * state.e_worse for votes, state in states)
            better_e = sum(likelihood(votes, worse, better) * state.e_better for votes, state in states)
            if better == worse:
                assert (worse_e, better_e) == pytest.approx((1, 1))
            else:
                assert max(worse_e, better_e) <= 1 + 1e-12
                assert min(worse_e, better_e) < 1 or len(set(arms)) == 1


@given(VOTES, st.integers(1, 4), st.booleans(), st.floats(0.05, 0.95))
def test_after_any_past_the_next_block_is_fair(past: Votes, length: int, canary: bool, share: float) -> None:
    """The martingale property, from block to block."""
    now = Comparison.of(past)
    if now.run:
        past = [*past, (not now.run_canary, True)]
        now = Comparison.of(past)
    nexts = outcomes((canary,) * length + (not canary,))
    for name in ("e_worse", "e_better"):
        mean = sum(
            likelihood(block, share, share) * getattr(Comparison.of(past + block), name) for block in nexts
        )
        assert mean == pytest.approx(getattr(now, name))


@pytest.mark.parametrize("arms", ["pcpcpcpcpcpc", "pppcpppcpppc", "ccpppppcpccp", "pppppcpppppc"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_capital_ever_grows_as_seldom_as_ville_says(arms: str, share: float) -> None:
    states = [
        (likelihood(votes, share, share), Comparison.of(votes))
        for votes in outcomes(tuple(arm == "c" for arm in arms))
    ]
    for alpha in (0.3, 0.5, 0.8):
        for peak in ("peak_worse", "peak_better"):
            reached = math.fsum(p for p, state in states if getattr(state, peak) >= 1 / alpha)
            assert reached <= alpha
    assert any(state.verdict(0.5) == "worse" for _, state in states)
    assert any(state.verdict(0.5) == "better" for _, state in states)


# ------------------------------------------------------------------------------------------- simulated canaries


@pytest.mark.parametrize(("traffic", "share"), [(0.1, 0.7), (0.5, 0.7)])
def test_false_alarms_with_a_look_after_every_vote(traffic: float, share: float) -> None:
    rng = random.Random(20)
    states = [Comparison.of(stream(rng, 300, share, share, traffic)) for _ in range(2000)]
    for verdict in ("worse", "better"):
        alarms = sum(state.verdict() == verdict for state in states) / len(states)
        assert 0 < alarms <= 0.05


def test_false_alarms_while_the_share_falls_and_the_traffic_rises() -> None:
    """Most of the canary's votes come when all votes are bad: its share is lower, and yet it is as good."""
    rng = random.Random(21)
    streams: list[Votes] = []
    for _ in range(1000):
        drift = [i / 300 for i in range(300)]
        streams.append([(rng.random() < 0.05 + 0.5 * t, rng.random() < 0.95 - 0.7 * t) for t in drift])
    ups = {arm: [up for votes in streams for a, up in votes if a == arm] for arm in BOTH_WAYS}
    assert sum(ups[True]) / len(ups[True]) < sum(ups[False]) / len(ups[False]) - 0.1
    for verdict in ("worse", "better"):
        alarms = sum(Comparison.of(votes).verdict() == verdict for votes in streams) / len(streams)
        assert alarms <= 0.05


@pytest.mark.parametrize(("traffic", "half", "most"), [(0.1, 125, 225), (0.5, 55, 85)])
@pytest.mark.parametrize("verdict", ["worse", "better"])
def test_a_canary_of_another_quality_is_found(traffic: float, half: int, most: int, verdict: str) -> None:
    rng = random.Random(22)
    canary, present = (0.4, 0.8) if verdict == "worse" else (0.8, 0.4)
    found = sorted(when(stream(rng, 600, canary, present, traffic), verdict) for _ in range(400))
    assert found[200] <= half
    assert found[320] <= most
    assert found[-4] < math.inf
    assert found[0] > 5  # and not by a handful of votes


# ------------------------------------------------------------------------------------------- verdict and state


@given(VOTES)
def test_worse_and_better_are_mirror_images(votes: Votes) -> None:
    comparison = Comparison.of(votes)
    for mirrored in (
        Comparison.of((arm, not up) for arm, up in votes),
        Comparison.of((not arm, up) for arm, up in votes),
    ):
        assert (mirrored.e_better, mirrored.peak_better) == pytest.approx(
            (comparison.e_worse, comparison.peak_worse)
        )


@given(VOTES, VOTES)
def test_the_state_goes_through_json(first: Votes, then: Votes) -> None:
    half = json.loads(json.dumps(asdict(Comparison.of(first)), allow_nan=False))
    comparison = Comparison(**half)
    for canary, good in then:
        comparison.add(canary, good)
    assert comparison == Comparison.of(first + then)


def test_a_verdict_stays_though_the_evidence_fades() -> None:
    bad = [(False, True), (True, False)] * 10
    comparison = Comparison.of(bad)
    assert comparison.verdict() == "worse"
    for canary, good in [(False, False), (True, True)] * 10:
        comparison.add(canary, good)
    assert comparison.e_worse < 1
    assert comparison.verdict() == "worse"
    assert comparison.verdict(alpha=1e-6) == "undecided"


def test_votes_of_one_arm_and_unanimous_votes_say_nothing() -> None:
    for votes in ([], [(True, False)] * 50, [(True, True), (False, True)] * 50):
        comparison = Comparison.of(votes)
        assert (comparison.e_worse, comparison.e_better, comparison.verdict()) == (1, 1, "undecided")


def test_overwhelming_evidence_is_still_a_number() -> None:
    comparison = Comparison.of([(False, True), (True, False)] * 5000)
    assert math.isfinite(comparison.e_worse)
    assert comparison.e_better >= 0
    json.dumps(asdict(comparison), allow_nan=False)
    assert comparison.verdict(1e-9) == "worse"


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5])
def test_alphas_that_cannot_be(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Comparison().verdict(alpha)
