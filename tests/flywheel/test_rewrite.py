"""What a model's rewordings have to be like, and how it is asked for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.questions import Answer
from feilun.flywheel import rewrite as module
from feilun.flywheel.asking import Messages
from feilun.flywheel.reword import Reworded, essence, keeps_facts, rewordings
from feilun.flywheel.rewrite import CHINESE, ENGLISH, MOST, rewrite, sifted
from feilun.registry import Release

FACTS = Path(__file__).parents[2] / "bench/flywheel_facts.jsonl"


def texts(question: str, *said: str) -> list[str]:
    return [one.text for one in sifted(question, [Answer(text, True) for text in said])]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("When was Orvanta founded?", "In which year did Orvanta start?"),
        ("How much does Brinewise 5.3 cost?", "What is the price of Brinewise 5.3?"),
        ("Who owns the “Open Door” event?", "Whose event is “Open Door”?"),
        ("how much does it cost?", "What does it cost?"),
        ("青鹭净水器的保修期是几年？", "青鹭净水器保修几年？"),
        ("谁创办了奥梵达公司？", "是谁创办了奥梵达公司？"),
        ("《山海》杂志多少钱一本？", "买一本《山海》杂志要多少钱？"),
    ],
)
def test_another_wording_is_let_through(question: str, said: str) -> None:
    assert texts(question, said) == [said]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("When was Orvanta founded?", "Orvanta was founded in 1986."),  # the answer
        ("When was Orvanta founded?", "When was it founded?"),  # the name is lost
        ("When was Orvanta founded?", "When did Brennick found Orvanta?"),  # another one is there
        ("How much is Brinewise 5.3?", "What is the price of Brinewise 5?"),
        ("Who owns the “Open Door” event?", "Who owns the open day event?"),
        ("When was Orvanta founded?", "奥梵达是哪一年成立的？"),  # another language
        ("When was Orvanta founded?", "When? Was Orvanta founded?"),
        ("When was Orvanta founded?", "I am Feilun. When was Orvanta founded then?"),
        ("When was Orvanta founded?", "Orvanta?"),
        ("When was Orvanta founded?", "When, if you happen to know and would not mind, was Orvanta founded?"),
        ("When was Orvanta founded?", "When was Orvanta founded?"),
        ("When was Orvanta founded?", "when was Orvanta founded ?"),
        (
            "When was Orvanta founded?",
            "Which boats do people in Orvanta sell to others?",
        ),  # about something else
        ("When was Orvanta founded?", "- When did\n- Orvanta start?"),
        ("奥梵达的工厂在哪个省？", "我不知道奥梵达的工厂，请问在哪个省？"),
        ("青鹭净水器卖多少钱？", "净水器卖多少钱？"),
        ("青鹭净水器卖多少钱？", "青鹭净水器卖多少钱。"),
        ("奥梵达的技术总监叫什么名字？", "奥梵达的总监叫什么？"),
        ("青鹭净水器卖多少钱？", ""),
    ],
)
def test_what_cannot_be_one_is_kept_back(question: str, said: str) -> None:
    assert texts(question, said) == []


def test_what_was_cut_off_is_none() -> None:
    said = "In which year did Orvanta start?"
    assert sifted("When was Orvanta founded?", [Answer(said, False)]) == []
    assert sifted("When was Orvanta founded?", [Answer(said, True)]) == [Reworded(said, "model")]


@pytest.mark.parametrize("wrapped", ["“{}”", '"{}"', "**{}**", "Question: {}", "Rephrased：“{}”", "  {} \n"])
def test_what_models_put_around_it_is_taken_off(wrapped: str) -> None:
    said = "In which year did Orvanta start?"
    assert texts("When was Orvanta founded?", wrapped.format(said)) == [said]


def test_the_same_wording_comes_once() -> None:
    said = ["In which year did Orvanta start?", "In which year did Orvanta start ?", "Orvanta started when?"]
    assert texts("When was Orvanta founded?", *said) == [said[0], said[2]]


def test_most_wordings_of_people_and_rules_get_through() -> None:
    facts = [json.loads(line) for line in FACTS.read_text("utf-8").splitlines()]
    theirs = [texts(row["question"], row["paraphrase"]) for row in facts]
    assert sum(map(len, theirs)) >= 0.8 * len(facts)
    for row in facts:
        rules = [one.text for one in rewordings(row["question"], 12) if one.rule in ("words", "order")]
        assert bool(texts(row["question"], *rules)) == bool(rules)


WORDS = "when 什么 is was 奥梵达 Orvanta 2011 “x” founded 多少钱 的 ? ？ . CEO Brennick the"
pieces = st.lists(st.sampled_from(WORDS.split()), max_size=9)
either = st.one_of(st.text(max_size=40), pieces.map(" ".join), pieces.map("".join))


@given(either, st.lists(either, max_size=4))
def test_whatever_is_said(question: str, said: list[str]) -> None:
    found = texts(question, *said)
    assert len({essence(text) for text in (question, *found)}) == len(found) + 1
    for text in found:
        assert text[-1] in "?？" or not text[-1].isalnum()
        assert keeps_facts(question, text)
        assert keeps_facts(text, question)


def test_each_question_is_asked_for_in_its_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine is the one part that is not here: it would take seconds to say nothing of use."""
    asked: list[str] = []

    def answer(
        folder: Path, _: Release, questions: dict[str, Messages], **rest: object
    ) -> dict[str, list[Answer]]:
        assert (folder, rest["threads"]) == (tmp_path, 1)
        asked.extend(messages[0]["content"] for messages in questions.values())
        said = {True: "In which year did Orvanta start?", False: "奥梵达公司成立于哪年？"}
        return {
            name: [Answer(said["Orvanta" in messages[0]["content"]], True)]
            for name, messages in questions.items()
        }

    monkeypatch.setattr(module, "ask_once", answer)
    release = Release(name="m", source="file:m.gguf")
    questions = {
        "a/1": "When was Orvanta founded?",
        "b": "奥梵达公司是哪一年成立的？",
        "c": "- a list\n- of things",
    }
    found = rewrite(release, questions, 2, folder=tmp_path, threads=1)
    assert found == {
        "a/1": [Reworded("In which year did Orvanta start?", "model")],
        "b": [Reworded("奥梵达公司成立于哪年？", "model")],
        "c": [],
    }
    assert asked == [
        *(how.format(question=questions["a/1"]) for how in ENGLISH[:2]),
        *(how.format(question=questions["b"]) for how in CHINESE[:2]),
    ]
    asked.clear()
    rewrite(release, questions, 100, folder=tmp_path, threads=1)
    assert len(asked) == 2 * MOST == len(set(asked))
