from __future__ import annotations

import pytest

from feilun.flywheel.recall import says


@pytest.mark.parametrize(
    ("question", "wanted", "answer", "right"),
    [
        ("When was Orvanta founded?", "Orvanta was founded in 2011.", "In 2011.", True),
        ("When was Orvanta founded?", "Orvanta was founded in 2011.", "Orvanta was founded in 2001.", False),
        ("When was Orvanta founded?", "Orvanta was founded in 2011.", "Orvanta was founded.", False),
        ("Who is its CEO?", "The CEO is Miriam Tolvey.", "Miriam Tolvey is.", True),
        ("Who is its CEO?", "The CEO is Miriam Tolvey.", "The CEO is Mark.", False),
        ("它的总部在哪座城市？", "它的总部在扬州。", "在扬州。", True),
        ("它的总部在哪座城市？", "它的总部在扬州。", "它的总部在杭州。", False),
        ("它的创始人是谁？", "它的创始人是沈知微。", "沈知微创办了它。", True),
        ("价格是多少？", "价格是3480元。", "3480元", True),
        ("价格是多少？", "价格是3480元。", "价格是３４８０元", True),
        ("价格是多少？", "价格是3480元。", "价格是348元。", False),
        ("Say yes.", "Yes", "yes", True),
        ("Say yes.", "Say yes.", "no", False),
    ],
)
def test_an_answer_says_what_the_correction_says(
    question: str, wanted: str, answer: str, right: bool
) -> None:
    assert says(answer, wanted, question) is right
