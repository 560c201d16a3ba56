"""Documents that somebody asked to forget: every later build of the workspace leaves them out.

They are kept as hashes of where they stood, since an address may tell what was in them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from feilun.data.sources.files import file_system
from feilun.workspace import locked, write_atomically

FILE = "forgotten.json"
"""In a workspace: rows of ``document`` (the hash of a place) and ``when``."""
FORGOTTEN = "forgotten"
"""What stands in a corpus in the place of such a document."""


def read_forgotten(workspace: Path) -> frozenset[str]:
    """The hashes of a workspace."""
    return frozenset(row["document"] for row in _rows(workspace))


def forget_places(workspace: Path, places: Iterable[str]) -> None:
    """Note documents by their places (`places_of`), for good."""
    with locked(workspace / f".{FILE}.lock"):
        rows = _rows(workspace)
        known = {row["document"] for row in rows}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        new = [
            {"document": one, "when": now} for one in dict.fromkeys(map(hashed, places)) if one not in known
        ]
        write_atomically(workspace / FILE, json.dumps([*rows, *new], indent=1) + "\n")


def is_forgotten(places: Iterable[str], forgotten: Collection[str]) -> bool:
    """Whether a document that stands at these places is to be left out."""
    return bool(forgotten) and any(hashed(place) in forgotten for place in places)


def places_of(root: str, id: str, url: str | None) -> list[str]:
    """Where a document stands: in its source (``root``: see `root_of`), and the address it came from, if that is known."""
    return [f"{root.rstrip('/')}/{id}", *([url] if url else [])]


def root_of(source: str) -> str:
    """A source as a URL. Raises as `feilun.data.sources.file_system` does."""
    files, top = file_system(source)
    return source if "::" in source else str(files.unstrip_protocol(top)).rstrip("/")


def place_of(document: str) -> str:
    """What may be an address already, or the path of a file or folder, as a URL."""
    return document.rstrip("/") if "://" in document else root_of(document)


def hashed(place: str) -> str:
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


def stand_in(source: str, id: str) -> str:
    """The id of what stands for a document in a corpus."""
    return f"{FORGOTTEN}-{hashed(f'{source}/{id}')[:16]}"


def _rows(workspace: Path) -> list[dict[str, Any]]:
    path = workspace / FILE
    return json.loads(path.read_bytes()) if path.exists() else []
