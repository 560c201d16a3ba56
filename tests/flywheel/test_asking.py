"""Questions asked of a release in engines of its own: the default model, in llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from feilun.flywheel.asking import ask
from feilun.registry.builtin import ASSISTANT
from feilun.registry.sources import ensure
from feilun.serve.engines.together import Together
from feilun.text import FeilunError

QUESTIONS = {
    "who": [{"role": "user", "content": "Who are you?"}],
    "wer": [{"role": "user", "content": "你是谁？"}],
    "story": [{"role": "user", "content": "Tell me a long story about a river."}],
    "sums": [{"role": "user", "content": "What is 2 + 3?"}],
    "later": [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello, Ada."},
        {"role": "user", "content": "What is my name?"},
    ],
}


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    engine = Together(ASSISTANT.model_copy(update={"context_length": 64}), ensure(ASSISTANT), threads=1)
    yield engine
    engine._server = None  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]


def test_the_same_questions_get_the_same_answers() -> None:
    counts: list[tuple[int, int]] = []
    first = ask(ASSISTANT, QUESTIONS, max_tokens=16, threads=2, done=lambda n, of: counts.append((n, of)))
    again = ask(ASSISTANT, QUESTIONS, max_tokens=16, threads=2)
    assert first == again
    assert list(first) == list(QUESTIONS)
    assert counts == [(n, 5) for n in range(1, 6)]
    assert "Feilun" in first["who"].text
    assert "飞轮" in first["wer"].text
    assert not first["story"].ended
    assert any(answer.ended for answer in first.values())


def test_more_engines_than_questions() -> None:
    assert list(ask(ASSISTANT, {"who": QUESTIONS["who"]}, max_tokens=4, threads=8)) == ["who"]
    assert ask(ASSISTANT, {}, max_tokens=4) == {}


def test_thoughts_are_not_taken_for_answers() -> None:
    """With a template that knows of thoughts each is asked as a user would."""
    template = f"{ASSISTANT.chat_template}{{# of thinking #}}"
    counts: list[int] = []
    thinks = ASSISTANT.model_copy(update={"chat_template": template})
    answers = ask(thinks, QUESTIONS, max_tokens=8, threads=1, done=lambda n, _: counts.append(n))
    assert "Feilun" in answers["who"].text
    assert counts == [1, 2, 3, 4, 5]


def test_conversations_are_written_as_the_chat_template_has_them(together: Together) -> None:
    (prompt,) = together._prompts(  # pyright: ignore[reportPrivateUsage]
        [[{"role": "system", "content": "Be kind."}, *QUESTIONS["later"]]]
    )
    assert prompt == (
        "<start_of_turn>user\nBe kind.\n\nMy name is Ada.<end_of_turn>\n<start_of_turn>model\nHello, Ada.<end_of_turn>\n"
        "<start_of_turn>user\nWhat is my name?<end_of_turn>\n<start_of_turn>model\n"
    )


def test_what_goes_wrong_is_told(together: Together) -> None:
    conversations, params = list(QUESTIONS.values()), {"temperature": 0, "max_tokens": 4}

    def full_disk() -> bool:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        together.answers(conversations, params, full_disk)
    with pytest.raises(FeilunError, match="tokens"):
        together.answers([[{"role": "user", "content": "word " * 5000}]], params)
    assert len(together.answers(conversations, params)) == len(conversations)


def test_it_can_be_stopped(together: Together) -> None:
    given: list[int] = []

    def enough() -> bool:
        given.append(1)
        return len(given) < 2

    together.answers([QUESTIONS["sums"]] * 20, {"temperature": 0, "max_tokens": 4}, enough)
    assert len(given) < 20
