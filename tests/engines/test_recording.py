"""What is said is kept while it is said: the recorder on a real database."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.serve import recording
from feilun.serve.engines.base import Delta, Usage
from feilun.serve.recording import Choice, Recorder, Recording
from feilun.store import Store
from feilun.store.conversations import begin_turn
from feilun.store.tables import Message
from feilun.text import FeilunError

PATIENCE = 20.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "feilun.db")
    yield store
    store.close()


@contextlib.asynccontextmanager
async def running(store: Store) -> AsyncGenerator[Recorder]:
    """A recorder at work; at the end it is stopped as a server does it."""
    recorder = Recorder(store)
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    try:
        yield recorder
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def begin(recorder: Recorder, choices: int = 1, keep: bool = True, text: str = "hi") -> Recording:
    messages = [{"role": "user", "content": text}]
    return await recorder.begin(
        choices=choices, keep=keep, user="local", messages=messages, model="m", release="r", params={}
    )


def row(store: Store, recording: Recording, choice: int = 0) -> Message:
    assert recording.turn
    with store.reading() as session:
        return session.get_one(Message, recording.turn.message_ids[choice])


async def until(store: Store, recording: Recording, content: str) -> Message:
    async with asyncio.timeout(PATIENCE):
        while (found := row(store, recording)).content != content:  # noqa: ASYNC110  a database has no event
            await asyncio.sleep(0.01)
    return found


@contextlib.contextmanager
def broken(store: Store) -> Iterator[None]:
    """While this lasts no answer can be saved."""
    path = store.engine.url.database
    assert path
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON messages BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        database.commit()
        yield
        database.execute("DROP TRIGGER broken")
        database.commit()


@contextlib.contextmanager
def busy(store: Store) -> Iterator[None]:
    """While this lasts every write waits."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            held.set()
            free.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(PATIENCE)
    try:
        yield
    finally:
        free.set()
        holder.join()


def test_the_question_is_on_disk_before_the_first_word(store: Store) -> None:
    async def talk() -> None:
        recording = await begin(Recorder(store))
        assert recording.turn
        found = row(store, recording)
        assert (found.status, found.content, found.parent_id) == ("generating", "", recording.turn.parent_id)

    asyncio.run(talk())


def test_a_growing_answer_is_saved_again_and_again(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder)
            for text in ("hel", "hello"):
                recording.add(Delta(content=text[len(recording.choices[0].text) :]))
                assert (await until(store, recording, text)).status == "generating"

    asyncio.run(talk())


def test_a_finished_answer_is_on_disk_when_it_is_said_to_be(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder, choices=2)
            for item in (
                Delta(0, "one"),
                Delta(1, "two"),
                Delta(0, finish_reason="stop"),
                Delta(1, finish_reason="length"),
                Usage(5, 2),
            ):
                recording.add(item)
            await recorder.finish(recording, "complete")
            found = [row(store, recording, choice) for choice in (0, 1)]
            assert [(m.content, m.status, m.finish_reason) for m in found] == [
                ("one", "complete", "stop"),
                ("two", "complete", "length"),
            ]
            assert found[0].usage == Usage(5, 2).as_openai()

        history = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "more"},
        ]
        turn = await store.write(
            begin_turn, user="local", messages=history, model="m", release="r", params={}
        )
        assert recording.turn
        assert turn.conversation_id == recording.turn.conversation_id  # a resent history finds it

    asyncio.run(talk())


def test_only_the_first_end_counts(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder)
            recording.add(Delta(content="whole", finish_reason="stop"))
            done = recorder.finish(recording, "complete")
            assert recorder.finish(recording, "stopped") is done
            await done
            await recorder.finish(recording, "failed", "too late")
        assert (row(store, recording).status, row(store, recording).extra) == ("complete", {})

    asyncio.run(talk())


def test_the_end_wins_over_a_partial_save_in_flight(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "SAVE_EVERY", 0.01)

    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder)
            recording.add(Delta(content="hel"))
            with busy(store):
                await asyncio.sleep(0.2)  # the partial save waits for its turn by now
                recording.add(Delta(content="lo", finish_reason="stop"))
                done = recorder.finish(recording, "complete")
                await asyncio.sleep(0.1)
                assert not done.done()
            await asyncio.wait_for(done, PATIENCE)
            assert (row(store, recording).content, row(store, recording).status) == ("hello", "complete")
        assert (row(store, recording).content, row(store, recording).status) == ("hello", "complete")

    asyncio.run(talk())


