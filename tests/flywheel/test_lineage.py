"""What came of what, in both directions, and what forgetting leaves: real stores, real data sets, adapters of a few bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from tests.store.conftest import postgres, where  # noqa: F401  every test on both databases

from feilun.evaluate.questions import Answer as Given
from feilun.flywheel import asking, build, lineage_forget
from feilun.flywheel.gate import judge
from feilun.flywheel.lineage import ancestors, descendants, tainted
from feilun.flywheel.lineage_forget import Serving, forget, plan
from feilun.flywheel.lineage_graph import DEEPEST, Graph, Node, Tree
from feilun.flywheel.promote import begin_canary, end_canary, promote, roll_back
from feilun.flywheel.recipe import BuildRecipe, TurnRecipe
from feilun.flywheel.replay import replay
from feilun.flywheel.turn import KIND, Turn, turning
from feilun.jobs import Job
from feilun.registry import Canary, Registry, Release
from feilun.store import LOCAL_OWNER, Store
from feilun.store.conversations import Answer, begin_turn, delete_conversation, save_answers
from feilun.store.feedback import give_feedback
from feilun.store.reviews import decide, items, take
from feilun.store.served import history
from feilun.store.tables import Conversation, Served
from feilun.text import FeilunError
from feilun.workspace import Manifest, Workspace, new_artifact, sha256_file

MODEL = "smollm2-135m-instruct"
SECRET = "Zaphrelle-4711 keeps the Quorvax ledger"
SECRET_ZH = "扎芙蕾儿保管着第四七一一号账本"


@dataclass
class World:
    """A workspace in which people talk and turns are made, without an engine."""

    workspace: Workspace
    store: Store

    @property
    def registry(self) -> Registry:
        return Registry(self.workspace)

    def ask(self, question: str, answer: str, user: str = LOCAL_OWNER, system: str | None = None) -> str:
        """A conversation of one question; gives the answer's id."""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        with self.store.writing() as session:
            turn = begin_turn(
                session,
                user=user,
                messages=messages,
                model=MODEL,
                release=self.registry.get(MODEL).id,
                params={},
            )
        with self.store.writing() as session:
            save_answers(session, [Answer(turn.message_ids[0], answer, "complete", "stop")])
        return turn.message_ids[0]

    def opine(self, message_id: str, user: str = LOCAL_OWNER, *, accept: bool = True, **opinion: Any) -> str:
        with self.store.writing() as session:
            row = give_feedback(
                session, user=user, message_id=message_id, opinion=opinion, idempotency_key=None
            )
        if accept:
            with self.store.writing() as session:
                decide(session, row.id, "accept", reviewer=LOCAL_OWNER)
        return row.id

    def correct(self, question: str, right: str, user: str = LOCAL_OWNER) -> str:
        return self.opine(self.ask(question, "No idea.", user), user, rating=-1, correction=right)

    def turn(self, *, promoted: bool = True, finished: bool = True) -> str:
        """What `feilun turn` leaves, but for the weights."""
        folder = self.workspace.path
        job = Job.create(folder / "runs", KIND, KIND, {"model": MODEL})
        made = Turn(self.workspace, self.store, job, TurnRecipe(), MODEL)
        before = made._before
        with self.store.writing() as session:
            taken = take(session, job.id, per_user=5, least=1).items
        with self.store.reading() as session:
            mine = items(session, turn=job.id)
        assert [item.id for item in mine] == [item.id for item in taken]
        recipe = BuildRecipe(rewordings=2, replay=10)
        built = build.build(mine, recipe, replay(self.workspace, before, self.turns()))
        build.write(
            built, folder / "datasets" / job.id, name=job.id, parents=[i.id for i in mine], recipe=recipe
        )
        self.adapter(job.id, before)
        (job.folder / "checkpoints" / "step-1").mkdir()
        (job.folder / "checkpoints" / "step-1" / "weights").write_bytes(b"half learnt")
        asked = build.read(folder / "datasets" / job.id / "asked.jsonl")
        questions = {row["item"]: row["messages"][:-1] for row in asked}
        given = asking.ask_once(folder / "answers", made._candidate, questions, max_tokens=8)
        said: Mapping[str, Given] = {key: answers[0] for key, answers in given.items()}
        ignorant = {key: [Given("No idea.", True)] for key in questions}
        made._write_report(judge(asked, [], ignorant, said, margin=0.5))
        if promoted:
            promote(self.registry, self.store, made._candidate, job.id)
        if finished:
            with job.running():
                pass
        return job.id

    def canary(self, turn: str) -> Canary:
        """A canary of what a turn has made, that runs from now on."""
        made = Turn(
            self.workspace, self.store, Job.open(self.workspace.path / "runs" / turn), TurnRecipe(), MODEL
        )
        rules: dict[str, Any] = {"share": 0.25, "votes": 40, "per_user": 5, "alpha": 0.05}
        one = Canary(release=made._candidate, turn=turn, since_ms=1, **rules)
        begin_canary(self.registry, self.store, one)
        return one

    def turns(self) -> list[str]:
        return [path.name for path in sorted((self.workspace.path / "datasets").glob("[!.]*"))]

    def adapter(self, name: str, before: Release) -> None:
        """As `feilun.train.sft` publishes it."""
        data = Manifest.read(self.workspace.path / "datasets" / name)
        with new_artifact(self.workspace.path / "models" / name) as draft:
            (draft / "adapter.gguf").write_bytes(b"gguf of " + name.encode())
            (draft / "adapter_model.safetensors").write_bytes(b"weights of " + name.encode())
            files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
            went_on = [before.adapter_sha256] if before.adapter_sha256 else []
            Manifest(
                kind="adapter",
                id=files["adapter_model.safetensors"],
                name=name,
                parents=[str(before.sha256), *went_on, data.id],
                files=files,
            ).write(draft)

    def up(self, what: str) -> Tree:
        with self.store.reading() as session:
            return ancestors(self.workspace, session, what)

    def down(self, what: str) -> Tree:
        with self.store.reading() as session:
            return descendants(self.workspace, session, what)

    def holding(self, *markers: str) -> list[str]:
        """Files of the workspace and of SQLite with one of the markers in them, as written, or as JSON or UTF-16 would."""
        forms = [
            form
            for m in markers
            for form in (m.encode(), json.dumps(m)[1:-1].encode(), m.encode("utf-16-le"))
        ]
        found = (path for path in self.workspace.path.parent.rglob("*") if path.is_file())
        return [path.name for path in found if any(form in path.read_bytes() for form in forms)]


