"""Which release serves: one pointer (the workspace's list of models), and its history in the store.

The pointer is replaced atomically and is what counts; the history is written after it, and a turn that was killed in
between writes it when it goes on. A running server sees the pointer at its next request.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from feilun.registry import Registry, Release
from feilun.store import Store
from feilun.store.served import history, note_served, serving_now
from feilun.text import FeilunError


def promote(registry: Registry, store: Store, release: Release, turn: str) -> None:
    """Let ``release`` serve under its name from now on. Done again it changes nothing."""
    before = registry.get(release.name)
    with store.writing() as session:
        if before.id != release.id and serving_now(session, release.name) is None:
            _note(session, before, "first", None)
    if before.id != release.id:
        registry.replace(release)
    with store.writing() as session:
        _note(session, release, "turn", turn)


def roll_back(registry: Registry, store: Store, name: str) -> Release:
    """Let the release that served before the present one serve again; gives it.

    Raises `FeilunError` (409) if there is none.
    """
    present = registry.get(name)
    with store.reading() as session:
        rows = history(session, name)
    # After a rollback the one before is the one before that: rows that were rolled back are passed over.
    line: list[dict[str, Any]] = []
    for row in rows:
        if row.reason == "rollback":
            while line and Release.model_validate(line[-1]).id != row.release_id:
                line.pop()
        else:
            line.append(row.release)
    while line and Release.model_validate(line[-1]).id == present.id:
        line.pop()
    if not line:
        raise FeilunError(
            f"{name} has served in no other release before: there is nothing to go back to.",
            f"{name} 之前没有其他版本，无法回滚。",
            status=409,
            code="no_earlier_release",
        )
    earlier = Release.model_validate(line[-1])
    registry.replace(earlier)
    with store.writing() as session:
        _note(session, earlier, "rollback", None)
    return earlier


def _note(session: Session, release: Release, reason: str, turn: str | None) -> None:
    # The key of an upstream does not belong in a history.
    whole = release.model_dump(mode="json", exclude={"api_key"})
    note_served(session, release.name, release.id, whole, reason=reason, turn=turn)
