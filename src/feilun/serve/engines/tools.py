"""Tool calls for models whose chat template does not know tools.

The tools are described in the system message and calls are written as ``<tool_call>{...}</tool_call>``, the
convention of the Hermes and Qwen models. Where the caller demands a call (``tool_choice`` required, or a
tool by name) the answer is held to the tools' JSON schemas by a grammar, so that it is always valid.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

import orjson

from feilun.serve.engines.base import Delta, Params, Stream, Usage
from feilun.text import FeilunError

Generate = Callable[[Sequence[dict[str, Any]], Params], Stream]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"([^"\\]+)"\s*(?:,\s*"arguments"\s*:\s*(?=\{)|\})')
"""What stands before the arguments of a call, or a whole call that has none; group 1 is the name."""
_MARKED_HEAD = re.compile(rf"\s*{_OPEN}{_HEAD.pattern}")


def speak_tools(messages: Sequence[dict[str, Any]], params: Params, generate: Generate) -> Stream:
    """Answer by ``generate``, which knows nothing of tools, as if it did.

    Raises `FeilunError` (400) for a ``tool_choice`` that names no tool of the request.
    """
    plain = [_without_tools(message) for message in messages]
    rest = {
        name: value
        for name, value in params.items()
        if name not in ("tools", "tool_choice", "parallel_tool_calls")
    }
    tools = cast("list[dict[str, Any]]", params.get("tools") or [])
    choice = params.get("tool_choice", "auto")
    if not tools or choice == "none":
        return generate(plain, rest)
    wanted = _chosen(tools, choice)
    described = _describe(plain, wanted)
    if choice == "auto":
        return _read_calls(generate(described, rest), marked=True)
    rest["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "tool_call", "schema": _call_schema(wanted)},
    }
    return _read_calls(generate(described, rest), marked=False)


def _without_tools(message: dict[str, Any]) -> dict[str, Any]:
    """A message of a tool conversation in words a plain template can render."""
    if message.get("role") == "tool":
        return {
            "role": "user",
            "content": f"<tool_response>\n{message.get('content') or ''}\n</tool_response>",
        }
    calls = message.get("tool_calls")
    if not calls:
        return message
    written = [_OPEN + orjson.dumps(_spoken(call["function"])).decode() + _CLOSE for call in calls]
    return {"role": message["role"], "content": "\n".join([message.get("content") or "", *written]).strip()}


def _spoken(function: dict[str, Any]) -> dict[str, Any]:
    arguments: Any = function.get("arguments") or "{}"
    with suppress(orjson.JSONDecodeError, TypeError):
        arguments = orjson.loads(arguments)
    return {"name": function.get("name"), "arguments": arguments}


def _chosen(tools: list[dict[str, Any]], choice: Any) -> list[dict[str, Any]]:
    if not isinstance(choice, dict):
        return tools
    name = cast("dict[str, Any]", choice).get("function", {}).get("name")
    chosen = [tool for tool in tools if tool["function"]["name"] == name]
    if not chosen:
        raise FeilunError(
            f"tool_choice names '{name}', which is not among the tools.",
            f"tool_choice 指定的“{name}”不在 tools 之中。",
            status=400,
            code="unknown_tool",
            param="tool_choice",
        )
    return chosen


def _describe(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = "\n".join(orjson.dumps(tool["function"]).decode() for tool in tools)
    text = (
        f"You can call these tools:\n{lines}\n"
        f'To call one, answer only with {_OPEN}{{"name": "...", "arguments": {{...}}}}{_CLOSE}'
    )
    if messages and messages[0].get("role") == "system":
        return [{**messages[0], "content": f"{messages[0].get('content') or ''}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _call_schema(tools: list[dict[str, Any]]) -> dict[str, Any]:
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"].get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


async def _read_calls(stream: Stream, *, marked: bool) -> Stream:
    """Turn calls written as JSON into calls while they are written.

    With ``marked`` an answer is text unless it begins with ``<tool_call>``; without, it is one call and nothing else.
    """
    readers: dict[int, _CallReader] = {}
    async with aclosing(stream):
        async for delta in stream:
            if isinstance(delta, Usage) or delta == Delta():  # Delta(): the request was accepted
                yield delta
                continue
            for piece in readers.setdefault(delta.index, _CallReader(marked)).read(delta):
                yield piece


class _CallReader:
    """The calls of one choice, passed on piece by piece as OpenAI streams them."""

    def __init__(self, marked: bool) -> None:
        self._head = _MARKED_HEAD if marked else _HEAD
        self._marked = marked
        self._waiting: list[Delta] | None = []  # what may yet turn out to be text; None once that is decided
        self._held: str = ""
        self._calls = 0
        self._depth = 0  # of brackets, within the arguments of a call
        self._quoted = self._escaped = False

    def read(self, delta: Delta) -> Iterator[Delta]:
        if self._waiting is None and not self._calls:
            yield delta
            return
        self._held += delta.content
        if self._waiting is not None:
            self._waiting.append(delta)
        if self._is_text(at_end=delta.finish_reason is not None):
            waiting, self._waiting = self._waiting or [], None
            yield from waiting
            return
        for function in self._functions():
            call: dict[str, Any] = {"index": self._calls - 1, "function": function}
            if "name" in function:
                call |= {"id": "call_" + secrets.token_hex(12), "type": "function"}
            yield Delta(delta.index, tool_calls=[call])
        if delta.finish_reason is not None:
            whole = self._depth == 0
            yield Delta(delta.index, finish_reason="tool_calls" if whole else delta.finish_reason)

    def _is_text(self, *, at_end: bool) -> bool:
        """Whether the answer is no call after all."""
        if self._calls or self._head.match(self._held):
            self._waiting = None
            return False
        begun = self._held.lstrip()
        return at_end or (self._marked and not (begun.startswith(_OPEN) or _OPEN.startswith(begun)))

    def _functions(self) -> Iterator[dict[str, str]]:
        """The names and pieces of arguments in what is held."""
        while self._held:
            if self._depth == 0:
                head = self._head.search(self._held) if self._calls else self._head.match(self._held)
                if head is None:
                    return
                self._held = self._held[head.end() :]
                self._calls += 1
                bare = head[0].endswith("}")
                yield {"name": head[1], "arguments": "{}" if bare else ""}
                if bare:
                    continue
            end = self._end_of_arguments()
            yield {"arguments": self._held[:end]}
            self._held = self._held[end:]

    def _end_of_arguments(self) -> int:
        """How many of the characters held belong to the arguments of the present call."""
        for position, character in enumerate(self._held):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return position + 1
        return len(self._held)
