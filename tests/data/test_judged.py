"""What rules do to pages of which it is known what should become of them."""

from __future__ import annotations

import numpy as np

from feilun.data.decide import Rule, decide
from feilun.data.judged import broken, columns_of, good_columns, good_killed, known_columns, raw_of
from feilun.data.labelled import pages
from feilun.data.recipe import CorpusRecipe
from feilun.data.score import quality
from feilun.recipe import read_recipe, shipped


def test_the_default_rules_kill_no_good_page_of_ours() -> None:
    rules = read_recipe(shipped("data/web.toml"), CorpusRecipe).rules
    killed = good_killed(rules)
    assert killed.keys() == {rule.reason for rule in rules}
    assert max(killed.values()) <= 0.1


def test_good_pages_that_say_what_bad_ones_say_are_kept() -> None:
    """News of a raid, the mathematics of roulette, a lease, a statute, verse: of each subject, in both languages."""
    rules = read_recipe(shipped("data/web.toml"), CorpusRecipe).rules
    columns = columns_of([raw_of(page) for page in pages() if page.kind == "innocent"], quality())
    reasons, _ = decide(rules, columns)
    assert np.mean(reasons == "") >= 0.95


def test_most_spun_pages_are_found() -> None:
    rules = [
        rule for rule in read_recipe(shipped("data/web.toml"), CorpusRecipe).rules if rule.reason == "spun"
    ]
    spun = [page for page in pages() if page.kind == "spun"]
    assert np.mean(broken(rules, columns_of(map(raw_of, spun), None))["spun"]) >= 0.6


def test_what_a_rule_kills_is_counted_in_good_text() -> None:
    longest = max(len(page.gold) for page in pages() if page.good)
    rules = [
        Rule(reason="all", column="score.units.v1", min=10**6),
        Rule(reason="none", column="score.units.v1", min=0),
        Rule(reason="some", column="score.chars.v1", min=longest / 2),
        Rule(reason="some", column="score.chars.v1", max=longest),
    ]
    killed = good_killed(rules)
    assert (killed["all"], killed["none"]) == (1, 0)
    assert 0 < killed["some"] < 1


def test_spam_is_found_and_clean_pages_are_not() -> None:
    some = [page for page in pages() if page.kind in ("spam", "clean")][::4]
    rules = [
        rule for rule in read_recipe(shipped("data/web.toml"), CorpusRecipe).rules if rule.reason == "spam"
    ]
    found = broken(rules, columns_of(map(raw_of, some), None))["spam"]
    spam = [page.kind == "spam" for page in some]
    assert sum(found[spam]) >= 0.8 * sum(spam)
    assert not found[[not one for one in spam]].any()


def test_what_comes_with_feilun_is_what_the_pages_give() -> None:
    known, found = known_columns(), good_columns(quality())
    assert known.keys() == found.keys()
    for name, column in found.items():
        if column.dtype == np.float64:
            assert np.allclose(known[name], column, rtol=1e-5, atol=1e-6, equal_nan=True), (
                f"{name}: python scripts/data_judged.py"
            )
        else:
            assert known[name].tolist() == column.tolist()


def test_a_classifier_of_ones_own_is_asked() -> None:
    rules = [Rule(reason="quality", column="score.quality.v1", min=0.5)]
    assert good_killed(rules, lambda text: 0.0) == {"quality": 1}
    assert good_killed(rules, lambda text: 1.0) == {"quality": 0}
