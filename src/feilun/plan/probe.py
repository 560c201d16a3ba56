"""How fast this machine is: products and memory, measured with numpy alone."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from feilun.plan import facts
from feilun.plan.facts import ASSUMED, Device, Positive
from feilun.text import FeilunError
from feilun.workspace import write_atomically

SECONDS = 60.0
HERE = "here"
SIZES = (256, 512, 1024, 2048)


class Probe(BaseModel):
    """What was measured, kept in the workspace."""

    machine: str
    cores: int
    tflops: Positive
    """Of the fastest float32 product."""
    tflops_by_size: dict[str, float]
    bandwidth_gbs: Positive
    """At which a matrix too large for the caches is read."""
    memory_gb: Positive
    seconds: float
    measured: str

    def device(self) -> Device:
        return Device(
            name=HERE,
            vendor="cpu",
            tflops=self.tflops,
            attainable_tflops=self.tflops,
            memory_gb=self.memory_gb,
            bandwidth_gbs=self.bandwidth_gbs,
            tdp_w=5.0 * self.cores,
            source="feilun plan probe",
            note=f"{self.machine}, {self.measured}",
        )


def probe(seconds: float = SECONDS) -> Probe:
    """Measure for about so long: half of it products of several sizes, half reading. Raises `FeilunError` without numpy."""
    if importlib.util.find_spec("numpy") is None:
        raise FeilunError(
            "The probe needs numpy. Install it: pip install 'feilun[data]'",
            "测速需要 numpy。请安装：pip install 'feilun[data]'",
            code="data_not_installed",
        )
    import numpy as np

    begun = time.monotonic()
    generator = np.random.default_rng(0)
    by_size: dict[str, float] = {}
    for size in SIZES:
        a, b = (generator.standard_normal((size, size), dtype=np.float32) for _ in range(2))
        out = np.empty_like(a)
        took = _fastest(lambda a=a, b=b, out=out: np.matmul(a, b, out=out), seconds / 2 / len(SIZES))
        by_size[str(size)] = 2 * size**3 / took / 1e12
    matrix = generator.standard_normal((8192, 8192), dtype=np.float32)
    vector = generator.standard_normal(8192, dtype=np.float32)
    took = _fastest(lambda: matrix @ vector, seconds / 2)
    return Probe(
        machine=f"{platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        tflops=max(by_size.values()),
        tflops_by_size=by_size,
        bandwidth_gbs=matrix.nbytes / took / 1e9,
        memory_gb=_memory_gb(),
        seconds=time.monotonic() - begun,
        measured=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def keep(found: Probe, workspace: Path) -> Path:
    path = workspace / "plan" / "probe.json"
    write_atomically(path, found.model_dump_json(indent=2) + "\n")
    return path


def kept(workspace: Path) -> Probe | None:
    """The last probe of a workspace; None if there is none that can be read."""
    try:
        return Probe.model_validate_json((workspace / "plan" / "probe.json").read_bytes())
    except (OSError, ValidationError):
        return None


def device(name: str, workspace: Path | None = None) -> Device:
    """As `facts.device`; ``here`` is this machine as it was probed, else the table's processor with as many cores as there are."""
    if name.lower() != HERE:
        return facts.device(name)
    found = kept(workspace) if workspace is not None else None
    if found is not None:
        return found.device()
    two = facts.device("CPU 2 vCPU")
    cores = os.cpu_count() or 1
    update = {
        "name": HERE,
        "tflops": two.tflops * cores / 2,
        "memory_gb": _memory_gb(),
        "tdp_w": 5.0 * cores,
        "confidence": ASSUMED,
    }
    return two.model_copy(update={**update, "attainable_tflops": update["tflops"]})


def _fastest(work: Callable[[], Any], seconds: float) -> float:
    """Of as many times as there is time for, at least three: other work on the machine only ever adds."""
    best, end, rounds = float("inf"), time.monotonic() + seconds, 0
    while rounds < 3 or time.monotonic() < end:
        begun = time.perf_counter()
        work()
        best, rounds = min(best, time.perf_counter() - begun), rounds + 1
    return best


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (ValueError, OSError, AttributeError):
        return 8.0
