"""Fetching one file over HTTP: resumable, checked, in place only when whole."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from feilun.text import FeilunError

Progress = Callable[[int, int | None], None]
"""Called with the bytes done so far and the bytes in all, if known."""


def client(url: str) -> httpx.Client:
    """The one owner of outgoing downloads, here for ``url``; proxies come from the environment, as everywhere."""
    timeout = httpx.Timeout(30, connect=10)
    return httpx.Client(follow_redirects=True, timeout=timeout, trust_env=is_elsewhere(url))


def check_url(url: str) -> None:
    """Allow https, and plain http to this machine only. Raises `FeilunError`."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return
    raise FeilunError(
        f"{url}: use https (plain http only for this machine).",
        f"{url}：请使用 https（仅本机可用 http）。",
        status=400,
        code="bad_url",
    )


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine without asking a name server."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_elsewhere(url: str) -> bool:
    """Whether proxies of the environment may be asked for ``url``: to them this machine's loopback is their own."""
    return not is_loopback(urlsplit(url).hostname or "")


def download(
    url: str,
    target: Path,
    *,
    headers: dict[str, str] | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Fetch ``url`` to ``target``; return its ``sha256:...``.

    What has come lies in ``<target>.part`` and a second call goes on from there. With ``sha256`` a file
    of another hash is deleted and refused. Raises `FeilunError` for anything that goes wrong.
    """
    check_url(url)
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with client(url) as http:
            _receive(http, url, headers or {}, part, progress)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise FeilunError(
            f"{url} answered {status} {error.response.reason_phrase}. Check the name, and whether it needs a login.",
            f"{url} 返回 {status} {error.response.reason_phrase}。请检查名称，以及是否需要登录。",
            status=502,
            code="download_refused",
        ) from None
    except httpx.HTTPError as error:
        host = urlsplit(url).hostname
        raise FeilunError(
            f"Cannot reach {host} ({error or type(error).__name__}). What has come so far is kept: try again later. "
            "A mirror of the Hugging Face hub is named by HF_ENDPOINT.",
            f"无法连接 {host}（{error or type(error).__name__}）。已下载的部分会保留，请稍后重试。"
            "可用 HF_ENDPOINT 指定 Hugging Face 镜像站。",
            status=502,
            code="unreachable",
        ) from None
    except OSError as error:
        raise cannot_write(part, error) from None
    with part.open("rb") as file:
        found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    part.with_name(part.name + ".etag").unlink(missing_ok=True)
    if sha256 is not None and found != sha256:
        part.unlink()
        part.with_name(part.name + ".etag").unlink(missing_ok=True)
        raise wrong_hash(url, sha256, found)
    part.replace(target)
    return found


def cannot_write(path: Path, error: OSError) -> FeilunError:
    return FeilunError(
        f"Cannot write {path}: {error.strerror}. Free some space, or set FEILUN_CACHE to another folder.",
        f"无法写入 {path}：{error.strerror}。请腾出空间，或用 FEILUN_CACHE 指定其他文件夹。",
        status=507,
        code="disk_full",
    )


def wrong_hash(what: str, wanted: str, found: str) -> FeilunError:
    return FeilunError(
        f"{what} has {found[:19]}…, expected {wanted[:19]}…: it was changed or damaged on the way and is not used.",
        f"{what} 的校验值为 {found[:19]}…，应为 {wanted[:19]}…：文件在传输中被改动或损坏，未予采用。",
        status=502,
        code="wrong_hash",
    )


def _receive(
    http: httpx.Client, url: str, headers: dict[str, str], part: Path, progress: Progress | None
) -> None:
    have = part.stat().st_size if part.exists() else 0
    version = part.with_name(part.name + ".etag")  # of which version of the file the part is
    # Ranges count the bytes of what is sent: it must be the file itself, not a compressed form of it.
    asked = {**headers, "Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
        if version.exists():
            asked["If-Range"] = version.read_text()
    with http.stream("GET", url, headers=asked) as response:
        if (
            response.status_code == 416
        ):  # nothing is missing, or the part is of another file: the hash decides
            total = response.headers.get("content-range", "").rpartition("/")[2]
            if total != str(have):
                part.unlink()
                _receive(http, url, headers, part, progress)
            return
        response.raise_for_status()
        resumed = response.status_code == 206
        etag = response.headers.get("etag", "")
        if etag and not etag.startswith("W/"):
            version.write_text(etag)
        else:
            version.unlink(missing_ok=True)
        done = have if resumed else 0
        length = response.headers.get("content-length")
        total_bytes = done + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes():  # as it comes: what waits for a full block would be lost
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total_bytes)
