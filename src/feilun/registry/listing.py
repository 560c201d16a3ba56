"""The workspace's list of models (``models.json``)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pydantic import BaseModel, ConfigDict, ValidationError

from feilun.registry.builtin import current, first_model
from feilun.registry.canary import Canary, canary_running
from feilun.registry.releases import Release
from feilun.text import FeilunError
from feilun.validation import explain
from feilun.workspace import Workspace, locked, write_atomically


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    default: str
    models: list[Release]
    canaries: list[Canary] = []

    def canary(self, name: str) -> Canary | None:
        return next((canary for canary in self.canaries if canary.release.name == name), None)

    def set_canary(self, name: str, canary: Canary | None) -> None:
        others = [other for other in self.canaries if other.release.name != name]
        self.canaries = others if canary is None else [*others, canary]


def _find(releases: list[Release], name: str) -> Release:
    for release in releases:
        if release.name == name:
            return release
    names = ", ".join(release.name for release in releases)
    raise FeilunError(
        f"There is no model '{name}'. Models here: {names}.",
        f"没有名为“{name}”的模型。现有模型：{names}。",
        status=404,
        code="model_not_found",
        param="model",
    )


class Registry:
    """The models of one workspace. Read at every call, written under a lock: the command line and a server share it."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.models_file

    def releases(self) -> list[Release]:
        """All models, the default one first. Raises `FeilunError` if ``models.json`` is broken."""
        file = self._read()
        return sorted(file.models, key=lambda release: release.name != file.default)

    def default(self) -> Release:
        return self.releases()[0]

    def get(self, name: str) -> Release:
        """The model called ``name``. Raises `FeilunError` (404) with the names there are."""
        return _find(self.releases(), name)

    def serving(self, name: str | None) -> tuple[Release, Canary | None]:
        """What answers under ``name`` (None: the default model): the release, and its canary while there is one.

        Raises `FeilunError` (404) with the names there are.
        """
        file = self._read()
        release = _find(file.models, file.default if name is None else name)
        return release, file.canary(release.name)

    def canaries(self) -> list[Canary]:
        """All that are running."""
        return self._read().canaries

    def add(self, release: Release, *, make_default: bool = False) -> None:
        """Add a model. Raises `FeilunError` if the name is taken."""

        def change(file: _File) -> None:
            _check_free(file, release.name)
            file.models.append(release)
            if make_default:
                file.default = release.name

        self._change(change)

    def check_free(self, name: str) -> None:
        """Raises `FeilunError` (409) if there is a model called ``name``."""
        _check_free(self._read(), name)

    def remove(self, name: str) -> None:
        """Take a model off the list; its files stay. Raises `FeilunError` for the default one or an unknown one."""

        def change(file: _File) -> None:
            _find(file.models, name)
            if name == file.default:
                raise FeilunError(
                    f"'{name}' is the default model. Make another one the default first: feilun models default NAME",
                    f"“{name}”是默认模型。请先改用其他默认模型：feilun models default 名称",
                    status=409,
                    code="model_is_default",
                )
            file.models = [release for release in file.models if release.name != name]
            file.set_canary(name, None)

        self._change(change)

    def replace(self, release: Release) -> Release:
        """Let ``release`` answer under its name from now on; gives what did before.

        Raises `FeilunError`: 404 for an unknown name, 409 while the one before is compared with a canary.
        """
        before: list[Release] = []

        def change(file: _File) -> None:
            before.append(_find(file.models, release.name))
            if file.canary(release.name) is not None:
                raise canary_running(release.name)
            _put(file, release)

        self._change(change)
        return before[0]

    def begin_canary(self, canary: Canary) -> None:
        """Let ``canary`` answer its share from now on. Begun again it is the same.

        Raises `FeilunError`: 404 for an unknown name, 409 while another canary of the model is running.
        """
        name = canary.release.name

        def change(file: _File) -> None:
            _find(file.models, name)
            running = file.canary(name)
            if running is not None and running.turn != canary.turn:
                raise canary_running(name)
            file.set_canary(name, running or canary)

        self._change(change)

    def end_canary(self, canary: Canary, *, take_over: bool) -> bool:
        """End ``canary``: its release answers everything from now on, or nothing. False: it had ended already."""
        ended: list[Canary] = []

        def change(file: _File) -> None:
            if file.canary(canary.release.name) == canary:
                file.set_canary(canary.release.name, None)
                if take_over:
                    _put(file, canary.release)
                ended.append(canary)

        self._change(change)
        return bool(ended)

    def deciding(self) -> AbstractContextManager[None]:
        """Hold the decision on what serves, for one who changes both this list and the history of what served."""
        return locked(self._path.with_name("serving.lock"))

    def set_default(self, name: str) -> None:
        """Make ``name`` the model that answers when a request names none. Raises `FeilunError` (404)."""

        def change(file: _File) -> None:
            file.default = _find(file.models, name).name

        self._change(change)

    def _read(self) -> _File:
        try:
            file = _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            release = first_model()
            return _File(default=release.name, models=[release])
        except ValidationError as error:
            problem = error.errors()[0]
            where, said = ".".join(str(part) for part in problem["loc"]), explain(problem)
            raise FeilunError(
                f"{self._path} is broken at '{where}': {said.en}. Mend it, or delete it to begin with the default model.",
                f"{self._path} 在“{where}”处有误：{said.zh}。请修正，或删除该文件以恢复默认模型。",
                code="registry_broken",
            ) from None
        if all(release.name != file.default for release in file.models):
            raise FeilunError(
                f"{self._path}: the default model '{file.default}' is not among the models. Mend it, or delete the file.",
                f"{self._path}：默认模型“{file.default}”不在模型列表中。请修正，或删除该文件。",
                code="registry_broken",
            )
        file.models = [current(release) for release in file.models]
        return file

    def _change(self, change: Callable[[_File], None]) -> None:
        with locked(self._path.with_suffix(".lock")):
            file = self._read()
            change(file)
            # Keys of upstreams may be in it: for the owner's eyes alone.
            write_atomically(
                self._path, file.model_dump_json(indent=2, exclude_defaults=True) + "\n", mode=0o600
            )


def _put(file: _File, release: Release) -> None:
    file.models = [release if known.name == release.name else known for known in file.models]


def _check_free(file: _File, name: str) -> None:
    if any(known.name == name for known in file.models):
        raise FeilunError(
            f"There is a model '{name}' already. Choose another name, or remove it: feilun models remove {name}",
            f"已有名为“{name}”的模型。请换一个名称，或先移除：feilun models remove {name}",
            status=409,
            code="model_exists",
        )
