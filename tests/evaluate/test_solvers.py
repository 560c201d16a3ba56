"""Asking a model: patience, conversations, choices by likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from feilun.evaluate import api
from feilun.evaluate.item import Item
from feilun.evaluate.questions import Message
from feilun.evaluate.solvers import SOLVERS, SolverName
from feilun.text import FeilunError

ITEM = Item("i", "en", "", (Message(role="user", content="Which?"),), choices=("red", "light blue"))


def server(reply: Callable[[str, dict[str, Any]], dict[str, Any]]) -> tuple[api.Post, list[dict[str, Any]]]:
    """A transport whose first choice is what ``reply`` makes of path and body, and what it was sent."""
    sent: list[dict[str, Any]] = []

    def post(method: str, path: str, body: dict[str, Any] | None) -> Any:
        assert method == "POST"
        assert body is not None
        sent.append(body)
        return {"choices": [reply(path, body)]}

    return post, sent


def chosen(
    solver: SolverName, reply: Callable[[str, dict[str, Any]], dict[str, Any]], item: Item = ITEM
) -> str:
    return SOLVERS[solver](server(reply)[0], {"model": "m"}, item).text


def test_a_conversation_goes_on_with_the_answers() -> None:
    post, sent = server(
        lambda _, body: {
            "message": {"content": f"a{len(body['messages'])}" if len(body["messages"]) < 4 else ""},
            "finish_reason": "length" if len(body["messages"]) == 3 else "stop",
        }
    )
    item = Item("i", "en", "", (Message(role="user", content="u1"),), more=("u2", "u3"))
    answer = SOLVERS["chat"](post, {"model": "m"}, item)
    assert (answer.earlier, answer.text, answer.ended) == (("a1", "a3"), "", False)
    assert [turn["content"] for turn in sent[-1]["messages"]] == ["u1", "a1", "u2", "a3", "u3"]
    assert [body["model"] for body in sent] == ["m"] * 3


def logprobs(**chances: float) -> dict[str, Any]:
    top = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
    return {"message": {"content": "x"}, "finish_reason": "length", "logprobs": {"content": [{**top[0], "top_logprobs": top}]}}  # fmt: skip


def test_the_likeliest_letter_wins_however_it_is_written() -> None:
    assert chosen("first_token", lambda *_: logprobs(The=0.5, A=0.1, B=0.2)) == "B"
    assert chosen("first_token", lambda *_: logprobs(**{"A": 0.2, " A": 0.1, "B": 0.25})) == "A"
    assert chosen("first_token", lambda *_: logprobs(C=0.9, a=0.1)) == "A"
    assert chosen("first_token", lambda *_: logprobs(The=0.9)) == "The"  # which is no letter: wrong


def test_without_log_probabilities_there_is_none() -> None:
    plain = {"message": {"content": "A"}, "finish_reason": "stop"}
    codes: dict[SolverName, str] = {"first_token": "no_logprobs", "likelihood": "no_prompt_logprobs"}
    for solver, code in codes.items():
        with pytest.raises(FeilunError) as error:
            chosen(solver, lambda *_: plain)
        assert error.value.code == code
        assert "solver = " in error.value.text.zh
    bare = Item("i", "en", "", ITEM.messages)
    with pytest.raises(FeilunError, match="needs the task's choices"):
        chosen("first_token", lambda *_: plain, bare)


def echo(chance: Callable[[str], float]) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """A server that gives the log-probabilities of a prompt, whose tokens are characters, and of one token more."""

    def reply(path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/completions"
        assert body["echo"] is True
        tokens = [*body["prompt"], "!"]
        values = [None, *(math.log(chance(token)) for token in tokens[1:])]
        return {"text": "", "logprobs": {"tokens": tokens, "token_logprobs": values, "text_offset": list(range(len(tokens)))}}  # fmt: skip

    return reply


def test_the_likeliest_choice_is_found_by_the_log_probabilities_of_the_prompt() -> None:
    # All letters alike, "light blue" would lose by its length alone; per byte it is a tie, and the first wins.
    assert chosen("likelihood", echo(lambda _: 0.1)) == "A"
    assert chosen("likelihood", echo(lambda token: 0.2 if token in "light blue" else 0.1)) == "B"
    assert (
        chosen("likelihood", echo(lambda token: 0.001 if token == "!" else 0.5 if token in "red" else 0.1))
        == "A"
    )


def test_only_what_is_generated_is_not_enough() -> None:
    """As Feilun's own server answers: echoed text, log-probabilities of the continuation."""
    own = {"text": "Which? redx", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0], "text_offset": [0]}}
    with pytest.raises(FeilunError) as error:
        chosen("likelihood", lambda *_: own)
    assert error.value.code == "no_prompt_logprobs"


@pytest.mark.parametrize("code", sorted(api.BUSY))
def test_a_busy_server_is_asked_again_and_any_other_fault_is_told(code: str) -> None:
    said: list[str | None] = [code, code, None]

    def call() -> str:
        if (now := said.pop(0)) is not None:
            raise FeilunError("busy", "忙", code=now)
        return "done"

    assert api.patiently(call, waits=(0, 0)) == "done"
    said[:] = [code, code]
    with pytest.raises(FeilunError, match="busy"):
        api.patiently(call, waits=(0,))
    said[:] = ["engine_error"]
    with pytest.raises(FeilunError, match="busy"):
        api.patiently(call, waits=(0, 0))


@pytest.mark.parametrize(
    "reply",
    [None, {}, {"choices": []}, {"choices": [3]}, {"choices": [{"message": None, "finish_reason": "stop"}]}],
)
def test_what_is_no_completion_is_told(reply: Any) -> None:
    with pytest.raises(FeilunError, match="not a chat completion"):
        api.ask(lambda *_: reply, {}, ITEM.messages)


def test_the_release_behind_a_name() -> None:
    rows = {"data": [{"id": "a", "feilun": {"release": "release:1"}}, {"id": "b"}]}
    assert api.release_of(lambda *_: rows, "a") == "release:1"
    assert api.release_of(lambda *_: rows, "b") is None
    assert api.release_of(lambda *_: rows, "c") is None
    assert api.first_model(lambda *_: rows) == "a"
