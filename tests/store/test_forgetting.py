"""Forgetting in the store: whose words go, whose stay, and that nothing of them is left in the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from feilun.store import Store
from feilun.store.conversations import Turn, delete_conversation
from feilun.store.feedback import give_feedback
from feilun.store.forgetting import Stored, Whose, compact, erase, stored, words
from feilun.store.reviews import decide
from feilun.store.tables import Conversation, Feedback, Message, Review
from feilun.text import FeilunError

Tell = Callable[..., Turn]
SECRET = "quorvax ledger"


def opine(store: Store, turn: Turn, user: str, **opinion: Any) -> str:
    with store.writing() as session:
        return give_feedback(
            session, user=user, message_id=turn.message_ids[0], opinion=opinion, idempotency_key=None
        ).id


def held(store: Store, whose: Whose) -> Stored:
    with store.reading() as session:
        return stored(session, whose)


def forget(store: Store, whose: Whose) -> None:
    with store.writing() as session:
        erase(session, whose)


def left(store: Store, table: type[Conversation | Message | Feedback | Review]) -> set[str]:
    with store.reading() as session:
        return set(session.scalars(select(table.id)))


def test_a_users_words_go_and_those_of_others_stay(store: Store, tell: Tell) -> None:
    hers, deleted, his = (
        tell("a", "b", user="alice"),
        tell("c", "d", user="alice"),
        tell("e", "f", user="bob"),
    )
    with store.writing() as session:
        delete_conversation(session, deleted.conversation_id, "alice")
    about_hers = opine(store, hers, "bob", correction="B's own words")
    twice = [opine(store, his, "alice", rating=rating, comment="A's own words") for rating in (1, -1)]
    kept = opine(store, his, "bob", correction="g")
    edited = opine(store, tell("h", "i", user="bob"), "bob", rating=-1)
    with store.writing() as session:
        decide(session, kept, "accept", reviewer="alice")
        decide(session, edited, "accept", reviewer="alice", answer="A's own words")
    whose = Whose(user="alice")
    found = held(store, whose)
    assert (found.conversations, found.messages) == (2, 4)
    assert set(found.opinions) == {about_hers, *twice, edited}
    with store.reading() as session:
        assert sorted(words(session, found.opinions)) == ["A's own words"] * 3 + ["B's own words"]
    forget(store, whose)
    assert held(store, whose) == Stored(0, 0, [])
    assert his.conversation_id in left(store, Conversation)
    assert not left(store, Conversation) & {hers.conversation_id, deleted.conversation_id}
    assert left(store, Feedback) == {kept, edited}
    assert len(left(store, Review)) == 1  # a decision without words of its own


def test_a_conversation_goes_with_all_that_hangs_on_it(store: Store, tell: Tell) -> None:
    gone, kept = tell("a", "b", user="alice"), tell("c", "d", user="alice")
    opinion, other = opine(store, gone, "bob", rating=1), opine(store, kept, "bob", rating=1)
    whose = Whose(conversation=gone.conversation_id)
    assert held(store, whose) == Stored(1, 2, [opinion])
    forget(store, whose)
    assert left(store, Conversation) == {kept.conversation_id}
    assert left(store, Feedback) == {other}


def in_the_files(path: Path) -> bool:
    return any(SECRET.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_nothing_is_left_in_sqlites_file_while_others_use_it(store: Store, tell: Tell, where: Path) -> None:
    @event.listens_for(store.engine, "checkout")
    def careless(
        connection: Any, _record: Any, _proxy: Any
    ) -> None:  # as SQLite is, unless it was built otherwise
        connection.execute("PRAGMA secure_delete=OFF")

    for number in range(50):
        turn = tell(f"{SECRET} {number} " * 40, f"{SECRET}, as was said " * 40, user="alice")
        tell(f"harmless {number} " * 40, "yes", user="bob")
        if number % 2:  # deleted in the usual way, a day ago
            with store.writing() as session:
                session.delete(session.get_one(Conversation, turn.conversation_id))
    other = Store(where)  # a server
    with other.reading() as session:
        assert len(session.scalars(select(Message)).all()) == 150
    assert in_the_files(where)
    written: list[Turn] = []
    writing = threading.Thread(target=lambda: written.extend(tell(f"later {n}", "yes") for n in range(20)))
    writing.start()
    forget(store, Whose(user="alice"))
    compact(store)
    writing.join()
    assert not in_the_files(where)
    with other.reading() as session:
        assert len(session.scalars(select(Message)).all()) == 100 + 40
    assert len(written) == 20
    other.close()


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_who_reads_all_the_while_is_waited_for_and_then_named(store: Store, tell: Tell, where: Path) -> None:
    tell(SECRET, "yes", user="alice")

    @event.listens_for(store.engine, "checkout")
    def impatient(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    other = Store(where)
    with other.reading() as session:
        session.scalars(select(Message)).all()
        forget(store, Whose(user="alice"))
        with pytest.raises(FeilunError) as busy:
            compact(store)
        assert (busy.value.status, busy.value.code) == (503, "database_busy")
    compact(store)
    assert not in_the_files(where)
    other.close()
