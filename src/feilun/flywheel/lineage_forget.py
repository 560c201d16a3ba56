"""Forgetting: what somebody said, or a document, leaves the workspace with every copy; what was trained on it is marked.

Weights cannot be cut. What was made from the words keeps its place and its manifest, and a file ``tainted.json``
beside that says why and since when; a turn that has not come to its end is taken apart, and begins anew without them.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from feilun.flywheel import lineage_cut as cutting
from feilun.flywheel import lineage_documents as documents
from feilun.flywheel.lineage import read_graph
from feilun.flywheel.lineage_graph import Graph, Node
from feilun.flywheel.lineage_reading import TAINTED, read_answers
from feilun.flywheel.promote import end_canary
from feilun.flywheel.turn import KIND, turning
from feilun.jobs import Job
from feilun.registry import Registry
from feilun.store import Store
from feilun.store.forgetting import Stored, Whose, compact, erase, stored, words
from feilun.store.served import history, line
from feilun.text import FeilunError
from feilun.workspace import Workspace, write_atomically

Why = Literal["user", "conversation", "document", "deleted"]
"""``deleted``: opinions that are not stored any more, because their conversation was deleted."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A tainted release that serves."""

    model: str
    release: str
    clean: str | None
    """The newest release of that model before it that is not tainted; None if there is none."""
    canary: bool = False
    """It answers a share; forgetting withdraws it."""


@dataclass
class Plan:
    """What forgetting something means."""

    why: Why
    what: str
    whose: Whose | None = None
    stored: Stored = field(default_factory=lambda: Stored(0, 0, []))
    artifacts: list[Node] = field(default_factory=list[Node])
    """What of the workspace came of it (data sets, adapters, models, reports, token shards), nearest first."""
    releases: list[Node] = field(default_factory=list[Node])
    serving: list[Serving] = field(default_factory=list[Serving])
    answers: int = 0
    """Answers that these releases have written; they stay, and may repeat it."""
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Training rows that go, by file (relative to the workspace)."""
    unfinished: list[str] = field(default_factory=list[str])
    """Turns that are taken apart."""
    copies: documents.Copies = field(default_factory=documents.Copies)
    """Of a document."""


def plan(
    workspace: Workspace,
    store: Store,
    *,
    user: str | None = None,
    conversation: str | None = None,
    document: str | None = None,
) -> Plan:
    """What forgetting a user, a conversation or a document means; with none of them, what was deleted already.

    Nothing is changed. Raises `FeilunError` (404) if nothing of it is known.
    """
    with store.reading() as session:
        graph = read_graph(workspace, session)
        read_answers(graph, session)
        if document is not None:
            made = Plan("document", document, copies=documents.copies(workspace.path, document))
            reached = documents.came_of(graph, document, made.copies)
        elif user is None and conversation is None:
            made = Plan("deleted", "", stored=Stored(0, 0, _without_source(graph)))
            reached = graph.reach(made.stored.opinions, "down")
        else:
            whose = Whose(user, conversation)
            made = Plan("user" if user is not None else "conversation", user or conversation or "", whose)
            made.stored = stored(session, whose)
            reached = graph.reach(made.stored.opinions, "down")
        made.artifacts = [node for node in reached if folders(node, workspace)]
        made.releases = [node for node in reached if node.kind == "release"]
        made.answers = sum(node.facts["count"] for node in reached if node.kind == "answers")
        used = _adapters_in_use(workspace, session)
        tainted = {node.id for node in graph.nodes.values() if node.facts.get("tainted")}
        made.serving = _serving(workspace, session, tainted | {node.id for node in made.releases})
    for path, _ in cutting.rows_to_cut(workspace.path, made.stored.opinions):
        name = path.relative_to(workspace.path).as_posix()
        made.rows[name] = made.rows.get(name, 0) + 1
    made.unfinished = [
        folder.name
        for node in made.artifacts
        for folder in folders(node, workspace)
        if node.kind == "dataset" and _is_unfinished(workspace, folder.name) and folder.name not in used
    ]
    tokens = [
        folder for node in made.artifacts if node.kind == "tokens" for folder in folders(node, workspace)
    ]
    made.copies.shards = documents.shards_in(tokens) if document is not None else []
    held = made.stored.conversations or made.stored.opinions or made.copies.held or made.copies.builds
    if not (held or made.artifacts or made.releases or made.rows):
        raise FeilunError(
            f"Nothing here is of '{made.what}'." if made.what else "Nothing is left of what was deleted.",
            f"这里没有“{made.what}”的任何内容。" if made.what else "已删除的内容没有残留。",
            status=404,
            code="nothing_to_forget",
        )
    return made


def forget(
    workspace: Workspace,
    store: Store,
    *,
    user: str | None = None,
    conversation: str | None = None,
    document: str | None = None,
) -> tuple[Plan, list[Path]]:
    """Forget; gives what that meant, and text files of the workspace in which some of the words stand still.

    The store comes last, so that a call that was killed can be made again. Raises `FeilunError`: 404 as `plan` does, 409
    while a turn is being made, 503 if the database was too busy to be rewritten.
    """
    with turning(workspace):
        try:
            made = plan(workspace, store, user=user, conversation=conversation, document=document)
        except FeilunError:
            if document is None:
                compact(store)  # which a call before may not have come to
            raise
        if not _withdraw(workspace, store, made):  # a canary has taken over since
            made = plan(workspace, store, user=user, conversation=conversation, document=document)
        opinions = made.stored.opinions
        cut = cutting.gather(workspace.path, opinions)
        with store.reading() as session:
            cut.learn(words(session, opinions))
        for turn in made.unfinished:
            _take_apart(workspace.path, turn)
        for node in made.artifacts:
            for folder in folders(node, workspace):
                if folder.exists():
                    _mark(folder, workspace, made)
        for report in sorted((workspace.path / "reports").glob("*/")):
            cutting.cut_report(report, opinions, cut)
        cutting.cut_answers(workspace.path / "answers", cut)
        cutting.cut_rows(cut, opinions)
        if made.whose is not None:
            if made.whose.user is not None:
                cutting.cut_name(workspace.path, made.whose.user)
            with store.writing() as session:
                erase(session, made.whose)
        if document is None:
            compact(store)
        else:
            documents.take_out(workspace.path, document, made.copies)
            cut.learn(made.copies.lines)
        return made, cutting.still_there(workspace.path, cut.texts)


def folders(node: Node, workspace: Workspace) -> list[Path]:
    """Where an artifact lies in the workspace."""
    found = (Path(folder) for folder in node.facts.get("folders", ()))
    return [folder for folder in found if folder.is_relative_to(workspace.path)]


def _mark(folder: Path, workspace: Workspace, made: Plan) -> None:
    """Say beside the manifest what it was made from; a user's name is among the things to forget."""
    path = folder / TAINTED
    because: list[dict[str, Any]] = json.loads(path.read_bytes())["because"] if path.exists() else []
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    said: dict[str, Any] = {"when": now, "forgotten": made.why, "feedback": made.stored.opinions}
    if made.why in ("conversation", "document"):
        said["what"] = made.what
    here = folder.relative_to(workspace.path).as_posix() + "/"
    rows = sum(count for name, count in made.rows.items() if name.startswith(here))
    if rows:
        said["rows_removed"] = rows
    write_atomically(path, json.dumps({"because": [*because, said]}, indent=2, ensure_ascii=False) + "\n")
    # A finished turn goes on from none; they hold weights that nothing else needs.
    for place in [*(workspace.path / "runs" / folder.name).rglob("checkpoints")]:
        shutil.rmtree(place, ignore_errors=True)


