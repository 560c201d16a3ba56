"""Releases: what answers.

A release is what answers: a base model, at most one adapter on it, a chat template and sampling defaults.
Its id is the hash of these, so that an answer's release says exactly what wrote it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from feilun.text import FeilunError

BUILTIN = "builtin:"

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
    """A GGUF LoRA adapter on the base: its path, or ``builtin:`` and the path of one that comes with Feilun."""
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

    @property
    def adapter_file(self) -> Path | None:
        """Where the adapter lies."""
        if self.adapter is None:
            return None
        inside = self.adapter.removeprefix(BUILTIN)
        return Path(self.adapter) if inside == self.adapter else Path(__file__).parent / inside

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
