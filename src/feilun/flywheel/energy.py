"""What work takes: time, and energy by the processor's own counters (RAPL: Intel and AMD, on Linux).

The counters are of whole packages: other work on the machine counts as well, while memory and power supply do not.
Since 2020 Linux lets root alone read them, unless told otherwise; elsewhere there are none.
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
EVERY = 30.0
"""Seconds between two readings. A counter begins anew after some minutes at the earliest."""

_PACKAGE = re.compile(r"intel-rapl:\d+")  # AMD's have that name too; parts of a package have one more number


class Meter:
    """Measures from when it is made."""

    def __init__(self, root: Path | None = None) -> None:
        found = sorted((root or POWERCAP).glob("intel-rapl:*"))
        self._zones = [path for path in found if _PACKAGE.fullmatch(path.name)]
        self._begun = time.monotonic()
        self._last = self._read()
        self._joules = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float | None]:
        """``seconds`` and ``joules`` since the beginning; the latter None where no counter can be read."""
        self._stopped.set()
        self._thread.join()
        self._count()
        known = self._last is not None
        return {"seconds": time.monotonic() - self._begun, "joules": self._joules if known else None}

    def _watch(self) -> None:
        while self._last is not None and not self._stopped.wait(EVERY):
            self._count()

    def _count(self) -> None:
        now = self._read()
        if now is not None and self._last is not None:
            for zone, before, after in zip(self._zones, self._last, now, strict=True):
                again = _number(zone / "max_energy_range_uj") if after < before else 0
                self._joules += (after + again - before) / 1e6
        self._last = now if self._last is not None else None  # with a gap in it, it is no measure

    def _read(self) -> list[int] | None:
        try:
            return [_number(zone / "energy_uj") for zone in self._zones] or None
        except (OSError, ValueError):
            return None


def _number(path: Path) -> int:
    return int(path.read_text())
