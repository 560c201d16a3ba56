"""A whole turn of the flywheel: collect, build, train, gate, promote; as a job that can be killed anywhere.

Each step leaves its result under the turn's name (the items in the store, ``datasets/``, ``models/`` and ``reports/``
in the workspace), so that a turn that is started again finds what is done. The release that serves is touched by the
last step alone, which replaces one pointer.
"""

from __future__ import annotations

import contextlib
import fcntl
import html
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from feilun.data import pii
from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.flywheel import build
from feilun.flywheel.asking import Messages, ask_once
from feilun.flywheel.gate import ONE_LOOK, TWO_LOOKS, Changed, Verdict, judge, looks, second_look
from feilun.flywheel.noise import measured
from feilun.flywheel.promote import begin_canary, promote
from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.replay import replay
from feilun.flywheel.reword import Reworded
from feilun.flywheel.rewrite import rewrite
from feilun.flywheel.stages import stages, teaches
from feilun.jobs import Job, list_jobs
from feilun.recipe import shipped
from feilun.registry import Canary, Registry, Release
from feilun.store import Store
from feilun.store.reviews import Item, give_back, items, take
from feilun.store.served import history, line
from feilun.store.tables import now_ms
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest, Workspace, new_artifact, sha256_file, write_atomically

KIND = "turn"

Step = Literal["collect", "build", "train", "gate"]
"""A step after which a turn may stop."""


class _Stopped(Exception):
    """The turn was asked to stop."""