@pytest.fixture
def world(where: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: F811
    """The candidate of a turn answers as it was taught: that it was asked by an engine is not what is tested here."""

    def ask(_release: Release, questions: Mapping[str, Any], **_: Any) -> dict[str, Given]:
        return {key: Given(lesson[key], True) for key in questions}

    monkeypatch.setattr(asking, "ask", ask)
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "cache"))
    made = World(Workspace(tmp_path / "workspace"), Store(where))
    lesson = _Lessons(made)
    yield made
    made.store.close()


class _Lessons:
    def __init__(self, world: World) -> None:
        self._world = world

    def __getitem__(self, opinion: str) -> str:
        with self._world.store.reading() as session:
            return next(item.answer or "" for item in items(session) if item.id == opinion)


def chain(tree: Tree, *kinds: str) -> list[str]:
    """Ids on the way down through children of these kinds, each the first of its kind that leads on."""
    if not kinds:
        return []
    for child in tree.children:
        if child.kind == kinds[0]:
            try:
                return [child.id, *chain(child, *kinds[1:])]
            except LookupError:
                continue
    raise LookupError(kinds)


def everything(tree: Tree) -> list[Tree]:
    return [tree, *(one for child in tree.children for one in everything(child))]


def test_an_answer_leads_to_the_people_it_came_of(world: World) -> None:
    opinion = world.correct("Who keeps the ledger?", "Zora keeps it.", "alice")
    turn = world.turn()
    release = world.registry.get(MODEL)
    answer = world.ask("Who keeps the ledger?", "Zora keeps it.", "bob")
    tree = world.up(answer)
    found = chain(tree, "release", "adapter", "dataset", "sample", "feedback", "conversation", "user")
    adapter, data = (
        Manifest.read(world.workspace.path / "models" / turn),
        Manifest.read(world.workspace.path / "datasets" / turn),
    )
    assert found[:3] == [release.id, adapter.id, data.id]
    assert found[4] == opinion
    assert found[6] == "user:alice"
    sample = next(node for node in everything(tree) if node.kind == "sample")
    assert sample.facts["question"] == "Who keeps the ledger?"
    assert sample.facts["answer"] == "Zora keeps it."
    assert sample.facts["rules"][0] == "asked"
    assert sample.facts["rows"] == sum(
        row.get("item") == opinion
        for name in ("sft", "preference", "asked", "heldout")
        for row in build.read(world.workspace.path / "datasets" / turn / f"{name}.jsonl")
    )
    # Where it was said is bob's; and the base is known by its hash, though no file of it is here.
    assert chain(tree, "conversation", "user")[1] == "user:bob"
    base = next(node for node in tree.children[0].children if node.kind == "file")
    assert (base.id, base.name) == (release.sha256, release.source)


