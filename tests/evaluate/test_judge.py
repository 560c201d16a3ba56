"""The judge: verdicts, places swapped, words that say them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from feilun.evaluate.item import Item
from feilun.evaluate.judge import Judge, verdict_of
from feilun.evaluate.questions import Answer, Message

ITEM = Item("i", "en", "", (Message(role="user", content="Say {hi}."),), more=("Again.",), targets=("hi",))
ONE, OTHER = Answer("hello", True, ("hi",)), Answer("HELLO", True, ("ho",))


def judged(say: Callable[[str], str]) -> tuple[float | None, list[str]]:
    asked: list[str] = []

    def ask(messages: list[Message]) -> str:
        asked.append(messages[-1].content)
        return say(asked[-1])

    return Judge(criteria="Be strict {x}.").compare(ask, ITEM, ONE, OTHER).value, asked


def prefers(answer: str) -> Callable[[str], str]:
    """A judge that knows what it likes, wherever it stands."""
    return lambda text: "[[A]]" if answer in text.split("<answer_B>")[0] else "[[B]]"


@pytest.mark.parametrize(
    ("say", "value"),
    [
        (prefers("HELLO"), 1.0),
        (prefers("hello"), 0.0),
        (lambda _: "[[A]]", 0.5),
        (lambda _: "[[B]]", 0.5),
        (lambda _: "[[C]]", 0.5),
        (lambda text: "[[C]]" if "hello" in text.split("<answer_B>")[0] else "[[A]]", 0.5),
        (lambda _: "Both are nice.", None),
        (lambda text: "[[A]]" if "hello" in text.split("<answer_B>")[0] else "hm", None),
    ],
)
def test_an_answer_wins_only_in_both_places(say: Callable[[str], str], value: float | None) -> None:
    found, asked = judged(say)
    assert found == value
    assert len(asked) == 2
    assert asked[0] != asked[1]
    for text in asked:
        for part in (
            "Say {hi}.",
            "Again.",
            "hi\n---\nhello",
            "ho\n---\nHELLO",
            "Be strict {x}.",
            "right answer:\nhi",
        ):
            assert part in text


def test_the_same_answer_needs_no_judge() -> None:
    def ask(messages: list[Message]) -> str:
        raise AssertionError("asked")

    assert Judge().compare(ask, ITEM, ONE, ONE).value == 0.5


def test_a_chinese_item_is_judged_in_chinese() -> None:
    chinese = Item("i", "zh", "", (Message(role="user", content="你好"),))
    (message,) = Judge().messages(chinese, ONE, OTHER)
    assert "两个助手" in message.content
    assert "参考答案" not in message.content


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Because.\n[[A]]", "A"),
        ("First [[A]], but then [[ b ]]", "B"),
        ("[[c]]", "tie"),
        ("[[平局]]", "tie"),
        ("Verdict: **B**", "B"),
        ("结论：回答 A", "A"),
        ("Answer B is clearly better.", "B"),
        ("回答A更好。", "A"),
        ("A", "A"),
        (" tie. ", "tie"),
        ("Answer A is better. Answer B is better.", None),
        ("Assistant A says B", None),
        ("A good answer", None),
        ("", None),
    ],
)
def test_the_verdict_in_a_text(text: str, verdict: str | None) -> None:
    assert verdict_of(text) == verdict
