"""Any server that speaks OpenAI's API: vLLM, SGLang, Ollama, a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from feilun.registry import Release
from feilun.registry.download import is_elsewhere
from feilun.serve.engines.base import Ability, Delta, Embeddings, Params, Stream, Usage
from feilun.text import FeilunError

MAX_TOOL_CALLS = 128


class Upstream:
    """A model of another server. Closing a stream closes its connection, which stops the generation there."""

    abilities: frozenset[Ability] = frozenset({"chat", "complete", "embed"})
    context_length: int | None = None

    def __init__(self, release: Release) -> None:
        self._release = release
        self._model = release.upstream_model or release.name
        # No limit on reading: a long prompt may be silent for minutes.
        timeout = httpx.Timeout(None, connect=10, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        self._http = httpx.AsyncClient(
            base_url=release.source.rstrip("/") + "/",
            timeout=timeout,
            limits=limits,
            trust_env=is_elsewhere(release.source),
        )

    async def probe(self) -> None:
        """Raises `FeilunError` (502) if the server cannot be reached or refuses our key."""
        try:
            response = await self._http.get("models", headers=self._headers(), timeout=10)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code in (
            401,
            403,
            502,
            503,
            504,
        ):  # who merely has no list of models may well answer
            raise self._refused(response.status_code, response.content)

    def chat(self, messages: Sequence[dict[str, Any]], params: Params) -> Stream:
        return self._stream("chat/completions", {"messages": messages, **params})

    def complete(self, prompt: str, params: Params) -> Stream:
        return self._stream("completions", {"prompt": prompt, **params})

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        try:
            response = await self._http.post(
                "embeddings", json={"model": self._model, "input": list(texts)}, headers=self._headers()
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.is_error:
            raise self._refused(response.status_code, response.content)
        try:
            answer = response.json()
            rows = sorted(answer["data"], key=lambda row: row["index"])
            return Embeddings(
                [row["embedding"] for row in rows], answer.get("usage", {}).get("prompt_tokens", 0)
            )
        except (ValueError, KeyError, TypeError):
            raise self._nonsense() from None

    async def close(self) -> None:
        await self._http.aclose()

    async def _stream(self, path: str, body: dict[str, Any]) -> Stream:
        defaults = self._release.sampling.model_dump(exclude_none=True)
        request = {
            **defaults,
            **body,
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            async with self._http.stream(
                "POST", path, content=orjson.dumps(request), headers=self._headers()
            ) as response:
                if response.is_error:
                    raise self._refused(response.status_code, await response.aread())
                if "text/event-stream" not in response.headers.get("content-type", ""):
                    raise self._nonsense()
                yield Delta()
                ended = False
                async for line in response.aiter_lines():
                    if not line.startswith("data:"):
                        continue
                    data = line.removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    for item in self._items(data):
                        ended = ended or (isinstance(item, Delta) and item.finish_reason is not None)
                        yield item
                if not ended:
                    raise httpx.RemoteProtocolError("its answer broke off")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _items(self, data: str) -> list[Delta | Usage]:
        """What one event says. Raises `FeilunError` if it is an error, or nothing OpenAI's API knows."""
        try:
            chunk = orjson.loads(data)
            if chunk.get("error"):
                raise self._refused(502, orjson.dumps(chunk))
            choices: list[dict[str, Any]] = chunk.get("choices") or []
            items: list[Delta | Usage] = [_delta(choice) for choice in choices]
            return [*items, _usage(chunk["usage"])] if chunk.get("usage") else items
        except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError, KeyError):
            raise self._nonsense() from None

    def _headers(self) -> dict[str, str]:
        secret = self._release.secret()
        headers = {"Content-Type": "application/json"}
        return {**headers, "Authorization": f"Bearer {secret}"} if secret else headers

    def _unreachable(self, error: httpx.HTTPError) -> FeilunError:
        name, url, why = self._release.name, self._release.source, str(error) or type(error).__name__
        return FeilunError(
            f"The server of model {name} at {url} does not answer ({why}). Is it running?",
            f"模型 {name} 的服务器 {url} 没有响应（{why}）。它在运行吗？",
            status=502,
            code="upstream_unreachable",
        )

    def _nonsense(self) -> FeilunError:
        url = self._release.source
        return FeilunError(
            f"The server at {url} does not answer in OpenAI's format. Its base URL usually ends in /v1.",
            f"服务器 {url} 的回答不是 OpenAI 格式。其基础 URL 通常以 /v1 结尾。",
            status=502,
            code="upstream_format",
        )

    def _refused(self, status: int, content: bytes) -> FeilunError:
        try:
            error: Any = orjson.loads(content)["error"]
            why = str(error if isinstance(error, str) else error["message"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            why = " ".join(content[:200].decode("utf-8", "replace").split()) or "no reason given"
        # What the caller can mend stays a 4xx; a wrong key or a missing model is the operator's affair.
        passed_on = status if status in (400, 413, 422, 429) else 502
        return FeilunError(
            f"The server of model {self._release.name} refused ({status}): {why}",
            f"模型 {self._release.name} 的服务器拒绝了请求（{status}）：{why}",
            status=passed_on,
            code="upstream_refused",
        )


def _delta(choice: dict[str, Any]) -> Delta:
    """A choice of another server's chunk. Raises `TypeError`, `ValueError` or `AttributeError` for what is none."""
    piece: dict[str, Any] | None = choice.get("delta")
    text = (piece.get("content") if piece is not None else choice.get("text")) or ""
    finish = choice.get("finish_reason")
    index = choice.get("index") or 0
    if not isinstance(text, str) or not isinstance(finish, str | None) or not isinstance(index, int):
        raise TypeError("a choice of other types")
    calls: list[dict[str, Any]] = (piece.get("tool_calls") if piece else None) or []
    for place, call in enumerate(calls):
        call["index"] = place if call.get("index") is None else call["index"]
        if not 0 <= call["index"] < MAX_TOOL_CALLS:
            raise ValueError("too many tool calls")
    return Delta(index, text, calls or None, _logprobs(choice.get("logprobs")), finish)


def _logprobs(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Log-probabilities as chat has them; the older endpoint writes them in columns."""
    if not found or "tokens" not in found:
        return found or None
    tokens: list[str] = found["tokens"]
    tops: list[dict[str, float] | None] = found.get("top_logprobs") or [None] * len(tokens)
    rows = [
        {
            "token": token,
            "logprob": value,
            "top_logprobs": [{"token": other, "logprob": at} for other, at in (top or {}).items()],
        }
        for token, value, top in zip(tokens, found["token_logprobs"], tops, strict=True)
    ]
    return {"content": rows}


def _usage(usage: dict[str, Any]) -> Usage:
    details: dict[str, Any] = usage.get("prompt_tokens_details") or {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens"))
    return Usage(*(int(count or 0) for count in counts))
