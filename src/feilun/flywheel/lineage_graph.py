"""The graph of what came of what, and trees cut from it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal[
    "answer",
    "answers",
    "release",
    "adapter",
    "model",
    "dataset",
    "sample",
    "feedback",
    "conversation",
    "user",
    "report",
    "tokens",
    "corpus",
    "source",
    "file",
    "upstream",
    "turn",
    "name",
]
"""``sample``: the rows of one opinion in a data set; ``answers``: all that a release wrote; ``source``: texts by their
path or address; ``file``: something known by its hash alone; ``upstream``: a model that another server runs;
``name``: what several have in common, such as a model and its release."""

Direction = Literal["up", "down"]
"""``up``: to what it was made of; ``down``: to what was made of it."""

DEEPEST = 60
"""Levels of a tree. Who wants more asks again for a node at its end."""


@dataclass
class Node:
    """Something that was made, said, or made from."""

    kind: str
    """One of `Kind`, or what a manifest says."""
    id: str
    name: str = ""
    created: str | None = None
    """UTC, ISO 8601."""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


class Tree(BaseModel):
    """A node with what lies behind it in one direction."""

    kind: str
    id: str
    name: str
    created: str | None
    facts: dict[str, Any]
    more: bool = False
    """Whether what lies behind it is left out here: it stands elsewhere in the tree, or too deep."""
    children: list[Tree] = []


class Graph:
    """Nodes by id, linked from parent to child. A link may be made before its nodes are known."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._links: dict[Direction, dict[str, dict[str, None]]] = {
            "up": defaultdict(dict[str, None]),
            "down": defaultdict(dict[str, None]),
        }

    def add(self, node: Node) -> Node:
        """Add a node, or what is newly known of it; gives the one that stands for the id."""
        known = self.nodes.setdefault(node.id, node)
        if known is not node:
            known.facts |= node.facts
        return known

    def link(self, parent: str, child: str) -> None:
        if parent != child:
            self._links["down"][parent][child] = None
            self._links["up"][child][parent] = None

    def missing(self) -> list[str]:
        """Ids that are linked and are no node yet."""
        linked = dict.fromkeys(id for links in self._links.values() for id in links)
        return [id for id in linked if id not in self.nodes]

    def next(self, id: str, direction: Direction) -> list[str]:
        """Its parents (``up``) or children (``down``)."""
        return list(self._links[direction].get(id, ()))

    def reach(self, starts: Iterable[str], direction: Direction) -> list[Node]:
        """All that lies behind ``starts``, themselves left out unless one lies behind another; nearest first."""
        seen: dict[str, None] = {}
        queue = deque(starts)
        while queue:
            for id in self.next(queue.popleft(), direction):
                if id not in seen:
                    seen[id] = None
                    queue.append(id)
        return [self.nodes[id] for id in seen if id in self.nodes]

    def tree(self, start: str, direction: Direction) -> Tree:
        """What lies behind ``start``. A node with several ways to it is opened where it is nearest to the root."""
        root = self._bare(start)
        opened = {start}
        level = [root]
        for _ in range(DEEPEST):
            below: list[Tree] = []
            for tree in level:
                for id in self.next(tree.id, direction):
                    child = self._bare(id)
                    tree.children.append(child)
                    if id not in opened:
                        opened.add(id)
                        below.append(child)
                    else:
                        child.more = bool(self.next(id, direction))
            level = below
        for tree in level:
            tree.more = bool(self.next(tree.id, direction))
        return root

    def _bare(self, id: str) -> Tree:
        node = self.nodes[id]
        return Tree(
            kind=node.kind,
            id=node.id,
            name=node.name,
            created=node.created,
            facts=dict(node.facts),
            children=[],
        )
