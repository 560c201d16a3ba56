"""The report of a pipeline, on figures that are made up."""

from __future__ import annotations

import html
from pathlib import Path
from typing import get_args

import pytest

from feilun.evaluate.check_names import CHECKS
from feilun.evaluate.checks import Check
from feilun.evaluate.report import Graded
from feilun.jobs import Job
from feilun.train.pipeline.measure import TALKS, Measured
from feilun.train.pipeline.report import page
from feilun.train.pipeline.results import Results

PEER = "pypi:some-wheel==0.1.2/some_wheel/Some-135M.Q4_1.gguf"


def results() -> Results:
    """One model, whose one answer is long, has no spaces and fails all that it is asked."""
    failed = ["ends", "matches", "repeats"]
    answer = Graded(
        id="q", lang="zh", topic="talk", answer="<你好>" * 60, ended=False, seconds=0,
        checked=[*TALKS, "matches"], failed=failed,
    )  # fmt: skip
    told = answer.model_copy(update={"id": "i", "answer": "好好好", "failed": ["ends", "repeats"]})
    bits = {"all": 2.0, "en": 1.5, "zh": 2.5}
    model = Measured(stage="sft", bits=bits, questions=[answer], instructions=[told], heldout=[])
    return Results(
        name="made", size="tiny", models=[model], ngram=bits, peers={PEER: bits}, wins=[], asked={"q": "你好？", "i": "说“好”。"},
        reward_accuracy={"all": 0.46, "longer": 0.5, "shorter": 0.4}, figures={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", ["✗ 自行结束、符合模式、不重复", "每字节比特（合计）", "每字节比特（中文）", "合计 46.0%，选中较长者 50.0%"]),
        ("en", ["✗ ends by itself, matches the pattern, does", "Bits per byte (English)", "all 46.0%, longer one chosen"]),
    ],
)  # fmt: skip
def test_a_report_speaks_its_readers_language(
    language: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    found = page(results(), Job.create(tmp_path, "pipeline", "made", {}, argv=["true"]))
    for sentence in said:
        assert sentence in found
    assert "<td>Some-135M.Q4_1</td>" in found
    assert "pypi:" not in found
    assert html.escape("<你好>" * 60) in found
    assert (
        "<td>0/1 (0%-79%)</td><td>1/1 (21%-100%)</td></tr>" in found
    )  # all checks; the instruction was followed
    assert "好好好" in found


def test_a_run_without_instructions_says_nothing_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", "en")
    found = results()
    found.models[0].instructions.clear()
    told = page(found, Job.create(tmp_path, "pipeline", "made", {}, argv=["true"]))
    assert "<h2>Instructions</h2>" not in told
    assert "<td>0/1 (0%-79%)</td><td></td></tr>" in told


def test_every_check_has_a_name() -> None:
    kinds = {kind.kind for member in get_args(get_args(Check)[0]) for kind in get_args(member)[:1]}
    assert len(kinds) == 13
    assert set(CHECKS) == {*kinds, *TALKS}
