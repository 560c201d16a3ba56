"""What is running and whether it answers: ``/health``, ``/metrics``, ``/api/status``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from feilun import __version__
from feilun.serve.context import Context, Services
from feilun.serve.errors import error_response
from feilun.store import LOCAL_OWNER
from feilun.store.conversations import count_conversations
from feilun.text import FeilunError, header_language
from feilun.workspace import model_cache

router = APIRouter(tags=["Server"])


def _trouble(services: Services) -> FeilunError | None:
    """Why the default model does not answer now; None if it does. One that is not loaded is being loaded from here on."""
    try:
        release, canary = services.pool.registry.serving(None)
    except FeilunError as error:
        return error
    services.pool.warm(release, canary)
    state, error = services.pool.state(release)
    if state == "ready":
        return None
    return error or FeilunError(
        f"Model {release.name} is being loaded.",
        f"正在加载模型 {release.name}。",
        code="loading",
        retry_after=1,
    )


@router.get("/health", summary="200 once the default model answers")
async def health(request: Request, services: Context) -> Response:
    trouble = _trouble(services)
    if trouble is not None:
        return error_response(trouble, request.headers, status=503)
    return Response('{"status":"ok"}', media_type="application/json")


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics(services: Context) -> Response:
    return Response(services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/api/status", summary="What runs here and where the data lies")
async def status(request: Request, services: Context) -> dict[str, Any]:
    trouble = _trouble(services)
    try:
        default = services.pool.registry.default().name
    except FeilunError:
        default = None
    return {
        "version": __version__,
        "workspace": str(services.workspace.path),
        "database": services.store.engine.dialect.name,
        "model_cache": str(model_cache()),
        "default_model": default,
        "ready": trouble is None,
        "reason": trouble.text.show(header_language(request.headers.get("accept-language")))
        if trouble
        else None,
        "conversations": await services.store.read(count_conversations, LOCAL_OWNER),
        "api_base": str(request.base_url) + "v1",
    }
