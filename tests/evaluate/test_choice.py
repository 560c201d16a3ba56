"""Which letter an answer means."""

from __future__ import annotations

import pytest

from feilun.evaluate.choice import letter_of, said_letter

CHOICES = ["Paris", "36°C", "136°C", "巴黎"]


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("b.", "B"),
        ("(C) 136°C", "C"),
        ("Ｄ、巴黎", "D"),
        ("**A**", "A"),
        ("The answer is B.", "B"),
        ("Answer: (c)", "C"),
        ("I think so. Answer is A, not because of B... The answer is D", "D"),
        ("答案是（C）。", "C"),
        ("正确选项为 B", "B"),
        ("应选D，因为……", "D"),
        ("A 不对，所以选 C", "C"),
        ("It must be C, since it is hot", "C"),
        ("It is 136°C", "C"),
        ("paris", "A"),
        ("A dog barked", None),
        ("B or C", None),
        ("E", None),
        ("不知道", None),
        ("", None),
        ("Paris or 巴黎", None),
    ],
)
def test_the_letter_that_is_said(answer: str, letter: str | None) -> None:
    assert said_letter(answer, CHOICES) == letter


@pytest.mark.parametrize(
    ("target", "letter"),
    [("b", "B"), ("(D)", "D"), ("paris ", "A"), ("E", None), ("", None), ("London", None)],
)
def test_the_letter_of_a_target(target: str, letter: str | None) -> None:
    assert letter_of(target, CHOICES) == letter
