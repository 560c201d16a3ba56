"""Tool calls around a model that knows nothing of tools, here a generator that writes what the test wants."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feilun.serve.engines.base import Delta, Usage
from feilun.serve.engines.tools import speak_tools
from feilun.text import FeilunError

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "time"}}
QUESTION = [{"role": "user", "content": "How is the weather in 北京?"}]
CALL = {"name": "weather", "arguments": {"city": "北京"}}
USAGE = Usage(3, 4)


class Model:
    """A model that writes the given deltas, and remembers what it was asked."""

    def __init__(self, deltas: Sequence[Delta | Usage]) -> None:
        self.deltas = deltas
        self.messages: list[dict[str, Any]] = []
        self.params: dict[str, Any] = {}
        self.closed = False

    async def __call__(self, messages: Any, params: Any) -> AsyncGenerator[Delta | Usage, None]:
        self.messages, self.params = list(messages), dict(params)
        try:
            yield Delta()
            for delta in self.deltas:
                await asyncio.sleep(0)
                yield delta
        finally:
            self.closed = True


def spoken(pieces: Sequence[str], finish: str = "stop", index: int = 0) -> list[Delta | Usage]:
    """A choice as an engine streams it: the end may bring text or not."""
    return [*(Delta(index, piece) for piece in pieces[:-1]), Delta(index, pieces[-1], finish_reason=finish)]


def answer(
    deltas: Sequence[Delta | Usage], messages: Any = QUESTION, **params: Any
) -> tuple[list[Delta | Usage], Model]:
    """What comes out, and the model with what it was asked."""
    model = Model(deltas)
    params = {"tools": [WEATHER, TIME], **params}

    async def collect() -> list[Delta | Usage]:
        return [item async for item in speak_tools(messages, params, model)]

    return asyncio.run(collect()), model


def text_of(items: Sequence[Delta | Usage], index: int = 0) -> str:
    return "".join(item.content for item in items if isinstance(item, Delta) and item.index == index)


def calls_of(items: Sequence[Delta | Usage], index: int = 0) -> list[dict[str, Any]]:
    deltas = [item for item in items if isinstance(item, Delta) and item.index == index]
    pieces = [call for item in deltas for call in item.tool_calls or ()]
    heads = [piece for piece in pieces if "name" in piece["function"]]
    assert [piece["index"] for piece in heads] == list(range(len(heads)))
    assert all(piece["id"].startswith("call_") and piece["type"] == "function" for piece in heads)
    assert len({piece["id"] for piece in heads}) == len(heads)
    return [
        {"name": head["function"]["name"], "arguments": json.loads(arguments_of(items, head["index"], index))}
        for head in heads
    ]


def arguments_of(items: Sequence[Delta | Usage], call: int = 0, index: int = 0) -> str:
    """The arguments of a call as they were written, whole or not."""
    deltas = [item for item in items if isinstance(item, Delta) and item.index == index]
    pieces = [piece for item in deltas for piece in item.tool_calls or () if piece["index"] == call]
    return "".join(piece["function"]["arguments"] for piece in pieces)


def finish_of(items: Sequence[Delta | Usage], index: int = 0) -> list[str]:
    deltas = [item for item in items if isinstance(item, Delta) and item.index == index]
    return [item.finish_reason for item in deltas if item.finish_reason]


def written(*calls: Any) -> str:
    return "\n".join(f"<tool_call>{json.dumps(call, ensure_ascii=False)}</tool_call>" for call in calls)


@st.composite
def split(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[str]:
    """A text, cut into pieces anywhere; the last may be empty, as engines often end."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


# --- calls of the model's own accord -----------------------------------------------------------------------


@given(
    pieces=split(
        st.sampled_from([written(CALL), f" \n{written(CALL)}\n", f"<tool_call>\n{json.dumps(CALL)}"])
    )
)
def test_a_call_is_recognised_however_it_is_cut(pieces: list[str]) -> None:
    items, _ = answer([*spoken(pieces), USAGE])
    assert calls_of(items) == [CALL]
    assert text_of(items) == ""
    assert finish_of(items) == ["tool_calls"]
    assert items[0] == Delta()
    assert items[-1] == USAGE


