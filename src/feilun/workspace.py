"""Where things live: workspace folders, artifacts and their manifests, locks.

A workspace is a folder; an artifact is a folder in it (or in the user's model cache); a manifest is the
file ``artifact.json`` in that. Lineage is the graph of ``parents`` in the manifests: nothing else records it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, cast

import platformdirs
from pydantic import BaseModel, Field, ValidationError

from feilun import __version__
from feilun.text import FeilunError
from feilun.validation import explain

MANIFEST = "artifact.json"


def default_workspace() -> Path:
    """``$FEILUN_WORKSPACE``, else the platform's folder for user data."""
    chosen = os.environ.get("FEILUN_WORKSPACE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("feilun"))


def model_cache() -> Path:
    """Downloaded models, shared by all workspaces of a user: ``$FEILUN_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("FEILUN_CACHE")
    base = Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("feilun"))
    return base.absolute() / "models"


class Manifest(BaseModel):
    """What an artifact is and where it came from (``artifact.json``)."""

    kind: str
    """corpus, tokens, dataset, model, adapter, report, release."""
    id: str
    """Hash of the content: ``sha256:...``."""
    name: str
    parents: list[str] = Field(default_factory=list)
    recipe: dict[str, Any] = Field(default_factory=dict)
    """What made it: a recipe, or the source it was fetched from."""
    files: dict[str, str] = Field(default_factory=dict)
    """Relative path -> ``sha256:...``."""
    figures: dict[str, Any] = Field(default_factory=dict)
    license: str | None = None
    code: str = f"feilun {__version__}"
    created: str = Field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    def write(self, folder: Path) -> None:
        """Write ``artifact.json`` into a draft (`new_artifact`)."""
        (folder / MANIFEST).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of an artifact's folder. Raises `FeilunError` if there is none or it is broken."""
        path = folder / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise FeilunError(
                f"{folder} is not an artifact: it has no {MANIFEST}.", f"{folder} 不是产物：缺少 {MANIFEST}。"
            ) from None
        except ValidationError as error:
            said = explain(error.errors()[0])
            raise FeilunError(f"{path} is broken: {said.en}.", f"{path} 已损坏：{said.zh}。") from None

    def altered(self, folder: Path) -> list[str]:
        """Those of its files that are not in ``folder`` as they were made: gone, or of other content."""
        return [
            name
            for name, digest in self.files.items()
            if not (folder / name).is_file() or sha256_file(folder / name) != digest
        ]


def stages(*places: Path | None) -> list[str]:
    """The training that a model and its adapter have gone through, in its order, as far as the manifests beside them know:
    ``["pretrain", "sft"]``. A place is a folder or a file in it."""
    found: list[str] = []
    for place in places:
        folder = place if place is None or place.is_dir() else place.parent
        if folder is not None and (folder / MANIFEST).is_file():
            told: list[str] = Manifest.read(folder).figures.get("stages", [])
            # An adapter tells those of the base that it was trained on as well.
            found = told if told[: len(found)] == found else found + told
    return found


@contextlib.contextmanager
def new_artifact(folder: Path) -> Generator[Path]:
    """A hidden folder beside ``folder`` to build an artifact in; it takes its name only when the block ends well.

    A half-made artifact can thus never be seen, also after a kill: leftovers carry a dot and are swept next time.
    """
    with locked(folder.with_name(f".{folder.name}.lock")):
        # Eight characters, as mkdtemp writes them: not the drafts of an artifact whose name merely begins like this one's.
        for stale in folder.parent.glob(f".{glob.escape(folder.name)}.{'?' * 8}.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        draft = _hidden_beside(folder)
        try:
            yield draft
            for path in draft.rglob("*"):
                if path.is_file():
                    _fsync(path)
            _fsync(draft)
            old = _hidden_beside(folder)
            if folder.exists():
                folder.rename(old)  # half removed it must not be seen either
            draft.rename(folder)
            _fsync(folder.parent)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _hidden_beside(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Wait for, and hold, the kernel's lock on the file ``path``; a killed process leaves none behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sha256_file(path: Path) -> str:
    """``sha256:<hex>`` of a file's bytes."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a small file so that a reader, or a crash, sees the old content or the new and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        _fsync(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Workspace:
    """One folder that holds everything of one Feilun: its database, its list of models, its artifacts.

    Raises `FeilunError` when the folder cannot be made or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or default_workspace()).expanduser().absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise _unusable(self.path, error) from None

    @property
    def database(self) -> str | Path:
        """Where the store is: the URL ``$FEILUN_DATABASE_URL``, else a file for SQLite in the workspace."""
        return os.environ.get("FEILUN_DATABASE_URL") or self.path / "feilun.db"

    @property
    def models_file(self) -> Path:
        return self.path / "models.json"

    @property
    def _address_file(self) -> Path:
        return self.path / "server.json"

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Hold the workspace for one server. The lock is the kernel's: a killed process leaves none behind."""
        with (self.path / "server.lock").open("a") as lock:
            if not _lock_soon(lock):
                raise FeilunError(
                    f"A server already runs on the workspace {self.path}{_at(self.address())}. "
                    "Stop it first, or choose another workspace with -w.",
                    f"工作区 {self.path} 已有服务器在运行{_at(self.address())}。请先停止它，或用 -w 指定另一个工作区。",
                    code="workspace_in_use",
                )
            self._address_file.unlink(missing_ok=True)  # of a killed one
            try:
                yield
            finally:
                self._address_file.unlink(missing_ok=True)

    def announce(self, url: str) -> None:
        """Leave the running server's address where the other commands look for it."""
        write_atomically(self._address_file, json.dumps({"url": url, "pid": os.getpid()}))

    def address(self) -> str | None:
        """URL of the server that runs on this workspace now, or None. A file left by a killed one does not count."""
        try:
            written = cast("dict[str, str]", json.loads(self._address_file.read_text()))
            with (self.path / "server.lock").open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return written["url"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None


def _lock_soon(lock: IO[str]) -> bool:
    """Take an exclusive lock; `Workspace.address` may hold it for a moment, a server holds it for good."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


def _at(url: str | None) -> str:
    return f" ({url})" if url else ""


def _unusable(path: Path, error: OSError) -> FeilunError:
    if error.errno == errno.ENOSPC:
        return FeilunError(
            f"No space left on the disk of the workspace {path}. Free some, or choose another folder with -w.",
            f"工作区 {path} 所在磁盘已满。请腾出空间，或用 -w 指定另一个文件夹。",
            status=507,
            code="disk_full",
        )
    return FeilunError(
        f"Cannot write to the workspace {path}: {error.strerror}. Choose a folder of your own with -w.",
        f"无法写入工作区 {path}：{error.strerror}。请用 -w 指定一个您有权写入的文件夹。",
        code="workspace_not_writable",
    )
