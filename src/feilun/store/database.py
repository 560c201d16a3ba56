"""Opening the store: dialects, durability, migrations. The one module that knows SQLite from PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from feilun.store.conversations import close_unfinished
from feilun.store.tables import SCHEMA
from feilun.text import FeilunError

P = ParamSpec("P")
R = TypeVar("R")


class Store:
    """The database, opened and brought to the present schema.

    Reads and writes are functions of `feilun.store.conversations` and its neighbours that take a session
    first: ``store.write(begin_turn, ...)`` runs one in a thread, in a transaction of its own, and returns
    after the commit. No transaction is open while anything else is awaited.

    Raises `FeilunError` if the database is unreadable, of a newer Feilun, or cannot be written.
    """

    def __init__(self, where: str | Path) -> None:
        """``where`` is SQLAlchemy's URL of a database, or the path of a file for SQLite."""
        self.engine = _engine(where)
        self._sqlite = self.engine.dialect.name == "sqlite"
        # SQLite has one writer at a time; waiting here is fair and cheap, waiting in SQLite is a sleep loop.
        self._writer: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self._sqlite else contextlib.nullcontext()
        )
        # Of its own: behind other work in a shared pool a click would wait for a model.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="store")
        if self._sqlite:
            _set_up_sqlite(self.engine)
        with _explained():
            _migrate(self.engine)

    @contextlib.contextmanager
    def reading(self) -> Generator[Session]:
        with _explained(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Generator[Session]:
        """A session whose changes are committed, on disk, when the block ends."""
        engine = self.engine.execution_options(write=True)
        with _explained(), self._writer, Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def read(self, do: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        def work() -> R:
            with self.reading() as session:
                return do(session, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def write(self, do: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        def work() -> R:
            with self.writing() as session:
                return do(session, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def recover(self) -> int:
        """Mark what a dead process left half-written as interrupted; the text it had is kept. Returns how many.

        For the one server of the workspace, before it takes requests.
        """
        with self.writing() as session:
            return close_unfinished(session)

    def close(self) -> None:
        self._threads.shutdown()
        self.engine.dispose()


def _engine(where: str | Path) -> sqlalchemy.Engine:
    if isinstance(where, Path):  # as it is: in a URL a path's ? and # would mean something
        return sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(where)))
    try:
        return sqlalchemy.create_engine(where)
    except (ArgumentError, ImportError) as error:
        raise FeilunError(
            f"FEILUN_DATABASE_URL cannot be used: {error}. "
            "Write postgresql+psycopg://user@host/name, with feilun[postgres].",
            f"FEILUN_DATABASE_URL 无法使用：{error}。请写作 postgresql+psycopg://用户@主机/库名，并安装 feilun[postgres]。",
            code="bad_database_url",
        ) from None


def _set_up_sqlite(engine: sqlalchemy.Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        _log_ahead(cursor)
        cursor.execute("PRAGMA synchronous=FULL")  # a commit is on disk, also after a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        # A transaction that will write takes the lock at once: upgrading later may fail half-way.
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _log_ahead(cursor: sqlite3.Cursor) -> None:
    """Have a write-ahead log. Where two processes make the first one of a database, SQLite does not let either wait for the
    other, whatever its timeout: the one that is refused tries again.
    """
    last = time.monotonic() + 10
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(engine: sqlalchemy.Engine) -> None:
    with engine.execution_options(write=True).begin() as connection:
        if engine.dialect.name == "postgresql":  # one process at a time, as SQLite's BEGIN IMMEDIATE has it
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8765)")
        present: str | None = None
        if sqlalchemy.inspect(connection).has_table("alembic_version"):
            present = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if present == SCHEMA:
            return
        # Half a second to import, and hardly ever needed.
        import alembic.command
        import alembic.config
        from alembic.script import ScriptDirectory

        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if present is not None and present not in known:
            raise FeilunError(
                f"The database {engine.url.render_as_string()} was made by a newer Feilun (schema {present}). "
                "Upgrade feilun, or choose another workspace with -w.",
                f"数据库 {engine.url.render_as_string()} 由更新版本的 Feilun 创建（结构版本 {present}）。"
                "请升级 feilun，或用 -w 指定另一个工作区。",
                code="database_newer",
            )
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


@contextlib.contextmanager
def _explained() -> Generator[None]:
    """Turn the database's own errors into sentences that say what to do."""
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        if "disk is full" in reason or "No space left" in reason:
            raise FeilunError(
                "The disk of the workspace is full: nothing was stored. Free some space and try again.",
                "工作区所在磁盘已满：未保存任何内容。请腾出空间后重试。",
                status=507,
                code="disk_full",
            ) from error
        if "readonly database" in reason or "unable to open" in reason:
            raise FeilunError(
                f"The database cannot be written ({reason}). Check the permissions of the workspace folder.",
                f"数据库不可写（{reason}）。请检查工作区文件夹的权限。",
                status=507,
                code="database_read_only",
            ) from error
        if "not a database" in reason or "malformed" in reason:
            raise FeilunError(
                f"The database is damaged ({reason}). Restore feilun.db from a backup, or choose another workspace with -w.",
                f"数据库已损坏（{reason}）。请从备份恢复 feilun.db，或用 -w 指定另一个工作区。",
                code="database_damaged",
            ) from error
        if isinstance(error, OperationalError):
            raise FeilunError(
                f"The database does not answer: {reason}.",
                f"数据库没有响应：{reason}。",
                status=503,
                code="database_unavailable",
                retry_after=1,
            ) from error
        raise
