"""Asking a model over an OpenAI-compatible API, whose transport the caller brings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from feilun.evaluate.questions import Answer, Message
from feilun.text import FeilunError

T = TypeVar("T")
Post = Callable[[str, str, "dict[str, Any] | None"], Any]
"""Method, path below the base URL, body: the server's JSON. Raises `FeilunError` for what the server refuses."""

BUSY = {"too_many_requests", "rate_limit_exceeded", "loading", "429", "503"}
"""Error codes of servers that will answer later."""
_WAITS = (1, 2, 4, 8, 16, 30)
"""Seconds before each new try."""


def first_model(post: Post) -> str:
    """The name of the server's first model. Raises `FeilunError` if it lists none."""
    try:
        return str(post("GET", "/models", None)["data"][0]["id"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise FeilunError(
            "The server lists no models. Name one with --model.",
            "服务器未列出任何模型。请用 --model 指定一个。",
        ) from None


def release_of(post: Post, model: str) -> str | None:
    """The id of the release that the name stands for now; None where the server is not one of ours."""
    try:
        rows = post("GET", "/models", None)["data"]
        return next((row["feilun"]["release"] for row in rows if row["id"] == model), None)
    except (FeilunError, ValueError, KeyError, TypeError):
        return None


def chat(post: Post, body: dict[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    """The first choice of a chat completion. ``body``: the request without messages."""
    said = [message.model_dump() for message in messages]
    choice = choice_of(post, "/chat/completions", {**body, "messages": said})
    if not isinstance(choice.get("message"), dict) or "finish_reason" not in choice:
        raise _no_completion()
    return choice


def choice_of(post: Post, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The first choice of what the server answers. Raises `FeilunError` if it answers something else."""
    try:
        choice = patiently(lambda: post("POST", path, body))["choices"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        raise _no_completion() from None
    if not isinstance(choice, dict):
        raise _no_completion()
    return choice  # pyright: ignore[reportUnknownVariableType]


def ask(post: Post, body: dict[str, Any], messages: Sequence[Message]) -> Answer:
    """What the model says."""
    choice = chat(post, body, messages)
    text = str(choice["message"].get("content") or "")
    # Cut off in the middle of a character, it may end in half a pair of surrogates, which is no UTF-8.
    return Answer(text.encode("utf-8", "replace").decode(), choice["finish_reason"] == "stop")


def patiently(call: Callable[[], T], waits: Sequence[float] = _WAITS) -> T:
    """What the call returns, tried again for a while when the server is busy; ``waits``: seconds before each try."""
    for wait in waits:
        try:
            return call()
        except FeilunError as error:
            if str(error.code) not in BUSY:
                raise
            time.sleep(wait)
    return call()


def _no_completion() -> FeilunError:
    return FeilunError(
        "The server's answer is not a chat completion. Is --url right, with /v1?",
        "服务器的应答不是聊天补全。请检查 --url 是否正确、是否含 /v1。",
        code="no_completion",
    )
