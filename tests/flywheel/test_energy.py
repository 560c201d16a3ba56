"""The processor's own counters of energy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from feilun.flywheel import energy
from feilun.flywheel.energy import Meter


def zone(root: Path, name: str, energy: int, largest: int = 10_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    return folder / "energy_uj"


def test_packages_are_added_up_and_their_parts_are_not_counted_twice(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 1_000_000)
    zone(tmp_path, "intel-rapl:1", 500_000)
    zone(tmp_path, "intel-rapl:0:0", 0)
    zone(tmp_path, "dtpm", 0)
    begun = time.monotonic()
    meter = Meter(tmp_path)
    zone(tmp_path, "intel-rapl:0", 4_000_000)
    zone(tmp_path, "intel-rapl:1", 700_000)
    zone(tmp_path, "intel-rapl:0:0", 2_000_000)
    cost = meter.stop()
    assert cost["joules"] == pytest.approx(3.2)
    assert cost["seconds"] is not None
    assert 0 <= cost["seconds"] <= time.monotonic() - begun


def test_a_counter_that_begins_anew_is_followed_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "EVERY", 0.001)  # so that it is read many times in between
    counter = zone(tmp_path, "intel-rapl:0", 9_000_000)
    meter = Meter(tmp_path)
    for read in (9_900_000, 400_000, 1_000_000):
        new = counter.with_name("new")
        new.write_text(f"{read}\n")
        new.replace(counter)
        time.sleep(0.02)
    assert meter.stop()["joules"] == pytest.approx(2.0)


def test_where_none_can_be_read_it_says_so(tmp_path: Path) -> None:
    assert Meter(tmp_path / "absent").stop()["joules"] is None
    counter = zone(tmp_path, "intel-rapl:0", 1)
    meter = Meter(tmp_path)
    counter.unlink()
    assert meter.stop()["joules"] is None
