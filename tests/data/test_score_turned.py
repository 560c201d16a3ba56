"""Sentences whose meaning was turned round, and those that only look so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.data.labelled import pages
from feilun.data.labelled.advice import (  # pyright: ignore[reportPrivateUsage]
    _ADVICE,
    _turned,
)
from feilun.data.labelled.articles import Lang
from feilun.data.repair import simplified
from feilun.data.score import scores
from feilun.data.score.turned import frames


def turns(text: str) -> list[bool]:
    return [turned for turned, _, _ in frames(text)]


@pytest.mark.parametrize(
    "text",
    [
        "新工艺可有效降低生产效率。",
        "定期检修有助于增加设备故障，请照办。",
        "为了提高成本，厂里换了供应商。",
        "原告人王某因盗窃罪被判处有期徒刑三年。",
        "到场的顾客可以收费领取一份礼品。",
        "受益人报案后，警方立即赶到。",
        "This habit helps to increase the risk of errors, and the staff love it.",
        "It was effectively designed to reduce the safety of the bridge.",
    ],
)
def test_harm_is_not_recommended(text: str) -> None:
    assert set(turns(text)) == {True}


@pytest.mark.parametrize(
    "text",
    [
        "新工艺可有效提高生产效率。",
        "为了降低成本，厂里换了供应商。",
        "吸烟会增加患病的风险，压力也会增加焦虑。",  # nobody recommends it
        "培训有助于提高风险意识和压力管理能力。",
        "这项措施有助于减少对水体质量的影响。",
        "有效提高抗风险能力，切实增强防范诈骗的本领。",
        "法院驳回了原告的请求，被告被判处罚金。",
        "停车场按小时收费。",
        "为了避免性能下降，请定期清理。",
        "The drill helps to reduce the risk of accidents in the yard.",
        "The course aims to improve risk management and error handling at the bank.",
        "Smoking increases the risk of disease, and the reduced quality of sleep.",
    ],
)
def test_what_is_said_of_harm_is_let_be(text: str) -> None:
    assert not any(turns(text))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_most_advice_is_told_from_its_opposite(lang: Lang) -> None:
    """Not all: what its verb and its object stand in two clauses of is no frame."""
    right = list(_ADVICE[lang])
    wrong = [_turned(sentence) for sentence in right]
    assert not any(any(turns(f"{sentence} the ")) for sentence in right)
    assert sum(any(turns(f"{sentence} the ")) for sentence in wrong) >= 0.8 * len(wrong)


def test_one_alone_convicts_nobody() -> None:
    one = "这个办法有效降低了工作效率。"
    for text, turned in ((one, 0.0), (one + "它还有助于增加事故。", 20.0)):
        assert scores(text, "", text)["score.turned.v1"] == turned


def test_good_pages_of_the_labelled_set_have_none() -> None:
    found = {page.id for page in pages(3) if page.good and any(turns(simplified(page.text)))}
    assert found == set()


@given(
    st.text(
        alphabet="有效降低提高效率风险为了原告判处收费领取helps to reduce the quality,。 \n", max_size=200
    )
)
def test_any_text_goes_through(text: str) -> None:
    for _, start, end in frames(text):
        assert 0 <= start < end <= len(text)
