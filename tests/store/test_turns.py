"""How a request finds its place in the tree of messages, and what it leaves there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from feilun.store import Status, Store
from feilun.store.conversations import (
    Answer,
    ChatMessage,
    Turn,
    begin_turn,
    close_unfinished,
    delete_conversation,
    discard_turn,
    get_conversation,
    path_to,
    purge_deleted,
    save_answers,
)
from feilun.store.tables import Conversation, Message, new_id
from feilun.text import FeilunError

Tell = Callable[..., Turn]


def user(text: Any) -> ChatMessage:
    return {"role": "user", "content": text}


def assistant(text: str, **more: Any) -> ChatMessage:
    return {"role": "assistant", "content": text, **more}


def stored(store: Store, turn: Turn, owner: str = "local") -> list[tuple[str | None, str, str]]:
    """The conversation's messages: parent, role, text."""
    with store.reading() as session:
        _, messages = get_conversation(session, turn.conversation_id, owner)
    return [(message.parent_id, message.role, message.content) for message in messages]


# --- a brute-force twin ------------------------------------------------------------------------------------


@dataclass
class Node:
    id: str
    conversation: str
    parent: str | None
    role: str
    text: str
    unfinished: bool = False


@dataclass
class Twin:
    """The store as plain lists: paths are compared message by message, there is no hash."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    owners: dict[str, str] = field(default_factory=dict[str, str])
    deleted: set[str] = field(default_factory=set[str])

    def path(self, node: Node) -> list[Node]:
        above = self.path(self.nodes[node.parent]) if node.parent else []
        return [*above, node]

    def matches(self, node: Node, dialogue: list[ChatMessage]) -> int:
        """How long the prefix of ``dialogue`` is that ends in ``node``; 0 if it is no prefix."""
        path = self.path(node)
        said = [(message["role"], message["content"].strip()) for message in dialogue[: len(path)]]
        unfinished = any(step.unfinished for step in path)
        return 0 if unfinished or said != [(step.role, step.text.strip()) for step in path] else len(path)

    def place(
        self, owner: str, dialogue: list[ChatMessage], conversation: str | None, parent: str | None
    ) -> tuple[str | None, int] | int:
        """Message to attach to and length of the stored prefix, or the status of the refusal."""
        if conversation and (self.owners[conversation] != owner or conversation in self.deleted):
            return 404
        mine = {name for name in self.owners if self.owners[name] == owner and name not in self.deleted}
        places = {conversation} if conversation else mine
        if parent:  # named, whatever its text has become
            node = self.nodes[parent]
            length = len(self.path(node))
            return (parent, length) if node.conversation in places and length <= len(dialogue) else 400
        lengths = {
            node.id: length
            for node in self.nodes.values()
            if node.conversation in places and (length := self.matches(node, dialogue))
        }
        if not conversation:  # a prefix without an answer in it does not count
            roles = [message["role"] for message in dialogue]
            lengths = {i: length for i, length in lengths.items() if "assistant" in roles[:length]}
        if not lengths:
            return None, 0
        best = max(lengths, key=lambda i: (lengths[i], i))
        return best, lengths[best]


TEXTS = st.sampled_from(["a", "b", " a ", ""])
MESSAGES = st.builds(
    lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXTS
)


@st.composite
def dialogues(draw: st.DrawFn, twin: Twin) -> list[ChatMessage]:
    """Usually a path that is stored, or its beginning, and some more."""
    prefix: list[ChatMessage] = []
    if twin.nodes and draw(st.integers(0, 4)):
        path = twin.path(twin.nodes[draw(st.sampled_from(sorted(twin.nodes)))])
        prefix = [
            {"role": node.role, "content": node.text} for node in path[: draw(st.integers(1, len(path)))]
        ]
    return prefix + draw(st.lists(MESSAGES, min_size=0 if prefix else 1, max_size=2))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_request_continues_the_longest_stored_prefix_and_stores_nothing_twice(
    store: Store, data: st.DataObject
) -> None:
    with store.writing() as session:
        session.execute(delete(Conversation))
    twin = Twin()
    for _ in range(data.draw(st.integers(1, 12), label="requests")):
        owner = data.draw(st.sampled_from(["ada", "ada", "ben"]))
        dialogue = data.draw(dialogues(twin))
        conversation = data.draw(st.none() | st.sampled_from(sorted(twin.owners))) if twin.owners else None
        parent = (
            data.draw(st.none() | st.none() | st.sampled_from(sorted(twin.nodes))) if twin.nodes else None
        )
        choices = data.draw(st.sampled_from([1, 1, 2]))
        expected = twin.place(owner, dialogue, conversation, parent)
        ask = partial(
            begin_turn,
            user=owner,
            messages=dialogue,
            choices=choices,
            conversation_id=conversation,
            parent_id=parent,
            model="m",
            release="r",
            params={},
        )
        if isinstance(expected, int):
            with store.writing() as session, pytest.raises(FeilunError) as refused:
                ask(session)
            assert refused.value.status == expected
            continue
        with store.writing() as session:
            turn = ask(session)
        anchor, known = expected

        place = twin.nodes[anchor].conversation if anchor else conversation
        assert place is None or turn.conversation_id == place
        assert place or turn.conversation_id not in twin.owners
        twin.owners[turn.conversation_id] = owner
        with store.reading() as session:
            rows = {row.id: row for row in session.scalars(select(Message))}
        assert rows.keys() >= twin.nodes.keys()
        new = sorted(rows.keys() - twin.nodes.keys())
        assert len(new) == len(dialogue) - known + choices
        below = anchor
        for message, row in zip(dialogue[known:], (rows[i] for i in new), strict=False):
            assert (row.parent_id, row.role, row.content) == (below, message["role"], message["content"])
            twin.nodes[row.id] = Node(row.id, turn.conversation_id, below, row.role, row.content)
            below = row.id
        assert turn.parent_id == below
        assert turn.message_ids == new[len(dialogue) - known :]
        for message_id in turn.message_ids:
            answer = data.draw(st.none() | TEXTS, label="answer")
            assert (rows[message_id].parent_id, rows[message_id].status) == (below, "generating")
            twin.nodes[message_id] = Node(
                message_id, turn.conversation_id, below, "assistant", answer or "", unfinished=answer is None
            )
            if answer is not None:
                status = data.draw(st.sampled_from([s for s in get_args(Status) if s != "generating"]))
                with store.writing() as session:
                    save_answers(session, [Answer(message_id, answer, status)])
        if data.draw(st.integers(0, 5)) == 0:
            with store.writing() as session:
                delete_conversation(session, turn.conversation_id, owner)
            twin.deleted.add(turn.conversation_id)
    with store.reading() as session:
        shapes = {
            row.id: (row.conversation_id, row.parent_id, row.role, row.content)
            for row in session.scalars(select(Message))
        }
    assert shapes == {n.id: (n.conversation, n.parent, n.role, n.text) for n in twin.nodes.values()}


# --- the same, one promise at a time -----------------------------------------------------------------------


def test_a_resent_history_is_continued_without_naming_the_conversation(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    second = tell([user("hi"), assistant("hello"), user("and?")], "that is all")
    assert second.conversation_id == first.conversation_id
    assert [text for _, _, text in stored(store, first)] == ["hi", "hello", "and?", "that is all"]


def test_equal_greetings_begin_two_conversations(tell: Tell) -> None:
    assert tell("hi", "hello").conversation_id != tell("hi", "hello").conversation_id


def test_regenerating_makes_a_sibling_of_the_answer(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    again = tell("hi", "good day", conversation_id=first.conversation_id)
    assert again.parent_id == first.parent_id
    assert len(stored(store, first)) == 3


def test_editing_a_question_makes_a_sibling_of_it(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    tell([user("hi"), assistant("hello"), user("tell me")], "no")
    edited = tell([user("hi"), assistant("hello"), user("please tell me")], "yes")
    roots = [row for row in stored(store, first) if row[0] == first.message_ids[0]]
    assert roots == [
        (first.message_ids[0], "user", "tell me"),
        (first.message_ids[0], "user", "please tell me"),
    ]
    assert edited.conversation_id == first.conversation_id


def test_parent_id_chooses_among_siblings_of_equal_text(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello", "hello")
    for answer in first.message_ids:
        tell([user("hi"), assistant("hello"), user("more")], "yes", parent_id=answer)
    below = [parent for parent, _, text in stored(store, first) if text == "more"]
    assert below == first.message_ids


def test_parent_id_finds_an_answer_whose_text_has_grown_since_it_was_read(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello, and more than the client saw", status="stopped")
    history = [user("hi"), assistant("hello"), user("go on")]
    tell(history, conversation_id=first.conversation_id, parent_id=first.message_ids[0])
    assert [text for _, _, text in stored(store, first)] == [
        "hi",
        "hello, and more than the client saw",
        "go on",
        "",
    ]


def test_a_parent_that_cannot_be_is_refused(tell: Tell) -> None:
    first, other, hers = tell("hi", "hello"), tell("ho", "yes"), tell("hi", "hello", user="ada")
    history = [user("hi"), assistant("hello"), user("more")]
    for messages, where in (
        (history, {"parent_id": "msg_unknown"}),
        (history, {"parent_id": hers.message_ids[0]}),
        (history, {"parent_id": other.message_ids[0], "conversation_id": first.conversation_id}),
        ([user("hi")], {"parent_id": first.message_ids[0]}),  # deeper than the history is long
    ):
        with pytest.raises(FeilunError) as refused:
            tell(messages, **where)
        assert (refused.value.status, refused.value.param) == (400, "metadata.parent_id")


def test_a_refused_first_question_leaves_no_conversation(store: Store, tell: Tell) -> None:
    turn = tell("hi")
    with store.writing() as session:
        discard_turn(session, turn)
    with store.reading() as session:
        assert session.get(Conversation, turn.conversation_id) is None
        assert session.scalars(select(Message)).all() == []


def test_a_refused_question_leaves_the_conversation_as_it_was(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    before = stored(store, first)
    history = [user("hi"), assistant("hello"), user("more")]
    for messages in (history, history[:1]):  # a new question; an answer once more
        turn = tell(messages, conversation_id=first.conversation_id)
        with store.writing() as session:
            discard_turn(session, turn)
        assert stored(store, first) == before
        with store.reading() as session:
            conversation, messages = get_conversation(session, first.conversation_id, "local")
        assert path_to(messages, conversation.leaf_id)[-1].content == "hello"


def test_every_choice_has_an_id_of_its_own_and_can_be_continued(store: Store, tell: Tell) -> None:
    first = tell("hi", "one", "two", "three")
    assert len(set(first.message_ids)) == 3
    with store.reading() as session:
        conversation, _ = get_conversation(session, first.conversation_id, "local")
    assert conversation.leaf_id == first.message_ids[0]
    for message_id, text in zip(first.message_ids, ["one", "two", "three"], strict=True):
        tell([user("hi"), assistant(text), user(f"after {text}")])
        assert (message_id, "user", f"after {text}") in stored(store, first)


def test_another_users_conversation_is_never_continued_nor_named(store: Store, tell: Tell) -> None:
    hers = tell("hi", "hello", user="ada")
    history = [user("hi"), assistant("hello"), user("more")]
    assert tell(history, "yes", user="ben").conversation_id != hers.conversation_id
    assert len(stored(store, hers, "ada")) == 2
    with pytest.raises(FeilunError) as refused:
        tell(history, user="ben", conversation_id=hers.conversation_id)
    assert (refused.value.status, refused.value.code) == (404, "conversation_not_found")
    with pytest.raises(FeilunError), store.reading() as session:
        get_conversation(session, hers.conversation_id, "ben")


def test_a_deleted_conversation_is_never_continued(store: Store, tell: Tell) -> None:
    first = tell("hi", "hello")
    with store.writing() as session:
        delete_conversation(session, first.conversation_id, "local")
    history = [user("hi"), assistant("hello"), user("more")]
    assert tell(history).conversation_id != first.conversation_id
    with pytest.raises(FeilunError) as refused:
        tell(history, conversation_id=first.conversation_id)
    assert refused.value.status == 404


def test_system_messages_are_parameters_of_the_answer(store: Store, tell: Tell) -> None:
    first = tell([{"role": "system", "content": "be brief"}, user("hi")], "hello", params={"temperature": 0})
    second = tell([{"role": "system", "content": "be long"}, user("hi"), assistant("hello"), user("more")])
    assert second.conversation_id == first.conversation_id
    with store.reading() as session:
        _, messages = get_conversation(session, first.conversation_id, "local")
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert messages[1].params == {"temperature": 0, "system": "be brief"}
    assert messages[3].params == {"system": "be long"}


@pytest.mark.parametrize("resent", ["hello", " hello\n", "\nhello"])
def test_white_space_around_a_resent_answer_does_not_matter(tell: Tell, resent: str) -> None:
    first = tell("hi", "hello\n")
    assert tell([user("hi"), assistant(resent), user("more")]).conversation_id == first.conversation_id


def test_content_as_a_list_of_texts_equals_the_text(tell: Tell) -> None:
    first = tell("one\ntwo", "three")
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert tell([user(parts), assistant("three"), user("more")]).conversation_id == first.conversation_id


def test_tool_calls_and_their_results_are_part_of_the_path(store: Store, tell: Tell) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    first = tell("what is 1+1?", "", extra={"tool_calls": [call]})
    history = [
        user("what is 1+1?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
    ]
    second = tell(history, "2")
    assert second.conversation_id == first.conversation_id
    with store.reading() as session:
        _, messages = get_conversation(session, first.conversation_id, "local")
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1].extra == {"tool_calls": [call]}
    assert messages[2].extra == {"tool_call_id": "call_1"}
    other = [history[0], {**history[1], "tool_calls": [{**call, "id": "call_2"}]}, history[2]]
    assert tell(other).conversation_id != first.conversation_id


def test_an_answer_is_on_disk_empty_before_its_first_word(store: Store, tell: Tell) -> None:
    turn = tell("hi")
    with store.reading() as session:
        _, messages = get_conversation(session, turn.conversation_id, "local")
    assert [(m.content, m.status) for m in messages] == [("hi", "complete"), ("", "generating")]


def test_a_partial_answer_is_kept_and_marked_when_its_writer_died(store: Store, tell: Tell) -> None:
    turn = tell("hi")
    with store.writing() as session:
        save_answers(session, [Answer(turn.message_ids[0], "hel", "generating")])
    finished = tell("hi", "hello")
    assert store.recover() == 1
    assert store.recover() == 0
    with store.reading() as session:
        half, whole = (session.get_one(Message, t.message_ids[0]) for t in (turn, finished))
    assert (half.content, half.status) == ("hel", "interrupted")
    assert (whole.content, whole.status) == ("hello", "complete")
    assert tell([user("hi"), assistant("hel"), user("go on")]).conversation_id == turn.conversation_id


def test_a_late_partial_save_does_not_undo_a_finished_answer(store: Store, tell: Tell) -> None:
    turn = tell("hi", "hello")
    with store.writing() as session:
        save_answers(session, [Answer(turn.message_ids[0], "hel", "generating")])
    assert stored(store, turn)[-1][2] == "hello"


def test_answers_whose_conversation_is_gone_are_passed_over(store: Store, tell: Tell) -> None:
    gone, here = tell("hi"), tell("ho")
    with store.writing() as session:
        delete_conversation(session, gone.conversation_id, "local")
        session.get_one(Conversation, gone.conversation_id).deleted_ms = 1
        purge_deleted(session)
    with store.writing() as session:
        rows = [
            Answer(gone.message_ids[0], "x", "complete"),
            Answer(gone.message_ids[0], "x", "generating"),
            Answer(here.message_ids[0], "y", "complete", "length", {}, {"total_tokens": 3}),
        ]
        save_answers(session, rows)
    with store.reading() as session:
        assert session.get(Message, gone.message_ids[0]) is None
        row = session.get_one(Message, here.message_ids[0])
    assert (row.content, row.status, row.finish_reason, row.usage) == (
        "y",
        "complete",
        "length",
        {"total_tokens": 3},
    )


def test_closing_touches_only_what_is_unfinished(store: Store, tell: Tell) -> None:
    turns = [tell("a", "done"), tell("b"), tell("c", "failed", status="failed")]
    with store.writing() as session:
        assert close_unfinished(session) == 1
    with store.reading() as session:
        states = [session.get_one(Message, turn.message_ids[0]).status for turn in turns]
    assert states == ["complete", "interrupted", "failed"]


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id("msg") for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
