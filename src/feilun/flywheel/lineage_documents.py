"""Forgetting a document: what the workspace has of it, and what of the graph came of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from feilun.flywheel.lineage_graph import Graph, Node

if TYPE_CHECKING:
    from feilun.data.forget import Held

_SHARDS = ("*.bin", "*.npy")
_TELLING = 40
"""Characters of a line that is looked for elsewhere: shorter ones stand on many pages."""


@dataclass
class Copies:
    """What there is of a document in a workspace."""

    held: list[Held] = field(default_factory=list["Held"])
    """In corpora, kept or not."""
    builds: list[Path] = field(default_factory=list[Path])
    """Work of builds that are not done: they begin anew, and leave it out."""
    shards: list[Path] = field(default_factory=list[Path])
    """Folders of token shards that were made with it."""

    @property
    def alike(self) -> list[str]:
        """``source/id`` of documents that are nearly the same, and stay."""
        return sorted({name for one in self.held for name in one.copies})

    @property
    def lines(self) -> set[str]:
        texts = (line.strip() for one in self.held for line in one.text.split("\n"))
        return {line for line in texts if len(line) >= _TELLING}


def copies(workspace: Path, document: str) -> Copies:
    """What a workspace has of a document (see `feilun.data.forget.held`), but for token shards, which the graph tells."""
    if not any(workspace.glob("corpora/*/artifact.json")) and not any(workspace.glob("runs/**/work")):
        return Copies()  # nothing has to be loaded that reads corpora
    from feilun.data import forget

    held = [one for corpus in forget.corpora(workspace) for one in forget.held(corpus, document)]
    return Copies(held, forget.unfinished(workspace, document, held))


def came_of(graph: Graph, document: str, found: Copies) -> list[Node]:
    """What was made of a document, nearest first; not the corpora that hold it, which are made anew without it.

    A corpus that was decided on again has taken the place of another, of which there may be token shards.
    """
    folders = {str(one.corpus) for one in found.held if one.kept}
    holding = [node.id for node in graph.nodes.values() if folders & set(node.facts.get("folders", ()))]
    before = [node.id for node in graph.reach(holding, "up") if node.kind in ("corpus", "file")]
    # The id of a document of a corpus is no path, though a file here could be called so.
    path = Path(document).expanduser()
    meant = not found.held or path.is_absolute() or path.exists()
    sources = [node.id for node in graph.nodes.values() if meant and is_of(node, document)]
    # Of a corpus it is known what is in it; of what was made of a folder directly, only that it lies there.
    direct = [
        id for source in sources for id in graph.next(source, "down") if graph.nodes[id].kind != "corpus"
    ]
    starts = dict.fromkeys([*holding, *before, *direct])
    reached = {node.id: node for node in graph.reach(starts, "down")}
    every = {id: graph.nodes[id] for id in direct} | reached
    return [node for node in every.values() if node.kind != "corpus"]


def take_out(workspace: Path, document: str, found: Copies) -> None:
    """Delete it everywhere. Corpora come last: by them it is known what to delete, if this is killed."""
    for work in found.builds:
        shutil.rmtree(work, ignore_errors=True)
    for folder in found.shards:
        for path in _files(folder):
            path.unlink()
    if not found.held and not found.builds:
        return
    from feilun.data import forget
    from feilun.data.forgotten import forget_places, place_of

    forget_places(
        workspace, [document, place_of(document), *(place for one in found.held for place in one.places)]
    )
    for corpus in dict.fromkeys(one.corpus for one in found.held):
        forget.take_out(corpus, [(one.source, one.id) for one in found.held if one.corpus == corpus])


def shards_in(folders: Iterable[Path]) -> list[Path]:
    """Those folders that have token shards still."""
    return [folder for folder in folders if _files(folder)]


def _files(folder: Path) -> list[Path]:
    return [path for pattern in _SHARDS for path in sorted(folder.glob(pattern))]


def is_of(node: Node, document: str) -> bool:
    """Whether a source is a document, or a folder in which it lies. A relative source is known by its last parts."""
    if node.kind != "source":
        return False
    wanted = Path(document).expanduser().absolute()
    parts = tuple(part for part in Path(node.name).parts if part not in (".", ".."))
    if node.name == document or not parts:
        return node.name == document
    return any(one.parts[-len(parts) :] == parts for one in (wanted, *wanted.parents))
