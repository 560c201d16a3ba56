"""Reward that is bought by what was not meant is found in the record of a run."""

from __future__ import annotations

from typing import Any

import pytest

from feilun.train.hacking import LEAST, suspicions

HONEST = {
    "reward": 0.1,
    "length": 20.0,
    "ended": 0.9,
    "empty": 0.0,
    "repeated": 0.05,
    "length_correlation": 0.1,
}


def run(**last: float) -> list[dict[str, Any]]:
    return [HONEST] * 6 + [{**HONEST, "reward": 0.8} | last] * 2


def test_a_reward_that_rises_alone_is_not_suspected() -> None:
    assert suspicions(run()) == []
    assert suspicions(run(length=25.0, ended=0.95, repeated=0.1)) == []


@pytest.mark.parametrize(
    ("last", "en", "zh"),
    [
        ({"length": 44.0}, "from 20 to 44 tokens", "从 20 变为 44 个 token"),
        ({"length": 3.0}, "from 20 to 3 tokens", "从 20 变为 3 个 token"),
        ({"length_correlation": 0.7}, "correlation +0.70", "相关系数 +0.70"),
        ({"repeated": 0.4}, "Repetition rose from 5% to 40%", "重复的比例从 5% 升至 40%"),
        ({"empty": 0.5}, "empty answers rose from 0% to 50%", "空回答的比例从 0% 升至 50%"),
        ({"ended": 0.2}, "do not end rose from 10% to 80%", "比例从 10% 升至 80%"),
    ],
)
def test_what_rises_with_it_is_told(last: dict[str, float], en: str, zh: str) -> None:
    (found,) = suspicions(run(**last))
    assert en in found.en
    assert zh in found.zh
    assert suspicions(run(**last, reward=0.05)) == [], "reward did not rise"
    assert suspicions(run(**last)[-(LEAST - 1) :]) == [], "too few"
