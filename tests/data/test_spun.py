"""Text that a spinner has been through."""

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.score.letters import Letters
from feilun.data.score.spun import Spun, learn, spun

NATURAL = "the old man sat by the river and told his people about the water that came down in the spring "
SPUN = NATURAL.replace("people", "individuals").replace("told", "educated")
ZH = "每年冬天，成群的白鹭都会回到湖边的湿地过冬。护鸟人守在棚子里，一上午数出了二十只。技术员来修水泵，研究了半天。"
SPUN_ZH = ZH.replace("技术", "手艺").replace("研究", "研讨")


@pytest.fixture(scope="module")
def model() -> Spun:
    return learn([(NATURAL, SPUN), (ZH, SPUN_ZH)] * 30)


def of(model: Spun, text: str) -> float:
    return model.of(Letters(text))


def test_what_was_put_in_counts_and_what_stood_there_does_not(model: Spun) -> None:
    assert of(model, NATURAL * 10) == 0
    assert of(model, ZH * 10) == 0
    assert of(model, SPUN * 10) > 5
    assert of(model, SPUN_ZH * 10) > 5


def test_what_comes_again_counts_once_in_200_units(model: Spun) -> None:
    once, often = ("stone " * before + "individuals " * times for before, times in ((199, 1), (150, 50)))
    assert of(model, once) == pytest.approx(of(model, often), abs=1e-9)
    assert of(model, once * 5) == pytest.approx(of(model, once))
    assert of(model, once + "stone " * 200) == pytest.approx(of(model, once) / 2)


def test_a_short_text_is_judged_like_one_of_200_units(model: Spun) -> None:
    assert math.isnan(of(model, "individuals " * 59))
    short, whole = (of(model, "individuals " + "stone " * units) for units in (59, 199))
    assert short == pytest.approx(whole)


def test_rare_words_say_nothing() -> None:
    assert not learn([(NATURAL, SPUN)] * 19).odds.any()
    assert learn([(NATURAL, SPUN)] * 20).odds.any()
    assert not learn([]).odds.any()


def test_it_is_read_as_it_was_written(model: Spun, tmp_path: Path) -> None:
    model.save(tmp_path / "spun.npz")
    assert np.array_equal(Spun.load(tmp_path / "spun.npz").odds, model.odds)


@settings(deadline=None)
@given(st.text(max_size=500))
def test_any_text_has_a_score(text: str) -> None:
    shipped = spun()
    assert shipped is not None
    found = of(shipped, text)
    assert math.isnan(found) or 0 <= found <= 500


EN_ARTICLES = (
    "Doctors in the north of the country are worried about the number of people who wait more than a year for an "
    "operation. The ministry said on Monday that it would pay for beds in private hospitals until the spring. Nurses "
    "welcomed the plan, but their union asked who would staff the beds. In the smaller towns the nearest hospital is two "
    "hours away by bus, and many older patients do not make the journey at all. A study of nine thousand patients found "
    "that those who waited longest were also those who earned least.",
    "To plant a hedge, dig a trench in autumn and fill it with water. When it has drained, set the young trees a foot "
    "apart, spread their roots, and tread the soil down well. Cut them back by half in the first winter, however hard that "
    "is; it makes them grow thick from the ground. Keep the weeds away for two years. After that a hedge looks after "
    "itself, and needs you only once a year, when the birds have left their nests.",
)
EN_SPUN = (
    "Physicians in the north of the nation are stressed over the quantity of individuals who stand by over a year for an "
    "activity. The service said on Monday that it would pay for beds in private medical clinics until the spring. Medical "
    "caretakers invited the arrangement, however their association inquired as to who might staff the beds. In the more "
    "modest towns the closest emergency clinic is two hours away by transport, and numerous more seasoned patients don't "
    "make the excursion by any stretch of the imagination. An investigation of 9,000 patients found that the people who "
    "stood by longest were likewise the individuals who acquired least."
)


def test_an_article_is_told_from_what_a_spinner_makes_of_it() -> None:
    shipped = spun()
    assert shipped is not None
    assert max(of(shipped, text) for text in EN_ARTICLES) < 17
    assert of(shipped, EN_SPUN) > 17


def test_the_order_of_the_texts_makes_no_difference(model: Spun) -> None:
    pairs = [(NATURAL, SPUN), (ZH, SPUN_ZH)] * 30
    Random(1).shuffle(pairs)
    assert np.array_equal(learn(pairs).odds, model.odds)