def test_a_failed_save_is_told_and_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "SAVE_EVERY", 0.05)

    async def talk() -> None:
        async with running(store) as recorder:
            recording, growing = await begin(recorder), await begin(recorder)
            growing.add(Delta(content="half"))
            recording.add(Delta(content="whole", finish_reason="stop"))
            with broken(store):
                with pytest.raises(FeilunError) as told:
                    await asyncio.wait_for(recorder.finish(recording, "complete"), PATIENCE)
                assert told.value.code == "disk_full"
                assert row(store, recording).status == "generating"
            assert (await until(store, recording, "whole")).status == "complete"
            assert (await until(store, growing, "half")).status == "generating"

    asyncio.run(talk())


def test_the_end_of_the_server_keeps_what_there_is(store: Store) -> None:
    async def talk() -> Recording:
        async with running(store) as recorder:
            recording = await begin(recorder, choices=2)
            recording.add(Delta(0, "whole", finish_reason="stop"))
            recording.add(Delta(1, "half"))
        return recording

    ended = asyncio.run(talk())
    states = [(row(store, ended, choice).content, row(store, ended, choice).status) for choice in (0, 1)]
    assert states == [("whole", "complete"), ("half", "stopped")]
    assert store.recover() == 0


def test_the_end_of_the_server_in_the_middle_of_a_save_keeps_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SAVE_EVERY", 0.01)

    async def talk() -> Recording:
        recorder = Recorder(store)
        task = asyncio.create_task(recorder.run())
        found = await begin(recorder)
        found.add(Delta(content="hel"))
        with busy(store):
            await asyncio.sleep(0.2)
            found.add(Delta(content="lo"))
            task.cancel()
            await asyncio.sleep(0.05)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return found

    ended = asyncio.run(talk())
    assert (row(store, ended).content, row(store, ended).status) == ("hello", "stopped")


def test_a_client_that_leaves_while_its_question_is_committed_leaves_no_answer_open(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            with busy(store):
                asking = asyncio.create_task(begin(recorder))
                await asyncio.sleep(0.1)
                asking.cancel()
                await asyncio.sleep(0.05)
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(talk())
    with store.reading() as session:
        assert [(m.role, m.status) for m in session.query(Message).order_by(Message.id)] == [
            ("user", "complete"),
            ("assistant", "stopped"),
        ]
    assert store.recover() == 0


def test_a_question_the_engine_refused_is_forgotten(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder)
            await recorder.discard(recording)
            await recorder.finish(recording, "failed", "refused")

    asyncio.run(talk())
    with store.reading() as session:
        assert session.query(Message).count() == 0


def test_an_answer_that_cannot_be_stored_spoils_no_other(store: Store) -> None:
    async def talk() -> tuple[Recording, Recording]:
        async with running(store) as recorder:
            bad, good = await begin(recorder), await begin(recorder)
            bad.add(Delta(content="\ud800", finish_reason="stop"))  # half a character: SQLite takes none
            good.add(Delta(content="whole", finish_reason="stop"))
            ends = [recorder.finish(recording, "complete") for recording in (bad, good)]
            with pytest.raises(UnicodeEncodeError):
                await asyncio.wait_for(ends[0], PATIENCE)
            await asyncio.wait_for(ends[1], PATIENCE)
        return bad, good

    _, good = asyncio.run(talk())
    assert (row(store, good).content, row(store, good).status) == ("whole", "complete")


def test_what_shall_not_be_kept_is_not(store: Store) -> None:
    async def talk() -> None:
        async with running(store) as recorder:
            recording = await begin(recorder, choices=2, keep=False)
            assert recording.message_ids == [None, None]
            recording.add(Delta(1, "secret", finish_reason="stop"))
            await recorder.finish(recording, "complete")

    asyncio.run(talk())
    with store.reading() as session:
        assert session.query(Message).count() == 0


def test_a_failure_is_kept_with_its_reason_and_what_there_was(store: Store) -> None:
    async def talk() -> Recording:
        async with running(store) as recorder:
            recording = await begin(recorder)
            recording.add(Delta(content="half"))
            await recorder.finish(recording, "failed", "the engine died")
        return recording

    ended = row(store, asyncio.run(talk()))
    assert (ended.content, ended.status, ended.extra) == ("half", "failed", {"error": "the engine died"})


CALLS = st.lists(
    st.fixed_dictionaries(
        {"id": st.text(min_size=1), "name": st.text("abc", min_size=1), "arguments": st.text()}
    ),
    min_size=1,
    max_size=3,
)


@given(calls=CALLS, data=st.data())
def test_tool_calls_in_pieces_become_whole(calls: list[dict[str, str]], data: st.DataObject) -> None:
    choice = Choice()
    for index, call in enumerate(calls):
        text = call["arguments"]
        at = data.draw(st.integers(0, len(text)))
        first: dict[str, Any] = {
            "index": index,
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": text[:at]},
        }
        choice.add(Delta(tool_calls=[first]))
        choice.add(Delta(tool_calls=[{"index": index, "function": {"arguments": text[at:]}}]))
    assert choice.tool_calls == [
        {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
        for c in calls
    ]
