"""Many conversations answered together by llama.cpp, when what counts is all the answers and not the first word of one.

All are given to it as one request: then which of them share a product depends on nothing but their order, and so the
rounding, and so the answers. Asked one by one at the same time, they come out differently every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import xllamacpp

from feilun.registry import Release
from feilun.serve.engines.base import Params
from feilun.serve.engines.llamacpp import LlamaCpp, refused

PARALLEL = 16
"""Answers that are written at the same time. Of the small default model most of a token is its vocabulary, which is read
once for all: 0.27 s a question on two cores, 0.63 s one by one, 0.32 s with twice as many."""

BATCH = 512

THOUGHTS = ("<think", "reasoning", "thinking")
"""What a chat template has that tells thoughts from answers."""

Messages = Sequence[Mapping[str, str]]


class Together(LlamaCpp):
    """A model that answers conversations together, on ``threads`` cores (else as `LlamaCpp`, with its errors)."""

    def __init__(self, release: Release, path: Path, *, threads: int) -> None:
        super().__init__(release, path, threads=threads, parallel=PARALLEL, batch=BATCH)

    @property
    def able(self) -> bool:
        """Whether answers come as they would one by one: thoughts would not be told from them."""
        return "chat" in self.abilities and not any(word in self._template for word in THOUGHTS)

    def _params(self, parallel: int, context: int) -> xllamacpp.CommonParams:
        params = super()._params(parallel, context)
        params.kv_unified = True  # prompts and single tokens share a product then
        return params

    def answers(
        self,
        conversations: Sequence[Messages],
        params: Params,
        done: Callable[[], bool] = lambda: True,
    ) -> list[tuple[str, bool]]:
        """The answer to each, and whether it came to its end. ``done`` is told of each that is there; if it says False, the
        rest is left (and what there is given back). Raises `FeilunError` if one cannot be answered.
        """
        texts, ended = [""] * len(conversations), [False] * len(conversations)
        faults: list[Exception] = []

        def take(chunk: bytes) -> bool:
            try:
                return not note(orjson.loads(chunk) or {})  # the first one is null
            except Exception as error:  # llama.cpp would go on without a word
                faults.append(error)
                return True

        def note(row: dict[str, Any]) -> bool:
            if "error" in row:
                raise refused(row["error"])
            going = True
            for choice in row.get("choices", ()):
                texts[choice["index"]] += choice["text"]
                if choice["finish_reason"]:
                    ended[choice["index"]] = choice["finish_reason"] == "stop"
                    going = done()
            return going

        # What was read before is not used again: it would round otherwise.
        request = self._request({"prompt": self._prompts(conversations), "cache_prompt": False, **params})
        self._server.handle_completions(orjson.dumps(request), take)
        if faults:
            raise faults[0]
        return list(zip(texts, ended, strict=True))

    def _prompts(self, conversations: Sequence[Messages]) -> list[str]:
        """As the chat template has them, which llama.cpp applies only over its socket."""
        socket = self._server.listening_address.removeprefix("unix://")
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=socket), headers=headers, base_url="http://llama"
        ) as client:
            rows = [client.post("/apply-template", json={"messages": list(c)}).json() for c in conversations]
        for row in rows:
            if "error" in row:
                raise refused(row["error"])
        return [row["prompt"] for row in rows]
