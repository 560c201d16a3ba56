"""A workspace with people, turns and adapters of a few bytes, for the tests of lineage and of forgetting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.store.conftest import postgres, where  # noqa: F401  every test on both databases

from feilun.evaluate.questions import Answer as Given
from feilun.flywheel import asking, build
from feilun.flywheel.gate import judge
from feilun.flywheel.lineage import ancestors, descendants
from feilun.flywheel.lineage_graph import Tree
from feilun.flywheel.promote import begin_canary, promote
from feilun.flywheel.recipe import BuildRecipe, TurnRecipe
from feilun.flywheel.replay import replay
from feilun.flywheel.turn import KIND, Turn
from feilun.jobs import Job
from feilun.registry import Canary, Registry, Release
from feilun.store import LOCAL_OWNER, Store
from feilun.store.conversations import Answer, begin_turn, save_answers
from feilun.store.feedback import give_feedback
from feilun.store.reviews import decide, items, take
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
