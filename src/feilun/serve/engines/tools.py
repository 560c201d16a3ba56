"""Tool calls for models whose chat template does not know tools.

The tools are described in the system message and calls are written as ``<tool_call>{...}</tool_call>``, the
convention of the Hermes and Qwen models. Where the caller demands a call (``tool_choice`` required, or a
tool by name) the answer is held to the tools' JSON schemas by a grammar, so that it is always valid.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

import orjson

from feilun.serve.engines.base import Delta, Params, Stream, Usage
from feilun.text import FeilunError

Generate = Callable[[Sequence[dict[str, Any]], Params], Stream]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


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
        return _found_calls(generate(described, rest))
    rest["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "tool_call", "schema": _call_schema(wanted)},
    }
    return _forced_calls(generate(described, rest))


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


def _tool_call(call: dict[str, Any], index: int) -> dict[str, Any]:
    arguments = orjson.dumps(call.get("arguments") or {}).decode()
    function = {"name": call.get("name"), "arguments": arguments}
    return {"index": index, "id": "call_" + secrets.token_hex(12), "type": "function", "function": function}


async def _forced_calls(stream: Stream) -> Stream:
    """Turn an answer that is one call as JSON into the call, when it is whole."""
    texts: dict[int, str] = {}
    async with aclosing(stream):
        async for delta in stream:
            if isinstance(delta, Usage) or delta == Delta():  # Delta(): the request was accepted
                yield delta
                continue
            texts[delta.index] = texts.get(delta.index, "") + delta.content
            if delta.finish_reason is None:
                continue
            try:
                call = _tool_call(orjson.loads(texts[delta.index]), 0)
            except orjson.JSONDecodeError:  # cut off by max_tokens: what there is, as it is
                yield Delta(delta.index, texts[delta.index], None, None, delta.finish_reason)
                continue
            yield Delta(delta.index, tool_calls=[call])
            yield Delta(delta.index, finish_reason="tool_calls")


async def _found_calls(stream: Stream) -> Stream:
    """Pass text on as it comes, unless it begins as a call: then wait for its end."""
    held: dict[int, list[Delta]] = {}
    speaking: set[int] = set()
    async with aclosing(stream):
        async for delta in stream:
            if isinstance(delta, Usage) or delta.index in speaking or delta == Delta():  # Delta(): accepted
                yield delta
                continue
            waiting = held.setdefault(delta.index, [])
            waiting.append(delta)
            begun = "".join(piece.content for piece in waiting).lstrip()
            if delta.finish_reason is None and (begun.startswith(_OPEN) or _OPEN.startswith(begun)):
                continue
            calls = _parse_calls(begun)
            if calls:
                yield Delta(delta.index, tool_calls=[_tool_call(call, i) for i, call in enumerate(calls)])
                yield Delta(delta.index, finish_reason="tool_calls")
                continue
            speaking.add(delta.index)
            for piece in waiting:
                yield piece


def _parse_calls(text: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    for piece in text.split(_OPEN)[1:] if text.startswith(_OPEN) else ():
        try:
            call: Any = orjson.loads(piece.partition(_CLOSE)[0])
        except orjson.JSONDecodeError:
            return []
        if not isinstance(call, dict) or "name" not in call:
            return []
        calls.append(cast("dict[str, Any]", call))
    return calls
