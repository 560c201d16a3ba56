"""The answers, held against published runs and figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.plan import facts, probe, quantities
from feilun.plan.arithmetic import Model
from feilun.plan.budget import COMPUTE_OPTIMAL
from feilun.plan.compare import compare
from feilun.plan.data import plan_data
from feilun.plan.facts import Device
from feilun.plan.finetune import adapter_params, plan_finetune
from feilun.plan.fits import training_fits
from feilun.plan.goodput import checkpoint_interval_s, goodput, stops_per_day
from feilun.plan.layout import best_layout, bubble_share
from feilun.plan.memory import SCHEMES, device_memory, state_bytes_per_param
from feilun.plan.presets import model_named, plan_preset
from feilun.plan.scaling import Point, plan_scaling
from feilun.plan.throughput import CROWD_EXPONENT, blind, model_of
from feilun.plan.train import plan_train
from feilun.plan.validate import validate
from feilun.text import FeilunError

A100, H100 = facts.device("A100-80G"), facts.device("H100")
GPT3 = Model.of_size(175e9)


def test_gpt3_takes_34_days_when_the_speed_is_known() -> None:
    plan = plan_train(GPT3, 300e9, A100, 1024, tflops=140)
    assert plan.days.ideal == pytest.approx(34, rel=0.03)
    assert plan.days.expected == pytest.approx(34, rel=0.03)
    assert any("25.8 days" in note.en for note in plan.notes)  # what it is if nothing is computed twice


def test_gpt3_takes_34_days_within_the_interval_when_it_is_not() -> None:
    days = plan_train(GPT3, 300e9, A100, 1024).days
    assert days.low <= 34 <= days.high <= 3 * days.low
    assert days.ideal <= days.expected <= days.programme


def test_the_published_runs_come_out_as_published() -> None:
    found = validate()
    assert found.known_speed.n >= 15
    assert found.known_speed.median_abs_error is not None
    assert found.known_speed.median_abs_error <= 0.05
    assert found.blind.n >= 36
    assert found.blind.median_ratio is not None
    assert found.blind.median_ratio <= 1.2
    assert found.blind.inside_interval is not None
    assert found.blind.inside_interval >= 0.8
    for row in found.rows:
        assert (row.error is None) is (row.predicted is not None)
        if row.low is not None and row.high is not None:
            assert row.high / row.low <= 3


def test_a_run_is_left_out_of_its_own_prediction(tmp_path: Path) -> None:
    """Under another name the same run is one of those that are known, and is predicted better."""
    table = (facts.FACTS / "runs.csv").read_text()
    again = tmp_path / "runs.csv"
    again.write_text(table.replace("\ngpt3-175b-v100,", "\nanother,"))
    rows = {row.id: row for row in validate(again).rows if row.mode == "blind"}
    own = next(row for row in validate().rows if row.id == "gpt3-175b-v100" and row.mode == "blind")
    assert own.ratio is not None
    assert rows["another"].ratio is not None
    assert abs(math.log(rows["another"].ratio)) < abs(math.log(own.ratio))


def test_mixtures_of_experts_are_slower_for_what_a_token_passes_through() -> None:
    dense, mixture = Model.of_size(37e9), Model.of_size(671e9, 37e9)
    slower = blind(dense, H100, recompute="none").tflops / blind(mixture, H100, recompute="none").tflops
    assert 1.2 < slower < 1.8
    published = next(run for run in facts.runs() if run.id == "deepseek-v3")
    assert model_of(published).moe


WRONG = [
    ("days", "0"), ("days", "-4"), ("days", "inf"), ("reported_tflops_per_accel", "0"),
    ("reported_mfu", "50"), ("n_layers", "-32"), ("seq_len", "0"),
]  # fmt: skip


def test_rows_that_cannot_be_computed_say_why_and_the_others_count(tmp_path: Path) -> None:
    header, good, *_ = (facts.FACTS / "runs.csv").read_text().splitlines()
    columns = header.split(",")

    def row(**cells: str) -> str:
        return ",".join(cells.get(name, "") for name in columns)

    sizes = {"params_active_b": "7", "tokens_b": "1000"}
    file = tmp_path / "mine.csv"
    file.write_text(
        "\n".join(
            [
                header,
                good,
                row(id="chip", accelerator="Quantum 9", n_accel="8", days="3", **sizes),
                row(id="words", params_active_b="many", tokens_b="1", accelerator="H100 SXM 80GB"),
                row(id="negative", params_active_b="-7", tokens_b="1000", accelerator="H100 SXM 80GB"),
                row(id="silent", accelerator="H100 SXM 80GB", **sizes),
                *(
                    row(
                        id=f"{name} {value}",
                        accelerator="A100-80G",
                        n_accel="8",
                        **{"days": "30", name: value},
                        **sizes,
                    )
                    for name, value in WRONG
                ),
                row(id="bare", accelerator="H100 SXM 80GB", accel_hours="82000", **sizes),
            ]
        )
    )
    found = {row.id: row for row in validate(file).rows}
    wrong = {f"{name} {value}" for name, value in WRONG}
    assert {name for name, row in found.items() if row.error} == {
        "chip",
        "words",
        "negative",
        "silent",
    } | wrong
    assert "Quantum 9" in (found["chip"].error or "")
    assert "params_" in (found["words"].error or "")
    assert found["bare"].unit == "accelerator_hours"
    assert validate(file).blind.n == 2
    with pytest.raises(FeilunError):
        validate(tmp_path / "none.csv")


def test_zero_divides_the_state() -> None:
    """S. Rajbhandari et al. 2020, table 1: 7.5B parameters on 64 devices take 120, 31.4, 16.6 and 1.9 GB of 16 bytes each."""
    from feilun.plan.memory import Scheme

    for stage, published in enumerate((120, 31.4, 16.6, 1.9)):
        taken = sum(state_bytes_per_param(Scheme(2, 2, 12), stage, 64)) * 7.5
        assert taken == pytest.approx(published, rel=0.015)
    assert [SCHEMES[name].bytes_per_param for name in ("megatron", "amp", "bf16")] == [18, 16, 8]


def test_the_pipelines_bubble() -> None:
    assert bubble_share(1, 8) == 0
    assert bubble_share(8, 64) == 7 / 71
    assert bubble_share(8, 64, 2) == 7 / 135


@pytest.mark.parametrize(
    ("params", "device", "count"), [(175e9, A100, 1024), (1e12, H100, 10_000), (7e9, H100, 8)]
)
def test_a_layout_uses_all_devices_and_fits(params: float, device: Device, count: int) -> None:
    model = Model.of_size(params)
    layout = best_layout(model, device, count, length=2048)
    assert layout is not None
    assert layout.data * layout.tensor * layout.pipeline == count
    memory = layout.memory
    assert memory.fits
    again = device_memory(
        model,
        device.memory_gb,
        rows=layout.micro_batch,
        length=2048,
        tensor=layout.tensor,
        pipeline=layout.pipeline,
        data=layout.data,
        stage=layout.zero,
        recompute=layout.recompute,
        micro_batches=layout.micro_batches,
    )
    assert again == memory
    assert sum(memory.model_dump(exclude={"total_gb", "device_gb"}).values()) == pytest.approx(
        memory.total_gb
    )


def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(FeilunError) as refused:
        plan_train(Model.of_size(70e9), 1e12, facts.device("4090"), 8)
    assert refused.value.code == "does_not_fit"
    assert "At least 128 of them" in refused.value.text.en
    assert "128" in refused.value.text.zh
    assert plan_train(Model.of_size(70e9), 1e12, facts.device("4090"), 128).layout is not None


def test_llama_3s_herd_stopped_as_often_and_lost_as_little() -> None:
    """arXiv:2407.21783, section 3.3.4: 466 stops in 54 days, more than 90% of the time effective; here within a point of it."""
    assert stops_per_day(16_384) * 54 == pytest.approx(466, rel=0.01)
    assert goodput(16_384) == pytest.approx(0.9, abs=0.015)
    assert goodput(10_000_000) == 0


def test_beyond_the_largest_run_stops_cost_time_and_below_it_they_are_in_the_hours() -> None:
    model = Model.of_size(1e12)
    few, many, absurd = (
        plan_train(model, 20e12, H100, count, must_fit=False) for count in (8192, 65_536, 10_000_000)
    )
    crowded = (65_536 / 8192) ** CROWD_EXPONENT
    assert many.accelerator_hours / few.accelerator_hours == pytest.approx(
        goodput(16_384) / goodput(65_536) * crowded, rel=1e-6
    )
    assert absurd.days.expected > many.days.expected  # it gets nowhere
    assert absurd.days.ideal < absurd.days.expected


def test_a_chip_is_not_slower_for_having_come_earlier() -> None:
    """An A800 is an A100 with slower links."""
    older, newer = (plan_train(GPT3, 300e9, facts.device(name), 1024) for name in ("A100-80G", "A800"))
    assert older.days.expected == pytest.approx(newer.days.expected)
    assert any("--recompute full" in note.en for note in older.notes)
    smaller = plan_train(Model.of_size(99e9), 300e9, A100, 1024)
    assert older.days.expected / smaller.days.expected < 2


def test_where_links_are_slow_traffic_takes_its_time() -> None:
    model, device = Model.of_size(7e9), facts.device("4090")
    one_server, many = (plan_train(model, 1e12, device, count) for count in (8, 1024))
    linked = device.model_copy(update={"link_gbs": 900.0})
    for plan in (one_server, many):
        fast = plan_train(model, 1e12, linked, plan.count)
        assert plan.days.expected >= fast.days.expected
        assert plan.days.low <= plan.days.expected <= plan.days.high <= 3.0001 * plan.days.low
    assert many.days.expected > plan_train(model, 1e12, linked, 1024).days.expected
    assert any("no fast links" in note.en for note in many.notes)
    assert plan_train(model, 1e12, device, 1024, tflops=50).speed.tflops == 50  # what was measured holds it


def test_a_machine_that_nobody_measured_says_so(tmp_path: Path) -> None:
    here = probe.device("here", tmp_path)
    assert here.cpu
    assert any("feilun plan probe" in note.en for note in plan_train(Model.of_size(1e7), 1e6, here).notes)
    measured = {
        "machine": "m", "cores": 192, "tflops": 8.0, "tflops_by_size": {}, "bandwidth_gbs": 300.0, "memory_gb": 512.0,
        "seconds": 1.0, "measured": "now",
    }  # fmt: skip
    probe.keep(probe.Probe.model_validate(measured), tmp_path)
    large = probe.device("here", tmp_path)
    assert large.cpu
    assert not plan_train(Model.of_size(1e7), 1e6, large).notes
    (tmp_path / "plan" / "probe.json").write_text(json.dumps({**measured, "tflops": 0}))
    assert probe.kept(tmp_path) is None


def test_a_device_among_many_is_slower() -> None:
    model = Model.of_size(70e9)
    few, some, usual, many = (
        blind(model, H100, recompute="none", count=n).tflops for n in (1, 64, 2048, 8192)
    )
    assert few > 1.2 * some  # as runs on one server show
    assert some == usual
    assert many / usual == pytest.approx(
        0.875**0.5, abs=0.003
    )  # MLPerf Training 5.0: .875 over four doublings


@given(st.floats(1, 1e6))
def test_no_other_interval_between_checkpoints_loses_less(devices: float) -> None:
    """J. Young 1974: what is lost of the time is C / T + T / 2M, least at the interval that is told."""
    from feilun.plan.goodput import CHECKPOINT_S, DEVICE_HOURS_BETWEEN_STOPS

    between = DEVICE_HOURS_BETWEEN_STOPS * 3600 / devices

    def lost(interval: float) -> float:
        return CHECKPOINT_S / interval + interval / (2 * between)

    best = checkpoint_interval_s(devices)
    assert lost(best) <= min(lost(best * 0.9), lost(best * 1.1))


@settings(max_examples=25, deadline=None)
@given(
    st.floats(1e8, 5e11), st.integers(0, 12), st.sampled_from(["A100-80G", "H100", "V100", "H20", "MI300X"])
)
def test_more_devices_take_less_time_and_more_tokens_more(params: float, doublings: int, name: str) -> None:
    model, device = Model.of_size(params), facts.device(name)
    few = plan_train(model, 1e12, device, 1 << doublings, must_fit=False, recompute="none")
    many = plan_train(model, 1e12, device, 2 << doublings, must_fit=False, recompute="none")
    twice = plan_train(model, 2e12, device, 1 << doublings, must_fit=False, recompute="none")
    assert many.days.expected < few.days.expected
    assert twice.days.expected == pytest.approx(2 * few.days.expected)
    for plan in (few, many, twice):
        assert plan.days.low <= plan.days.expected <= plan.days.high <= 3 * plan.days.low * (1 + 1e-9)
        assert plan.accelerator_hours == pytest.approx(plan.days.expected * 24 * plan.count)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(facts.devices())),
    st.floats(6, 13),
    st.integers(1, 10**7),
    st.sampled_from([None, 0.01, 0.4, 1.0]),
)
def test_what_is_expected_is_inside_of_its_interval(
    name: str, digits: float, count: int, share: float | None
) -> None:
    device = facts.devices()[name]
    tflops = None if share is None else share * device.tflops
    plan = plan_train(Model.of_size(10**digits), 1e9, device, count, tflops=tflops, must_fit=False)
    days = plan.days
    assert days.low <= days.expected <= days.high <= 3.0001 * days.low
    assert 0 < plan.speed.utilisation <= 1


def test_devices_do_not_do_what_they_cannot() -> None:
    for terms in ({"precision": "fp8"}, {"tflops": 313.0}):
        with pytest.raises(FeilunError) as refused:
            plan_train(Model.of_size(7e9), 1e12, A100, 64, **terms)  # pyright: ignore[reportArgumentType]
        assert refused.value.code in ("no_fp8", "bad_quantity")


def test_more_of_an_older_chip() -> None:
    found = compare(Model.of_size(7e9), 1e12, [H100, facts.device("V100"), facts.device("K200")], 256)
    first, v100, kunlun = found.rows
    assert first.count_for_same_days == 256
    assert v100.count_for_same_days is not None
    assert v100.count_for_same_days > 256 * 5
    assert kunlun.process_nm == 14
    assert kunlun.count_for_same_days is not None
    assert kunlun.count_for_same_days > v100.count_for_same_days
    (_, never) = compare(Model.of_size(70e9), 15e12, [H100, facts.device("T4")], 16_384).rows
    assert never.count_for_same_days is None, "they cannot be fed, or stop too often"
    same = plan_train(Model.of_size(7e9), 1e12, facts.device("V100"), v100.count_for_same_days)
    assert 0.9 * first.days < same.days.expected <= first.days


def test_an_adapter_needs_less_than_all_weights() -> None:
    model, device = model_named("qwen3-8b"), facts.device("4090")
    q = plan_finetune(model, 1e7, device, "qlora")
    lora, full = (
        plan_finetune(model, 1e7, device, how, count=8 if how == "lora" else None) for how in ("lora", "full")
    )
    assert q.count == 1
    assert q.learns == lora.learns == adapter_params(model, 16)
    assert full.count > 8 or full.per_device_gb > lora.per_device_gb > q.per_device_gb / 8
    with pytest.raises(FeilunError) as refused:
        plan_finetune(model, 1e7, device, "full", count=1)
    assert "lora" in refused.value.text.en


def test_a_corpus_in_tokens() -> None:
    whole, half = plan_data(5e12), plan_data(2.5e12)
    assert whole.tokens == pytest.approx(2 * half.tokens)
    assert whole.compute_optimal_params * COMPUTE_OPTIMAL == pytest.approx(whole.tokens)
    assert plan_data(5e12, kept=1.0, kind="text").tokens > whole.tokens


def _law(flops: float) -> float:
    return 1.7 + 0.9 * (flops / 1e15) ** -0.2


def test_a_law_is_found_again_and_its_band_holds_what_comes() -> None:
    points = [Point(name=str(k), flops=10 ** (14 + k / 2), loss=_law(10 ** (14 + k / 2))) for k in range(7)]
    plan = plan_scaling(points, target_loss=_law(1e20))
    assert plan.law.exponent == pytest.approx(0.2)
    assert plan.law.floor == pytest.approx(1.7, abs=1e-6)
    assert plan.target_flops == pytest.approx(1e20, rel=0.01)
    noisy = [p.model_copy(update={"loss": p.loss * (1 + 0.01 * (-1) ** k)}) for k, p in enumerate(points)]
    end = plan_scaling(noisy).curve[-1]
    assert end.times_beyond == pytest.approx(1000)
    assert end.low < _law(end.flops) < end.high
    assert plan_scaling(points, target_loss=1.0).target_flops is None
    nowhere = Point(name="no size", flops=math.inf, loss=3.0)
    assert plan_scaling([*points, nowhere], target_loss=2.0).points == points
    with pytest.raises(FeilunError):
        plan_scaling(points[:3])


@pytest.mark.parametrize("name", list(facts.presets()))
def test_every_preset_has_an_answer(name: str) -> None:
    plan = plan_preset(name)
    assert plan.days.expected > 0
    assert plan.cost_usd.expected is not None
    if name == "ten-million-gpus":
        assert plan.energy.mw > 5000
        assert plan.stops_per_day > 1000
        assert plan.goodput == 0


@pytest.mark.parametrize(
    ("said", "device"),
    [
        ("A100-80G", "A100 SXM 80GB"),
        ("a100 40gb", "A100 SXM 40GB"),
        ("h100", "H100 SXM 80GB"),
        ("RTX4090", "RTX 4090 24GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"),
        ("910B3", "Ascend 910B3 64GB"),
    ],
)
def test_devices_are_found_by_what_people_call_them(said: str, device: str) -> None:
    assert facts.device(said).name == device


@pytest.mark.parametrize("said", ["Ascend 910B", "910B", "Ascend 910"])
def test_of_several_bins_one_has_to_be_chosen(said: str) -> None:
    with pytest.raises(FeilunError) as refused:
        facts.device(said)
    assert "910B4" in refused.value.text.en
    assert "H100" not in refused.value.text.en


def test_an_unknown_device_says_what_there_is() -> None:
    for name in ("Quantum 9", "910B", ""):
        with pytest.raises(FeilunError) as refused:
            facts.device(name)
        assert refused.value.code == "unknown_device"
        assert "910B" in refused.value.text.en


def test_traps_of_the_sources() -> None:
    assert facts.device("4090").tflops == pytest.approx(165, abs=1)  # 330 accumulates in float16
    assert facts.device("A10").tflops == 125  # 250 is sparse
    assert facts.device("H800").fp8_tflops == 1979  # 1,513 is the PCIe part
    assert {run.accelerator for run in facts.runs()} <= set(facts.devices())


@pytest.mark.parametrize(
    ("text", "value"),
    [("175B", 175e9), ("2.5T", 2.5e12), ("350M", 3.5e8), ("70亿", 7e9), ("1,024", 1024), ("1e9", 1e9)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantities.count(text) == pytest.approx(value)


def test_from_one_number_to_another() -> None:
    assert quantities.counts("1,024", 2, 1e9) == [1024]
    assert quantities.counts("8..100", 2, 1e9) == [8, 16, 32, 64, 100]
    assert quantities.counts("1..1M", 10, 1e9) == [10**k for k in range(7)]
    for wrong in ("8..4", "0.2", "1..1e12", "..8", "8.."):
        with pytest.raises(FeilunError):
            quantities.counts(wrong, 2, 1e9)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e8, 1e13), st.integers(1, 200_000), st.sampled_from(["H100", "4090", "T4", "K200"]))
def test_what_would_fit_does(params: float, count: int, name: str) -> None:
    model, device = Model.of_size(params), facts.device(name)
    if best_layout(model, device, count, length=2048) is None:
        fits = training_fits(model, device, count, length=2048)
        if fits.count is not None:
            assert fits.count != count
            assert best_layout(model, device, fits.count, length=2048) is not None
        if fits.params is not None:
            assert fits.params < params
            assert best_layout(Model.of_size(fits.params), device, count, length=2048) is not None


def test_losses_that_rise_show_no_law() -> None:
    with pytest.raises(FeilunError) as refused:
        plan_scaling([Point(name=str(k), flops=10.0**k, loss=3 + k / 100) for k in range(15, 20)])
    assert refused.value.code == "no_law"


def test_quantities_with_units_and_wrong_ones() -> None:
    assert quantities.days("36h") == 1.5
    assert quantities.dollars("$2M") == quantities.dollars("2000kUSD") == 2e6
    assert quantities.tokens_of_context("8k") == 8192
    assert quantities.data_bytes("5TB") == 5e12
    for wrong in ("", "many", "-5B", "0", "5 apples", "1e999"):
        with pytest.raises(FeilunError):
            quantities.count(wrong)
