"""Collecting the graph: manifests, what is in data sets, releases, and what the store knows of opinions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from feilun.flywheel.build import FILES, SETS
from feilun.flywheel.lineage_graph import Graph, Node
from feilun.registry import Registry, Release
from feilun.registry.builtin import BUILTINS
from feilun.store.served import history
from feilun.store.tables import Conversation, Feedback, Message
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest, Workspace, model_cache

TAINTED = "tainted.json"
"""Beside the manifest of what was made from words that were forgotten since: why, and when."""

_WEIGHTS = (".gguf", ".safetensors")
"""Other files (a tokenizer, an empty list) may be the same in artifacts that have nothing to do with each other."""
_MANY = 500
"""Ids in one query."""


class Hashes(NamedTuple):
    """What the manifests say of files, by their hash."""

    owners: dict[str, str]
    """Of weights: the artifact's id."""
    names: dict[str, str]
    """Of any file."""


def read_artifacts(graph: Graph, workspace: Workspace, releases: Iterable[Release]) -> Hashes:
    """Add all manifests, and what is in the data sets."""
    owners: dict[str, str] = {}
    names: dict[str, str] = {}
    found = [(folder, _manifest(folder)) for folder in _folders(workspace, releases)]
    manifests = [(folder, manifest) for folder, manifest in found if manifest is not None]
    for folder, manifest in manifests:
        inside = folder.is_relative_to(workspace.path)
        node = Node(
            manifest.kind,
            manifest.id,
            folder.relative_to(workspace.path).as_posix() if inside else manifest.name,
            manifest.created,
            {name: value for name, value in manifest.figures.items() if isinstance(value, int | float | str)},
        )
        if manifest.kind == "adapter":
            node.facts |= _learnt(manifest)
        known = graph.add(node)
        known.facts.setdefault("folders", []).append(str(folder))
        if (folder / TAINTED).exists():
            known.facts["tainted"] = True
        for name, digest in manifest.files.items():
            names.setdefault(digest, name)
            if name.endswith(_WEIGHTS):
                owners.setdefault(digest, manifest.id)
    for folder, manifest in manifests:
        for source in _sources(manifest):
            graph.add(Node("source", f"source:{source}", source))
            graph.link(f"source:{source}", manifest.id)
        sampled = _read_samples(graph, folder, manifest) if manifest.kind == "dataset" else set[str]()
        for parent in manifest.parents:
            if parent not in sampled:
                graph.link(owners.get(parent, parent), manifest.id)
    return Hashes(owners, names)


def read_releases(graph: Graph, workspace: Workspace, session: Session) -> list[Release]:
    """Add the releases that serve, have served, or were tried by a turn; gives them."""
    found = {release.id: release for release in BUILTINS.values()}
    rows = history(session)
    found |= {release.id: release for release in _tried(workspace)}
    for row in rows:
        with contextlib.suppress(ValidationError):  # written by another version of Feilun
            found[row.release_id] = Release.model_validate(row.release)
    serving = Registry(workspace).releases()
    found |= {release.id: release for release in serving}
    for release in found.values():
        facts: dict[str, Any] = {"model": release.name, "source": release.source}
        facts["serves"] = any(release.id == one.id for one in serving)
        facts["served"] = [
            {"since": iso(row.since_ms), "reason": row.reason, "turn": row.turn}
            for row in rows
            if row.release_id == release.id
        ]
        since = facts["served"][0]["since"] if facts["served"] else None
        graph.add(Node("release", release.id, release.name, since, facts))
    return list(found.values())


def link_releases(graph: Graph, releases: Iterable[Release], owners: dict[str, str]) -> None:
    """Link each release to its adapter and its base."""
    for release in releases:
        if release.adapter_sha256 is not None:
            adapter = owners.get(release.adapter_sha256, release.adapter_sha256)
            if adapter not in graph.nodes:
                graph.add(Node("file", adapter, Path(release.adapter or "").name))
            graph.link(adapter, release.id)
        if release.kind == "upstream":
            base = f"upstream:{release.source}#{release.upstream_model or release.name}"
            graph.add(Node("upstream", base, release.upstream_model or release.name))
        else:
            digest = release.sha256 or f"source:{release.source}"
            base = owners.get(digest, digest)
            if base not in graph.nodes:
                graph.add(Node("file", base, release.source))
        graph.link(base, release.id)


