"""Errors in OpenAI's shape, in the reader's language."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from itertools import takewhile
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from feilun.text import FeilunError, Language, Text, header_language
from feilun.validation import explain

log = logging.getLogger("feilun")


_PHRASES = {404: "没有这个地址", 405: "此地址不支持该方法"}
"""HTTP's own phrases in Chinese, where one may meet them."""


class WhileReading(HTTPException):
    """A `FeilunError` that happens while a body is read, where FastAPI lets nothing but an `HTTPException` through."""

    def __init__(self, known: FeilunError) -> None:
        super().__init__(known.status)
        self.known = known


def error_body(error: FeilunError, language: Language) -> dict[str, Any]:
    """``{"error": {"message", "type", "param", "code"}}``."""
    kind = (
        "rate_limit_error"
        if error.status == 429
        else "invalid_request_error"
        if error.status < 500
        else "server_error"
    )
    return {
        "error": {
            "message": error.text.show(language),
            "type": kind,
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: FeilunError, headers: Mapping[str, str], status: int | None = None) -> JSONResponse:
    body = error_body(error, header_language(headers.get("accept-language")))
    extra = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return JSONResponse(body, status or error.status, extra)


def install(app: FastAPI) -> None:
    """Make every way a request can fail end in that shape."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FeilunError)
        return error_response(error, request.headers)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        loc = () if first["type"] == "json_invalid" else first["loc"]  # there it is an offset
        parts = [str(part) for part in loc if part not in ("body", "query")]
        # Names of types are pydantic's own affair, and come after the field they are about.
        where = ".".join(takewhile(lambda part: part.isidentifier() or part.isdigit(), parts))[:100]
        said = explain(first)
        sent = request.headers.get("content-type", "")
        if first["loc"] == ("body",) and request.method != "GET" and "json" not in sent:
            said = Text(
                "send JSON with the header Content-Type: application/json",
                "请发送 JSON，并加上请求头 Content-Type: application/json",
            )
        return error_response(
            FeilunError(
                f"{where or 'body'}: {said.en}",
                f"{where or '请求体'}：{said.zh}",
                status=400,
                code="invalid_value",
                param=where or None,
            ),
            request.headers,
        )

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if isinstance(error, WhileReading):
            return error_response(error.known, request.headers)
        phrase = HTTPStatus(error.status_code).phrase
        said = Text(phrase, _PHRASES.get(error.status_code, phrase))
        what = f"{request.method} {request.url.path}"
        return error_response(
            FeilunError(
                f"{said.en}: {what}",
                f"{said.zh}：{what}",
                status=error.status_code,
                code=phrase.lower().replace(" ", "_"),
            ),
            request.headers,
        )

    async def unknown(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_response(
            FeilunError(
                f"Something went wrong inside the server ({type(error).__name__}). Its log says more.",
                f"服务器内部出错（{type(error).__name__}）。详情见日志。",
                code="internal_error",
            ),
            request.headers,
        )

    app.add_exception_handler(FeilunError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)
