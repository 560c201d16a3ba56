"""Similarity of texts, against sacrebleu, rouge-score and plain algorithms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.similarity import chrf, common_length, rouge_l, token_f1, tokens

CAT = ("the cat sat on the mat", "the cat is on the mat")
PEARS = ("Tom has 3 apples, and 4 pears.", "Tom has 3 apples and 5 pears.")


# python -c 'import sacrebleu; print(sacrebleu.CHRF().sentence_score(answer, [target]).score / 100)', sacrebleu 2.6.0
@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        (*CAT, 0.645779),
        ("猫坐在垫子上", "那只猫坐在垫子上面", 0.55771),
        ("Hello World", "hello world", 0.375397),
        ("a", "abc", 0.384615),
        ("完全不同", "nothing shared", 0.0),
        ("short", "a much longer reference sentence of many words", 0.037472),
        (*PEARS, 0.711641),
        ("", "x", 0.0),
    ],
)
def test_chrf_is_sacrebleus(answer: str, target: str, score: float) -> None:
    assert chrf(answer, target) == pytest.approx(score, abs=1e-6)


# python -c 'from rouge_score import rouge_scorer as r; print(r.RougeScorer(["rougeL"]).score(target, answer))', 0.1.2
@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [(*CAT, 0.833333), (*PEARS, 0.857143), ("Hello World", "hello world", 1.0), ("a", "abc", 0.0)],
)
def test_rouge_l_is_rouge_scores(answer: str, target: str, score: float) -> None:
    assert rouge_l(answer, target) == pytest.approx(score, abs=1e-6)


def test_chinese_counts_by_characters() -> None:
    assert tokens("GPT-4 是模型，Ｖ２。") == ["gpt", "4", "是", "模", "型", "v2"]
    assert rouge_l("我爱北京", "北京我爱") == pytest.approx(0.5)  # 2 in order of 4 each
    assert token_f1("我爱北京", "北京我爱") == 1.0
    assert token_f1("北京", "我爱北京") == pytest.approx(2 * 2 / 6)


def plain_common_length(a: str, b: str) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(st.text("abc", max_size=40), st.text("abcd", max_size=40))
def test_the_longest_common_subsequence_is_that_of_the_table(a: str, b: str) -> None:
    assert common_length(a, b) == plain_common_length(a, b)


@given(st.text(max_size=30), st.text(max_size=30))
def test_scores_are_shares_and_of_equal_texts_one(a: str, b: str) -> None:
    for score in (token_f1, rouge_l, chrf):
        assert 0 <= score(a, b) <= 1
    if tokens(a):
        assert token_f1(a, a) == rouge_l(a, a) == 1
    if a.split():
        assert chrf(a, a) == pytest.approx(1)
