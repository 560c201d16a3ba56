"""Which release serves, and that its history says the same, whoever decides and whoever is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.forks import environment
from tests.registry.canaries import canary

from feilun.flywheel.promote import begin_canary, catch_up, end_canary, no_canary, promote, roll_back
from feilun.registry import SMALLEST, Registry
from feilun.store import Store
from feilun.store.served import history
from feilun.text import FeilunError

NAME = SMALLEST.name


def past(store: Store) -> list[tuple[str, str]]:
    with store.reading() as session:
        return [(row.release_id, row.reason) for row in history(session, NAME)]


FIRST = (SMALLEST.id, "first")


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
