"""The one interface to anything that generates. Callers never know which engine they speak to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Params = Mapping[str, Any]
"""Generation parameters under their OpenAI names (``temperature``, ``max_tokens``, ``tools``, ...); absent = default."""

Ability = Literal["chat", "complete", "embed"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of one choice."""

    index: int = 0
    content: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    """Pieces of tool calls as OpenAI streams them (``index``, ``id``, ``function.name``, ``function.arguments``)."""
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens a request took; the last thing a stream yields, if the engine counts them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    def as_openai(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector of float32 values (unit length) for each text."""

    vectors: list[list[float]]
    prompt_tokens: int


Stream = AsyncGenerator[Delta | Usage, None]
"""What an engine writes, as it writes it."""


class Engine(Protocol):
    """A model that is ready to answer.

    A stream first yields an empty `Delta` once the request is accepted, so that errors come before any
    answer has begun; it stops generating as soon as it is closed. All methods raise `FeilunError` with
    the HTTP status that fits: 400 for what the caller can mend, 5xx for what only the operator can.
    """

    @property
    def abilities(self) -> frozenset[Ability]: ...

    @property
    def context_length(self) -> int | None:
        """Tokens that prompt and answer may take together; None if unknown."""
        ...

    def chat(self, messages: Sequence[dict[str, Any]], params: Params) -> Stream:
        """Answer a conversation in OpenAI's message format."""
        ...

    def complete(self, prompt: str, params: Params) -> Stream:
        """Go on with a text, without any chat template."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embeddings: ...

    async def close(self) -> None:
        """Let running streams finish, then free the memory."""
        ...
