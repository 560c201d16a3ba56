"""What forgetting leaves: real stores, real data sets, adapters of a few bytes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from sqlalchemy import delete
from tests.flywheel.lineage_world import MODEL, SECRET, SECRET_ZH, World, chain

from feilun.flywheel import build, lineage_forget
from feilun.flywheel.lineage import tainted
from feilun.flywheel.lineage_forget import Serving, forget, plan
from feilun.flywheel.promote import begin_canary, end_canary, roll_back
from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.turn import KIND, Turn, turning
from feilun.jobs import Job
from feilun.store.conversations import delete_conversation
from feilun.store.reviews import decide, items
from feilun.store.served import history
from feilun.store.tables import Conversation, Served
from feilun.text import FeilunError


def test_forgetting_a_user_leaves_none_of_the_words(world: World) -> None:
    mine = world.correct("Who guards the door?", "Nobody guards the door at night.")
    other = world.correct("Where is it?", "It is in Yangzhou, near the lake.", "bob")
    world.turn()
    first = world.registry.get(MODEL).id
    world.correct(f"Is it true that {SECRET}?", f"Yes: {SECRET}, day and night.", "alice")
    world.correct(f"谁说{SECRET_ZH}？", f"对，{SECRET_ZH}。", "alice")
    world.opine(world.ask("Anything?", "Nothing.", "bob"), "alice", accept=False, comment=SECRET)
    world.ask(SECRET, "I see.", "alice", system=SECRET_ZH)
    old = world.ask("What did you hear?", "Nothing at all.", "alice")
    world.opine(old, "bob", correction=f"That {SECRET}.")
    second = world.turn()
    world.correct("When?", "In the year 2011, in May.")
    third = world.turn()  # replays what the others taught
    draft = world.workspace.path / "datasets" / ".turn-x.abcdefgh.tmp"
    draft.mkdir()
    taught = (world.workspace.path / "datasets" / second / "sft.jsonl").read_bytes()
    (draft / "sft.jsonl").write_bytes(taught)  # as a kill leaves it, while building,
    (draft.with_name(second) / ".sft.jsonl.abcd1234").write_bytes(taught)  # and while cutting
    assert len(world.holding(SECRET, SECRET_ZH)) >= 8

    made = plan(world.workspace, world.store, user="alice")
    assert made.stored.conversations == 4
    assert len(made.stored.opinions) == 4
    names = {node.name for node in made.artifacts}
    assert names == {
        f"{kind}/{turn}" for kind in ("datasets", "models", "reports") for turn in (second, third)
    }
    serving = world.registry.get(MODEL).id
    assert [(one.release, one.clean) for one in made.serving] == [(serving, first)]
    assert made.unfinished == []
    assert any(name.startswith(f"datasets/{third}/") for name in made.rows)

    done, left = forget(world.workspace, world.store, user="alice")
    assert done.rows == made.rows
    assert left == []
    assert world.holding(SECRET, SECRET_ZH, "alice") == []
    assert world.registry.get(MODEL).id == serving  # which is for people to decide
    for turn, rows in ((second, True), (third, True)):
        for kind in ("datasets", "models", "reports"):
            said = json.loads((world.workspace.path / kind / turn / "tainted.json").read_text())["because"][0]
            assert said["forgotten"] == "user"
            assert bool(said.get("rows_removed")) is (rows and kind == "datasets")
    with world.store.reading() as session:
        assert {item.id for item in items(session)} >= {mine, other}
        assert tainted(world.workspace, session, world.registry.get(MODEL))
        assert not any(row.user == "alice" for row in session.query(Conversation))
    kept = build.read(world.workspace.path / "datasets" / third / "sft.jsonl")
    assert {mine, other} <= {row.get("item") for row in kept}
    verdict = json.loads((world.workspace.path / "reports" / second / "verdict.json").read_text())
    assert verdict["changed"] == []
    assert verdict["parts"][0]["n"] == 3  # the figures stay
    with pytest.raises(FeilunError) as again:
        forget(world.workspace, world.store, user="alice")
    assert again.value.code == "nothing_to_forget"

    # What goes on from a tainted adapter is tainted, what is made after going back is not.
    world.correct("How many?", "There are forty-two of them.")
    world.turn()
    with world.store.reading() as session:
        assert tainted(world.workspace, session, world.registry.get(MODEL))
    while world.registry.get(MODEL).id != first:
        roll_back(world.registry, world.store, MODEL)
    world.correct("How much?", "It is 3480 yuan a month.")
    world.turn()
    with world.store.reading() as session:
        assert not tainted(world.workspace, session, world.registry.get(MODEL))
    assert world.holding(SECRET, SECRET_ZH) == []


def test_a_reviewers_words_are_the_reviewers(world: World) -> None:
    opinion = world.opine(world.ask("Who?", "No idea.", "bob"), "bob", accept=False, rating=-1)
    with world.store.writing() as session:
        decide(session, opinion, "accept", reviewer="rita", answer=f"It is known that {SECRET}.")
    turn = world.turn()
    assert world.holding(SECRET)
    forget(world.workspace, world.store, user="rita")
    assert world.holding(SECRET) == []
    assert build.read(world.workspace.path / "datasets" / turn / "asked.jsonl") == []
    with world.store.reading() as session:
        assert [item.state for item in items(session)] == ["pending"]  # bob's opinion is bob's


def test_forgetting_one_conversation(world: World) -> None:
    gone = world.correct("Who?", f"{SECRET}, that is who.", "alice")
    kept = world.correct("Where?", "In Yangzhou, near the lake.", "alice")
    turn = world.turn()
    conversation = chain(world.up(gone), "conversation")[0]
    forget(world.workspace, world.store, conversation=conversation)
    assert world.holding(SECRET) == []
    rows = build.read(world.workspace.path / "datasets" / turn / "sft.jsonl")
    assert {row.get("item") for row in rows} == {kept}
    because = json.loads((world.workspace.path / "models" / turn / "tainted.json").read_text())["because"]
    assert because[0]["what"] == conversation


def test_what_is_left_of_deleted_conversations(world: World) -> None:
    gone = world.correct("Who?", f"{SECRET}, that is who.", "alice")
    kept = world.correct("Where?", "In Yangzhou, near the lake.")
    turn = world.turn()
    with pytest.raises(FeilunError, match="Nothing is left"):
        plan(world.workspace, world.store)
    with world.store.writing() as session:
        conversation = session.get_one(Conversation, chain(world.up(gone), "conversation")[0])
        delete_conversation(session, conversation.id, "alice")
        session.flush()
        session.delete(conversation)  # a day later
    made, _ = forget(world.workspace, world.store)
    assert made.stored.opinions == [gone]
    assert {
        row.get("item") for row in build.read(world.workspace.path / "datasets" / turn / "sft.jsonl")
    } == {kept}
    assert world.holding(SECRET) == []
    with pytest.raises(FeilunError, match="Nothing is left"):
        plan(world.workspace, world.store)


def test_an_unfinished_turn_begins_anew(world: World) -> None:
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    kept = world.correct("Where?", "In Yangzhou, near the lake.")
    turn = world.turn(promoted=False, finished=False)
    job = Job.open(world.workspace.path / "runs" / turn)
    assert job.state == "interrupted"
    stage = job.folder / "sft" / "adapter"
    stage.mkdir(parents=True)
    (stage / "adapter.gguf").write_bytes(b"what the first stage learnt")
    assert plan(world.workspace, world.store, user="alice").unfinished == [turn]
    forget(world.workspace, world.store, user="alice")
    assert world.holding(SECRET) == []
    for name in (
        f"datasets/{turn}",
        f"models/{turn}",
        f"reports/{turn}",
        f"runs/{turn}/checkpoints",
        f"runs/{turn}/sft",
    ):
        assert not (world.workspace.path / name).exists()
    made = Turn(world.workspace, world.store, job, TurnRecipe(), MODEL)
    with job.running():
        made._collect()
        made._build()
    rows = build.read(world.workspace.path / "datasets" / turn / "asked.jsonl")
    assert [row["item"] for row in rows] == [kept]


def test_a_turn_that_was_killed_after_its_promotion_stays_whole(world: World) -> None:
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    turn = world.turn(promoted=True, finished=False)
    made, _ = forget(world.workspace, world.store, user="alice")
    assert made.unfinished == []
    assert (world.workspace.path / "models" / turn / "adapter.gguf").exists()
    assert world.holding(SECRET) == []


def served(world: World) -> list[tuple[str, str]]:
    with world.store.reading() as session:
        return [(row.release_id, row.reason) for row in history(session, MODEL)]


def test_a_canary_of_what_is_forgotten_is_withdrawn(world: World) -> None:
    present = world.registry.get(MODEL)
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    one = world.canary(world.turn(promoted=False))
    made = plan(world.workspace, world.store, user="alice")
    assert made.serving == [Serving(MODEL, one.release.id, present.id, canary=True)]
    assert world.registry.serving(MODEL) == (present, one)
    done, _ = forget(world.workspace, world.store, user="alice")
    assert done.serving == made.serving
    assert world.registry.serving(MODEL) == (present, None)
    assert served(world)[-1] == (present.id, "canary_withdrawn")
    assert not end_canary(world.registry, world.store, one, take_over=True)


def test_a_canary_that_is_made_of_other_words_goes_on(world: World) -> None:
    world.ask(SECRET, "I see.", "alice")
    world.correct("Where?", "In Yangzhou, near the lake.", "bob")
    one = world.canary(world.turn(promoted=False))
    made, _ = forget(world.workspace, world.store, user="alice")
    assert made.serving == []
    assert world.registry.canaries() == [one]


def test_a_canary_that_takes_over_while_it_is_to_be_withdrawn_serves_tainted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = world.registry.get(MODEL)
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    one = world.canary(world.turn(promoted=False))

    def too_late(*args: Any, take_over: bool) -> bool:
        end_canary(world.registry, world.store, one, take_over=True, by_votes=True)
        return end_canary(*args, take_over=take_over)

    monkeypatch.setattr(lineage_forget, "end_canary", too_late)
    made, _ = forget(world.workspace, world.store, user="alice")
    assert made.serving == [Serving(MODEL, one.release.id, present.id)]


def test_a_turn_that_was_killed_as_its_canary_began_stays_whole(world: World) -> None:
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    turn = world.turn(promoted=False, finished=False)
    one = world.canary(turn)
    with world.store.writing() as session:  # as it is killed between the pointer and its row
        session.execute(delete(Served).where(Served.reason == "canary"))
    made, _ = forget(world.workspace, world.store, user="alice")
    assert made.unfinished == []
    assert (world.workspace.path / "models" / turn / "adapter.gguf").exists()
    assert world.registry.canaries() == []
    begin_canary(world.registry, world.store, one)  # the turn goes on
    assert world.registry.canaries() == []


def test_nothing_is_forgotten_while_a_turn_is_made(world: World) -> None:
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    refused: list[FeilunError] = []

    def try_it() -> None:
        try:
            forget(world.workspace, world.store, user="alice")
        except FeilunError as error:
            refused.append(error)

    with turning(world.workspace):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert [error.code for error in refused] == ["turn_running"]
    with world.store.reading() as session:
        assert len(items(session)) == 1


@pytest.mark.parametrize("broken", ["cut_answers", "cut_rows", "cut_report", "still_there"])
def test_forgetting_that_was_cut_off_is_done_again(
    world: World, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feilun.flywheel import lineage_cut

    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    world.correct("Where?", "In Yangzhou, near the lake.")
    world.turn()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lineage_cut, broken, die)
        with pytest.raises(KeyboardInterrupt):
            forget(world.workspace, world.store, user="alice")
    if broken != "still_there":  # after which nothing is left to do
        forget(world.workspace, world.store, user="alice")
    assert world.holding(SECRET) == []
    with monkeypatch.context() as patch:
        world.correct("Who else?", f"{SECRET}, that is who.", "alan")
        patch.setattr(lineage_forget, "erase", die)
        with pytest.raises(KeyboardInterrupt):
            forget(world.workspace, world.store, user="alan")
        patch.undo()
        patch.setattr(lineage_forget, "compact", die)
        with pytest.raises(KeyboardInterrupt):
            forget(world.workspace, world.store, user="alan")
    with pytest.raises(FeilunError, match="Nothing here"):
        forget(world.workspace, world.store, user="alan")
    assert world.holding(SECRET) == []


def test_nor_is_the_name_left_in_what_a_turn_recorded(world: World) -> None:
    for number in range(7):
        world.correct(f"Who is number {number}?", f"Number {number} is Zora.", "alice@example.com")
        world.correct(f"Where is number {number}?", f"Number {number} is here.")
    job = Job.create(world.workspace.path / "runs", KIND, KIND, {"model": MODEL})
    with job.running():
        Turn(world.workspace, world.store, job, TurnRecipe(), MODEL)._collect()
    assert job.last("collected")["capped"] == {"alice@example.com": 2}  # type: ignore[index]
    forget(world.workspace, world.store, user="alice@example.com")
    assert world.holding("alice@example.com", "is Zora") == []
    assert [event["event"] for event in job.events()] == ["started", "collected", "finished"]
    assert job.last("collected")["capped"] == {}  # type: ignore[index]


def test_words_that_stand_elsewhere_are_reported(world: World) -> None:
    world.correct("Who?", f"{SECRET}, that is who.", "alice")
    note = world.workspace.path / "export.jsonl"
    note.write_text(json.dumps({"mine": f"{SECRET}, that is who."}))
    _, left = forget(world.workspace, world.store, user="alice")
    assert left == [note]
    assert note.exists()