MARKS = [
    "<",
    "<tool",
    "<tool_call>",
    "</tool_call>",
    "tool_call>",
    "{",
    "}",
    written(CALL),
    " ",
    "\n",
    "飞轮",
    "a",
]


@example(pieces=["Well: " + written(CALL)])
@given(pieces=split(st.lists(st.sampled_from(MARKS), max_size=5).map("".join)))
def test_what_does_not_begin_with_a_whole_call_is_passed_on_as_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    items, _ = answer(spoken(pieces, "length"))
    if calls_of(items):
        assert text.lstrip().startswith("<tool_call>")
        assert (text_of(items), finish_of(items)) == ("", ["tool_calls"])
    else:
        assert (text_of(items), finish_of(items)) == (text, ["length"])
    if text.strip().startswith(written(CALL)) and text.count("<tool_call>") == 1:
        assert calls_of(items) == [CALL]


def test_plain_text_flows_as_it_is_written() -> None:
    deltas = spoken(["\n", "It", " is", " sunny", ""])
    items, _ = answer(deltas)
    assert items == [Delta(), *deltas]


def test_several_calls_are_numbered() -> None:
    items, _ = answer(spoken([written(CALL, {"name": "time", "arguments": {}}), ""]))
    assert calls_of(items) == [CALL, {"name": "time", "arguments": {}}]


def test_a_call_without_arguments_has_none() -> None:
    assert calls_of(answer(spoken([written({"name": "time"})]))[0]) == [{"name": "time", "arguments": {}}]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "weather", "argu',
        "<tool_call></tool_call>",
        "<tool_call>[1]</tool_call>",
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"name": "\\q", "arguments": {}}</tool_call>',
    ],
)
def test_a_broken_call_is_shown_as_it_is(text: str) -> None:
    items, _ = answer(spoken([text[:5], text[5:], ""], "length"))
    assert (calls_of(items), text_of(items), finish_of(items)) == ([], text, ["length"])


def test_choices_do_not_disturb_each_other() -> None:
    call, text = written(CALL), "plain"
    mixed: list[Delta | Usage] = []
    for number in range(max(len(call), len(text))):
        mixed += [Delta(0, call[number : number + 1]), Delta(1, text[number : number + 1])]
    items, _ = answer([*mixed, Delta(1, finish_reason="stop"), Delta(0, finish_reason="stop")])
    assert (calls_of(items, 0), text_of(items, 0), finish_of(items, 0)) == ([CALL], "", ["tool_calls"])
    assert (calls_of(items, 1), text_of(items, 1), finish_of(items, 1)) == ([], text, ["stop"])


@given(pieces=split(st.sampled_from(["\n<b>bold</b>", "  hello", "<tool is"])))
def test_no_token_loses_its_logprob(pieces: list[str]) -> None:
    deltas = [Delta(0, piece, None, {"content": [{"token": piece}]}) for piece in pieces]
    items, _ = answer([*deltas, Delta(finish_reason="stop")])
    rows = [item.logprobs for item in items if isinstance(item, Delta) and item.logprobs]
    assert [token["token"] for row in rows for token in row["content"]] == pieces


def test_arguments_flow_as_they_are_written() -> None:
    city = {"name": "weather", "arguments": {"city": '"}{\\ 北京', "days": [{"day": 1}]}}
    pieces = list(written(city))
    items, _ = answer(spoken([*pieces, ""]))
    assert calls_of(items) == [city]
    growing = [item for item in items if isinstance(item, Delta) and item.tool_calls]
    assert len(growing) > len(json.dumps(city["arguments"], ensure_ascii=False))


def test_what_follows_a_call_is_no_second_one_unless_it_is_whole() -> None:
    items, _ = answer(spoken([f"{written(CALL)} So: <tool_call>{{</tool_call>", ""]))
    assert (calls_of(items), text_of(items), finish_of(items)) == ([CALL], "", ["tool_calls"])


@pytest.mark.parametrize(("mark", "choice"), [("<tool_call>", "auto"), ("", "required")])
def test_a_call_cut_off_in_its_arguments_is_kept_as_far_as_it_came(mark: str, choice: str) -> None:
    text = mark + '{"name": "weather", "arguments": {"city": "Bei'
    items, _ = answer(spoken([text, ""], "length"), tool_choice=choice)
    assert (arguments_of(items), finish_of(items)) == ('{"city": "Bei', ["length"])