def read_missing(graph: Graph, session: Session, names: dict[str, str]) -> None:
    """Add what is linked and is still no node: opinions, and what is known by its hash or name alone."""
    read_opinions(graph, session, [id for id in graph.missing() if id.startswith("fb_")])
    for id in graph.missing():
        kind = "feedback" if id.startswith("fb_") else "release" if id.startswith("release:") else "file"
        graph.add(Node(kind, id, names.get(id, ""), facts={} if id in names else {"known": False}))


def read_opinions(graph: Graph, session: Session, ids: Sequence[str]) -> None:
    """Add opinions by their ids, with their conversations and users; ids that are not stored are passed over."""
    for at in range(0, len(ids), _MANY):
        _add_opinions(graph, session, Feedback.id.in_(ids[at : at + _MANY]))


def read_opinions_in(graph: Graph, session: Session, conversation: str) -> None:
    """Add all opinions of one conversation."""
    _add_opinions(graph, session, Message.conversation_id == conversation)


def read_opinions_of(graph: Graph, session: Session, user: str) -> None:
    """Add all opinions of one user, and those in the user's conversations."""
    _add_opinions(graph, session, (Feedback.user == user) | (Conversation.user == user))


def read_conversation(graph: Graph, session: Session, conversation: str) -> bool:
    """Add a conversation with its user. False: it is not stored."""
    row = session.get(Conversation, conversation)
    if row is not None:
        _add_conversation(graph, row)
    return row is not None


def read_message(graph: Graph, session: Session, message_id: str) -> bool:
    """Add a message: an answer with its release, and all opinions of it. False: it is not stored."""
    row = session.get(Message, message_id)
    if row is None:
        return False
    facts: dict[str, Any] = {"text": row.content, "role": row.role, "model": row.model}
    graph.add(Node("answer", row.id, short(row.content), iso(row.created_ms), facts))
    if row.release is not None:
        if row.release not in graph.nodes:
            graph.add(Node("release", row.release, row.model or "", facts={"known": False}))
        graph.link(row.release, row.id)
    read_conversation(graph, session, row.conversation_id)
    graph.link(row.conversation_id, row.id)
    _add_opinions(graph, session, Feedback.message_id == row.id)
    for opinion in session.scalars(select(Feedback.id).where(Feedback.message_id == row.id)):
        graph.link(row.id, opinion)
    return True


def read_answers(graph: Graph, session: Session) -> None:
    """Add how much each release has written, one node for all of it."""
    query = (
        select(Message.release, func.count(), func.count(Conversation.user.distinct()))
        .join(Conversation)
        .where(Message.release.is_not(None), Conversation.deleted_ms.is_(None))
        .group_by(Message.release)
    )
    for release, count, users in session.execute(query):
        if release in graph.nodes:
            graph.add(Node("answers", f"answers:{release}", facts={"count": count, "users": users}))
            graph.link(release, f"answers:{release}")


def iso(ms: int) -> str:
    """Unix milliseconds as the manifests write the time."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _folders(workspace: Workspace, releases: Iterable[Release]) -> Iterator[Path]:
    """Where artifacts may lie: in the workspace, in the user's cache, and where releases have their files."""
    adapters = [file.parent for release in releases if (file := release.adapter_file) is not None]
    files = [
        release.source.removeprefix("file:") for release in releases if release.source.startswith("file:")
    ]
    globs = [
        *workspace.path.glob(f"*/*/{MANIFEST}"),
        *workspace.path.glob(f"runs/*/*/{MANIFEST}"),
        *workspace.path.glob(f"runs/*/*/*/{MANIFEST}"),  # what a stage of a turn left to the next
        *model_cache().glob(f"*/{MANIFEST}"),
    ]
    found = [path.parent for path in sorted(globs)] + adapters + [Path(file).parent for file in files]
    for folder in dict.fromkeys(found):
        if not folder.name.startswith("."):  # a draft
            yield folder


