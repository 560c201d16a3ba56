"""``/v1/feedback``: an opinion counts once, is kept for good, and says only what was said."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support import Server, ask, error_of, say

pytestmark = pytest.mark.xdist_group("server")

OPINION = ("rating", "tags", "comment", "correction")


@pytest.fixture
def message_id(client: httpx.Client) -> str:
    """An answer nobody has an opinion of."""
    return ask(client, say("Hi", max_tokens=1))["id"]


@pytest.fixture
def give(client: httpx.Client, message_id: str) -> Callable[..., dict[str, Any]]:
    """Give feedback of that answer."""

    def give(**body: Any) -> dict[str, Any]:
        response = client.post("/v1/feedback", json={"message_id": message_id, **body})
        assert response.status_code == 200, response.text
        return response.json()

    return give


def present(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    response = client.get("/v1/feedback", params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def test_feedback_comes_back_as_it_was_given(
    client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    given = give(rating=-1, tags=["wrong_fact", "其他"], comment="不对 🙁", correction="Paris")
    assert given["object"] == "feedback"
    assert given["message_id"] == message_id
    assert given["user"] == "local"
    assert [given[name] for name in OPINION] == [-1, ["wrong_fact", "其他"], "不对 🙁", "Paris"]
    assert present(client, message_id=message_id) == [given]


def test_it_shows_at_its_message_in_the_conversation(client: httpx.Client) -> None:
    answer = ask(client, say("Hi", max_tokens=1))
    client.post("/v1/feedback", json={"message_id": answer["id"], "rating": 1, "tags": ["clear"]})
    messages = client.get(f"/api/conversations/{answer['conversation_id']}").json()["messages"]
    assert messages[0]["feedback"] is None
    assert messages[1]["feedback"] == {"rating": 1, "tags": ["clear"], "comment": None, "correction": None}


def test_what_is_left_out_keeps_its_value_and_null_clears(
    client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    give(rating=-1, tags=["too_long"], comment="hm")
    after = give(correction="Better")
    assert [after[name] for name in OPINION] == [-1, ["too_long"], "hm", "Better"]
    after = give(rating=None, tags=None, comment=None)
    assert [after[name] for name in OPINION] == [None, [], None, "Better"]
    assert present(client, message_id=message_id) == [after]


def test_the_same_key_and_body_counts_once(
    server: Server, client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    key = uuid4().hex
    first = give(rating=1, idempotency_key=key)
    give(rating=-1)
    assert give(rating=1, idempotency_key=key) == first
    # The repetition did not bring the old opinion back.
    assert present(client, message_id=message_id)[0]["rating"] == -1
    assert len(server.rows("SELECT 1 FROM feedback WHERE idempotency_key = ?", key)) == 1


def test_the_same_key_with_another_body_is_refused(
    client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    key = uuid4().hex
    given = give(rating=1, idempotency_key=key)
    body = {"message_id": message_id, "rating": -1, "idempotency_key": key}
    error = error_of(client.post("/v1/feedback", json=body), 409)
    assert error["code"] == "idempotency_conflict"
    assert present(client, message_id=message_id) == [given]


def test_a_request_sent_many_times_at_once_counts_once(
    server: Server, client: httpx.Client, message_id: str
) -> None:
    body = {"message_id": message_id, "rating": 1, "idempotency_key": uuid4().hex}
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: client.post("/v1/feedback", json=body), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(server.rows("SELECT 1 FROM feedback WHERE message_id = ?", message_id)) == 1


def test_each_user_has_an_opinion_and_keys_of_their_own(
    client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    key = uuid4().hex
    give(rating=1, user="ann", idempotency_key=key)
    give(rating=-1, user="bob", idempotency_key=key)
    ratings = {row["user"]: row["rating"] for row in present(client, message_id=message_id)}
    assert ratings == {"ann": 1, "bob": -1}
    assert [row["user"] for row in present(client, message_id=message_id, user="ann")] == ["ann"]


def test_pages_hold_every_opinion_once_oldest_first(
    client: httpx.Client, give: Callable[..., dict[str, Any]], message_id: str
) -> None:
    given = [give(rating=1, user=f"user {i}")["id"] for i in range(5)]
    seen: list[str] = []
    more = True
    while more:
        query = {"message_id": message_id, "limit": 2, **({"after": seen[-1]} if seen else {})}
        page = client.get("/v1/feedback", params=query).json()
        assert 1 <= len(page["data"]) <= 2
        seen += [row["id"] for row in page["data"]]
        more = page["has_more"]
    assert seen == given


def test_a_blank_correction_is_none(client: httpx.Client, message_id: str) -> None:
    given = client.post("/v1/feedback", json={"message_id": message_id, "rating": -1, "correction": " \n"})
    assert given.json()["correction"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"rating": 0},
        {"rating": 2},
        {"rating": "up"},
        {"rating": True},
        {"rating": 1.0},
        {"tags": "wrong_fact"},
        {"tags": [""]},
        {"tags": ["x"] * 100},
        {"comment": "x" * 30_000},
        {"idempotency_key": ""},
        {"thumb": 1},
        {"message_id": None},
    ],
)
def test_a_bad_opinion_is_refused_and_not_stored(
    server: Server, client: httpx.Client, message_id: str, body: dict[str, Any]
) -> None:
    error_of(client.post("/v1/feedback", json={"message_id": message_id, **body}), 400)
    assert not server.rows("SELECT 1 FROM feedback WHERE message_id = ?", message_id)


def test_only_answers_that_exist_can_be_judged(client: httpx.Client) -> None:
    answer = ask(client, say("Hi", max_tokens=1))
    error = error_of(client.post("/v1/feedback", json={"message_id": "msg_none", "rating": 1}), 404)
    assert error["code"] == "message_not_found"
    question = {"message_id": answer["parent_id"], "rating": 1}
    assert error_of(client.post("/v1/feedback", json=question), 400)["code"] == "not_an_answer"


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 100_000}, {"limit": "all"}])
def test_a_bad_page_is_refused(client: httpx.Client, query: dict[str, Any]) -> None:
    error_of(client.get("/v1/feedback", params=query), 400)
