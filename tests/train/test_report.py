"""The report of a run."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.train.test_loop import new_job, trainer

from feilun.train.report import chart, write_report


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_shows_what_happened(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    job = new_job(tmp_path, "demo")
    with job.running():
        trainer(job, 6).run()
        job.emit("eval", step=6, name="heldout", bits_per_byte={"all": 2.5, "zh": 2.25})
        job.emit("sample", step=6, prompt="<b>从前", text="有一个 & <script>alert(1)</script>")
    page = write_report(job).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;b&gt;从前" in page
    assert not re.search(r"https?://", page)
    assert ("训练损失" in page) == (language == "zh")
    figures = re.findall(r"<svg.*?</svg>", page)
    assert len(figures) == 6  # loss, rate, gradient, speed, MFU, bits per byte
    for figure in figures:
        ElementTree.fromstring(figure)
    assert "2.5" in figures[-1]


def test_what_a_resumed_run_did_again_counts_once(tmp_path: Path) -> None:
    """Killed after step 9, resumed from step 4, and ended at step 6 since fewer were wanted."""
    job = new_job(tmp_path, "demo")

    def step(number: int, of: int, loss: float) -> None:
        job.emit(
            "step",
            step=number,
            steps=of,
            loss=loss,
            tokens=100 * number,
            tokens_per_second=500 + number,
            memory_mb=1,
        )

    with job.running():
        for number in range(1, 10):
            step(number, 10, 3.0)
        job.emit("eval", step=8, name="heldout", bits_per_byte={"all": 7.75})
        for number in (5, 6):
            step(number, 6, 2.0)
        job.emit("eval", step=6, name="heldout", bits_per_byte={"all": 2.5})
    page = write_report(job).read_text(encoding="utf-8")
    assert "6 / 6" in page
    assert "2.0000" in page
    assert "7.75" not in page
    assert "<td>504</td>" in page  # the middle one of 501 to 506


def test_a_long_curve_is_thinned_and_stays_in_its_frame() -> None:
    figure = chart("x", {"a": [(float(i), float(i % 7)) for i in range(5000)]})
    points = re.search(r'points="([^"]*)"', figure)
    assert points is not None
    places = [tuple(map(float, place.split(","))) for place in points[1].split(" ")]
    assert len(places) <= 400
    assert all(56 <= x <= 460 and 8 <= y <= 200 for x, y in places)