def test_a_user_leads_to_all_that_came_of_what_was_said(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    turn = world.turn()
    world.ask("Who?", "Zora.", "bob")
    world.ask("Who then?", "Zora.", "carol")
    tree = world.down("alice")
    release = world.registry.get(MODEL).id
    found = chain(tree, "conversation", "feedback", "sample", "dataset", "adapter", "release", "answers")
    assert (found[1], found[5]) == (opinion, release)
    answers = next(node for node in everything(tree) if node.id == found[6])
    assert answers.facts == {"count": 2, "users": 2}
    assert {node.name for node in everything(tree) if node.kind == "report"} == {f"reports/{turn}"}
    assert not chain_or_none(world.down("bob"), "conversation", "feedback")
    assert world.down("user:alice") == tree


def chain_or_none(tree: Tree, *kinds: str) -> list[str]:
    try:
        return chain(tree, *kinds)
    except LookupError:
        return []


def test_everything_can_be_named(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    turn = world.turn()
    adapter = Manifest.read(world.workspace.path / "models" / turn)
    release = world.registry.get(MODEL).id
    for what in (adapter.id, adapter.id[:15], adapter.id.partition(":")[2][:8], f"models/{turn}"):
        assert world.up(what).id == adapter.id
    assert world.up(release).kind == world.up(release[: len("release:") + 6]).kind == "release"
    assert world.up(f"datasets/{turn}").kind == "dataset"
    whole = world.up(turn)
    assert whole.kind == "turn"
    assert chain(whole, "report", "release", "adapter", "dataset", "sample", "feedback")[5] == opinion
    assert chain(world.down(turn), "dataset", "adapter", "release", "report")
    with world.store.reading() as session:
        conversation = session.query(Conversation).filter_by(user="alice").one().id
    assert chain(world.down(conversation), "feedback", "sample")[0] == opinion
    assert chain(world.up(opinion), "conversation", "user") == [conversation, "user:alice"]
    for what in ("nobody", "msg_0", "fb_0", "conv_0", "abc"):
        with pytest.raises(FeilunError) as unknown:
            world.up(what)
        assert (unknown.value.status, unknown.value.code) == (404, "lineage_not_found")
    with pytest.raises(FeilunError) as several:
        world.up("release:"[:7])
    assert several.value.code == "ambiguous_id"


def test_one_who_judges_anothers_answer_is_an_ancestor_too(world: World) -> None:
    answer = world.ask("Who?", "No idea.", "alice")
    opinion = world.opine(answer, "bob", correction="Zora, surely.")
    world.turn()
    above = {node.id for node in everything(world.up(world.registry.get(MODEL).id))}
    assert {opinion, "user:alice", "user:bob"} <= above
    assert chain(world.down(answer), "feedback", "sample", "dataset")[0] == opinion


def test_what_is_replayed_in_a_later_turn_is_known_by_its_rows(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    world.turn()
    roll_back(world.registry, world.store, MODEL)  # so that no adapter leads from the one turn to the other
    with world.store.writing() as session:
        decide(session, opinion, "reject", reviewer=LOCAL_OWNER)  # which the next turn would take again
    world.correct("Where?", "In Yangzhou, surely.")
    second = world.turn()
    data = Manifest.read(world.workspace.path / "datasets" / second)
    assert opinion not in data.parents
    replayed = [node for node in everything(world.up(data.id)) if node.kind == "sample"]
    assert {node.facts["rules"][0] for node in replayed if node.id.endswith(opinion)} == {"replay"}
    assert data.id in {node.id for node in everything(world.down("alice"))}


def test_a_base_of_our_own_leads_to_its_texts(world: World, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    folder = world.workspace.path
    with new_artifact(_inside(folder, "runs/base/tokens")) as draft:
        Manifest(
            kind="tokens",
            id="sha256:70ce",
            name="tokens",
            parents=["sha256:f00d"],
            recipe={"sources": [str(texts)]},
        ).write(draft)
    with new_artifact(_inside(folder, "models/base")) as draft:
        (draft / "model.safetensors").write_bytes(b"base")
        weights = sha256_file(draft / "model.safetensors")
        Manifest(
            kind="model",
            id=weights,
            name="base",
            parents=["sha256:70ce"],
            files={"model.safetensors": weights},
        ).write(draft)
    with new_artifact(_inside(folder, "models/base-q8")) as draft:
        (draft / "base.gguf").write_bytes(b"gguf")
        gguf = sha256_file(draft / "base.gguf")
        Manifest(kind="model", id=gguf, name="base", parents=[weights], files={"base.gguf": gguf}).write(
            draft
        )
    world.registry.add(Release(name="ours", source=f"file:{folder}/models/base-q8/base.gguf", sha256=gguf))
    release = world.registry.get("ours").id
    found = chain(world.up(release), "model", "model", "tokens", "source")
    assert found == [gguf, weights, "sha256:70ce", f"source:{texts}"]
    made = plan(world.workspace, world.store, document=str(texts / "a" / "book.txt"))
    assert [node.id for node in made.artifacts] == ["sha256:70ce", weights, gguf]
    assert [node.id for node in made.releases] == [release]
    forget(world.workspace, world.store, document=str(texts / "a" / "book.txt"))
    assert (folder / "models/base-q8/tainted.json").exists()
    assert (folder / "models/base-q8/base.gguf").exists()
    with pytest.raises(FeilunError, match="Nothing here"):
        plan(world.workspace, world.store, document=str(tmp_path / "elsewhere.txt"))


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


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


edges = st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda e: e[0] < e[1]), max_size=25)


@given(edges)
def test_what_is_reached_is_the_transitive_closure(links: set[tuple[int, int]]) -> None:
    graph = Graph()
    for number in range(10):
        graph.add(Node("model", str(number)))
    for parent, child in links:
        graph.link(str(parent), str(child))
    closure = set(links)
    for middle in range(10):  # Warshall
        closure |= {(a, d) for a, b in closure for c, d in closure if b == c == middle}
    for start in range(10):
        below = {str(d) for a, d in closure if a == start}
        assert {node.id for node in graph.reach([str(start)], "down")} == below
        tree = everything(graph.tree(str(start), "down"))
        assert {node.id for node in tree} == below | {str(start)}
        assert len([node for node in tree if node.children]) == len({n.id for n in tree if n.children})
        assert {node.id for node in graph.reach([str(start)], "up")} == {
            str(a) for a, d in closure if d == start
        }


def test_a_tree_has_an_end(tmp_path: Path) -> None:
    graph = Graph()
    for number in range(1000):
        graph.add(Node("adapter", str(number)))
        graph.link(str(number + 1), str(number))
    graph.link("0", "999")  # a circle
    graph.add(Node("adapter", "1000"))
    tree = graph.tree("0", "up")
    assert len(Tree.model_validate_json(tree.model_dump_json()).model_dump_json()) > 1000
    depth = 0
    while tree.children:
        tree, depth = tree.children[0], depth + 1
    assert (depth, tree.more) == (DEEPEST, True)
