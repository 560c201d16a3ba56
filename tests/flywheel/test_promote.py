"""Which release serves, and that its history says the same, whoever decides and whoever is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forks import environment
from tests.registry.canaries import canary

from feilun.flywheel import promote as promoting
from feilun.flywheel.promote import begin_canary, catch_up, end_canary, no_canary, promote, roll_back
from feilun.registry import ASSISTANT, SMALLEST, Canary, Registry, Release
from feilun.store import Store
from feilun.store.conversations import begin_turn
from feilun.store.served import history
from feilun.store.tables import Conversation, Message
from feilun.text import FeilunError

NAME = SMALLEST.name


def past(store: Store) -> list[tuple[str, str]]:
    with store.reading() as session:
        return [(row.release_id, row.reason) for row in history(session, NAME)]


def answer(store: Store, release: str, at_ms: int) -> None:
    """A conversation in which ``release`` has answered."""
    with store.writing() as session:
        asked = [{"role": "user", "content": "Well?"}]
        turn = begin_turn(session, user="ann", messages=asked, model=NAME, release=release, params={})
        message = session.get_one(Message, turn.message_ids[0])
        message.created_ms = at_ms
        session.get_one(Conversation, message.conversation_id).created_ms = at_ms - 1


def times(store: Store) -> list[int]:
    with store.reading() as session:
        return [row.since_ms for row in history(session, NAME)]


def add_anew(registry: Registry, release: Release) -> None:
    """As `feilun models remove` and `feilun models add` do."""
    if all(known.name != ASSISTANT.name for known in registry.releases()):
        registry.add(ASSISTANT, make_default=True)
    registry.remove(NAME)
    registry.add(release)


FIRST = (SMALLEST.id, "first")
ADDED = SMALLEST.model_copy(update={"context_length": 2000})


def test_a_canary_takes_over_by_the_votes_and_is_rolled_back(registry: Registry, store: Store) -> None:
    one = canary()
    begin_canary(registry, store, one)
    assert registry.serving(NAME) == (SMALLEST, one)
    with pytest.raises(FeilunError) as refused:
        no_canary(registry, NAME)
    assert refused.value.code == "canary_running"
    assert end_canary(registry, store, one, take_over=True, by_votes=True)
    no_canary(registry, NAME)
    assert registry.default() == one.release
    begins = [FIRST, (one.release.id, "canary"), (one.release.id, "canary_passed")]
    assert past(store) == begins
    assert roll_back(registry, store, NAME) == registry.default() == SMALLEST
    assert past(store) == [*begins, (SMALLEST.id, "rollback")]
    with pytest.raises(FeilunError) as nothing:
        roll_back(registry, store, NAME)
    assert nothing.value.code == "no_earlier_release"


def test_a_rollback_takes_the_canary_first_and_then_what_was_before(registry: Registry, store: Store) -> None:
    second = canary(2).release
    promote(registry, store, second, "turn-2")
    begin_canary(registry, store, canary(3))
    assert roll_back(registry, store, NAME) == second
    assert registry.serving(NAME) == (second, None)
    assert past(store)[-2:] == [(canary(3).release.id, "canary"), (second.id, "canary_withdrawn")]
    assert roll_back(registry, store, NAME) == SMALLEST


def test_what_a_turn_has_made_is_not_made_again_when_it_goes_on(registry: Registry, store: Store) -> None:
    begin_canary(registry, store, canary())
    assert end_canary(registry, store, canary(), take_over=False, by_votes=True)
    before = past(store)
    begin_canary(registry, store, canary())  # the turn was killed before it could say that it had ended
    assert (registry.canaries(), past(store)) == ([], before)
    assert before[-1] == (SMALLEST.id, "canary_worse")
    promote(registry, store, canary(2).release, "turn-2")
    roll_back(registry, store, NAME)
    promote(registry, store, canary(2).release, "turn-2")
    assert registry.default() == SMALLEST


def test_nothing_is_promoted_past_a_canary(registry: Registry, store: Store) -> None:
    begin_canary(registry, store, canary())
    for do in (
        lambda: promote(registry, store, canary(2).release, "turn-2"),
        lambda: begin_canary(registry, store, canary(2)),
    ):
        with pytest.raises(FeilunError) as refused:
            do()
        assert refused.value.code == "canary_running"
    assert registry.serving(NAME) == (SMALLEST, canary())
    assert past(store) == [FIRST, (canary().release.id, "canary")]


def last_step(registry: Registry, store: Store, one: Canary, how: str, instead_of: Release) -> None:
    """The end of a turn that began with ``instead_of``."""
    if how == "at once":
        promote(registry, store, one.release, one.turn, instead_of)
    else:
        begin_canary(registry, store, one, instead_of)


HOW = pytest.mark.parametrize("how", ["at once", "canary"])


@HOW
def test_a_turn_does_not_undo_what_was_decided_while_it_was_made(
    registry: Registry, store: Store, how: str
) -> None:
    bad = canary(2).release
    promote(registry, store, bad, "turn-2", SMALLEST)
    roll_back(registry, store, NAME)  # while turn-3 is being made, which began with the bad one
    before = past(store)
    with pytest.raises(FeilunError) as refused:
        last_step(registry, store, canary(3), how, bad)
    assert (refused.value.status, refused.value.code) == (409, "release_changed")
    for told in (refused.value.text.en, refused.value.text.zh):
        assert all(part in told for part in (SMALLEST.id, bad.id, "turn-3", "feilun turn"))
    assert (registry.serving(NAME), past(store)) == ((SMALLEST, None), before)
    last_step(registry, store, canary(4), how, SMALLEST)
    assert past(store)[-1][0] == canary(4).release.id


@HOW
def test_a_turn_that_has_made_its_last_step_may_make_it_again(
    registry: Registry, store: Store, how: str
) -> None:
    last_step(registry, store, canary(2), how, SMALLEST)
    roll_back(registry, store, NAME)
    promote(registry, store, canary(3).release, "turn-3", SMALLEST)
    before = past(store)
    last_step(registry, store, canary(2), how, SMALLEST)
    assert (registry.get(NAME), past(store)) == (canary(3).release, before)


@HOW
def test_killed_between_the_pointer_and_its_row_a_turn_goes_on(
    registry: Registry, store: Store, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "replace" if how == "at once" else "begin_canary", _dies)
        with pytest.raises(KeyboardInterrupt):
            last_step(registry, store, canary(2), how, SMALLEST)
    assert past(store) == [FIRST]
    registry.replace(canary(2).release) if how == "at once" else registry.begin_canary(canary(2))
    for _ in range(2):
        last_step(registry, store, canary(2), how, SMALLEST)
        assert past(store) == [FIRST, (canary(2).release.id, "turn" if how == "at once" else "canary")]


def test_what_was_rolled_back_is_not_promoted_again_by_the_turn_that_was_killed(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"adapter": "/w/models/turn-2/adapter.gguf", "adapter_sha256": "sha256:2"}
    release = SMALLEST.model_copy(update=made)
    with monkeypatch.context() as patch:
        patch.setattr("feilun.flywheel.promote._note", _dies_after(1))
        with pytest.raises(KeyboardInterrupt):
            promote(registry, store, release, "turn-2", instead_of=SMALLEST)
    assert registry.get(NAME) == release
    assert past(store) == [FIRST]
    assert roll_back(registry, store, NAME) == SMALLEST
    promote(registry, store, release, "turn-2", instead_of=SMALLEST)  # it goes on
    assert registry.get(NAME) == SMALLEST
    assert past(store) == [FIRST, (release.id, "turn"), (SMALLEST.id, "rollback")]


def _dies_after(rows: int) -> Callable[..., Any]:
    whole, written = promoting._note, 0

    def note(*given: Any) -> Any:
        nonlocal written
        written += 1
        return whole(*given) if written <= rows else _dies()

    return note


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_first_release_has_served_since_its_first_answer(registry: Registry, store: Store) -> None:
    for release, at in (("release:other", 3000), (SMALLEST.id, 5000), (SMALLEST.id, 4000)):
        answer(store, release, at)
    begun = time.time() * 1000 - 1
    promote(registry, store, canary(2).release, "turn-2")
    first, second = times(store)
    assert first == 4000
    assert second >= begun


def test_one_that_has_not_answered_has_served_as_long_as_there_are_conversations(
    registry: Registry, store: Store
) -> None:
    answer(store, "release:other", 3000)
    begin_canary(registry, store, canary(2))
    assert times(store)[0] == 2999


def test_where_nothing_is_known_it_has_served_since_now(registry: Registry, store: Store) -> None:
    begun = time.time() * 1000 - 1
    promote(registry, store, canary(2).release, "turn-2")
    assert times(store)[0] >= begun


@HOW
def test_a_rollback_brings_back_what_was_added_in_place_of_a_removed_model(
    registry: Registry, store: Store, how: str
) -> None:
    promote(registry, store, canary(2).release, "turn-2")
    add_anew(registry, ADDED)
    late = times(store)[-1] + 5000
    for at in (7, late):  # the first under the name's release before
        answer(store, ADDED.id, at)
    last_step(registry, store, canary(3), how, ADDED)
    if how == "canary":
        end_canary(registry, store, canary(3), take_over=True)
    assert past(store)[:3] == [FIRST, (canary(2).release.id, "turn"), (ADDED.id, "first")]
    assert times(store)[2] == late
    assert roll_back(registry, store, NAME) == registry.get(NAME) == ADDED


def test_one_that_served_and_was_rolled_back_may_be_added_anew(registry: Registry, store: Store) -> None:
    bad = canary(2).release
    promote(registry, store, bad, "turn-2")
    roll_back(registry, store, NAME)
    add_anew(registry, bad)
    catch_up(registry, store, NAME)
    promote(registry, store, canary(3).release, "turn-3")
    assert roll_back(registry, store, NAME) == bad
    assert roll_back(registry, store, NAME) == SMALLEST


def test_a_model_that_is_removed_takes_its_canary_along(registry: Registry, store: Store) -> None:
    begin_canary(registry, store, canary(2))
    add_anew(registry, ADDED)
    catch_up(registry, store, NAME)
    assert past(store) == [FIRST, (canary(2).release.id, "canary"), (SMALLEST.id, "canary_withdrawn")]
    promote(registry, store, canary(3).release, "turn-3")
    assert past(store)[3:] == [(ADDED.id, "first"), (canary(3).release.id, "turn")]
    assert roll_back(registry, store, NAME) == ADDED


@pytest.mark.parametrize("take_over", [True, False])
def test_a_row_that_a_killed_process_left_out_is_written_by_the_next(
    registry: Registry, store: Store, take_over: bool
) -> None:
    begin_canary(registry, store, canary())
    end_canary(registry, store, canary(), take_over=False)
    registry.begin_canary(canary(2))  # the pointer alone, as a process leaves it that dies before the row
    catch_up(registry, store, NAME)
    assert past(store)[-1] == (canary(2).release.id, "canary")
    registry.end_canary(canary(2), take_over=take_over)
    catch_up(registry, store, NAME)
    catch_up(registry, store, NAME)
    wanted = (canary(2).release.id, "canary_promoted") if take_over else (SMALLEST.id, "canary_withdrawn")
    assert past(store)[-2:] == [(canary(2).release.id, "canary"), wanted]


DECIDES = """
import sys
from pathlib import Path
from tests.registry.canaries import canary
from feilun.flywheel import promote as promoting
from feilun.flywheel.promote import begin_canary, end_canary, roll_back
from feilun.registry import Registry
from feilun.store import Store
from feilun.workspace import Workspace
folder, number = Path(sys.argv[1]), int(sys.argv[2])
registry, store = Registry(Workspace(folder)), Store(folder / "feilun.db")
while True:
    number += 1
    begin_canary(registry, store, canary(number))
    end_canary(registry, store, canary(number), take_over=number % 2 == 0, by_votes=True)
    if number % 3 == 0 and number % 2 == 0:
        roll_back(registry, store, registry.default().name)
    print(number, flush=True)
"""


def test_killed_anywhere_pointer_and_history_agree_in_the_end(
    tmp_path: Path, registry: Registry, store: Store
) -> None:
    chance = random.Random(4)
    for start in (1000, 2000, 3000):
        with subprocess.Popen(
            [sys.executable, "-c", DECIDES, str(tmp_path), str(start)],
            env=environment(),
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it decides from now on
            time.sleep(chance.random() / 20)
            process.kill()
        release, running = registry.serving(NAME)  # neither half nor empty
        catch_up(registry, store, NAME)
        last = past(store)[-1]
        assert last[0] == (running.release if running else release).id
        assert (last[1] == "canary") == (running is not None)
        if running:
            end_canary(registry, store, running, take_over=False)
    assert len(past(store)) > 3
