"""The console's own files, and the API's documentation page; nothing comes from any other host."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

import feilun
from feilun.text import say

DIST = Path(feilun.__file__).parent / "console_dist"

_DOCS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Feilun API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>"""

_DOCS_START = (
    "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })"
)


class _Files(StaticFiles):
    """Files whose names carry a hash stay in the browser's cache; the others are asked for each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def install(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse(_DOCS)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(_DOCS_START, media_type="text/javascript")

    if (DIST / "index.html").exists():
        # As the router's last resort, not as a mount at "/": that would match every path and hide a wrong method (405).
        console, nowhere = _Files(directory=DIST, html=True), app.router.default

        async def file(scope: Scope, receive: Receive, send: Send) -> None:
            await (console if scope["type"] == "http" else nowhere)(scope, receive, send)

        app.router.default = file
        return

    @app.get("/", include_in_schema=False)
    async def missing() -> PlainTextResponse:  # pyright: ignore[reportUnusedFunction]
        return PlainTextResponse(
            say(
                "The console is not built: run 'make console' in the source tree. The API is at /v1.",
                "控制台尚未构建：请在源码目录运行 make console。API 位于 /v1。",
            )
        )