def _manifest(folder: Path) -> Manifest | None:
    with contextlib.suppress(FeilunError):  # of a broken one nothing is known
        return Manifest.read(folder)
    return None


def _learnt(manifest: Manifest) -> dict[str, Any]:
    """By which objective an adapter was made, from which file of its data set, and all that it has gone through."""
    objective = manifest.recipe.get("kind")
    return {
        "objective": objective,
        "set": SETS.get(objective) if objective else None,
        "stages": manifest.figures.get("stages", []),
    }


def _sources(manifest: Manifest) -> list[str]:
    """Paths and addresses that a manifest's recipe names."""
    data: Any = manifest.recipe.get("data")
    inner: Any = data.get("sources") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    named: list[Any] = [
        *(manifest.recipe.get("sources") or []),
        *(inner or []),
        manifest.recipe.get("source"),
    ]
    return [source for source in named if isinstance(source, str)]


def _read_samples(graph: Graph, folder: Path, manifest: Manifest) -> set[str]:
    """Add a node for each opinion that has rows in a data set; gives the opinions. Replay of earlier turns has some too."""
    samples: dict[str, Node] = {}
    for name in FILES:
        for row in rows_of(folder / name):
            item = row.get("item")
            if not isinstance(item, str):
                continue
            node = samples.get(item)
            if node is None:
                *_, question = (m["content"] for m in row["messages"] if m["role"] == "user")
                facts: dict[str, Any] = {"question": question, "rows": 0, "rules": []}
                node = samples[item] = Node("sample", f"{manifest.id}#{item}", short(question), facts=facts)
            node.facts["rows"] += 1
            rule = row.get("rule", name.removesuffix(".jsonl"))
            if rule not in node.facts["rules"]:
                node.facts["rules"].append(rule)
            if name == "sft.jsonl":
                node.facts.setdefault("answer", row["messages"][-1]["content"])
    for item, node in samples.items():
        graph.add(node)
        graph.link(item, node.id)
        graph.link(node.id, manifest.id)
    return set(samples)


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines; none if there is no such file. What is no object is passed over."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    row: object = json.loads(line)
                    if isinstance(row, dict):
                        yield row


def _tried(workspace: Workspace) -> Iterator[Release]:
    """The releases that turns began with, and their candidates."""
    for path in workspace.path.glob("runs/*/before.json"):
        with contextlib.suppress(OSError, ValidationError):
            before = Release.model_validate_json(path.read_bytes())
            yield before
            folder = workspace.path / "models" / path.parent.name
            manifest = _manifest(folder)
            file = folder / "adapter.gguf"
            if manifest is not None and file.name in manifest.files:
                digest = manifest.files[file.name]
                yield before.model_copy(update={"adapter": str(file), "adapter_sha256": digest})


def _add_opinions(graph: Graph, session: Session, which: ColumnElement[bool]) -> None:
    query = select(Feedback, Conversation).join(Message, Feedback.message_id == Message.id)
    query = query.join(Conversation, Message.conversation_id == Conversation.id).where(which)
    for opinion, conversation in session.execute(query.order_by(Feedback.seq)):
        facts: dict[str, Any] = {
            "user": opinion.user,
            "rating": opinion.rating,
            "correction": opinion.correction,
            "message_id": opinion.message_id,
        }
        name = short(opinion.correction or opinion.comment or "")
        graph.add(Node("feedback", opinion.id, name, iso(opinion.created_ms), facts))
        _add_conversation(graph, conversation)
        graph.link(conversation.id, opinion.id)
        if opinion.user != conversation.user:
            graph.add(Node("user", f"user:{opinion.user}", opinion.user))
            graph.link(f"user:{opinion.user}", opinion.id)


def _add_conversation(graph: Graph, row: Conversation) -> None:
    graph.add(Node("conversation", row.id, row.title, iso(row.created_ms), {"user": row.user}))
    graph.add(Node("user", f"user:{row.user}", row.user))
    graph.link(f"user:{row.user}", row.id)
