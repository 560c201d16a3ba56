"""The list of conversations: titles, search, pages, pins, deletion and its undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from feilun.store import Store
from feilun.store.conversations import (
    UNDO_MS,
    Turn,
    begin_turn,
    change_conversation,
    count_conversations,
    delete_conversation,
    get_conversation,
    list_conversations,
    restore_conversation,
)
from feilun.store.feedback import give_feedback
from feilun.store.tables import Conversation, Feedback, Message, now_ms
from feilun.text import FeilunError

Tell = Callable[..., Turn]

on_one_database = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def found(store: Store, search: str, user: str = "local") -> list[str]:
    """Ids of the conversations that a search finds."""
    with store.reading() as session:
        return [row.id for row, _ in list_conversations(session, user, search=search).rows]


def title_of(store: Store, turn: Turn) -> str:
    with store.reading() as session:
        return get_conversation(session, turn.conversation_id, "local")[0].title


# --- titles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is a flywheel?", "What is a flywheel?"),
        ("  two\n\tlines  ", "two lines"),
        ("x" * 60, "x" * 60),
        ("飞" * 61, "飞" * 59 + "…"),
        ("", ""),
    ],
)
def test_the_first_question_is_the_title(store: Store, tell: Tell, question: str, title: str) -> None:
    assert title_of(store, tell(question)) == title


def test_later_questions_leave_the_title_alone(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    tell("another", conversation_id=first.conversation_id)
    assert title_of(store, first) == "hi"


# --- search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("轮是", "飞轮是什么？"),
        ("Fly", "what is a FLYWHEEL"),
        ("100%", "it is 100% sure"),
        ("a_b", "the name a_b"),
        ("\\d", "the pattern \\d+"),
        ("'; --", "it's '; -- done"),
        ("🙂", "fine 🙂 thanks"),
    ],
)
def test_a_substring_of_a_question_an_answer_or_a_title_is_found(
    store: Store, tell: Tell, words: str, text: str
) -> None:
    asked, answered, named, other = tell(text), tell("q", text), tell("r", "s"), tell("nothing like it", "no")
    with store.writing() as session:
        change_conversation(session, named.conversation_id, "local", {"title": text})
    assert set(found(store, words)) == {turn.conversation_id for turn in (asked, answered, named)}
    assert other.conversation_id not in found(store, words)


ALPHABET = st.text(st.sampled_from("aAb%_\\'飞轮🙂"), max_size=6)


@on_one_database
@given(texts=st.lists(st.tuples(ALPHABET, ALPHABET), min_size=1, max_size=6), needle=ALPHABET.filter(bool))
def test_search_finds_what_a_plain_substring_test_finds(
    store: Store, tell: Tell, texts: list[tuple[str, str]], needle: str
) -> None:
    with store.writing() as session:
        session.execute(delete(Conversation))
    turns = [tell(question, answer) for question, answer in texts]
    expected = {
        turn.conversation_id
        for turn, texts_of_it in zip(turns, texts, strict=True)
        if any(needle.lower() in text.lower() for text in texts_of_it)
    }
    assert set(found(store, needle)) == expected


def test_the_snippet_shows_the_place_where_it_was_found(store: Store, tell: Tell) -> None:
    tell("start " + "x " * 200 + "the needle is\nhere " + "y " * 200, "ok")
    with store.reading() as session:
        ((_, snippet),) = list_conversations(session, "local", search="Needle").rows
    assert snippet is not None
    assert "the needle is here" in snippet
    assert snippet[0] == snippet[-1] == "…"
    assert len(snippet) < 120


def test_a_match_in_the_title_alone_has_no_snippet(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    with store.writing() as session:
        change_conversation(session, turn.conversation_id, "local", {"title": "greeting"})
    with store.reading() as session:
        assert [text for _, text in list_conversations(session, "local", search="greet").rows] == [None]


def test_nobody_finds_what_others_said_or_what_was_deleted(store: Store, tell: Tell) -> None:
    mine, hers, gone = tell("apple"), tell("apple", user="ada"), tell("apple")
    with store.writing() as session:
        delete_conversation(session, gone.conversation_id, "local")
    assert found(store, "apple") == [mine.conversation_id]
    assert found(store, "apple", "ada") == [hers.conversation_id]


# --- pages -------------------------------------------------------------------------------------------------


@on_one_database
@given(
    rows=st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=12),
    limit=st.integers(1, 5),
)
def test_pages_hold_everything_once_pinned_first_then_newest(
    store: Store, rows: list[tuple[int, bool]], limit: int
) -> None:
    with store.writing() as session:
        session.execute(delete(Conversation))
        for number, (changed, pinned) in enumerate(rows):
            row = Conversation(
                id=f"conv_{number:02}",
                user="local",
                title="t",
                created_ms=1,
                updated_ms=changed,
                pinned=pinned,
            )
            session.add(row)
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or (cursor and len(pages) <= len(rows)):
        with store.reading() as session:
            page = list_conversations(session, "local", limit=limit, before=cursor)
        pages.append([row.id for row, _ in page.rows])
        cursor = page.next

    order = sorted(enumerate(rows), key=lambda item: (item[1][0], item[0]), reverse=True)
    pinned = [f"conv_{number:02}" for number, (_, pin) in order if pin]
    others = [f"conv_{number:02}" for number, (_, pin) in order if not pin]
    assert [name for page in pages for name in page] == pinned + others
    assert pages[0][: len(pinned)] == pinned
    assert all(len(page) <= limit for page in [pages[0][len(pinned) :], *pages[1:]])
    assert cursor is None
    assert all(pages[1:]), "a page was announced and is empty"


@pytest.mark.parametrize("cursor", ["x", "-", "１-conv_1", "99999999999999999-conv_1", "-1-conv_1"])
def test_a_cursor_of_another_kind_is_refused(store: Store, cursor: str) -> None:
    with store.reading() as session, pytest.raises(FeilunError) as refused:
        list_conversations(session, "local", before=cursor)
    assert (refused.value.status, refused.value.param) == (400, "before")


def test_an_answered_question_brings_its_conversation_to_the_top(store: Store, tell: Tell) -> None:
    old, new = tell("old", "yes"), tell("new", "yes")
    with store.writing() as session:  # a minute ago
        session.execute(update(Conversation).values(updated_ms=now_ms() - 60_000))
    tell("again", conversation_id=old.conversation_id)
    with store.reading() as session:
        ids = [row.id for row, _ in list_conversations(session, "local").rows]
    assert ids == [old.conversation_id, new.conversation_id]


# --- changes -----------------------------------------------------------------------------------------------


def test_changes_are_kept(store: Store, tell: Tell) -> None:
    turn = tell("hi", "one", "two")
    wanted: dict[str, Any] = {
        "title": "标题",
        "pinned": True,
        "leaf_id": turn.message_ids[1],
        "settings": {"temperature": 0.5, "系统": ["a"]},
    }
    with store.writing() as session:
        change_conversation(session, turn.conversation_id, "local", wanted)
    with store.reading() as session:
        row, _ = get_conversation(session, turn.conversation_id, "local")
    assert {name: getattr(row, name) for name in wanted} == wanted


def test_a_leaf_must_be_of_the_same_tree(store: Store, tell: Tell) -> None:
    turn, other = tell("hi", "hello"), tell("ho", "hello")
    for leaf in (other.message_ids[0], "msg_unknown"):
        with store.writing() as session, pytest.raises(FeilunError) as refused:
            change_conversation(session, turn.conversation_id, "local", {"leaf_id": leaf})
        assert (refused.value.status, refused.value.param) == (400, "leaf_id")


# --- deletion ----------------------------------------------------------------------------------------------


def test_a_deletion_can_be_undone_and_loses_nothing(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    with store.writing() as session:
        delete_conversation(session, turn.conversation_id, "local")
    with store.reading() as session:
        assert list_conversations(session, "local").rows == []
        assert count_conversations(session, "local") == 0
        with pytest.raises(FeilunError) as refused:
            get_conversation(session, turn.conversation_id, "local")
        assert refused.value.status == 404
    with store.writing() as session:
        restore_conversation(session, turn.conversation_id, "local")
    with store.reading() as session:
        assert [m.content for m in get_conversation(session, turn.conversation_id, "local")[1]] == [
            "hi",
            "hello",
        ]
        assert count_conversations(session, "local") == 1


def test_only_ones_own_can_be_deleted_and_restored_and_only_once(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello", user="ada")
    steps = [
        (delete_conversation, "ben", False),
        (restore_conversation, "ben", False),
        (delete_conversation, "ada", True),
        (delete_conversation, "ada", False),
        (restore_conversation, "ben", False),
        (restore_conversation, "ada", True),
    ]
    for do, user, allowed in steps:
        with store.writing() as session:
            if allowed:
                do(session, turn.conversation_id, user)
                continue
            with pytest.raises(FeilunError) as refused:
                do(session, turn.conversation_id, user)
            assert refused.value.status == 404


def test_a_day_later_the_rows_are_gone_for_good_with_their_feedback(store: Store, tell: Tell) -> None:
    old, recent, kept = tell("old", "a"), tell("recent", "b"), tell("kept", "c")
    with store.writing() as session:
        for turn in (old, recent, kept):
            give_feedback(
                session,
                user="local",
                message_id=turn.message_ids[0],
                opinion={"rating": 1},
                idempotency_key=None,
            )
        delete_conversation(session, old.conversation_id, "local")
        delete_conversation(session, recent.conversation_id, "local")
        session.get_one(Conversation, old.conversation_id).deleted_ms = now_ms() - UNDO_MS - 1
    store.recover()
    with store.reading() as session:
        ids = set(session.scalars(select(Message.conversation_id)))
        assert ids == {recent.conversation_id, kept.conversation_id}
        assert session.scalar(select(func.count()).select_from(Feedback)) == 2


def test_counting_counts_ones_own(store: Store, tell: Tell) -> None:
    for user in ("ada", "ada", "ben"):
        tell("hi", user=user)
    with store.reading() as session:
        assert [count_conversations(session, user) for user in ("ada", "ben", "cid")] == [2, 1, 0]


def test_a_failing_turn_leaves_nothing_behind(store: Store) -> None:
    def fails(session: Any) -> None:
        begin_turn(
            session,
            user="local",
            messages=[{"role": "user", "content": "x"}],
            model="m",
            release="r",
            params={},
        )
        raise RuntimeError

    with pytest.raises(RuntimeError), store.writing() as session:
        fails(session)
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(Message)) == 0
        assert count_conversations(session, "local") == 0
