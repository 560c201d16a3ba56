"""Taking everything out: each line is what any OpenAI client takes, and nothing is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai.types.chat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from feilun.store import Store
from feilun.store.conversations import Turn, change_conversation, delete_conversation, get_conversation
from feilun.store.export import conversation_ids, export_jsonl, export_markdown
from feilun.store.feedback import OPINION, give_feedback

Tell = Callable[..., Turn]

OPENAI = TypeAdapter(list[openai.types.chat.ChatCompletionMessageParam])


def lines_of(store: Store, conversation_id: str, user: str = "local") -> list[dict[str, Any]]:
    with store.reading() as session:
        text = export_jsonl(session, conversation_id, user)
    assert text.endswith("\n")
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


TEXT = st.sampled_from(["a", "b", "多行\n文本", "\u2028line\u2029", '"\\', "🙂"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_branch_is_one_line_of_openai_messages_with_its_opinions(
    store: Store, tell: Tell, data: st.DataObject
) -> None:
    first = tell(data.draw(TEXT), *data.draw(st.lists(TEXT, min_size=1, max_size=2)))
    place = first.conversation_id
    rated: dict[str, dict[str, Any]] = {}
    for _ in range(data.draw(st.integers(0, 5), label="turns")):
        with store.reading() as session:
            _, messages = get_conversation(session, place, "local")
        by_id = {message.id: message for message in messages}
        answer = data.draw(st.sampled_from([message for message in messages if message.role == "assistant"]))
        path = [answer]
        while path[0].parent_id:
            path.insert(0, by_id[path[0].parent_id])
        history = [{"role": step.role, "content": step.content} for step in path]
        question = {"role": "user", "content": data.draw(TEXT)}
        tell([*history, question], data.draw(TEXT), conversation_id=place, parent_id=answer.id)
        if data.draw(st.booleans()):
            rated[answer.id] = {
                "rating": 1,
                "tags": ["clear"],
                "comment": None,
                "correction": data.draw(TEXT),
            }
            with store.writing() as session:
                give_feedback(
                    session,
                    user="local",
                    message_id=answer.id,
                    opinion=rated[answer.id],
                    idempotency_key=None,
                )

    with store.reading() as session:
        conversation, messages = get_conversation(session, place, "local")
    by_id = {message.id: message for message in messages}
    parents = {message.parent_id for message in messages}
    lines = lines_of(store, place)
    assert {line["message_ids"][-1] for line in lines} == by_id.keys() - parents  # the leaves
    assert len(lines) == len(by_id.keys() - parents)
    assert lines[0]["message_ids"][-1] == conversation.leaf_id
    for line in lines:
        OPENAI.validate_python(line["messages"])
        ids = line["message_ids"]
        assert [by_id[i].parent_id for i in ids] == [None, *ids[:-1]]
        assert line["messages"] == [{"role": by_id[i].role, "content": by_id[i].content} for i in ids]
        opinions = {ids[int(index)]: opinion for index, opinion in line["feedback"].items()}
        assert opinions == {i: {"user": "local", **rated[i]} for i in ids if i in rated}
        assert line["statuses"] == ["complete"] * len(ids)
        # What came out finds its place again when it is sent as a history.
        again = tell(line["messages"], conversation_id=place, parent_id=ids[-1])
        assert (again.conversation_id, again.parent_id) == (place, ids[-1])


def test_the_system_prompt_is_the_first_message_and_moves_the_indices(store: Store, tell: Tell) -> None:
    turn = tell([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}], "hello")
    with store.writing() as session:
        give_feedback(
            session,
            user="local",
            message_id=turn.message_ids[0],
            opinion={"rating": -1, "correction": "你好"},
            idempotency_key=None,
        )
    (line,) = lines_of(store, turn.conversation_id)
    assert line["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
    ]
    opinion = {"user": "local", "rating": -1, "tags": [], "comment": None, "correction": "你好"}
    assert line["feedback"] == {"2": opinion}
    assert set(opinion) == {"user", *OPINION}
    assert line["user"] == "local"
    assert line["message_ids"] == [None, turn.parent_id, turn.message_ids[0]]
    assert (line["models"], line["releases"]) == (["tiny"], ["release:1"])


def test_tool_calls_come_out_as_they_went_in(store: Store, tell: Tell) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "a cat", "tool_call_id": "call_1"},
    ]
    turn = tell(history, "It is a cat.")
    (line,) = lines_of(store, turn.conversation_id)
    assert line["messages"] == [*history, {"role": "assistant", "content": "It is a cat."}]
    OPENAI.validate_python(line["messages"])


def test_everything_is_exported_oldest_first_of_all_or_of_one_user(store: Store, tell: Tell) -> None:
    mine = [tell(f"q{i}", "a").conversation_id for i in range(3)]
    hers = tell("hers", "a", user="ada").conversation_id
    with store.writing() as session:
        delete_conversation(session, mine[1], "local")
    with store.reading() as session:
        assert conversation_ids(session, "local") == [(mine[0], "local"), (mine[2], "local")]
        assert conversation_ids(session) == [(mine[0], "local"), (mine[2], "local"), (hers, "ada")]


def test_an_opinion_is_exported_whoever_gave_it(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    for user, rating in (("local", 1), ("ada", -1)):
        with store.writing() as session:
            give_feedback(
                session,
                user=user,
                message_id=turn.message_ids[0],
                opinion={"rating": rating},
                idempotency_key=None,
            )
    (line,) = lines_of(store, turn.conversation_id)
    assert (line["feedback"]["1"]["user"], line["feedback"]["1"]["rating"]) == ("ada", -1)  # the newest


def test_answers_that_never_began_are_left_out_and_half_ones_are_marked(store: Store, tell: Tell) -> None:
    first = tell("one", "half", status="stopped")
    tell("one", "", conversation_id=first.conversation_id, status="failed")
    (line,) = lines_of(store, first.conversation_id)
    assert [message["content"] for message in line["messages"]] == ["one", "half"]
    assert line["statuses"] == ["complete", "stopped"]


def test_the_branch_before_an_answer_that_failed_stays_the_first_line(store: Store, tell: Tell) -> None:
    first = tell("old question", "old answer")
    place = first.conversation_id
    tell("new question", "new answer", conversation_id=place)
    (_, shown) = tell("old question", "old answer", "", conversation_id=place, parent_id=None).message_ids
    with store.writing() as session:
        change_conversation(session, place, "local", {"leaf_id": shown})
    first_line = lines_of(store, place)[0]
    assert first_line["messages"][0]["content"] == "old question"


def test_what_was_said_around_an_answer_that_never_began_is_kept(store: Store, tell: Tell) -> None:
    first = tell("one", "", status="stopped")
    history = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "two"},
    ]
    tell(history, "yes", parent_id=first.message_ids[0])
    (line,) = lines_of(store, first.conversation_id)
    assert [message["content"] for message in line["messages"]] == ["one", "", "two", "yes"]
    assert line["statuses"] == ["complete", "stopped", "complete", "complete"]


@pytest.mark.parametrize(("language", "you", "assistant"), [("en", "You", "Assistant"), ("zh", "您", "助手")])
def test_markdown_is_the_shown_branch_to_read(
    store: Store, tell: Tell, language: Any, you: str, assistant: str
) -> None:
    turn = tell("飞轮是什么？", "first", "second")
    with store.writing() as session:
        change_conversation(session, turn.conversation_id, "local", {"leaf_id": turn.message_ids[1]})
    with store.reading() as session:
        text = export_markdown(session, turn.conversation_id, "local", language)
    assert text == f"# 飞轮是什么？\n\n## {you}\n\n飞轮是什么？\n\n## {assistant}\n\nsecond\n"
