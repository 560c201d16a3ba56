"""Lineage in both directions: what something was made of, and what was made of it.

An answer was written by a release; a release is a base and at most one adapter; an adapter was trained on a data set,
whose samples are what people said; and where the base is ours it has data of its own. The links are the ``parents``
in the manifests, joined with the store: nothing else records them.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from feilun.flywheel import lineage_reading as reading
from feilun.flywheel.lineage_graph import Direction, Graph, Node, Tree
from feilun.registry import Release
from feilun.store.tables import Conversation, Feedback
from feilun.text import FeilunError
from feilun.workspace import Workspace

LEAST = 6
"""Characters of an id's beginning that may stand for it."""


def read_graph(workspace: Workspace, session: Session) -> Graph:
    """All artifacts and releases, and what people said that went into them."""
    graph = Graph()
    releases = reading.read_releases(graph, workspace, session)
    hashes = reading.read_artifacts(graph, workspace, releases)
    reading.link_releases(graph, releases, hashes.owners)
    reading.read_missing(graph, session, hashes.names)
    marked = [node.id for node in graph.nodes.values() if node.facts.get("tainted")]
    for node in graph.reach(marked, "down"):
        node.facts["tainted"] = True  # what goes on from a tainted adapter is tainted, whenever it was made
    return graph


def ancestors(workspace: Workspace, session: Session, what: str) -> Tree:
    """What ``what`` was made of.

    ``what``: the id of a message, release, artifact, opinion or conversation (of those with a hash its first `LEAST` or
    more digits will do), an artifact's folder (``datasets/NAME``), a turn, or a user. Raises `FeilunError`: 404 for what
    is unknown, 400 for the beginning of several ids.
    """
    graph = read_graph(workspace, session)
    return graph.tree(find(graph, session, what, "up"), "up")


def descendants(workspace: Workspace, session: Session, what: str) -> Tree:
    """What was made of ``what``, as in `ancestors`; of the answers that a release wrote only how many there are."""
    graph = read_graph(workspace, session)
    start = find(graph, session, what, "down")
    reading.read_answers(graph, session)
    return graph.tree(start, "down")


def find(graph: Graph, session: Session, what: str, direction: Direction) -> str:
    """The id of the node that is meant, added if it was not there: something that was said, or a turn.

    Raises as `ancestors` does.
    """
    if _said(graph, session, what):
        return what
    if what in graph.nodes:
        return what
    named = [node.id for node in graph.nodes.values() if _is_called(node, what)]
    if len(named) > 1:
        return _turn(graph, what, named, direction)
    begun = [id for id in graph.nodes if len(what) >= LEAST and _begins(id, what)]
    if len(begun) > 1 and not named:
        raise FeilunError(
            f"'{what}' is the beginning of several ids: {', '.join(sorted(begun)[:5])}. Write more of it.",
            f"“{what}”是多个编号的开头：{'、'.join(sorted(begun)[:5])}。请写得更长一些。",
            status=400,
            code="ambiguous_id",
        )
    if named or begun:
        return (named or begun)[0]
    user = what.removeprefix("user:")
    if session.scalar(
        select(or_(exists().where(Conversation.user == user), exists().where(Feedback.user == user)))
    ):
        reading.read_opinions_of(graph, session, user)
        return graph.add(Node("user", f"user:{user}", user)).id
    raise FeilunError(
        f"Nothing here is called '{what}': no message, release, artifact, feedback, conversation, turn or user.",
        f"找不到“{what}”：没有这样的消息、版本、产物、反馈、对话、轮次或用户。",
        status=404,
        code="lineage_not_found",
    )


def tainted(workspace: Workspace, session: Session, release: Release) -> bool:
    """Whether a release was made, in part, from words that were forgotten since."""
    node = read_graph(workspace, session).nodes.get(release.id)
    return node is not None and bool(node.facts.get("tainted"))


def _said(graph: Graph, session: Session, what: str) -> bool:
    if what.startswith("msg_"):
        return reading.read_message(graph, session, what)
    if what.startswith("fb_"):
        reading.read_opinions(graph, session, [what])
        return what in graph.nodes
    if what.startswith("conv_") and reading.read_conversation(graph, session, what):
        reading.read_opinions_in(graph, session, what)
        return True
    return False


def _is_called(node: Node, what: str) -> bool:
    """An artifact by its folder in the workspace, or the end of that; a source by its path or the end of that."""
    if node.kind == "source":
        return node.name == what
    folders: list[str] = node.facts.get("folders", [])
    return node.name == what or any(Path(folder).name == what for folder in folders)


def _begins(id: str, what: str) -> bool:
    return "#" not in id and (id.startswith(what) or id.partition(":")[2].startswith(what))


def _turn(graph: Graph, what: str, parts: list[str], direction: Direction) -> str:
    """A node for what goes by one name, such as a turn's data set, adapter and report: it leads to their last, or first."""
    kind = "turn" if what.startswith("turn-") else "name"
    root = graph.add(Node(kind, f"{kind}:{what}", what))
    other: Direction = "down" if direction == "up" else "up"
    for part in parts:
        if not {node.id for node in graph.reach([part], other)} & set(parts):
            graph.link(*((part, root.id) if direction == "up" else (root.id, part)))
    return root.id
