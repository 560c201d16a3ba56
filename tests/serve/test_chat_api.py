"""``POST /v1/chat/completions``: what OpenAI's API promises, and what we promise beyond it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest
from tests.forks import MODEL
from tests.support import Server, ask, ask_streaming, content, error_of, say, streamed_text, talk, warm_up

pytestmark = pytest.mark.xdist_group("server")

CHAT = "/v1/chat/completions"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Beijing"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"enum": ["UTC", "CET"]}},
            "required": ["zone"],
            "additionalProperties": False,
        },
    },
}

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
YES = {"type": "json_schema", "json_schema": {"name": "yes", "schema": {"const": "yes"}}}
"""Allows but one answer."""


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def new(text: str) -> str:
    """A question nobody asked before, so that it begins a conversation of its own."""
    return f"{text} ({uuid4().hex[:8]})"


def conversation(client: httpx.Client, conversation_id: str) -> dict[str, dict[str, Any]]:
    """The stored messages of a conversation by id, oldest first."""
    response = client.get(f"/api/conversations/{conversation_id}")
    assert response.status_code == 200, response.text
    return {message["id"]: message for message in response.json()["messages"]}


class TestShape:
    def test_an_answer_is_a_chat_completion_whose_id_is_the_stored_messages(
        self, client: httpx.Client
    ) -> None:
        question = new("Say hello")
        answer = ask(client, say(question, model=MODEL))
        assert answer["object"] == "chat.completion"
        assert answer["model"] == MODEL
        (choice,) = answer["choices"]
        assert choice["index"] == 0
        assert choice["message"]["role"] == "assistant"
        assert choice["message"]["content"]
        assert choice["finish_reason"] in ("stop", "length")
        assert choice["message_id"] == answer["id"]
        usage = answer["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert 1 <= usage["completion_tokens"] <= 6

        asked, answered = conversation(client, answer["conversation_id"]).values()
        assert (asked["role"], asked["content"]) == ("user", question)
        assert asked["id"] == answered["parent_id"] == answer["parent_id"]
        assert answered["id"] == answer["id"]
        assert answered["content"] == content(answer)
        assert answered["status"] == "complete"
        assert answered["finish_reason"] == choice["finish_reason"]
        assert answered["model"] == MODEL
        assert answered["usage"] == usage
        assert answered["params"]["max_tokens"] == 6

    def test_a_stream_says_the_final_id_in_its_first_event_and_the_same_text_as_a_whole_answer(
        self, client: httpx.Client
    ) -> None:
        question = new("Tell me about the sea")
        warm_up(client, say(question))
        whole = ask(client, say(question))
        first, *rest = chunks = ask_streaming(client, say(question))
        assert first["choices"] == [
            {
                "index": 0,
                "message_id": first["id"],
                "delta": {"role": "assistant", "content": ""},
                "finish_reason": None,
            }
        ]
        assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
        assert {chunk["id"] for chunk in chunks} == {first["id"]}
        assert len({chunk["conversation_id"] for chunk in chunks}) == 1
        assert [chunk["choices"][0]["finish_reason"] for chunk in rest][-1] == "length"
        assert all(chunk["choices"][0]["finish_reason"] is None for chunk in rest[:-1])
        assert streamed_text(chunks) == content(whole)

        stored = conversation(client, first["conversation_id"])
        assert stored[first["id"]]["content"] == streamed_text(chunks)
        assert stored[first["id"]]["status"] == "complete"
        assert stored[first["parent_id"]]["content"] == question

    def test_usage_comes_as_one_more_event_when_asked_for(self, client: httpx.Client) -> None:
        body = say("Count to three")
        *_, last = ask_streaming(client, {**body, "stream_options": {"include_usage": True}})
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] == 6
        assert all("usage" not in chunk for chunk in ask_streaming(client, body))

    @pytest.mark.parametrize("stream", [False, True])
    def test_each_of_n_choices_is_a_stored_answer_of_its_own(
        self, client: httpx.Client, stream: bool
    ) -> None:
        body = say(new("Tell me a story"), n=3, temperature=1.0, seed=7)
        texts: dict[str, str] = {}
        if stream:
            chunks = ask_streaming(client, body)
            head = chunks[0]
            for index in range(3):
                (message_id,) = {
                    choice["message_id"]
                    for chunk in chunks
                    for choice in chunk["choices"]
                    if choice["index"] == index
                }
                texts[message_id] = streamed_text(chunks, index)
        else:
            head = ask(client, body)
            assert [choice["index"] for choice in head["choices"]] == [0, 1, 2]
            texts = {choice["message_id"]: choice["message"]["content"] for choice in head["choices"]}
        assert len(texts) == 3
        assert next(iter(texts)) == head["id"]
        stored = conversation(client, head["conversation_id"])
        assert {message_id: stored[message_id]["content"] for message_id in texts} == texts
        assert {stored[message_id]["parent_id"] for message_id in texts} == {head["parent_id"]}

    def test_the_answer_to_a_system_message_remembers_it_as_a_parameter(self, client: httpx.Client) -> None:
        system = {"role": "system", "content": "You are a pirate."}
        answer = ask(client, talk(system, user(new("Who are you?"))))
        asked, answered = conversation(client, answer["conversation_id"]).values()
        assert asked["role"] == "user"
        assert answered["params"]["system"] == "You are a pirate."

    def test_content_in_parts_and_the_developer_role_are_understood(self, client: httpx.Client) -> None:
        plain = talk({"role": "system", "content": "Be brief."}, user("What is 2+2?"))
        parts = talk(
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is 2+2?"}]},
        )
        warm_up(client, plain)
        assert content(ask(client, parts)) == content(ask(client, plain))


class TestSampling:
    def test_an_answer_ends_before_a_stop_word(self, client: httpx.Client) -> None:
        body = say("Count: one two three four five", max_tokens=16)
        warm_up(client, body)
        free = content(ask(client, body))
        word = free.split()[2]
        answer = ask(client, {**body, "stop": [word]})
        assert content(answer) == free.partition(word)[0]
        assert answer["choices"][0]["finish_reason"] == "stop"

    def test_a_seed_makes_a_random_answer_repeatable(self, client: httpx.Client) -> None:
        body = say("Invent a name for a cat", temperature=1.5, max_tokens=12)
        warm_up(client, body)
        texts = [content(ask(client, {**body, "seed": seed})) for seed in (1, 1, 2, 3, 4)]
        assert texts[0] == texts[1]
        assert len(set(texts)) > 1

    def test_a_seed_may_have_64_bits(self, client: httpx.Client) -> None:
        ask(client, say("Hi", seed=2**63 - 1))
        ask(client, say("Hi", seed=-1))

    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    def test_an_answer_is_no_longer_than_asked(self, client: httpx.Client, name: str) -> None:
        body = {"messages": [user("Tell me a long story about a dragon")], "temperature": 0, name: 3}
        answer = ask(client, body)
        assert answer["usage"]["completion_tokens"] == 3
        assert answer["choices"][0]["finish_reason"] == "length"

    def test_max_completion_tokens_wins_over_the_older_max_tokens(self, client: httpx.Client) -> None:
        answer = ask(client, say("Tell me a story", max_tokens=9, max_completion_tokens=2))
        assert answer["usage"]["completion_tokens"] == 2

    def test_a_bias_keeps_tokens_out(self, client: httpx.Client) -> None:
        body = say("What is the capital of France?", max_tokens=1)
        word = content(ask(client, body))
        most = {str(token): -100 for token in range(30_000)}
        assert content(ask(client, {**body, "logit_bias": most})) != word

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("likeliest", [None, 2])
    def test_log_probabilities_come_for_every_token(
        self, client: httpx.Client, stream: bool, likeliest: int | None
    ) -> None:
        body = say("What is the capital of France?", logprobs=True, top_logprobs=likeliest)
        if stream:
            chunks = ask_streaming(client, body)
            text = streamed_text(chunks)
            parts = [chunk["choices"][0].get("logprobs") or {} for chunk in chunks]
            rows = [row for part in parts for row in part.get("content") or ()]
        else:
            answer = ask(client, body)
            text, rows = content(answer), answer["choices"][0]["logprobs"]["content"]
        assert "".join(row["token"] for row in rows) == text
        for row in rows:
            assert row["logprob"] <= 0
            assert len(row["top_logprobs"]) == (likeliest or 0)
            if likeliest:  # at temperature 0 the likeliest token is taken
                assert row["top_logprobs"][0]["token"] == row["token"]


class TestStructure:
    @pytest.mark.parametrize("stream", [False, True])
    def test_an_answer_is_json_of_the_schema(self, client: httpx.Client, stream: bool) -> None:
        form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
        body = say("Describe Ann, aged 31.", response_format=form, max_tokens=60)
        text = streamed_text(ask_streaming(client, body)) if stream else content(ask(client, body))
        jsonschema_rs.validate(PERSON, json.loads(text))

    def test_json_object_answers_with_an_object(self, client: httpx.Client) -> None:
        body = say("Tell me about the sea", max_tokens=30, response_format={"type": "json_object"})
        answer = ask(client, body)
        if answer["choices"][0]["finish_reason"] == "stop":
            assert isinstance(json.loads(content(answer)), dict)
        else:
            assert content(answer).lstrip().startswith("{")

    def test_a_schema_nobody_can_work_with_is_the_callers_error(self, client: httpx.Client) -> None:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
        error_of(client.post(CHAT, json=say("Hi", response_format=form)), 400)


class TestTools:
    def call_of(self, answer: dict[str, Any]) -> dict[str, Any]:
        (choice,) = answer["choices"]
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert call["type"] == "function"
        assert call["id"]
        return call

    def test_a_required_call_is_valid(self, client: httpx.Client) -> None:
        answer = ask(
            client,
            say("Weather in Paris?", tools=[WEATHER, TIME], tool_choice="required", max_tokens=60),
        )
        call = self.call_of(answer)
        assert answer["choices"][0]["message"]["content"] is None
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in (WEATHER, TIME)}
        jsonschema_rs.validate(schemas[call["function"]["name"]], json.loads(call["function"]["arguments"]))
        stored = conversation(client, answer["conversation_id"])[answer["id"]]
        assert stored["tool_calls"] == [call]
        assert stored["finish_reason"] == "tool_calls"

    def test_a_tool_chosen_by_name_is_called(self, client: httpx.Client) -> None:
        choice = {"type": "function", "function": {"name": "get_time"}}
        body = say("Weather in Paris?", tools=[WEATHER, TIME], tool_choice=choice, max_tokens=60)
        call = self.call_of(ask(client, body))
        assert call["function"]["name"] == "get_time"
        assert json.loads(call["function"]["arguments"])["zone"] in ("UTC", "CET")

    def test_a_streamed_call_is_put_together_from_its_pieces(self, client: httpx.Client) -> None:
        body = say("Weather in Paris?", tools=[WEATHER], tool_choice="required", max_tokens=60)
        chunks = ask_streaming(client, body)
        pieces = [piece for chunk in chunks for piece in chunk["choices"][0]["delta"].get("tool_calls") or ()]
        assert pieces[0]["index"] == 0
        assert pieces[0]["function"]["name"] == "get_weather"
        arguments = "".join(piece["function"].get("arguments") or "" for piece in pieces)
        assert json.loads(arguments)["city"] in ("Paris", "Beijing")
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    def test_tool_choice_none_and_auto_may_answer_in_words(self, client: httpx.Client) -> None:
        question = "Say hello to me."
        warm_up(client, say(question))
        without = content(ask(client, say(question)))
        assert content(ask(client, say(question, tools=[WEATHER], tool_choice="none"))) == without
        answer = ask(client, say(question, tools=[WEATHER]))  # auto
        choice = answer["choices"][0]
        assert choice["message"]["content"] or choice["message"]["tool_calls"]

    def test_a_tools_result_is_answered_and_kept_in_the_conversation(self, client: httpx.Client) -> None:
        question = new("Weather in Paris?")
        body = say(question, tools=[WEATHER], tool_choice="required", max_tokens=60)
        first = ask(client, body)
        call = self.call_of(first)
        result = {"role": "tool", "tool_call_id": call["id"], "content": "Sunny, 21 degrees"}
        answer = ask(client, talk(user(question), first["choices"][0]["message"], result, tools=[WEATHER]))
        assert answer["conversation_id"] == first["conversation_id"]
        roles = [m["role"] for m in conversation(client, answer["conversation_id"]).values()]
        assert roles == ["user", "assistant", "tool", "assistant"]

    def test_a_tool_choice_that_is_no_tool_is_refused(self, client: httpx.Client) -> None:
        choice = {"type": "function", "function": {"name": "launch"}}
        response = client.post(CHAT, json=say("Hi", tools=[WEATHER], tool_choice=choice))
        assert error_of(response, 400)["param"] == "tool_choice"


class TestRefusals:
    def test_an_unknown_model_is_404_and_names_those_there_are(self, client: httpx.Client) -> None:
        error = error_of(client.post(CHAT, json=say("Hi", model="gpt-9")), 404)
        assert error["code"] == "model_not_found"
        assert error["param"] == "model"
        assert MODEL in error["message"]

    def test_a_prompt_far_too_long_is_refused_without_being_read(self, client: httpx.Client) -> None:
        error = error_of(
            client.post(CHAT, json=say("中" * 2_000_000)), 400
        )  # the tokeniser would need minutes
        assert error["code"] == "context_length_exceeded"
        assert "far too many tokens" in error["message"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_prompt_longer_than_the_context_is_refused_not_cut(
        self, client: httpx.Client, stream: bool
    ) -> None:
        response = client.post(CHAT, json=say("word " * 6000, stream=stream))
        error = error_of(response, 400)
        assert error["code"] == "context_length_exceeded"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("messages", []),
            ("messages", [{"role": "robot", "content": "Hi"}]),
            ("messages", [{"role": "user"}]),
            ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
            ("messages", "Hi"),
            ("max_tokens", -1),
            ("max_tokens", 0),
            ("max_completion_tokens", "many"),
            ("temperature", -0.1),
            ("temperature", 2.5),
            ("top_p", 1.5),
            ("n", 0),
            ("n", 1000),
            ("seed", 2**64),
            ("stop", ["x"] * 50),
            ("logit_bias", {"hello": 1}),
            ("top_logprobs", 3),
            ("response_format", {"type": "json_schema"}),
            ("tools", [{"type": "function", "function": {"name": "no spaces please"}}]),
            ("tool_choice", "required"),
            ("metadata", {"conversation_id": 5}),
            ("user", ""),
        ],
    )
    def test_a_bad_value_is_refused_in_openais_shape(
        self, client: httpx.Client, field: str, value: Any
    ) -> None:
        error = error_of(client.post(CHAT, json={**say("Hi"), field: value}), 400)
        assert error["type"] == "invalid_request_error"
        assert field in f"{error['param']} {error['message']}"

    def test_the_error_comes_in_chinese_to_who_reads_chinese(self, client: httpx.Client) -> None:
        headers = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
        error = error_of(client.post(CHAT, json=say("Hi", model="gpt-9"), headers=headers), 404)
        assert "没有名为" in error["message"]

    def test_a_refused_request_leaves_no_conversation(self, server: Server, client: httpx.Client) -> None:
        marker = new("never stored")
        for body in (say(marker, model="gpt-9"), say(marker, metadata={"conversation_id": "conv_none"})):
            error_of(client.post(CHAT, json=body), 404)
        assert not server.rows("SELECT 1 FROM messages WHERE content = ?", marker)


class TestConversations:
    def test_store_false_keeps_nothing(self, server: Server, client: httpx.Client) -> None:
        question = new("A secret")
        warm_up(client, say(question))
        answer = ask(client, say(question, store=False))
        chunks = ask_streaming(client, say(question, store=False))
        assert streamed_text(chunks) == content(answer)
        assert "conversation_id" not in answer
        assert answer["choices"][0]["message_id"] is None
        assert not server.rows("SELECT 1 FROM messages WHERE content = ?", question)
        assert not server.rows("SELECT 1 FROM conversations WHERE title = ?", question)

    def test_a_resent_history_goes_on_with_its_conversation(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        history = [user(question), assistant(content(first)), user("And now?")]
        second = ask(client, talk(*history))
        third = ask(client, talk(*history, assistant(content(second)), user("Really?")))
        assert first["conversation_id"] == second["conversation_id"] == third["conversation_id"]
        stored = conversation(client, first["conversation_id"])
        assert len(stored) == 6
        assert stored[second["parent_id"]]["parent_id"] == first["id"]
        assert stored[third["parent_id"]]["parent_id"] == second["id"]

    def test_white_space_a_client_trims_does_not_break_a_conversation(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question + "\n"))
        history = [user(question), assistant(content(first).strip() + " "), user("Go on")]
        assert ask(client, talk(*history))["conversation_id"] == first["conversation_id"]

    def test_the_same_first_question_begins_a_new_conversation(self, client: httpx.Client) -> None:
        question = new("Hello")
        assert ask(client, say(question))["conversation_id"] != ask(client, say(question))["conversation_id"]

    def test_a_conversation_can_be_continued_by_its_id_alone(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        metadata = {"conversation_id": first["conversation_id"]}
        history = [user(question), assistant(content(first)), user("Go on")]
        second = ask(client, talk(*history, metadata=metadata))
        assert second["conversation_id"] == first["conversation_id"]
        stored = conversation(client, first["conversation_id"])
        assert stored[second["parent_id"]]["parent_id"] == first["id"]

    def test_an_edited_question_becomes_a_branch(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        metadata = {"conversation_id": first["conversation_id"]}
        history = [user(question), assistant(content(first))]
        one = ask(client, talk(*history, user("Why?"), metadata=metadata))
        other = ask(client, talk(*history, user("How?"), metadata=metadata))
        stored = conversation(client, first["conversation_id"])
        assert one["parent_id"] != other["parent_id"]
        assert stored[one["parent_id"]]["parent_id"] == stored[other["parent_id"]]["parent_id"] == first["id"]

    def test_an_edited_first_question_stays_in_the_conversation_when_its_id_is_given(
        self, client: httpx.Client
    ) -> None:
        first = ask(client, say(new("Say yes")))
        metadata = {"conversation_id": first["conversation_id"]}
        edited = ask(client, say(new("Say no"), metadata=metadata))
        stored = conversation(client, first["conversation_id"])
        assert [m["parent_id"] for m in stored.values() if m["role"] == "user"] == [None, None]
        assert edited["id"] in stored

    def test_a_regenerated_answer_is_a_sibling_of_the_old_one(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        metadata = {"conversation_id": first["conversation_id"]}
        second = ask(client, say(question, metadata=metadata))
        assert second["id"] != first["id"]
        assert second["parent_id"] == first["parent_id"]
        shown = client.get(f"/api/conversations/{first['conversation_id']}").json()
        assert [m["role"] for m in shown["messages"]] == ["user", "assistant", "assistant"]
        assert shown["leaf_id"] == second["id"]

    def test_parent_id_tells_apart_siblings_of_equal_text(self, client: httpx.Client) -> None:
        question = new("Say yes")
        body = say(question, response_format=YES)
        first = ask(client, body)
        conversation_id = first["conversation_id"]
        second = ask(client, {**body, "metadata": {"conversation_id": conversation_id}})
        assert content(second) == content(first)
        for answer in (first, second):
            metadata = {"conversation_id": conversation_id, "parent_id": answer["id"]}
            history = [user(question), assistant(content(first)), user(new("And?"))]
            follow = ask(client, talk(*history, metadata=metadata))
            stored = conversation(client, conversation_id)
            assert stored[follow["parent_id"]]["parent_id"] == answer["id"]

    def test_a_parent_elsewhere_is_refused(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        elsewhere = ask(client, say(new("Another")))
        metadata = {"conversation_id": first["conversation_id"], "parent_id": elsewhere["id"]}
        error = error_of(client.post(CHAT, json=say(question, metadata=metadata)), 400)
        assert error["param"] == "metadata.parent_id"

    def test_users_do_not_see_or_continue_each_others_conversations(
        self, server: Server, client: httpx.Client
    ) -> None:
        question = new("Who am I?")
        ann = ask(client, say(question, user="ann"))
        history = [user(question), assistant(content(ann)), user("Go on")]
        assert ask(client, talk(*history, user="bob"))["conversation_id"] != ann["conversation_id"]
        assert ask(client, talk(*history, user="ann"))["conversation_id"] == ann["conversation_id"]
        metadata = {"conversation_id": ann["conversation_id"]}
        error_of(client.post(CHAT, json=talk(*history, user="bob", metadata=metadata)), 404)
        error_of(client.get(f"/api/conversations/{ann['conversation_id']}"), 404)
        (row,) = server.rows("SELECT owner FROM conversations WHERE id = ?", ann["conversation_id"])
        assert row["owner"] == "ann"

    def test_a_deleted_conversation_is_not_continued(self, client: httpx.Client) -> None:
        question = new("Say yes")
        first = ask(client, say(question))
        assert client.delete(f"/api/conversations/{first['conversation_id']}").status_code == 204
        second = ask(client, talk(user(question), assistant(content(first)), user("Go on")))
        assert second["conversation_id"] != first["conversation_id"]
