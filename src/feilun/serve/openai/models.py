"""``GET /v1/models``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from feilun.registry import Release
from feilun.serve.context import Context, Services
from feilun.text import header_language

router = APIRouter(tags=["OpenAI"])


@router.get("/v1/models", summary="The models that can be asked")
async def list_models(request: Request, services: Context) -> dict[str, Any]:
    """The default model stands first."""
    language = request.headers.get("accept-language")
    releases = services.pool.registry.releases()
    return {
        "object": "list",
        "data": [_entry(services, release, i == 0, language) for i, release in enumerate(releases)],
    }


@router.get("/v1/models/{name:path}", summary="One model")
async def get_model(request: Request, name: str, services: Context) -> dict[str, Any]:
    release = services.pool.registry.get(name)
    default = services.pool.registry.default().name == name
    return _entry(services, release, default, request.headers.get("accept-language"))


def _entry(services: Services, release: Release, default: bool, language: str | None) -> dict[str, Any]:
    state, error = services.pool.state(release)
    ours = {
        "default": default,
        "kind": release.kind,
        "source": release.source,
        "release": release.id,
        "license": release.license,
        "context_length": services.pool.context_length(release)
        or (release.context_length if release.kind == "gguf" else None),
        "state": state,
        "error": error.text.show(header_language(language)) if error else None,
    }
    return {"id": release.name, "object": "model", "created": 0, "owned_by": "feilun", "feilun": ours}
