"""The report of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.train.test_loop import new_job, trainer

from feilun.jobs import Job
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


@pytest.mark.parametrize("value", [0.000122, -1.2345e-05, 123456.0, -0.000122])
def test_labels_have_room_at_the_left(value: float) -> None:
    figure = chart("x", {"": [(1.0, value), (2.0, 2 * value)]})
    for x, label in re.findall(r'<text x="(\d+)" y="\d+" text-anchor="end">([^<]*)</text>', figure)[:2]:
        assert int(x) >= 6.2 * len(label), "of 11 px a digit is a little more than 6 wide"


def rollout(job: Job, step: int, reward: float) -> None:
    signs = dict.fromkeys(("kl", "penalty", "entropy", "length", "ended", "empty", "repeated"), 1.0)
    job.emit("rollout", step=step, reward=reward, length_correlation=0.0, **signs)
    for prompt in ("first", "second"):
        job.emit("sample", step=step, prompt=f"{prompt}\n", text=f"text of {reward}", reward=reward)


def test_what_was_drawn_again_stands_once(tmp_path: Path) -> None:
    """The rollout of step 2 was drawn, the run killed, and the rollout drawn again from the checkpoint of step 2."""
    job = new_job(tmp_path, "demo")
    figures: dict[str, Any] = {"steps": 4, "loss": 1.0, "tokens": 9, "memory_mb": 1}
    with job.running():
        rollout(job, 0, 0.25)
        job.emit("step", step=1, **figures)
        job.emit("step", step=2, **figures)
        rollout(job, 2, 0.5)
        job.emit("step", step=3, **figures)
        rollout(job, 2, 0.75)
        job.emit("step", step=3, **figures)
    page = write_report(job).read_text(encoding="utf-8")
    assert [page.count(f"text of {reward}") for reward in (0.25, 0.5, 0.75)] == [2, 0, 2]


def test_what_was_evaluated_again_stands_once(tmp_path: Path) -> None:
    """Killed in its last evaluation, and evaluated when it went on."""
    job = new_job(tmp_path, "demo")
    with job.running():
        for text in ("before", "after"):
            job.emit("eval", step=4, name="heldout", bits_per_byte={"all": 2.5 if text == "after" else 7.75})
            job.emit("sample", step=4, prompt="a", text=text)
    page = write_report(job).read_text(encoding="utf-8")
    assert "after" in page
    assert "before</pre>" not in page
    assert "7.75" not in page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_stages_page_is_headed_by_its_name_and_speaks_one_language(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    job = new_job(tmp_path, "demo")
    part = job.part("ppo", {})
    facts = dict.fromkeys(("examples", "tokens", "reward", "kl", "length", "ended", "learns", "unheard"), 1)
    with job.running():
        part.emit("artifact", path="/models/demo-ppo", id="sha256:1", stages=["sft", "ppo"], **facts)
    page = write_report(part).read_text(encoding="utf-8")
    assert "<h1>demo · ppo</h1>" in page
    heads = set(re.findall(r"<th>([^<]*)</th>", page))
    known = {"Artifact", "Stages", "Divergence from the model before"}
    assert (known if language == "en" else {"产物", "经过的阶段", "与初始模型的散度"}) < heads
    assert "unheard" in heads, "what has no name yet is shown all the same"
    assert not heads & {"part", "path", "id", "stages", "kl", "examples", "learns"}
    assert "<h1>demo</h1>" in write_report(job).read_text(encoding="utf-8")