# --- calls that are demanded -------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
@given(pieces=split(st.just(json.dumps(CALL))))
def test_a_demanded_call_is_held_to_the_schema_and_comes_whole(choice: Any, pieces: list[str]) -> None:
    items, model = answer([*spoken(pieces), USAGE], tool_choice=choice)
    assert (calls_of(items), text_of(items), finish_of(items)) == ([CALL], "", ["tool_calls"])
    assert items[-1] == USAGE
    schema = model.params["response_format"]["json_schema"]["schema"]
    held = schema["anyOf"] if choice == "required" else [schema]
    assert held[0]["properties"] == {
        "name": {"const": "weather"},
        "arguments": WEATHER["function"]["parameters"],
    }
    assert [call["properties"]["name"]["const"] for call in held] == (
        ["weather", "time"] if choice == "required" else ["weather"]
    )


@pytest.mark.parametrize("text", ['{"name": "weather", "argum', "", "{"])
def test_a_demanded_call_that_was_cut_off_is_shown_as_it_is(text: str) -> None:
    items, _ = answer(spoken([text, ""], "length"), tool_choice="required")
    assert (calls_of(items), text_of(items), finish_of(items)) == ([], text, ["length"])


def test_a_demanded_tool_must_be_among_the_tools() -> None:
    with pytest.raises(FeilunError) as refused:
        answer([], tool_choice={"type": "function", "function": {"name": "no"}})
    assert (refused.value.status, refused.value.param) == (400, "tool_choice")


# --- what the model is asked -------------------------------------------------------------------------------


def test_the_tools_are_described_where_the_template_knows_words_alone() -> None:
    _, model = answer(spoken(["ok"]), parallel_tool_calls=False, temperature=0)
    assert model.params == {"temperature": 0}
    system, question = model.messages
    assert (system["role"], question) == ("system", QUESTION[0])
    for name in ('"weather"', '"time"', "天气", "<tool_call>"):
        assert name in system["content"]


def test_a_system_prompt_stays_in_front_of_the_description() -> None:
    _, model = answer(spoken(["ok"]), [{"role": "system", "content": "Be brief."}, *QUESTION])
    assert [message["role"] for message in model.messages] == ["system", "user"]
    assert model.messages[0]["content"].startswith("Be brief.\n\n")


def test_a_named_tool_is_the_only_one_described() -> None:
    choice = {"type": "function", "function": {"name": "time"}}
    _, model = answer(spoken(["{}"]), tool_choice=choice)
    assert "weather" not in model.messages[0]["content"]


def test_without_tools_or_with_choice_none_nothing_is_said_of_them() -> None:
    for params in ({"tools": []}, {"tool_choice": "none"}):
        items, model = answer(spoken([written(CALL), ""]), **params)
        assert text_of(items) == written(CALL)
        assert (model.messages, model.params) == (QUESTION, {})


def test_earlier_calls_and_their_results_are_told_in_words() -> None:
    function = {"name": "weather", "arguments": '{"city":"北京"}'}
    history: list[dict[str, Any]] = [
        *QUESTION,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    before = copy.deepcopy(history)
    _, model = answer(spoken(["ok"]), history)
    assert history == before
    assert [message["role"] for message in model.messages] == ["system", "user", "assistant", "user"]
    assert all(set(message) == {"role", "content"} for message in model.messages)
    told = model.messages[2]["content"]
    assert json.loads(told.removeprefix("<tool_call>").removesuffix("</tool_call>")) == CALL
    assert model.messages[3]["content"] == "<tool_response>\nsunny\n</tool_response>"


def test_a_call_with_broken_arguments_can_be_told_too() -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city'}}]
    _, model = answer(spoken(["ok"]), [{"role": "assistant", "content": "Well:", "tool_calls": calls}])
    assert model.messages[1]["content"].startswith("Well:\n<tool_call>")
    assert '{\\"city' in model.messages[1]["content"]


@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_closing_the_answer_stops_the_model(choice: str) -> None:
    model = Model(spoken(["a"] * 100))

    async def leave() -> bool:
        async with aclosing(speak_tools(QUESTION, {"tools": [TIME], "tool_choice": choice}, model)) as stream:
            await anext(stream)
        return model.closed

    assert asyncio.run(leave())