def _withdraw(workspace: Workspace, store: Store, made: Plan) -> bool:
    """Let no canary go on that is tainted. False: one had ended already."""
    registry = Registry(workspace)
    tainted = {one.release for one in made.serving if one.canary}
    running = [canary for canary in registry.canaries() if canary.release.id in tainted]
    ended = [end_canary(registry, store, canary, take_over=False) for canary in running]
    return all(ended) and len(ended) == len(tainted)


def _take_apart(workspace: Path, turn: str) -> None:
    stages = [path for path in (workspace / "runs" / turn).iterdir() if path.is_dir()]
    # The data set last: while it is there the turn is found again.
    for place in (
        *(workspace / name / turn for name in ("reports", "models")),
        *stages,
        workspace / "datasets" / turn,
    ):
        shutil.rmtree(place, ignore_errors=True)


def _is_unfinished(workspace: Workspace, turn: str) -> bool:
    folder = workspace.path / "runs" / turn
    if not (folder / "job.json").exists():
        return False
    job = Job.open(folder)
    return job.record.kind == KIND and job.state != "finished"


def _adapters_in_use(workspace: Workspace, session: Session) -> set[str]:
    """Names of the folders whose adapters serve or have served: a turn may be killed just after its promotion."""
    registry = Registry(workspace)
    known = [release.adapter for release in registry.releases()]
    known += [canary.release.adapter for canary in registry.canaries()]
    known += [row.release.get("adapter") for row in history(session)]
    return {Path(adapter).parent.name for adapter in known if adapter is not None}


def _without_source(graph: Graph) -> list[str]:
    """Opinions that have rows in a data set and are not stored any more."""
    gone = [
        node for node in graph.nodes.values() if node.kind == "feedback" and node.facts.get("known") is False
    ]
    return [
        node.id
        for node in gone
        if any(graph.nodes[id].kind == "sample" for id in graph.next(node.id, "down"))
    ]


def _serving(workspace: Workspace, session: Session, tainted: set[str]) -> list[Serving]:
    registry = Registry(workspace)
    serving = [(release, False) for release in registry.releases()]
    serving += [(canary.release, True) for canary in registry.canaries()]
    found: list[Serving] = []
    for release, canary in serving:
        if release.id in tainted:
            rows = reversed(line(session, release.name))  # which is what a rollback goes back through
            clean = next((row.release_id for row in rows if row.release_id not in tainted), None)
            found.append(Serving(release.name, release.id, clean, canary))
    return found
