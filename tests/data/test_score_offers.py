"""Advertisements that the lists of the labelled set were not made with, and what only looks like them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feilun.data.decide import decide
from feilun.data.judged import columns_of
from feilun.data.recipe import CorpusRecipe
from feilun.data.score import quality, scores
from feilun.data.sources import Raw
from feilun.recipe import read_recipe, shipped

ADVERTS = Path(__file__).with_name("spam.jsonl")


def test_most_adverts_are_dropped() -> None:
    rows = [json.loads(line) for line in ADVERTS.read_text(encoding="utf-8").splitlines()]
    columns = columns_of((Raw(row["id"], "adverts", "text", row["text"]) for row in rows), quality())
    reasons, _ = decide(read_recipe(shipped("data/web.toml"), CorpusRecipe).rules, columns)
    for lang in ("zh", "en"):
        mine = np.array([row["id"].startswith(f"spam{lang}") for row in rows])
        assert (reasons[mine] != "").mean() >= 0.8


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("老街的菜市场天不亮就开门，卖豆腐的老陈把价格写在木牌上，十年没有变过。" * 4, 15),
        ("医生说这个疗程要三个月，费用由医保报销，复发的可能不大。他建议病人多走路，少吃盐。" * 3, 15),
        ("The bank raised the price of its loans in May, and customers were told by letter. " * 6, 30),
    ],
)
def test_a_topic_has_few_of_them(text: str, most: float) -> None:
    assert scores(text, "", text)["score.offers.v1"] <= most


def test_words_are_counted_once_and_whole() -> None:
    text = "callous freedom bestow " * 70
    assert scores(text, "", text)["score.offers.v1"] == 0
    text = "call the office and call again " * 60
    assert scores(text, "", text)["score.offers.v1"] == pytest.approx(1000 / 360)
