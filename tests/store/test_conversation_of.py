"""Which conversation a request belongs to can be known before it is stored."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.conftest import Tell

from feilun.store import LOCAL_OWNER, Store
from feilun.store.conversations import conversation_of
from feilun.text import FeilunError


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


def foreseen(store: Store, messages: list[dict[str, Any]], **where: Any) -> str | None:
    with store.reading() as session:
        return conversation_of(session, user=LOCAL_OWNER, messages=messages, **where)


def test_it_is_the_one_that_the_turn_then_continues(store: Store, tell: Tell) -> None:
    assert foreseen(store, said("hi")) is None
    turn = tell("hi", "hello", opening="conv_mine")
    assert turn.conversation_id == "conv_mine"
    assert foreseen(store, said("hi")) is None  # two chats that begin alike stay two
    for messages in (
        said("hi", "hello", "more"),
        [{"role": "system", "content": "Be kind."}, *said("hi", "hello", "b")],
    ):
        assert (
            foreseen(store, messages)
            == tell(messages, "yes", opening="conv_unused").conversation_id
            == "conv_mine"
        )
    assert foreseen(store, said("hi", "hello", "x"), parent_id=turn.message_ids[0]) == "conv_mine"
    with pytest.raises(FeilunError):
        foreseen(store, said("hi"), parent_id="msg_none")
