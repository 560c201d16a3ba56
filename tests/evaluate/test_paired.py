"""Paired comparisons against published examples, and against sums over every table there can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.paired import MARGIN, Noise, Paired, smallest_effect

AIRWAYS = Paired(both=1, won=1, lost=7, neither=12)
"""Bentur et al. (2009), in M. W. Fagerland, S. Lydersen and P. Laake, "Recommended tests and confidence intervals for
paired binomial proportions", Statistics in Medicine 33 (2014), table II."""

RESPONSE = Paired(both=59, won=6, lost=16, neither=80)
"""Cavo et al. (2012), in the same authors' "Statistical Analysis of Contingency Tables" (2017), chapter 8."""

Z90, Z95 = 1.6448536269514722, 1.959963984540054


@st.composite
def tables(draw: st.DrawFn, largest: int = 60) -> Paired:
    counts = draw(st.lists(st.integers(0, largest), min_size=4, max_size=4).filter(any))
    return Paired(*counts)


def chance(n: int, won: float, lost: float, event: Callable[[Paired], bool]) -> float:
    """Of an event, over every table of n prompts that are won and lost with these probabilities."""

    def terms() -> Iterator[float]:
        for w in range(n + 1):
            for k in range(n - w + 1):
                same = n - w - k
                ways = math.comb(n, w) * math.comb(n - w, k)
                p = ways * won**w * lost**k * (1 - won - lost) ** same
                if p > 1e-12 and event(Paired(same, w, k, 0)):
                    yield p

    return math.fsum(terms())


def score(table: Paired, difference: float) -> float:
    """Tango's statistic with the rate of losses that maximises the likelihood, searched rather than solved for."""
    same = table.both + table.neither

    def likelihood(losing: float) -> float:
        cells = [
            (table.won, losing + difference),
            (table.lost, losing),
            (same, 1 - 2 * losing - difference),
        ]
        return sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    for _ in range(200):
        third = (high - low) / 3
        if likelihood(low + third) < likelihood(high - third):
            low += third
        else:
            high -= third
    variance = table.n * (2 * low + difference * (1 - difference))
    return (table.won - table.lost - table.n * difference) / math.sqrt(variance)


# ------------------------------------------------------------------------------------------- counting


def test_counts_prompts_by_how_they_ended() -> None:
    before = {"a": True, "b": True, "c": False, "d": False, "e": True, "f": False}
    after = {"f": True, "a": True, "b": False, "c": True, "d": False, "e": False}
    pair = Paired.of(before, after)
    assert pair == Paired(both=1, won=2, lost=2, neither=1)
    assert pair.n == 6
    assert pair.difference == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_shares_of_none_and_all_are_results(ends: list[tuple[bool, bool]]) -> None:
    before, after = ({str(n): pair[side] for n, pair in enumerate(ends)} for side in (0, 1))
    whole = Paired.of(before, after)
    shares = Paired.of_shares(before, after)
    assert (shares.won, shares.lost, shares.n) == (whole.won, whole.lost, whole.n)
    assert shares.interval() == whole.interval()
    assert shares.p_worse == whole.p_worse


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60))
def test_shares_keep_the_mean_and_narrow_the_interval(ends: list[tuple[int, bool]]) -> None:
    shares = Paired.of_shares(
        {str(n): times / 5 for n, (times, _) in enumerate(ends)},
        {str(n): end for n, (_, end) in enumerate(ends)},
    )
    assert shares.difference == pytest.approx(sum(end - times / 5 for times, end in ends) / len(ends))
    low, high = shares.interval()
    assert low <= shares.difference <= high
    # As if each of the five times were a release of its own, compared alone.
    lost = sum(times for times, end in ends if not end) / 5
    won = sum(5 - times for times, end in ends if end) / 5
    alone = Paired(0, won, lost, len(ends) - won - lost).interval()
    assert alone[0] <= low + 1e-9
    assert high <= alone[1] + 1e-9


@pytest.mark.parametrize("asked", [1, 5])
def test_a_release_that_is_worse_by_the_margin_seldom_passes_however_often_the_other_was_asked(
    asked: int,
) -> None:
    """Of 220 questions 8 in 100 are lost, and a quarter are a matter of chance with both."""
    random = Random(asked)

    def passes() -> bool:
        before: dict[str, float] = {}
        after: dict[str, float] = {}
        for number in range(220):
            kind = random.random()
            p, q = (1, 0) if kind < 0.08 else (kind, kind) if kind < 0.33 else (1, 1)
            before[str(number)] = sum(random.random() < p for _ in range(asked)) / asked
            after[str(number)] = random.random() < q
        return Paired.of_shares(before, after).non_inferior(0.08)

    assert sum(passes() for _ in range(400)) < 400 * 0.09  # 1 in 20 is meant


