"""What every benchmark of training says: what was measured where, and whether the bars are met."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Bar:
    """A figure and the bar it has to reach."""

    what: str
    value: float | None
    """None: not measured, because a contestant is missing."""
    target: float
    unit: str = "x"
    at_most: bool = False

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        wanted = f"{'at most' if self.at_most else 'at least'} {self._figure(self.target)}"
        if self.value is None:
            return f"{self.what}: not measured ({wanted})"
        return f"{self.what}: {self._figure(self.value)} ({wanted}): {'met' if self.met else 'NOT MET'}"

    def _figure(self, value: float) -> str:
        form = {"%": ".1%", " MB": ".0f", "": ".3g"}.get(self.unit, ".2f")
        return f"{value:{form}}" + ("" if self.unit == "%" else self.unit)


def about(packages: Sequence[str] = (), **facts: object) -> dict[str, Any]:
    """Commit, command and machine, and the benchmark's own ``facts``."""
    versions = {name: version for name in ("torch", *packages) if (version := _version(name))}
    return {
        "commit": _commit(),
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.1f} before",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        **facts,
    }


def lines(facts: dict[str, Any]) -> list[str]:
    return [f"{key}: {value}" for key, value in facts.items()]


def show(*blocks: Sequence[object]) -> None:
    """Lines to read, a blank one after each block. `print_json` is for programs."""
    for block in blocks:
        print(*block, "", sep="\n", flush=True)


def print_json(facts: dict[str, Any], results: Sequence[Any], bars: Sequence[Bar]) -> None:
    judged = [asdict(bar) | {"met": bar.met} for bar in bars]
    print(json.dumps(facts | {"results": results, "bars": judged}, ensure_ascii=False, indent=2))


def worker(arguments: Sequence[str]) -> dict[str, Any]:
    """What a Python script prints as its last line, which is JSON."""
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def progress(text: str) -> None:
    print(f"# {text}", file=sys.stderr, flush=True)


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "src", "bench")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor()
    text = facts.read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(re.findall(r"\b(avx2|avx512f|avx512_bf16|amx_bf16)\b", text))
    return f"{model[1] if model else platform.machine()} ({', '.join(sorted(flags)) or 'no AVX2'})"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
