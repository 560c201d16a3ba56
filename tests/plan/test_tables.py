"""Tables of several plans at once, as a narrow terminal shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feilun.cli import app
from feilun.plan import facts, tables
from feilun.plan.arithmetic import Model
from feilun.plan.train import plan_train

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FEILUN_LANG", request.param)
    monkeypatch.setenv("COLUMNS", "80")
    return request.param


def shown(*args: str) -> str:
    result = CliRunner().invoke(app, ["plan", *args])
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    return result.output


def test_a_plan_for_each_doubling(language: str) -> None:
    said = shown("train", "--params", "70B", "--tokens", "1T", "--device", "H100", "--count", "8..64")
    assert bool(CHINESE.search(said)) is (language == "zh")
    assert [line.split()[0] for line in said.splitlines() if " x " in line] == ["1", "2", "3", "4"]
    assert said.count("does not" if language == "en" else "放不下") == 2
    days = plan_train(Model.of_size(70e9), 1e12, facts.device("H100"), 32).days.expected
    assert f"{days:.0f} {'days' if language == 'en' else '天'}" in said


def test_where_no_run_can_be_computed_no_error_is_told(language: str, tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    head, *_ = (facts.FACTS / "runs.csv").read_text(encoding="utf-8").splitlines()
    table.write_text(f"{head}\nx,X,dense,1,1,1,,,,H100 SXM 80GB\n", encoding="utf-8")
    said = shown("validate", "--runs", str(table))
    assert ("no run could be computed" if language == "en" else "没有可计算的训练") in said
    assert "%" not in said


def test_from_one_user_to_a_hundred_million(language: str) -> None:
    said = shown("serve", "--model", "qwen3-8b", "--users", "1..100M")
    assert bool(CHINESE.search(said)) is (language == "zh")
    assert re.findall(r"^(\d+[kM]?) ", said, re.MULTILINE) == [
        "1",
        "10",
        "100",
        "1k",
        "10k",
        "100k",
        "1M",
        "10M",
        "100M",
    ]


def test_what_is_known_by_name(language: str) -> None:
    said = shown("devices")
    assert bool(CHINESE.search(said)) is (language == "zh")
    assert re.search(r"Kunlun K200.+Baidu.+2020.+14", said)
    assert "qwen3-8b (8.19B)" in " ".join(said.split())


def test_units_that_read_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_LANG", "en")
    assert [tables.span(days) for days in (800, 36.7, 1, 0.01, 1e-4)] == [
        "2.19 years",
        "36.7 days",
        "24 hours",
        "14.4 minutes",
        "8.64 seconds",
    ]
    assert tables.spans(619, 1760) == "1.69 - 4.82 years"
    assert [tables.energy(mwh) for mwh in (7.26e-6, 0.0123, 476, 93_100)] == [
        "7.26 Wh",
        "12.3 kWh",
        "476 MWh",
        "93.1 GWh",
    ]
    assert tables.power(9240) == "9.24 GW"


def test_an_option_out_of_bounds_is_one_line(language: str) -> None:
    result = CliRunner().invoke(app, ["plan", "train", "--params", "7B", "--length", "999999999999"])
    assert result.exit_code == 1
    said = str(result.exception)
    assert said.startswith("--length")
    assert bool(CHINESE.search(said)) is (language == "zh")