def test_what_cannot_be_scored_counts_in_neither_release() -> None:
    pair = Paired.of({"a": None, "b": True, "c": False}, {"a": True, "b": None, "c": True})
    assert pair == Paired(both=0, won=1, lost=0, neither=0)
    assert pair.difference == 1


def test_nothing_to_compare_is_said_so() -> None:
    with pytest.raises(ValueError, match="none of 1 prompts could be scored"):
        Paired.of({"a": None}, {"a": True})
    with pytest.raises(ValueError, match="none of 0 prompts"):
        Paired.of({}, {})
    with pytest.raises(ValueError, match="nothing to compare"):
        Paired(0, 0, 0, 0)
    with pytest.raises(ValueError, match="nothing to compare"):
        Paired(5, -1, 0, 0)


def test_different_prompts_are_not_a_pair() -> None:
    with pytest.raises(ValueError, match=r"not the same prompts: b, c \(2 in all\)"):
        Paired.of({"a": True, "b": True}, {"a": True, "c": True})


# ------------------------------------------------------------------------------------------- interval


def test_published_intervals() -> None:
    assert AIRWAYS.interval() == pytest.approx((-0.517, -0.026), abs=5e-4)  # table V
    assert RESPONSE.interval() == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert RESPONSE.difference == pytest.approx(-0.0621, abs=5e-5)


@given(tables(), st.sampled_from([(0.9, Z90), (0.95, Z95)]))
def test_the_interval_ends_where_the_score_test_does(table: Paired, level: tuple[float, float]) -> None:
    low, high = table.interval(level[0])
    assert -1 <= low <= table.difference <= high <= 1
    step = 1e-4
    for end, outwards, sign in [(low, -step, 1), (high, step, -1)]:
        if abs(end) < 1 - step:
            assert sign * score(table, end + outwards) > level[1]
        if abs(end - outwards) < 1:
            assert sign * score(table, end - outwards) < level[1]


def test_agreement_on_every_prompt_still_leaves_doubt() -> None:
    """Closed form of the score interval without discordant prompts: z²/(n + z²) on both sides."""
    for n in (1, 10, 100):
        end = Z95**2 / (n + Z95**2)
        for same in (Paired(n, 0, 0, 0), Paired(0, 0, 0, n)):
            assert same.interval() == pytest.approx((-end, end), abs=1e-9)
            assert (same.difference, same.p_better, same.p_worse) == (0, 1, 1)


def test_everything_won_and_everything_lost() -> None:
    assert Paired(0, 5, 0, 0).interval()[1] == 1
    assert Paired(0, 0, 5, 0).interval()[0] == -1
    assert Paired(0, 0, 5, 0).difference == -1


@pytest.mark.parametrize(("won", "lost"), [(0.05, 0.05), (0.02, 0.1), (0.2, 0.1)])
def test_intervals_hold_the_truth_as_often_as_they_say(won: float, lost: float) -> None:
    truth = won - lost
    held = chance(50, won, lost, lambda table: table.interval()[0] <= truth <= table.interval()[1])
    assert 0.94 < held < 0.97  # exactly 0.95 is not to be had from so few tables


def test_intervals_are_wide_where_hardly_a_prompt_changes() -> None:
    held = chance(20, 0.01, 0.01, lambda table: table.interval()[0] <= 0 <= table.interval()[1])
    assert held > 0.95


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, -0.5])
def test_levels_that_cannot_be(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        AIRWAYS.interval(level)


# ------------------------------------------------------------------------------------------- tests


def test_published_exact_test() -> None:
    assert 2 * RESPONSE.p_worse == pytest.approx(0.052479, abs=5e-7)  # the book's is two-sided
    assert RESPONSE.p_better > 0.9


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 50))
def test_the_exact_test_counts_every_way_the_coins_can_fall(won: int, lost: int, same: int) -> None:
    throws = [sum(throw) for throw in product((0, 1), repeat=won + lost)]
    table = Paired(same, won, lost, 0)
    assert table.p_better == sum(heads >= won for heads in throws) / len(throws)
    assert table.p_worse == sum(heads >= lost for heads in throws) / len(throws)


@given(tables(), st.floats(0.01, 0.5))
def test_non_inferiority_is_the_score_test_at_the_margin(table: Paired, margin: float) -> None:
    low = table.interval(0.9)[0]
    assert table.non_inferior(margin) == (low > -margin)
    if abs(low + margin) > 1e-4:
        assert table.non_inferior(margin) == (score(table, -margin) > Z90)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.2])
def test_a_release_worse_by_the_margin_passes_one_time_in_twenty(noise: float) -> None:
    passes = chance(100, noise / 2, noise / 2 + MARGIN, Paired.non_inferior)
    assert 0.04 < passes < 0.055


