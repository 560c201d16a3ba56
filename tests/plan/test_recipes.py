"""Our own recipes as plans, and what finished runs teach the next one."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from feilun.jobs import Job
from feilun.plan import facts, probe
from feilun.plan.arithmetic import feilun_saved_bytes
from feilun.plan.calibration import calibration, outcome
from feilun.plan.recipes import of_recipe, shape_of_recipe
from feilun.plan.scaling import points_of_runs
from feilun.recipe import shipped
from feilun.text import FeilunError

CPU = facts.device("CPU 2 vCPU")
NANO = tomllib.loads(shipped("train/nano.toml").read_text(encoding="utf-8"))


def finished(runs: Path, per_second: float, *, steps: int = 12, layers: int = 5, loss: float = 3.0) -> Job:
    """A run of the nano recipe that read so many tokens a second."""
    recipe = {**NANO, "model": {**NANO["model"], "layers": layers}, "run": {**NANO["run"], "steps": steps}}
    job = Job.create(runs, "pretrain", "nano", recipe)
    with job.running():
        config = shape_of_recipe(recipe)
        job.emit("model", params=config.params, matmul_params=config.matmul_params)
        for step in range(1, steps + 1):
            speed = per_second / 10 if step == 1 else per_second  # the first step warms up
            job.emit("step", step=step, steps=steps, tokens=4096 * step, loss=loss, tokens_per_second=speed)
    return job


def test_what_is_read_of_a_recipe_is_what_training_reads() -> None:
    pytest.importorskip("torch")
    from feilun.train.recipe import PretrainRecipe

    for recipe in (NANO, {"kind": "pretrain", "name": "plain", "run": {"steps": 7}}):
        whole = PretrainRecipe.model_validate(recipe)
        resolved = whole.model_dump(mode="json")
        ours = shape_of_recipe(recipe)
        theirs = whole.model.config(whole.tokenizer.vocab_size, (), 0)
        assert ours.model_dump(exclude={"eos_ids", "pad_id"}) == theirs.model_dump(
            exclude={"eos_ids", "pad_id"}
        )
        assert of_recipe(recipe, CPU) == of_recipe(resolved, CPU)
        run = whole.run
        assert of_recipe(recipe, CPU).tokens == (run.steps or 0) * run.rows * run.length * run.accumulate


def test_a_plan_on_a_processor_knows_what_our_training_keeps() -> None:
    layout = of_recipe(NANO, CPU).layout
    assert layout is not None
    memory = layout.memory
    kept = feilun_saved_bytes(shape_of_recipe(NANO), 8, 512)
    assert memory.activations_gb == kept / 1e9
    assert sum(memory.model_dump(exclude={"total_gb", "device_gb"}).values()) == pytest.approx(
        memory.total_gb
    )
    again = of_recipe({**NANO, "run": {**NANO["run"], "recompute": True}}, CPU).layout
    assert again is not None
    assert again.memory.activations_gb < memory.activations_gb


def test_finished_runs_calibrate_the_next_plan(tmp_path: Path) -> None:
    plain = of_recipe(NANO, CPU)
    assert calibration(tmp_path, CPU).factor == 1
    speed = plain.tokens / (plain.days.ideal * 86400) / 2.5
    for _ in range(3):
        finished(tmp_path, speed)
    found = calibration(tmp_path, CPU)
    assert len(found.runs) == 3
    assert found.factor == pytest.approx(2.5)
    again = of_recipe(NANO, CPU, factor=found.factor)
    assert again.days.ideal == pytest.approx(2.5 * plain.days.ideal)
    assert again.speed.basis == "calibrated"
    after = outcome(finished(tmp_path, speed), CPU, found.factor)
    assert after is not None
    assert after.ratio == pytest.approx(1)


def test_runs_that_were_cut_short_or_are_no_pretraining_teach_nothing(tmp_path: Path) -> None:
    finished(tmp_path, 1000, steps=3)
    job = Job.create(tmp_path, "sft", "other", {"kind": "sft"})
    with job.running():
        for step in range(1, 20):
            job.emit("step", step=step, steps=20, tokens=step, loss=1.0, tokens_per_second=5.0)
    assert calibration(tmp_path, CPU).runs == []
    with pytest.raises(FeilunError) as refused:
        of_recipe({"kind": "sft", "run": {"steps": 4}}, CPU)
    assert refused.value.code == "not_planned"
    with pytest.raises(FeilunError) as refused:
        of_recipe({"kind": "pretrain", "run": {"steps": "many"}}, CPU)
    assert refused.value.code == "recipe_invalid"


def test_our_own_runs_are_points_of_a_law(tmp_path: Path) -> None:
    for layers in (2, 3, 4, 5):
        finished(tmp_path, 1000, layers=layers, loss=4 - 0.2 * layers)
    points = points_of_runs(tmp_path)
    assert [point.loss for point in points] == pytest.approx([3.6, 3.4, 3.2, 3.0])
    assert [point.flops for point in points] == sorted(point.flops for point in points)


def test_a_probe_is_kept_and_is_what_here_means(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    found = probe.probe(0.2)
    assert found.tflops == max(found.tflops_by_size.values()) > 0
    assert 0.1 < found.bandwidth_gbs < 10_000
    assert probe.device("here", tmp_path).source != "feilun plan probe"
    probe.keep(found, tmp_path)
    here = probe.device("here", tmp_path)
    assert (here.tflops, here.bandwidth_gbs, here.name) == (found.tflops, found.bandwidth_gbs, "here")
    (tmp_path / "plan" / "probe.json").write_text("{")
    assert probe.kept(tmp_path) is None


def test_the_planner_loads_neither_pytorch_nor_numpy() -> None:
    modules = "train, budget, serve, finetune, data, scaling, compare, validate, calibration, probe, tables"
    code = "import sys, json\n" + "\n".join(f"import feilun.plan.{name}" for name in modules.split(", "))
    code += "\nprint(json.dumps(sorted(sys.modules)))"
    loaded: Any = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )
    assert "feilun.plan.train" in loaded
    assert {"torch", "numpy", "transformers"}.isdisjoint(loaded)
