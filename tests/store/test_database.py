"""Opening the store: schema, durability, damage, and several processes at once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from feilun.store import Store
from feilun.store.conversations import Turn, get_conversation, list_conversations
from feilun.store.feedback import give_feedback
from feilun.store.tables import Base, Conversation, Message
from feilun.text import FeilunError

Tell = Callable[..., Turn]


# --- schema ------------------------------------------------------------------------------------------------


def test_the_migrations_make_what_the_tables_declare(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_changes_nothing(store: Store, where: str | Path, tell: Tell) -> None:
    turn = tell("hi", "hello")
    store.close()
    again = Store(where)
    with again.reading() as session:
        _, messages = get_conversation(session, turn.conversation_id, "local")
    again.close()
    assert [message.content for message in messages] == ["hi", "hello"]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(where: str | Path) -> None:
    store = Store(where)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(FeilunError) as refused:
        Store(where)
    assert refused.value.code == "database_newer"
    assert "9999" in str(refused.value)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"
    store.engine.dispose()


# --- what only SQLite can suffer ---------------------------------------------------------------------------


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "feilun.db")
    with store.writing() as session:
        found = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    store.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 = FULL


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "feilun.db"
    file.write_bytes(b"no database " * 1000)
    with pytest.raises(FeilunError) as refused:
        Store(file)
    assert refused.value.code == "database_damaged"
    assert file.read_bytes() == b"no database " * 1000


def test_damage_in_the_middle_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "feilun.db"
    Store(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    def use() -> None:
        with Store(file).reading() as session:
            list_conversations(session, "local", search="x")

    with pytest.raises(FeilunError) as refused:
        use()
    assert refused.value.code == "database_damaged"


def test_a_database_that_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "feilun.db").mkdir()
    with pytest.raises(FeilunError) as refused:
        Store(tmp_path / "feilun.db")
    assert refused.value.code == "database_read_only"


def test_a_postgresql_that_is_away_is_told_in_one_line_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(FeilunError) as refused:
        Store("postgresql+psycopg://feilun:secret@127.0.0.1:1/feilun")
    assert (refused.value.status, refused.value.code) == (503, "database_unavailable")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql+nothing://x/y", "postgresql+nothing://x/y"])
def test_a_database_url_that_cannot_be_used_is_told(url: str) -> None:
    with pytest.raises(FeilunError) as refused:
        Store(url)
    assert refused.value.code == "bad_database_url"
    assert "FEILUN_DATABASE_URL" in str(refused.value)


# --- several processes -------------------------------------------------------------------------------------

OPEN_AND_TALK = """
import json, sys
from pathlib import Path
from feilun.store import Store
from feilun.store.conversations import Answer, begin_turn, save_answers

url, name, turns = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("loaded", flush=True)
sys.stdin.readline()
store = Store(url if "://" in url else Path(url))
said = []
for number in range(turns):
    with store.writing() as session:
        turn = begin_turn(
            session, user="local", messages=[{"role": "user", "content": f"{name} {number}"}],
            model="m", release="r", params={},
        )
    with store.writing() as session:
        save_answers(session, [Answer(turn.message_ids[0], f"{name} answers {number}", "complete")])
    said.append(turn.message_ids[0])
store.close()
print(json.dumps(said))
"""


def at_once(where: str | Path, processes: int, turns: int) -> list[list[str]]:
    """Have processes open the database in the same moment and talk; the ids of the answers of each."""
    command = [sys.executable, "-c", OPEN_AND_TALK, str(where)]
    running = [
        subprocess.Popen(
            [*command, f"process {number}", str(turns)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "loaded\n"
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * processes, [end[1] for end in ends]
    return [json.loads(out) for out, _ in ends]


def test_processes_that_write_at_once_lose_nothing(where: str | Path) -> None:
    Store(where).close()
    said = at_once(where, processes=2, turns=25)
    store = Store(where)
    with store.reading() as session:
        rows = {row.id: (row.content, row.status) for row in session.scalars(select(Message))}
        assert len(session.scalars(select(Conversation)).all()) == 50
    store.close()
    assert len(rows) == 100
    for process, ids in enumerate(said):
        for number, message_id in enumerate(ids):
            assert rows[message_id] == (f"process {process} answers {number}", "complete")


def test_processes_that_open_an_empty_database_at_once_all_find_it_ready(where: str | Path) -> None:
    said = at_once(where, processes=2, turns=1)
    store = Store(where)
    with store.reading() as session:
        assert {row.id for row in session.scalars(select(Message)) if row.role == "assistant"} == {
            ids[0] for ids in said
        }
    store.close()


# --- texts -------------------------------------------------------------------------------------------------

ODD = [
    "é",
    "e\u0301",
    "\u202eright to left",
    "\ufeffbom",
    "\uffff\U0010ffff",
    "👩‍👩‍👧‍👦",
    "\x01\x1b[31m\x7f",
    "a\r\nb\u2028c",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
@example(text="".join(ODD))
@example(text="长" * 200_000)
def test_texts_come_back_as_they_were_said(store: Store, tell: Tell, text: str) -> None:
    turn = tell(text, text)
    with store.writing() as session:
        row = give_feedback(
            session,
            user="local",
            message_id=turn.message_ids[0],
            opinion={"comment": text, "tags": [text]},
            idempotency_key=None,
        )
        session.refresh(row)
        assert (row.comment, row.tags) == (text, [text])
    with store.reading() as session:
        _, messages = get_conversation(session, turn.conversation_id, "local")
    assert [message.content for message in messages] == [text, text]


def test_nul_characters_are_replaced_since_not_every_database_can_hold_them(store: Store, tell: Tell) -> None:
    turn = tell("before\0after", "an\0swer")
    with store.reading() as session:
        _, messages = get_conversation(session, turn.conversation_id, "local")
        assert [message.content for message in messages] == ["before\ufffdafter", "an\ufffdswer"]
        assert len(list_conversations(session, "local", search="after").rows) == 1
    for nul in ("\0", "\ufffd"):  # resent as it came, or as it was stored
        history = [
            {"role": "user", "content": f"before{nul}after"},
            {"role": "assistant", "content": f"an{nul}swer"},
            {"role": "user", "content": "more"},
        ]
        assert tell(history).conversation_id == turn.conversation_id
