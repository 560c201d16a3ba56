"""What every request passes first: no page of another site may drive the server, no body may be endless.

Pure ASGI: a middleware that wraps the response would hide from the endpoints that their client went away.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feilun.registry.download import is_loopback
from feilun.serve.errors import WhileReading, error_response
from feilun.text import FeilunError

MAX_BODY = 8 << 20
"""Bytes of a request's body."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What a model writes is untrusted: even if it slipped through the console's Markdown, nothing foreign runs or loads."""

_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Guard:
    """Refuses foreign hosts and origins (DNS rebinding, cross-site requests) and bodies above `MAX_BODY`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _foreign(headers, scope["method"]) or _too_large(headers)
        if refusal is not None:
            await _drain(receive)
            await error_response(refusal, headers)(scope, receive, send)
            return

        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > MAX_BODY:
                    raise WhileReading(_TOO_LARGE)
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, counted, guarded)


def _foreign(headers: Headers, method: str) -> FeilunError | None:
    host = headers.get("host", "")
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    # A link from elsewhere may open the console, nothing more.
    opened = (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    if not _is_here(host):
        what = f"Host {host}"
    elif origin is not None and origin != f"http://{host}":
        what = f"Origin {origin}"
    elif site not in ("none", "same-origin") and not opened:
        what = f"Sec-Fetch-Site {site}"
    else:
        return None
    return FeilunError(
        f"Refused ({what}): this server answers only programs and pages of this machine.",
        f"已拒绝（{what}）：此服务器只响应本机的程序和页面。",
        status=403,
        code="forbidden_origin",
    )


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine and nothing else."""
    try:
        return "@" not in host and is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _too_large(headers: Headers) -> FeilunError | None:
    length = headers.get("content-length", "0")
    return None if length.isdecimal() and int(length) <= MAX_BODY else _TOO_LARGE


_TOO_LARGE = FeilunError(
    f"The request is larger than {MAX_BODY >> 20} MB. Send less text.",
    f"请求超过 {MAX_BODY >> 20} MB。请减少文本。",
    status=413,
    code="request_too_large",
)


async def _drain(receive: Receive) -> None:
    """Read on for a while: a client in the midst of sending would otherwise see a broken connection, not the answer."""
    read = 0
    while read < 8 * MAX_BODY:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        read += len(message.get("body", b""))
