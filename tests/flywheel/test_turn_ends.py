"""How a turn ends before its end, and what becomes of what it took. Nothing is trained, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.flywheel.tiny import FACTS, SUITE, correct, write_lines

from feilun.evaluate.questions import Answer
from feilun.flywheel import turn as turns
from feilun.flywheel.lineage_forget import forget
from feilun.flywheel.promote import promote, roll_back
from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.turn import KIND, Step, Turn, discard, turning, unfinished
from feilun.jobs import Job
from feilun.registry import SMALLEST, Registry, Release
from feilun.store import LOCAL_OWNER, Store
from feilun.store.reviews import State, decide, items
from feilun.store.served import history
from feilun.text import FeilunError
from feilun.workspace import Manifest, Workspace, new_artifact, sha256_file

Begin = Callable[..., Turn]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    write_lines(tmp_path / "suite.jsonl", SUITE)
    return Workspace(tmp_path)


@pytest.fixture
def begin(workspace: Workspace, store: Store) -> Begin:
    def begin(*, canary: float = 0, model: str = SMALLEST.name) -> Turn:
        """A turn that has taken nothing yet."""
        recipe = TurnRecipe.model_validate(
            {
                "gate": {"suite": str(workspace.path / "suite.jsonl"), "margin": 0.9},
                "promote": {"canary": canary},
                "build": {"rewordings": 0, "neighbours": 0, "replay": 0},
            }
        )
        job = Job.create(workspace.path / "runs", KIND, KIND, {"model": model, **recipe.model_dump()})
        return Turn(workspace, store, job, recipe, model)

    return begin


@pytest.fixture(autouse=True)
def learnt(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training leaves an adapter at once, and the candidate knows what it was taught."""

    def train(turn: Turn) -> bool:
        folder = workspace.path / "models" / turn.name
        if not folder.exists():
            with new_artifact(folder) as draft:
                (draft / "adapter.gguf").write_bytes(turn.name.encode())
                files = {"adapter.gguf": sha256_file(draft / "adapter.gguf")}
                Manifest(kind="adapter", id=files["adapter.gguf"], name=turn.name, files=files).write(draft)
        return True

    monkeypatch.setattr(Turn, "_train", train)
    monkeypatch.setattr(turns, "ask_once", answers)


def answers(
    folder: Path,
    release: Release,
    questions: Mapping[str, Any],
    *,
    done: Callable[[int, int], object],
    **_: Any,
) -> dict[str, list[Answer]]:
    known = dict(FACTS) if release.adapter else {}
    for count in range(len(questions)):
        done(count + 1, len(questions))
    return {
        key: [Answer(known.get(messages[-1]["content"], "I do not know."), True)]
        for key, messages in questions.items()
    }


def accepted(
    store: Store, workspace: Workspace, facts: list[tuple[str, str]], user: str = LOCAL_OWNER
) -> None:
    correct(workspace.path, facts, user)
    with store.writing() as session:
        for item in items(session, state="pending"):
            decide(session, item.id, "accept", reviewer=LOCAL_OWNER)


def made(turn: Turn, until: Step | None = None) -> bool:
    """Let a turn go on; whether it came to its end."""
    turn.until = until
    with turn.job.running():
        return turn.run() is not None


def questions(store: Store, state: State) -> list[str]:
    with store.reading() as session:
        return [item.question for item in items(session, state=state)]


ASKED = [question for question, _ in FACTS]
MORE = [(f"What is new in {n}?", f"Nothing, {n}.") for n in range(6)]


def test_what_was_rolled_back_is_learnt_by_the_next_turn(
    workspace: Workspace, store: Store, begin: Begin
) -> None:
    accepted(store, workspace, FACTS)
    first = begin()
    assert made(first)
    assert (questions(store, "taken"), questions(store, "accepted")) == (ASKED, [])
    roll_back(Registry(workspace), store, SMALLEST.name)
    assert (questions(store, "taken"), questions(store, "accepted")) == ([], ASKED)
    second = begin()
    assert made(second)
    with store.reading() as session:
        assert len(items(session, turn=second.name)) == len(FACTS)
        assert items(session, turn=first.name) == []
    assert (questions(store, "taken"), questions(store, "accepted")) == (ASKED, [])


def test_ancestors_keep_what_they_took(workspace: Workspace, store: Store, begin: Begin) -> None:
    accepted(store, workspace, FACTS)
    assert made(begin())
    accepted(store, workspace, MORE)
    later = begin()
    made(later, until="collect")
    assert questions(store, "accepted") == []  # nor does one that has not come to its end give anything back
    with later.job.running():
        later._build()  # pyright: ignore[reportPrivateUsage]
        later._train()  # pyright: ignore[reportPrivateUsage]
        later._promote()  # pyright: ignore[reportPrivateUsage]
    roll_back(Registry(workspace), store, SMALLEST.name)
    assert questions(store, "taken") == ASKED
    assert questions(store, "accepted") == [question for question, _ in MORE]


def test_a_canary_keeps_what_its_turn_took_until_it_is_withdrawn(
    workspace: Workspace, store: Store, begin: Begin
) -> None:
    accepted(store, workspace, FACTS)
    assert made(begin(canary=0.25))
    assert questions(store, "taken") == ASKED
    roll_back(Registry(workspace), store, SMALLEST.name)
    assert (questions(store, "taken"), questions(store, "accepted")) == ([], ASKED)


