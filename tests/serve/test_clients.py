"""Programs people already have work against the server unchanged."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel
from tests.forks import MODEL
from tests.support import PATIENCE, Server, say, warm_up

pytestmark = pytest.mark.xdist_group("server")

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello"}]


class TestOpenAI:
    """The official Python SDK."""

    def test_chat(self, openai_client: openai.OpenAI) -> None:
        answer = openai_client.chat.completions.create(
            model=MODEL, messages=HELLO, max_completion_tokens=6, temperature=0
        )
        assert answer.choices[0].message.content
        assert answer.usage
        assert 1 <= answer.usage.completion_tokens <= 6
        assert answer.id == answer.choices[0].to_dict()["message_id"]

    def test_streaming(self, openai_client: openai.OpenAI, client: httpx.Client) -> None:
        warm_up(client, {"messages": HELLO, "max_tokens": 1})
        whole = openai_client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=6, temperature=0
        )
        stream = openai_client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=6,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].usage
        assert chunks[-1].usage.completion_tokens == 6
        assert len({chunk.id for chunk in chunks}) == 1

    def test_many_at_once_asynchronously(self, server: Server) -> None:
        async def ask() -> list[str]:
            async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:

                async def one(i: int) -> str:
                    question: list[ChatCompletionMessageParam] = [
                        {"role": "user", "content": f"Count to {i}"}
                    ]
                    stream = await client.chat.completions.create(
                        model=MODEL, messages=question, max_tokens=4, stream=True
                    )
                    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

                return await asyncio.gather(*(one(i) for i in range(10)))

        answers = asyncio.run(ask())
        assert len(answers) == 10
        assert all(answers)

    def test_structured_output(self, openai_client: openai.OpenAI) -> None:
        class Fruit(BaseModel):
            kind: Literal["apple", "pear"]
            ripe: bool

        answer = openai_client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": "Give me a fruit."}],
            response_format=Fruit,
            max_tokens=40,
            temperature=0,
        )
        assert isinstance(answer.choices[0].message.parsed, Fruit)

    def test_tool_call(self, openai_client: openai.OpenAI) -> None:
        tool: ChatCompletionToolParam = {
            "type": "function",
            "function": {
                "name": "add",
                "parameters": {
                    "type": "object",
                    "properties": {"a": {"type": "integer", "maximum": 9}},
                    "required": ["a"],
                    "additionalProperties": False,
                },
            },
        }
        question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Add 3."}]
        options: dict[str, Any] = {"model": MODEL, "tools": [tool], "max_tokens": 40, "temperature": 0}
        answer = openai_client.chat.completions.create(messages=question, tool_choice="required", **options)
        message = answer.choices[0].message
        assert message.tool_calls
        (call,) = message.tool_calls
        assert call.type == "function"
        assert call.function.name == "add"
        assert isinstance(json.loads(call.function.arguments)["a"], int)
        follow: list[Any] = [
            *question,
            message,
            {"role": "tool", "tool_call_id": call.id, "content": "3"},
        ]
        assert openai_client.chat.completions.create(messages=follow, **options).choices

    def test_embeddings(self, openai_client: openai.OpenAI) -> None:
        texts = ["The cat sleeps.", "A cat is sleeping.", "Interest rates rose."]
        vectors = [row.embedding for row in openai_client.embeddings.create(model=MODEL, input=texts).data]

        def likeness(a: int, b: int) -> float:
            return sum(x * y for x, y in zip(vectors[a], vectors[b], strict=True))

        assert likeness(0, 0) == pytest.approx(1, abs=1e-3)
        assert likeness(0, 1) > likeness(0, 2)
        plain = openai_client.embeddings.create(model=MODEL, input=texts[0], encoding_format="float")
        assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-6)

    def test_models(self, openai_client: openai.OpenAI) -> None:
        assert next(iter(openai_client.models.list())).id == MODEL
        assert openai_client.models.retrieve(MODEL).owned_by == "feilun"

    def test_completions(self, openai_client: openai.OpenAI) -> None:
        options: dict[str, Any] = {"model": MODEL, "max_tokens": 4, "temperature": 0}
        answer = openai_client.completions.create(prompt=["One two three", "A B C"], **options)
        assert [choice.index for choice in answer.choices] == [0, 1]
        stream = openai_client.completions.create(prompt="A B C", stream=True, **options)
        assert "".join(chunk.choices[0].text for chunk in stream)
        assert answer.usage
        assert answer.usage.completion_tokens == 8

    def test_errors_become_the_sdks_own(self, openai_client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            openai_client.chat.completions.create(model="gpt-9", messages=HELLO)
        assert caught.value.code == "model_not_found"
        long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 6000}]
        with pytest.raises(openai.BadRequestError) as refused:
            openai_client.chat.completions.create(model=MODEL, messages=long)
        assert refused.value.code == "context_length_exceeded"


class TestLlm:
    """The `llm` command-line tool."""

    @pytest.fixture
    def llm(self, server: Server, tmp_path: Path) -> Any:
        """Run `llm` as a user who has named our server in its list of OpenAI-compatible models."""
        entry = {"model_id": "mine", "model_name": MODEL, "api_base": f"{server.url}/v1"}
        (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([entry]))  # JSON is YAML
        env = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}

        def llm(*args: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "llm", *args],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        return llm

    def test_a_prompt_streamed_and_not(self, llm: Any, client: httpx.Client) -> None:
        options = ("-m", "mine", "-o", "max_tokens", "6", "-o", "temperature", "0")
        warm_up(client, say("Say hello"))
        streamed = llm("prompt", "Say hello", *options)
        assert streamed
        assert llm("prompt", "Say hello", "--no-stream", *options) == streamed

    def test_its_chats_continue_one_conversation_here(self, llm: Any, server: Server, tmp_path: Path) -> None:
        options = ("-o", "max_tokens", "4", "-o", "temperature", "0")
        question = f"Name a colour ({tmp_path})"
        llm("prompt", question, "-m", "mine", *options)
        llm("prompt", "Another one", "--continue", *options)
        query = """SELECT role FROM messages WHERE conversation_id =
                   (SELECT conversation_id FROM messages WHERE content = ?) ORDER BY created_ms, id"""
        roles = [row["role"] for row in server.rows(query, question)]
        assert roles == ["user", "assistant", "user", "assistant"]
