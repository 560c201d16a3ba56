"""How a model is brought to answer an item: by writing, or by how likely it finds each of the choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from feilun.evaluate import api
from feilun.evaluate.choice import said_letter
from feilun.evaluate.item import Item
from feilun.evaluate.questions import Answer, Message
from feilun.evaluate.template import LETTERS
from feilun.text import FeilunError

SolverName = Literal["chat", "first_token", "likelihood"]
Solve = Callable[[api.Post, dict[str, Any], Item], Answer]
"""The transport, the request without messages, the item."""

HOPELESS = {"no_logprobs", "no_prompt_logprobs", "no_choices"}
"""Error codes that every other item will end in as well."""


def chat(post: api.Post, body: dict[str, Any], item: Item) -> Answer:
    """The model writes; in a conversation of several turns once for each."""
    messages = list(item.messages)
    answers = [api.ask(post, body, messages)]
    for text in item.more:
        # The format has no empty messages, and there is nothing to say to one.
        said = answers[-1].text or "…"
        messages += [Message(role="assistant", content=said), Message(role="user", content=text)]
        answers.append(api.ask(post, body, messages))
    earlier = tuple(answer.text for answer in answers[:-1])
    return Answer(answers[-1].text, all(answer.ended for answer in answers), earlier)


def first_token(post: api.Post, body: dict[str, Any], item: Item) -> Answer:
    """The letter that is likeliest as the first token of the answer, whatever else the model would have said.

    Raises `FeilunError` (``no_logprobs``) where the server gives no log-probabilities of chat answers.
    """
    letters = _letters(item)
    request = {**body, "max_tokens": 1, "logprobs": True, "top_logprobs": 20}
    choice = api.chat(post, request, item.messages)
    found: dict[str, Any] = choice.get("logprobs") or {}
    rows: list[dict[str, Any]] = found.get("content") or []
    if not rows:
        raise FeilunError(
            "The server gives no log-probabilities. Use solver = 'chat'.",
            "服务器不提供对数概率。请使用 solver = 'chat'。",
            code="no_logprobs",
        )
    chances = dict.fromkeys(letters, 0.0)
    likeliest: list[dict[str, Any]] = rows[0].get("top_logprobs") or rows[:1]
    for row in likeliest:
        letter = said_letter(row["token"], item.choices) if len(row["token"].strip()) == 1 else None
        if letter is not None:
            chances[letter] += math.exp(row["logprob"])
    best = max(chances, key=lambda letter: chances[letter])
    return Answer(best if chances[best] else str(rows[0]["token"]), True)


def likelihood(post: api.Post, body: dict[str, Any], item: Item) -> Answer:
    """The letter of the choice that is likeliest to follow the prompt, in nats per UTF-8 byte of the choice.

    That is the normalisation of lm-evaluation-harness's ``acc_norm``: without it, short choices win. The messages
    are put one after the other as plain text, without the chat template.
    Raises `FeilunError` (``no_prompt_logprobs``) where the server does not give the log-probabilities of a prompt.
    """
    prompt = "\n\n".join(message.content for message in item.messages) + " "
    letters = _letters(item)
    nats = [_nats(post, body, prompt, choice) / len(choice.encode()) for choice in item.choices]
    return Answer(letters[nats.index(max(nats))], True)


def _nats(post: api.Post, body: dict[str, Any], prompt: str, choice: str) -> float:
    """Log-probability of the choice after the prompt."""
    request = {
        **body,
        "prompt": prompt + choice,
        "echo": True,
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0,
    }
    found: dict[str, Any] = api.choice_of(post, "/completions", request).get("logprobs") or {}
    offsets: Sequence[int] = found.get("text_offset") or []
    values: Sequence[float | None] = found.get("token_logprobs") or []
    tokens: Sequence[str] = found.get("tokens") or []
    start, end = len(prompt), len(prompt) + len(choice)
    # A token across the border begins in the prompt and belongs to the choice, most of which it may be.
    chosen = [
        value
        for at, token, value in zip(offsets, tokens, values, strict=True)
        if at < end and at + len(token) > start
    ]
    known = [value for value in chosen if value is not None]
    if not known or len("".join(tokens)) < end:
        raise FeilunError(
            "The server does not give the log-probabilities of a prompt (echo with logprobs), as vLLM does. "
            "Use solver = 'first_token' or 'chat'.",
            "服务器不提供提示词的对数概率（echo 加 logprobs），vLLM 提供。请使用 solver = 'first_token' 或 'chat'。",
            code="no_prompt_logprobs",
        )
    return math.fsum(known)


def _letters(item: Item) -> str:
    if not item.choices:
        raise FeilunError(
            "The solver needs the task's choices.", "该 solver 需要任务给出 choices。", code="no_choices"
        )
    return LETTERS[: len(item.choices)]


SOLVERS: dict[SolverName, Solve] = {"chat": chat, "first_token": first_token, "likelihood": likelihood}
