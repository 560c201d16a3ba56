"""The report of a pipeline, on figures that are made up."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import torch

from feilun.evaluate.check_names import CHECKS
from feilun.evaluate.checks import Check
from feilun.evaluate.figures import Difference
from feilun.evaluate.report import Graded
from feilun.jobs import Job
from feilun.train.pipeline.measure import TALKS, Measured, Yardstick, faults, says_nothing, winning
from feilun.train.pipeline.replies import Reply, replies
from feilun.train.pipeline.report import page
from feilun.train.pipeline.results import Results
from feilun.train.preferences import Side
from feilun.train.reward import RewardModel
from feilun.train.rollout import Sampling

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


@pytest.mark.parametrize(
    ("language", "row"),
    [
        ("en", ["Tokens of an answer", "Empty", "Do not end", "Repeat themselves"]),
        ("zh", ["回答的 token 数", "空回答", "未自行结束", "重复"]),
    ],
)
def test_lengths_and_empty_answers_stand_beside_the_win_rates(
    language: str, row: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    job = Job.create(tmp_path, "pipeline", "made", {}, argv=["true"])
    found = results()
    heads = "".join(f"<th>{head}</th>" for head in row)
    assert heads not in page(found, job)
    found.models[0].heldout = [
        Reply(ids=[1], text="", ended=True),
        Reply(ids=[2] * 20, text="好" * 20, ended=False),
        Reply(ids=[2, 3, 1], text="你好", ended=True),
    ]
    told = page(found, job)
    assert heads in told
    assert "<td>8.0</td><td>1/3 (6%-79%)</td><td>1/3 (6%-79%)</td><td>1/3 (6%-79%)</td>" in told


@pytest.mark.parametrize(
    ("won", "even", "lost", "mean", "low", "high"),
    [
        (0, 20, 0, 0.5, 0.299, 0.701),
        (20, 0, 0, 1.0, 0.839, 1.0),
        (0, 0, 20, 0.0, 0.0, 0.161),
        (10, 1, 9, 0.525, 0.299, 0.742),
        (0, 1, 0, 0.5, 0.0, 1.0),
    ],
)
def test_an_interval_of_a_win_rate_has_a_width_whatever_is_even(
    won: int, even: int, lost: int, mean: float, low: float, high: float
) -> None:
    one = Difference(
        before="sft", after="ppo", scorer="reward", difference=0.0, interval=(0.0, 0.0), won=won, lost=lost,
        scored=won + even + lost,
    )  # fmt: skip
    found = winning(one)
    assert found.mean == mean
    assert found.interval == pytest.approx((low, high), abs=1e-3)


def test_nobody_held_out_is_answered_and_compared_by_what_is_left() -> None:
    nothing: Any = None  # neither a model nor a tokenizer is asked
    assert replies(nothing, nothing, [], Sampling()) == []

    class Judge:
        def score(self, sides: list[Side]) -> list[float]:
            return [1.0 for _ in sides]

    yardstick = Yardstick([], [], [], [], 8, 8, torch.float32, torch.device("cpu"))
    model, judge = results().models[0], cast("RewardModel", Judge())
    found = yardstick.compare(model, model.model_copy(update={"stage": "ppo"}), judge)
    assert [one.scorer for one in found] == ["instructions", "questions"]


@pytest.mark.parametrize(
    ("answer", "asked", "nothing"),
    [
        (".", "你好！", True),
        ("1.", "How are you?", True),
        ("-.", "What is 2 and 3?", True),
        ("5.", "What is 2 + 3?", False),
        ("好", "你好！", False),
        ("Fine.", "How are you?", False),
    ],
)
def test_marks_and_figures_say_nothing_where_nobody_asked_for_figures(
    answer: str, asked: str, nothing: bool
) -> None:
    assert says_nothing(answer, asked) == nothing
    found = faults(Reply(ids=[3, 1], text=answer, ended=True), "any", [{"role": "user", "content": asked}])
    assert ("language" in found) == nothing


def test_every_check_has_a_name() -> None:
    kinds = {kind.kind for member in get_args(get_args(Check)[0]) for kind in get_args(member)[:1]}
    assert len(kinds) == 13
    assert set(CHECKS) == {*kinds, *TALKS}