@dataclass
class Turn:
    """One turn, made or gone on with by `run` inside ``job.running()``."""

    workspace: Workspace
    store: Store
    job: Job
    recipe: TurnRecipe
    model: str
    """Which of the workspace's models learns."""
    until: Step | None = None
    """After which step to stop, as if asked to."""

    @property
    def name(self) -> str:
        return self.job.id

    def run(self) -> Verdict | None:
        """All steps that are not done yet. None: the job was asked to stop before its end, or is done with ``until``."""
        need_learner(self._before)
        suite = self._suite()  # a fault in it is known before the long work
        try:
            self._collect()
            self._may_stop("collect")
            self._build()
            self._may_stop("build")
            if not self._train():
                return None
            self._may_stop("train")
            verdict = self._gate(suite)
            if verdict.passed:
                self._may_stop("gate")
                self._promote()
            else:
                self._give_back()
        except _Stopped:
            return None
        except FeilunError as error:
            if error.code == "release_changed":  # it would fail again: the next turn must not wait for it
                self._give_back()
            raise
        return verdict

    def _give_back(self) -> None:
        with self.store.writing() as session:
            give_back(session, self.name)

    def _may_stop(self, done: Step | None = None) -> None:
        """Raises `_Stopped` if the job is asked to stop, or ``done`` was the last step to do."""
        if done is not None and done == self.until:
            self.job.stop()
        if self.job.stop_wanted:
            raise _Stopped

    # The steps.

    def _collect(self) -> None:
        rules = self.recipe.review
        teaching = partial(teaches, objectives=self.recipe.train.objectives)
        with self.store.writing() as session:
            taken = take(session, self.name, per_user=rules.per_user, least=rules.least, teaches=teaching)
        self.job.emit("collected", items=len(taken.items), capped=taken.capped)

    def _build(self) -> None:
        if (self._dataset / MANIFEST).exists():
            return
        with self.store.reading() as session:
            mine = items(session, turn=self.name)
            learnt = [row.turn for row in line(session, self.model) if row.turn]
        rows = replay(self.workspace, self._before, learnt)
        built = build.build(mine, self.recipe.build, rows, self._rewritten(mine))
        parents = [item.id for item in mine]
        build.write(built, self._dataset, name=self.name, parents=parents, recipe=self.recipe.build)
        self.job.emit("built", **built.figures)

    def _rewritten(self, mine: Sequence[Item]) -> dict[str, list[Reworded]]:
        wanted = self.recipe.build.rewrite
        asked = {item.id: pii.mask(item.question) for item in mine if item.corrected}
        folder, threads = self.workspace.path / "answers", self.recipe.gate.threads
        return rewrite(self._before, asked, wanted, folder=folder, threads=threads) if wanted else {}

    def _train(self) -> bool:
        if (self._adapter / MANIFEST).exists():
            return True
        adapter = self._before.adapter_file
        *first, last = stages(self.recipe, Manifest.read(self._dataset).figures)
        places = [
            *((stage, self.job.folder / stage.objective / "adapter") for stage in first),
            (last, self._adapter),
        ]
        for stage, folder in places:
            made = (folder / MANIFEST).exists()
            if not made and not stage.train(
                self._before, adapter, self._dataset, self.job, folder, self.name
            ):
                return False
            adapter = folder
        return True

    def _gate(self, suite: list[Question]) -> Verdict:
        path = self._report / "verdict.json"
        if path.exists():
            return Verdict.model_validate_json(path.read_bytes())
        first, *then = looks(suite)
        verdict = self._judged(first, suite, ONE_LOOK if not then else TWO_LOOKS)
        if then and not verdict.decided:
            verdict = self._judged(second_look(first, suite, verdict), suite, TWO_LOOKS)
        self._write_report(verdict)
        self.job.emit(
            "gate",
            passed=verdict.passed,
            **{
                part.part: f"{part.before:.0f} -> {part.after} of {part.n}{'' if part.passed else ' !'}"
                for part in verdict.parts
            },
        )
        return verdict

    def _judged(self, asked: Sequence[Question], suite: Sequence[Question], level: float) -> Verdict:
        """Of so many questions of the suite."""
        target, apart = (build.read(self._dataset / name) for name in ("asked.jsonl", "heldout.jsonl"))
        questions = _questions(asked, [*target, *apart])
        return judge(
            target,
            asked,
            self._answers(self._before, questions),
            {key: new[0] for key, new in self._answers(self._candidate, questions, candidate=True).items()},
            margin=self.recipe.gate.margin,
            heldout=apart,
            level=level,
            left=len(suite) - len(asked),
            noise=measured(suite, self._before.sha256),
        )

    def _suite(self) -> list[Question]:
        own = self.recipe.gate.suite
        return read_questions(Path(own) if own else shipped("eval/regression.jsonl"))

    def _answers(
        self, release: Release, asked: dict[str, Messages], *, candidate: bool = False
    ) -> dict[str, list[Answer]]:
        def done(count: int, of: int) -> None:
            if count % 20 == 0 or count == of:
                self.job.emit("asked", release=release.id, candidate=candidate, step=count, steps=of)
            self._may_stop()

        rules = self.recipe.gate
        folder = self.workspace.path / "answers"
        return ask_once(folder, release, asked, max_tokens=rules.max_tokens, threads=rules.threads, done=done)

    def _promote(self) -> None:
        registry, rules, release = Registry(self.workspace), self.recipe.promote, self._candidate
        if rules.canary == 0:
            promote(registry, self.store, release, self.name, instead_of=self._before)
            self.job.emit("promoted", model=self.model, release=release.id)
            return
        canary = Canary(
            release=release,
            share=rules.canary,
            votes=rules.votes,
            per_user=rules.per_user,
            alpha=rules.alpha,
            turn=self.name,
            since_ms=now_ms(),
        )
        begin_canary(registry, self.store, canary, instead_of=self._before)
        self.job.emit("canary", model=self.model, release=release.id, share=rules.canary)

    # Where things are.

    @property
    def _dataset(self) -> Path:
        return self.workspace.path / "datasets" / self.name

    @property
    def _adapter(self) -> Path:
        return self.workspace.path / "models" / self.name

    @property
    def _report(self) -> Path:
        return self.workspace.path / "reports" / self.name

    @property
    def _before(self) -> Release:
        """The release that the turn began with, also when it goes on after the promotion."""
        path = self.job.folder / "before.json"
        if not path.exists():
            release = Registry(self.workspace).get(self.model)
            write_atomically(path, release.model_dump_json(exclude={"api_key"}))
        return Release.model_validate_json(path.read_bytes())

    @property
    def _candidate(self) -> Release:
        """The same base with the new adapter."""
        file = self._adapter / "adapter.gguf"
        return self._before.model_copy(update={"adapter": str(file), "adapter_sha256": sha256_file(file)})

    def _write_report(self, verdict: Verdict) -> None:
        with new_artifact(self._report) as draft:
            (draft / "verdict.json").write_text(verdict.model_dump_json(indent=2) + "\n", encoding="utf-8")
            (draft / "report.html").write_text(_page(self.name, verdict), encoding="utf-8")
            files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
            Manifest(
                kind="report",
                id=files["verdict.json"],
                name=self.name,
                parents=[self._before.id, self._candidate.id],
                recipe=self.recipe.gate.model_dump(mode="json"),
                files=files,
                figures={"passed": verdict.passed},
            ).write(draft)


