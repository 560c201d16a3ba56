"""Advertisements, and what only looks like them."""

from __future__ import annotations

import pytest

from feilun.data.score import scores


def advert(text: str) -> float:
    return scores(text, "", text)["score.advert.v1"]


@pytest.mark.parametrize(
    "text",
    [
        "老街的菜市场天不亮就开门，卖豆腐的老陈把价格写在木牌上，十年没有变过。买菜的人一边挑一边还价，谁也不急。",
        "医生说这个疗程要三个月，费用由医保报销，复发的可能不大。他建议病人多走路，少吃盐，半年以后再来复查。",
        "网店写着限时秒杀、假一赔十、全额退款，要求加微信转账的，多半是骗局。市场监管部门和警方提醒，应当报警。",
        "The bank raised the price of its loans in May, and customers were told by letter. Those who had borrowed at a "
        "fixed rate noticed nothing; the others paid some forty pounds a month more, and a few of them went to court.",
        "Callers who promise a refund and ask for the code of your card are not from the bank. Hang up, wait a minute, "
        "and ring the number on the back of the card. Tell your neighbours, for the same people call whole streets.",
    ],
)
def test_who_writes_of_trade_sells_nothing(text: str) -> None:
    assert advert(text) < 0.5


def test_the_traditional_script_is_read_through_its_shadow() -> None:
    text = "本公司專業辦理貸款，無抵押，當天放款，利息低，額度高，歡迎來電諮詢，加微信立即辦理，名額有限。"
    shadow = "本公司专业办理贷款，无抵押，当天放款，利息低，额度高，欢迎来电咨询，加微信立即办理，名额有限。"
    assert scores(text, "", shadow)["score.advert.v1"] == advert(shadow) > 0.8
