"""Which release serves: one pointer (the workspace's list of models), and its history in the store.

The pointer, a canary's share with it, is replaced atomically and is what counts; the history is written after it. Both
happen under one lock, so that they tell of the same order; what a process was killed over is written by the next one
that comes (`catch_up`). A running server sees the pointer at its next request.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feilun.registry import Canary, Registry, Release
from feilun.registry.canary import canary_running
from feilun.store import Store
from feilun.store.served import Reason, history, line, note_served, serving_now
from feilun.store.tables import Conversation, Message, Served
from feilun.text import FeilunError


def promote(
    registry: Registry, store: Store, release: Release, turn: str, instead_of: Release | None = None
) -> None:
    """Let ``release`` serve under its name from now on. Done again it changes nothing, whatever has come after it.

    ``instead_of``: the release that the turn began with. Raises `FeilunError` (409) if another one serves by now, and
    while a canary of the model is running.
    """
    with registry.deciding():
        if not _ready(registry, store, release, turn, instead_of):
            return
        registry.replace(release)
        with store.writing() as session:
            _note(session, release, "turn", turn)


def begin_canary(registry: Registry, store: Store, canary: Canary, instead_of: Release | None = None) -> None:
    """Let ``canary`` answer its share of the conversations. Done again it changes nothing, also if it has ended since.

    ``instead_of``: the release that the turn began with. Raises `FeilunError` (409) if another one serves by now, and
    while another canary of the model is running.
    """
    with registry.deciding():
        if not _ready(registry, store, canary.release, canary.turn, instead_of):
            return
        registry.begin_canary(canary)
        with store.writing() as session:
            _note(session, canary.release, "canary", canary.turn)


def end_canary(
    registry: Registry, store: Store, canary: Canary, *, take_over: bool, by_votes: bool = False
) -> bool:
    """Let ``canary`` take over, or withdraw it. False: it had ended already, and nothing was changed.

    ``by_votes`` says why, in the history: the votes have decided it, or somebody has.
    """
    with registry.deciding():
        _catch_up(registry, store, canary.release.name)
        if not registry.end_canary(canary, take_over=take_over):
            return False
        with store.writing() as session:
            if take_over:
                _note(
                    session, canary.release, "canary_passed" if by_votes else "canary_promoted", canary.turn
                )
            else:
                present = registry.get(canary.release.name)
                _note(session, present, "canary_worse" if by_votes else "canary_withdrawn", None)
        return True


def roll_back(registry: Registry, store: Store, name: str) -> Release:
    """Undo the last change: let the release that served before the present one serve again; gives it.

    While a canary is running that is the last change: it is withdrawn, and the present release serves alone.
    Raises `FeilunError` (409) if there is nothing to go back to.
    """
    with registry.deciding():
        _catch_up(registry, store, name)
        present, canary = registry.serving(name)
        if canary is not None:
            registry.end_canary(canary, take_over=False)
            with store.writing() as session:
                _note(session, present, "canary_withdrawn", None)
            return present
        with store.reading() as session:
            before = [Release.model_validate(row.release) for row in line(session, name)]
        while before and before[-1].id == present.id:
            before.pop()
        if not before:
            raise FeilunError(
                f"{name} has served in no other release before: there is nothing to go back to.",
                f"{name} 之前没有其他版本，无法回滚。",
                status=409,
                code="no_earlier_release",
            )
        registry.replace(before[-1])
        with store.writing() as session:
            _note(session, before[-1], "rollback", None)
        return before[-1]


def no_canary(registry: Registry, name: str) -> None:
    """Raises `FeilunError` (409) while ``name`` has a canary.

    For the begin of a turn: it would go on from the present release and lose what the canary has learnt, or from the
    canary and build on what may be withdrawn.
    """
    if registry.serving(name)[1] is not None:
        raise canary_running(name)


def catch_up(registry: Registry, store: Store, name: str) -> None:
    """Write what the history of ``name`` lacks because a process was killed between the pointer and its row.

    Who had decided it is not known any more: it is written down as somebody's decision.
    """
    with registry.deciding():
        _catch_up(registry, store, name)


def _catch_up(registry: Registry, store: Store, name: str) -> None:
    present, canary = registry.serving(name)
    with store.reading() as session:
        last = serving_now(session, name)
        before = [(row.release_id, row.release) for row in line(session, name)]
    if last is None:
        return
    if canary is not None:
        missing: tuple[Release, Reason, str | None] = (canary.release, "canary", canary.turn)
    elif last.reason != "canary":
        turn = _maker(present)
        if present.id == last.release_id:
            return
        if any(present.id == id for id, _ in before):
            missing = (present, "rollback", None)
        elif turn is not None:  # which must find that it has promoted it already, whatever is decided now
            missing = (present, "turn", turn)
        else:
            return  # it was added by hand: the next decision writes it down
    elif present.id == last.release_id:
        missing = (present, "canary_promoted", last.turn)
    elif not before or present.id == before[-1][0]:
        missing = (present, "canary_withdrawn", None)
    else:  # a model that was removed took its canary along; what was added under its name served later
        missing = (Release.model_validate(before[-1][1]), "canary_withdrawn", None)
    with store.writing() as session:
        _note(session, *missing)


def _ready(registry: Registry, store: Store, made: Release, turn: str, instead_of: Release | None) -> bool:
    """Make the history fit for the next row. False: it has what this turn made already. Raises as `promote` does."""
    name = made.name
    _catch_up(registry, store, name)
    present = registry.get(name)
    with store.writing() as session:
        if any(row.turn == turn for row in history(session, name)):
            return False
        if present.id == made.id:  # the turn was killed between the pointer and its row
            return True
        if instead_of is not None and present.id != instead_of.id:
            raise _changed(present, instead_of, turn)
        before = line(session, name)
        if not before or before[-1].release_id != present.id:
            _note_present(session, present)
        return True


def _maker(release: Release) -> str | None:
    """The turn that a release's adapter is of."""
    folder = Path(release.adapter).parent.name if release.adapter else ""
    return folder if folder.startswith("turn-") else None


def _changed(present: Release, instead_of: Release, turn: str) -> FeilunError:
    return FeilunError(
        f"{present.name} serves {present.id} now, but {turn} was made to follow {instead_of.id}: it would undo what was "
        "decided since. Begin a new turn: feilun turn",
        f"{present.name} 现为 {present.id}，而 {turn} 是基于 {instead_of.id} 制作的，上线会撤销此后的决定。"
        "请开始新的一轮：feilun turn",
        status=409,
        code="release_changed",
    )


def _note_present(session: Session, present: Release) -> None:
    """Record a release that no turn has made: the first of its model, or one that was added in place of a removed one."""
    last = serving_now(session, present.name)
    row = _note(session, present, "first", None)
    if row.reason == "first":
        row.since_ms = _began(session, present, last.since_ms if last else 0) or row.since_ms


def _began(session: Session, release: Release, after_ms: int) -> int | None:
    """When a release began to serve, as far as the store knows: with its first answer, or with the workspace."""
    written = select(func.min(Message.created_ms)).where(
        Message.model == release.name, Message.release == release.id, Message.created_ms >= after_ms
    )
    answered = session.scalar(written)
    if answered is not None or after_ms:
        return answered
    return session.scalar(select(func.min(Conversation.created_ms)))


def _note(session: Session, release: Release, reason: Reason, turn: str | None) -> Served:
    # The key of an upstream does not belong in a history.
    whole = release.model_dump(mode="json", exclude={"api_key"})
    return note_served(session, release.name, release.id, whole, reason=reason, turn=turn)
