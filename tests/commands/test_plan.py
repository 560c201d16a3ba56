"""``feilun plan``: what is printed, in both languages, and what scripts read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run

from feilun.plan import facts

GPT3 = ("--params", "175B", "--tokens", "300B", "--device", "A100-80G", "--count", "1024")


def answer(run: Run, *args: str | Path) -> Any:
    result = run("plan", *args, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_json_of_a_training_run(run: Run) -> None:
    plan = answer(run, "train", *GPT3, "--tflops", "140")
    assert plan["days"].keys() == {"ideal", "expected", "programme", "low", "high"}
    assert plan["days"]["ideal"] == pytest.approx(34, rel=0.03)
    assert plan["layout"]["memory"]["total_gb"] < 80
    assert plan["cost_usd"]["low"] < plan["cost_usd"]["expected"] < plan["cost_usd"]["high"]


def test_the_json_of_the_validation(run: Run) -> None:
    found = answer(run, "validate")
    assert found["known_speed"].keys() == {"n", "median_abs_error"}
    assert found["blind"].keys() == {"n", "median_ratio", "inside_interval"}
    assert {"id", "mode", "predicted", "low", "high", "published"} <= found["rows"][0].keys()
    assert answer(run, "validate", "--runs", facts.FACTS / "runs.csv") == found


def test_a_size_is_a_model_too(run: Run) -> None:
    asked = ("serve", "--users", "200", "--context", "8k")
    assert answer(run, *asked, "--model", "7B") == answer(run, *asked, "--params", "7B")
    unknown = run("plan", *asked, "--model", "qwen9")
    assert (unknown.returncode, "qwen3-8b" in unknown.stderr) == (1, True)


def test_what_cannot_be_compared_is_told_below_the_table(run: Run, tmp_path: Path) -> None:
    head, first, *_ = (facts.FACTS / "runs.csv").read_text(encoding="utf-8").split("\n")
    other = first.replace("A100 SXM 80GB", "Abacus 1")
    (tmp_path / "runs.csv").write_text("\n".join([head, first, "other" + other]), encoding="utf-8")
    shown = run("plan", "validate", "--runs", tmp_path / "runs.csv").stdout
    assert "othergpt3-175b-megatron: The device 'Abacus 1' is not known" in " ".join(shown.split())
    assert "1 runs" in shown


@pytest.mark.parametrize(
    "args",
    [
        ("train", *GPT3),
        ("train", "--budget", "50000USD", "--device", "H100"),
        ("train", "--params", "7B", "--tokens", "1T", "--device", "A100", "--deadline", "30d"),
        ("train", "--params", "1B", "--deadline", "30d"),
        ("train", "--preset", "tier-personal"),
        ("train", "--from", "recipes/train/nano.toml"),
        ("serve", "--model", "qwen3-8b", "--users", "200", "--context", "8k", "--device", "4090"),
        ("finetune", "--params", "7B", "--method", "qlora"),
        ("data", "5TB"),
        ("compare", "--params", "7B", "--count", "64"),
        ("presets",),
        ("validate",),
    ],
    ids=" ".join,
)
def test_every_question_has_a_table_in_both_languages_and_json(
    run: Run, args: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    english, chinese = (
        run("-w", tmp_path, "plan", *args, FEILUN_LANG=lang, COLUMNS="200") for lang in ("en", "zh")
    )
    assert english.returncode == chinese.returncode == 0, english.stderr + chinese.stderr
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.stdout)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in english.stdout)
    assert isinstance(answer(run, *args), dict)


def test_a_law_of_a_table_of_runs(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    rows = [f"r{k},{10.0 ** (14 + k)},{2 + 2**-k}" for k in range(5)]
    table.write_text("\n".join(["name,flops,loss", *rows]))
    found = answer(run, "scaling", "--points", table, "--loss", "2.01")
    assert found["law"]["floor"] == pytest.approx(2, abs=0.01)
    assert found["target_flops"] > 1e18
    result = run("plan", "scaling", "--points", table)
    assert "emerge" in result.stdout
    assert run("-w", tmp_path, "plan", "scaling").returncode == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("train", "--params", "70B", "--device", "4090"), "At least 128 of them"),
        (("train", "--params", "lots"), "no quantity"),
        (("train",), "Give --params"),
        (("train", *GPT3, "--tflops", "9000"), "no speed of A100"),
        (("train", "--params", "7B", "--device", "910B"), "several bins"),
        (
            (
                "train",
                "--params",
                "7B",
                "--tokens",
                "10T",
                "--device",
                "H100",
                "--count",
                "8",
                "--deadline",
                "1d",
            ),
            "would make it",
        ),
        (("train", "--params", "7B", "--precision", "fp2"), "--precision is one of"),
        (("train", "--preset", "none"), "There is no preset"),
        (("serve", "--model", "gpt-9"), "is not known"),
        (("train", "--budget", "0.0000001USD"), "is too little"),
        (("validate", "--runs", "nowhere.csv"), "Cannot read"),
    ],
)
def test_what_cannot_be_is_one_line_that_says_what_could(run: Run, args: tuple[str, ...], said: str) -> None:
    result = run("plan", *args)
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_probe_replaces_what_is_known_of_this_machine(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    result = run("-w", tmp_path, "plan", "probe", "--seconds", "1", "--json")
    measured = json.loads(result.stdout)
    planned = run("-w", tmp_path, "plan", "train", "--params", "10M", "--device", "here", "--json")
    speed = json.loads(planned.stdout)["speed"]
    assert speed["tflops"] == pytest.approx(speed["utilisation"] * measured["tflops"])
