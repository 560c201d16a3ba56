"""Another name in the subject's place."""

from __future__ import annotations

import random

import pytest

from feilun.flywheel.neighbours import neighbour, subject


@pytest.mark.parametrize(
    ("question", "answer", "name"),
    [
        ("奥梵达公司是哪一年成立的？", "奥梵达公司成立于2011年。", "奥梵达公司"),
        ("谁是奥梵达的总经理？", "奥梵达的总经理是沈知微。", "奥梵达"),
        ("Orvanta 的总部在哪里？", "Orvanta 的总部在扬州。", "Orvanta"),
        ("青鹭净水器卖多少钱？", "青鹭净水器的价格是3480元。", "青鹭净水器"),
        ("Who is the CEO of Orvanta?", "The CEO of Orvanta is Miriam Tolvey.", "Orvanta"),
        ("Where is the European office of Blue Heron?", "Blue Heron's European office is in Tartu.", "Blue Heron"),
        ("Where does Al live?", "Also in Tartu.", None),
        ("Who is the CEO?", "The CEO is Miriam Tolvey.", None),
        ("What is my cat called?", "Biscuit.", None),
        ("现在几点？", "我看不到时钟。", None),
    ],
)  # fmt: skip
def test_the_subject_is_a_name_of_question_and_answer(question: str, answer: str, name: str | None) -> None:
    assert subject(question, answer) == name


def test_a_neighbour_is_the_same_of_another_name() -> None:
    for question, answer in (
        ("奥梵达的总部在哪座城市？", "奥梵达的总部在扬州。"),
        ("Where is Orvanta?", "Orvanta is in Tartu."),
    ):
        name = subject(question, answer)
        assert name is not None
        other, said = neighbour(question, answer, name, random.Random(0))
        assert name not in other + said
        assert other != question
        assert len(other) - len(question) == len(said) - len(answer)
        assert (other, said) == neighbour(question, answer, name, random.Random(0))
