"""Cohesion: the seam between two articles shows, and the arrays say what counting word by word says."""

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.labelled.articles import Lang, article, topics
from feilun.data.score.cohesion import Rarity, learn_rarity, rarity
from feilun.data.score.letters import Letters, unit_hash

BITS, STEPS, COMMON = 17, 4, 0.02
"""Of the table, as its documentation has them."""


def table() -> Rarity:
    found = rarity()
    assert found is not None
    return found


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_at_the_seam_between_two_articles_the_rare_words_end(lang: Lang) -> None:
    """Twenty articles, and each with another after it."""
    alone: list[float] = []
    joined: list[float] = []
    for seed in range(20):
        draw, used = Random(seed), set[str]()
        one, other = (article(draw, lang, topic, 22, used).text for topic in draw.sample(topics(lang), 2))
        alone.append(table().cohesion(Letters(one)))
        joined.append(table().cohesion(Letters(one + "\n" + other)))
    assert np.nanmean(alone) > np.mean(joined) + 0.05
    assert all(0 <= value <= 1 for value in joined)


def test_short_texts_and_those_of_no_words_have_none() -> None:
    assert math.isnan(table().cohesion(Letters("太短。")))
    assert math.isnan(table().cohesion(Letters("白鹭" * 190)))
    assert math.isnan(table().cohesion(Letters("")))
    assert math.isnan(table().cohesion(Letters("1234 !!! " * 400)))
    assert math.isnan(
        table().cohesion(Letters("a an the to it " * 400))
    )  # words of three letters say nothing


def test_what_a_text_says_throughout_holds_it_together() -> None:
    assert table().cohesion(Letters("白鹭回到湿地过冬" * 60)) == pytest.approx(1)


WORDS = [f"{first}{second}{third}word" for first in "bdfg" for second in "aeiou" for third in "klmnp"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=230, max_size=700), st.integers(0, 9))
def test_arrays_say_what_counting_says(words: list[str], seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 64, (2, 1 << BITS), dtype=np.uint8)
    found = Rarity(levels).cohesion(Letters(" ".join(words)))
    expected = counted(words, levels)
    assert math.isnan(found) if expected is None else found == pytest.approx(expected, abs=1e-9)


def counted(words: list[str], levels: np.ndarray) -> float | None:
    """`Rarity.cohesion` of Latin words, by sets."""
    count = min((len(words) - 1) // 25, 32)  # the last unit begins no pair
    words = words[:-1]
    rates = {word: math.exp(-int(levels[1, place(word)]) / STEPS) for word in set(words)}
    weights = {word: max(-math.log(rate / COMMON), 0.0) for word, rate in rates.items()}
    shares: list[float] = []
    for seam in range(1, count):
        at = next(n for n in range(len(words)) if n * count // len(words) == seam)
        if at < 120 or len(words) - at < 120:
            continue
        left, right = set(words[:at]), set(words[at:])
        chance = min(
            sum(weights[word] * (1 - math.exp(-rates[word] * rest)) for word in side)
            for side, rest in ((left, len(words) - at), (right, at))
        )
        whole = min(sum(weights[word] for word in side) for side in (left, right))
        both = sum(weights[word] for word in left & right)
        shares.append((both - chance) / max(whole - chance, 1e-9))
    return max(min(shares), 0.0) if shares else None


def place(word: str) -> int:
    return (unit_hash(word) * 0x9E3779B97F4A7C15 % 2**64) >> (64 - BITS)


def test_what_few_texts_say_is_rare_however_often_they_say_it(tmp_path: Path) -> None:
    once = [f"common {'odd ' * 3}word{number} " + "filler text here " * 20 for number in range(49)]
    learnt = learn_rarity([*once, "common strange " * 50])
    common, strange = (int(learnt.levels[1, place(word)]) for word in ("common", "strange"))
    assert strange - common > 2 * STEPS
    assert int(learnt.levels[1, place("nowhere")]) == learnt.levels.max()
    learnt.save(tmp_path / "table.npz")
    assert np.array_equal(Rarity.load(tmp_path / "table.npz").levels, learnt.levels)