def need_learner(release: Release) -> None:
    """Raises `FeilunError` if ``release`` answers on another server: its weights are not here to be trained."""
    if release.kind != "gguf":
        raise FeilunError(
            f"{release.name} answers on another server and cannot learn here. Choose a model that can: "
            "feilun turn --model NAME (all of them: feilun models list)",
            f"{release.name} 由其他服务器提供，无法在此学习。请另选模型：feilun turn --model 名称"
            "（查看全部：feilun models list）",
            status=409,
            code="cannot_learn",
        )


def unfinished(workspace: Workspace, store: Store) -> Job | None:
    """The last turn, if it has taken items and not come to its end: killed, stopped or failed, it goes on."""
    jobs = reversed(list_jobs(workspace.path / "runs"))
    last = next((job for job in jobs if job.record.kind == KIND), None)
    if last is None or last.state == "finished":
        return None
    with store.reading() as session:  # not from the events: it may have died before it could tell
        return last if items(session, turn=last.id) else None


def discard(workspace: Workspace, store: Store, turn: str | None = None) -> tuple[Job, int]:
    """Give the unfinished turn up (``turn``: if it is that one); gives it and how many items wait for another one again.

    Raises `FeilunError` (409) if there is none, while a turn is being made, and if it has been promoted already.
    """
    with turning(workspace):
        job = unfinished(workspace, store)
        if job is None or turn not in (None, job.id):
            raise FeilunError(
                "There is no such unfinished turn." if turn else "There is no unfinished turn.",
                "没有这样的未完成轮次。" if turn else "没有未完成的轮次。",
                status=409,
                code="no_unfinished_turn",
            )
        if _promoted(workspace, store, job.id):
            raise FeilunError(
                f"The turn {job.id} has been promoted already. Let it come to its end: feilun turn; "
                "then go back: feilun rollback",
                f"轮次 {job.id} 已上线。请先让它结束：feilun turn；然后回滚：feilun rollback",
                status=409,
                code="turn_promoted",
            )
        with job.running():
            with store.writing() as session:
                count = len(items(session, turn=job.id))
                give_back(session, job.id)
            job.emit("discarded", items=count)
        return job, count


def _promoted(workspace: Workspace, store: Store, turn: str) -> bool:
    """Whether the turn's release serves or has served: it may have been killed before it could write that down."""
    registry = Registry(workspace)
    here = [*registry.releases(), *(canary.release for canary in registry.canaries())]
    with store.reading() as session:
        noted = any(row.turn == turn for row in history(session))
    return noted or any(one.adapter and Path(one.adapter).parent.name == turn for one in here)


@contextlib.contextmanager
def turning(workspace: Workspace) -> Generator[None]:
    """Hold the wheel: one turn at a time. Raises `FeilunError` (409) if another one is being made."""
    with (workspace.path / "turn.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FeilunError(
                "Another turn is being made in this workspace. See how it goes: feilun jobs watch",
                "此工作区正在进行另一轮。查看进展：feilun jobs watch",
                status=409,
                code="turn_running",
            ) from None
        yield


def _questions(suite: Sequence[Question], target: list[build.Row]) -> dict[str, Messages]:
    asked: dict[str, Messages] = {row["item"]: row["messages"][:-1] for row in target}
    asked |= {question.id: [message.model_dump() for message in question.messages] for question in suite}
    return asked


def _before(row: Changed) -> str:
    mark = "✓" if row.passed_before else "✗"
    always = row.times_before in (None, 0, row.asked_before)
    return mark if always else f"{mark} ({row.times_before}/{row.asked_before} ✓)"


def _page(name: str, verdict: Verdict) -> str:
    lines = "".join(f"<p>{html.escape(str(line))}</p>" for line in verdict.words())
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(text)}</td>"
            for text in (row.part, row.question, row.wanted or "", row.before, row.after)
        )
        + f"<td>{_before(row)} → {'✓' if row.passed_after else '✗'}</td></tr>"
        for row in verdict.changed
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(name)}</title><style>body{{font:15px/1.5 system-ui;"
        "margin:2rem auto;max-width:72rem}td{vertical-align:top;border-top:1px solid #ccc;padding:.4rem;white-space:"
        f"pre-wrap}}</style><h1>{html.escape(name)}</h1>{lines}<table>{rows}</table>"
    )