def test_after_forgetting_somebody_the_others_are_learnt_again(
    workspace: Workspace, store: Store, begin: Begin
) -> None:
    accepted(store, workspace, FACTS[:6])
    accepted(store, workspace, FACTS[6:], user="ann")
    assert made(begin())
    forget(workspace, store, user="ann")
    assert questions(store, "taken") == ASKED[:6]
    roll_back(Registry(workspace), store, SMALLEST.name)
    assert (questions(store, "taken"), questions(store, "accepted")) == ([], ASKED[:6])
    again = begin()
    assert made(again, until="build") is False
    with store.reading() as session:
        assert [item.question for item in items(session, turn=again.name)] == ASKED[:6]


@pytest.mark.parametrize(
    ("until", "there"),
    [
        ("collect", []),
        ("build", ["datasets"]),
        ("train", ["datasets", "models"]),
        ("gate", ["datasets", "models", "reports"]),
    ],
)
def test_each_step_alone(
    workspace: Workspace, store: Store, begin: Begin, until: Step, there: list[str]
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    for _ in range(2):  # again, which does nothing more
        assert not made(turn, until)
        assert turn.job.state == "stopped"
        made_of = [
            name for name in ("datasets", "models", "reports") if (workspace.path / name / turn.name).exists()
        ]
        assert made_of == there
        assert questions(store, "taken") == ASKED
        assert Registry(workspace).get(SMALLEST.name) == SMALLEST
    waiting = unfinished(workspace, store)
    assert waiting is not None
    assert waiting.id == turn.name
    assert made(turn)
    assert turn.job.state == "finished"
    assert Registry(workspace).get(SMALLEST.name).adapter is not None


def test_a_turn_may_be_stopped_while_the_gate_asks(
    workspace: Workspace, store: Store, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    told: list[int] = []

    def stopped(*args: Any, done: Callable[[int, int], object], **options: Any) -> dict[str, list[Answer]]:
        def tell(count: int, of: int) -> None:
            if count == 3:
                turn.job.stop()
            told.append(count)
            done(count, of)

        return answers(*args, done=tell, **options)

    monkeypatch.setattr(turns, "ask_once", stopped)
    assert not made(turn)
    assert told == [1, 2, 3]
    assert turn.job.state == "stopped"
    assert not (workspace.path / "reports" / turn.name).exists()
    monkeypatch.setattr(turns, "ask_once", answers)
    assert made(turn)
    assert Registry(workspace).get(SMALLEST.name).adapter is not None


def test_a_turn_that_is_stopped_after_its_verdict_is_not_promoted(
    workspace: Workspace, store: Store, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    write = Turn._write_report  # pyright: ignore[reportPrivateUsage]

    def written(turn: Turn, verdict: Any) -> None:
        write(turn, verdict)
        turn.job.stop()

    monkeypatch.setattr(Turn, "_write_report", written)
    assert not made(turn)
    assert (turn.job.state, Registry(workspace).get(SMALLEST.name)) == ("stopped", SMALLEST)
    assert made(turn)
    assert Registry(workspace).get(SMALLEST.name).adapter is not None


def test_a_turn_that_is_given_up_gives_back_what_it_took(
    workspace: Workspace, store: Store, begin: Begin
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    with pytest.raises(FeilunError, match="no unfinished turn"):
        discard(workspace, store)
    made(turn, until="train")
    with turning(workspace), pytest.raises(FeilunError, match="Another turn"):
        discard(workspace, store)
    with pytest.raises(FeilunError, match="no such unfinished turn"):
        discard(workspace, store, "turn-of-another-page")
    assert questions(store, "taken") == ASKED
    job, count = discard(workspace, store, turn.name)
    assert (job.id, job.state, count) == (turn.name, "finished", len(FACTS))
    assert [event["event"] for event in job.events()][-2:] == ["discarded", "finished"]
    assert (questions(store, "accepted"), unfinished(workspace, store)) == (ASKED, None)
    assert made(begin())


@pytest.mark.parametrize("noted", [True, False])
def test_what_was_promoted_is_not_given_up(
    workspace: Workspace, store: Store, begin: Begin, noted: bool
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    made(turn, until="gate")
    release = turn._candidate  # pyright: ignore[reportPrivateUsage]
    if noted:
        promote(Registry(workspace), store, release, turn.name)
    else:  # it was killed before it could
        Registry(workspace).replace(release)
    with pytest.raises(FeilunError) as refused:
        discard(workspace, store)
    assert (refused.value.code, questions(store, "taken")) == ("turn_promoted", ASKED)
    assert made(turn)
    with store.reading() as session:
        assert [row.turn for row in history(session)][-1] == turn.name


def test_a_turn_whose_release_was_replaced_meanwhile_does_not_stand_in_the_way(
    workspace: Workspace, store: Store, begin: Begin
) -> None:
    accepted(store, workspace, FACTS)
    turn = begin()
    made(turn, until="gate")
    other = SMALLEST.model_copy(update={"context_length": 512})
    Registry(workspace).replace(other)
    with pytest.raises(FeilunError) as changed:
        made(turn)
    assert (changed.value.code, turn.job.state) == ("release_changed", "failed")
    assert (questions(store, "accepted"), unfinished(workspace, store)) == (ASKED, None)
    assert made(begin())


def test_an_upstream_takes_nothing(workspace: Workspace, store: Store, begin: Begin) -> None:
    accepted(store, workspace, FACTS)
    Registry(workspace).add(Release(name="far", kind="upstream", source="http://127.0.0.1:9/v1"))
    with pytest.raises(FeilunError) as refused:
        made(begin(model="far"))
    assert (refused.value.code, questions(store, "accepted")) == ("cannot_learn", ASKED)
