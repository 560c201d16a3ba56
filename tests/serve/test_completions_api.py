"""``/v1/completions`` and ``/v1/embeddings``: the endpoints without a conversation."""

from __future__ import annotations

import array
import base64
import math
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support import Server, ask_streaming, error_of

pytestmark = pytest.mark.xdist_group("server")


def complete(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/completions", json={"max_tokens": 4, "temperature": 0, **body})
    assert response.status_code == 200, response.text
    return response.json()


def embed(client: httpx.Client, **body: Any) -> list[Any]:
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == 200, response.text
    return [row["embedding"] for row in response.json()["data"]]


def test_a_text_goes_on_and_is_stored(client: httpx.Client) -> None:
    prompt = f"({uuid4().hex[:8]}) Once upon a"
    answer = complete(client, prompt=prompt)
    (choice,) = answer["choices"]
    assert answer["object"] == "text_completion"
    assert choice["text"]
    stored = client.get(f"/api/conversations/{answer['conversation_id']}").json()["messages"]
    assert [message["content"] for message in stored] == [prompt, choice["text"]]
    assert stored[1]["id"] == answer["id"]


def test_sixteen_tokens_are_written_when_nothing_is_said(client: httpx.Client) -> None:
    response = client.post("/v1/completions", json={"prompt": "One, two, three, four,", "temperature": 0})
    assert response.json()["usage"]["completion_tokens"] == 16


def test_each_prompt_has_its_choices_in_order(client: httpx.Client) -> None:
    answer = complete(client, prompt=["One two", "A B"], n=2, echo=True)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert [choice["text"][:3] for choice in answer["choices"]] == ["One", "One", "A B", "A B"]
    assert len({choice["message_id"] for choice in answer["choices"]}) == 4
    assert answer["usage"]["completion_tokens"] == 16


def test_a_stream_echoes_its_prompt_first(client: httpx.Client) -> None:
    body = {"prompt": "One two", "echo": True, "max_tokens": 3, "temperature": 0}
    chunks = ask_streaming(client, body, "/v1/completions")
    assert chunks[0]["choices"][0]["text"] == "One two"
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}


def test_log_probabilities_point_into_the_text(client: httpx.Client) -> None:
    (choice,) = complete(client, prompt="The capital of France is", logprobs=2)["choices"]
    found = choice["logprobs"]
    assert "".join(found["tokens"]) == choice["text"]
    for token, offset in zip(found["tokens"], found["text_offset"], strict=True):
        assert choice["text"][offset:].startswith(token)
    assert all(value <= 0 for value in found["token_logprobs"])
    assert all(len(row) == 2 for row in found["top_logprobs"])


@pytest.mark.parametrize("body", [{}, {"n": 3}, {"prompt": ["", ""], "n": 2}])
def test_nothing_to_go_on_with_ends_at_once(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = complete(client, **body)
    assert {choice["text"] for choice in answer["choices"]} == {""}
    assert {choice["finish_reason"] for choice in answer["choices"]} == {"stop"}


def test_store_false_keeps_nothing(server: Server, client: httpx.Client) -> None:
    prompt = f"A secret: {uuid4().hex}"
    complete(client, prompt=prompt, store=False)
    assert not server.rows("SELECT 1 FROM messages WHERE content = ?", prompt)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": []},
        {"prompt": ["x"] * 65},
        {"prompt": ["a", "b"], "stream": True},
        {"prompt": "x", "suffix": "y"},
        {"prompt": "x", "best_of": 2},
        {"prompt": "word " * 6000},
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_cannot_be_done_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    error_of(client.post("/v1/completions", json=body), 400)


def test_vectors_have_unit_length_and_come_in_the_order_of_their_texts(client: httpx.Client) -> None:
    texts = ["The cat sleeps.", "利率上升了。", "x" * 60]
    vectors = embed(client, input=texts)
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-3) for vector in vectors)
    assert [embed(client, input=text)[0] for text in texts] == [
        pytest.approx(vector, abs=1e-3) for vector in vectors
    ]


def test_base64_holds_the_same_vector(client: httpx.Client) -> None:
    (vector,) = embed(client, input="Hi")
    (packed,) = embed(client, input="Hi", encoding_format="base64")
    assert list(array.array("f", base64.b64decode(packed))) == pytest.approx(vector, abs=1e-6)


@pytest.mark.parametrize("body", [{"input": []}, {"input": ""}, {"input": "x", "dimensions": 7}])
def test_what_has_no_vector_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    error_of(client.post("/v1/embeddings", json=body), 400)


def test_a_text_too_long_for_a_vector_is_refused_not_cut(client: httpx.Client) -> None:
    error = error_of(client.post("/v1/embeddings", json={"input": ["x", "word " * 3000]}), 400)
    assert error["code"] == "context_length_exceeded"