def test_an_equally_good_release_passes_more_often_with_more_prompts() -> None:
    few, many = (chance(n, 0.05, 0.05, Paired.non_inferior) for n in (50, 100))
    assert few == pytest.approx(0.443, abs=0.001)
    assert many == pytest.approx(0.759, abs=0.001)


def test_a_margin_is_a_share() -> None:
    with pytest.raises(ValueError, match="margin of 8"):
        AIRWAYS.non_inferior(8)
    with pytest.raises(ValueError, match="level"):
        AIRWAYS.non_inferior(0.08, level=0.4)


# ------------------------------------------------------------------------------------------- noise floor


@pytest.mark.parametrize(
    ("n", "rate", "power", "alpha"),
    [(40, 0.1, 0.8, 0.05), (40, 0.0, 0.9, 0.05), (25, 0.3, 0.5, 0.1)],
)
def test_the_smallest_effect_is_seen_as_often_as_asked_and_less_is_not(
    n: int, rate: float, power: float, alpha: float
) -> None:
    drop = smallest_effect(n, rate, power, alpha)
    assert drop is not None

    def seen(drop: float) -> float:
        return chance(n, rate / 2, rate / 2 + drop, lambda table: table.p_worse <= alpha)

    assert seen(drop - 0.001) < power < seen(drop + 0.001)


def test_no_drop_shows_in_four_prompts() -> None:
    """Even 4 losses of 4 have a chance of 1/16; 5 of 5 have 1/32."""
    assert smallest_effect(4, 0.0) is None
    assert smallest_effect(5, 0.0) == pytest.approx(0.8 ** (1 / 5), abs=1e-4)
    assert smallest_effect(100, 1.0) is None  # no prompt is left that could be lost besides


def test_more_prompts_show_less_and_noise_hides_more() -> None:
    by_size = [smallest_effect(n, 0.1) or math.inf for n in (50, 100, 200, 1200)]
    assert by_size == sorted(by_size, reverse=True)
    assert by_size[1:3] == [0.1211, 0.0765]
    by_noise = [smallest_effect(100, rate) or math.inf for rate in (0, 0.05, 0.1, 0.2)]
    assert by_noise == sorted(by_noise)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"discordant_rate": -0.1}, {"power": 1.0}, {"alpha": 0.0}])
def test_effects_that_cannot_be(wrong: dict[str, float]) -> None:
    arguments = {"n": 10, "discordant_rate": 0.1, **wrong}
    with pytest.raises(ValueError, match="power"):
        smallest_effect(**arguments)  # pyright: ignore[reportArgumentType]


def test_noise_of_three_runs() -> None:
    runs = [
        {"a": True, "b": True, "c": True, "d": False, "lost": None},
        {"a": True, "b": False, "c": True, "d": False, "lost": True},
        {"d": False, "c": True, "b": False, "a": False, "lost": True},
    ]
    noise = Noise.of(runs)
    assert (noise.runs, noise.n) == (3, 4)
    assert noise.discordant == pytest.approx((1 / 4 + 2 / 4 + 1 / 4) / 3)
    assert noise.sd == pytest.approx(0.25)  # of 0.75, 0.5 and 0.25


@given(
    st.integers(2, 5).flatmap(lambda k: st.lists(st.tuples(*[st.booleans()] * k), min_size=1, max_size=30))
)
def test_noise_can_be_counted_prompt_by_prompt(rows: list[tuple[bool, ...]]) -> None:
    k = len(rows[0])
    noise = Noise.of([{str(i): row[run] for i, row in enumerate(rows)} for run in range(k)])
    pairs = sum(2 * sum(row) * (k - sum(row)) / (k * (k - 1)) for row in rows)
    assert noise.discordant == pytest.approx(pairs / len(rows))
    rates = [sum(row[run] for row in rows) / len(rows) for run in range(k)]
    mean = sum(rates) / k
    assert noise.sd == pytest.approx(math.sqrt(sum((rate - mean) ** 2 for rate in rates) / (k - 1)))


def test_runs_that_do_not_differ_make_no_noise() -> None:
    assert Noise.of([{"a": True, "b": False}] * 3) == Noise(runs=3, n=2, discordant=0, sd=0)


def test_noise_takes_two_runs_of_the_same_prompts() -> None:
    with pytest.raises(ValueError, match="1 runs"):
        Noise.of([{"a": True}])
    with pytest.raises(ValueError, match="not the same prompts: b"):
        Noise.of([{"a": True}, {"a": True, "b": True}])
    with pytest.raises(ValueError, match="could be scored in all 2 runs"):
        Noise.of([{"a": None}, {"a": True}])
