"""Answers that hold several plans side by side, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table
from rich.text import Text as Line

from feilun.plan.budget import BudgetPlan
from feilun.plan.compare import Comparison
from feilun.plan.facts import Device, Preset
from feilun.plan.presets import Plans
from feilun.plan.tables import energy, grid, notes, pairs, power, short, span, spans, train_tables, usd
from feilun.plan.train import TrainPlan
from feilun.plan.validate import Blind, KnownSpeed, Validation
from feilun.text import say


def _prices() -> str:
    return say(
        "Prices are rents where there are any. * bought: the list price and its servers spread over four years, and electricity.",
        "有租价的按租价。* 为购买：标价及服务器在四年内摊销，另加电费。",
    )


def tables_of(answer: TrainPlan | Plans | BudgetPlan) -> list[Table | Line]:
    """Whichever answer a question about training had."""
    if isinstance(answer, TrainPlan):
        return train_tables(answer)
    if isinstance(answer, BudgetPlan):
        said = {note.en: note for one in answer.variants for note in one.plan.notes}
        return [budget_table(answer), *notes(said.values())]
    said = {note.en: note for plan in answer.plans if plan.layout for note in plan.notes}
    return [
        plans_table((str(place), plan) for place, plan in enumerate(answer.plans, 1)),
        *notes(said.values()),
        *([Line(_prices())] if any(_bought(plan.cost_usd.basis) for plan in answer.plans) else []),
    ]


def budget_table(found: BudgetPlan) -> Table:
    names = {
        "compute_optimal": say("compute-optimal", "计算最优"),
        "over_trained": say("small, over-trained", "小而多训"),
    }
    plans = [one.plan for one in found.variants]
    rows = [
        (say("parameters", "参数"), [short(plan.model.params) for plan in plans]),
        ("token", [short(plan.tokens) for plan in plans]),
        (say("loss", "损失"), [f"{one.loss:.3f}" for one in found.variants]),
        (say("devices", "设备"), [f"{plan.count:,} x {plan.device}" for plan in plans]),
        (say("if nothing fails", "一切顺利"), [span(plan.days.ideal) for plan in plans]),
        (say("expected", "预计"), [span(plan.days.expected) for plan in plans]),
        (say("8 of 10 runs", "八成情况"), [spans(plan.days.low, plan.days.high) for plan in plans]),
        (say("cost", "费用"), [usd(plan.cost_usd.expected) for plan in plans]),
        (
            say("whole programme", "整个项目"),
            [f"{span(plan.days.programme)}, {_dollars(plan.programme_cost_usd)}" for plan in plans],
        ),
    ]
    kinds = [f"{names[one.kind]} ({one.tokens_per_param:g}x)" for one in found.variants]
    return grid([usd(found.budget_usd), *kinds], ((name, *cells) for name, cells in rows))


def plans_table(plans: Iterable[tuple[str, TrainPlan]]) -> Table:
    titles = [
        "",
        say("devices", "设备"),
        say("expected", "预计"),
        say("between", "区间"),
        say("cost", "费用"),
        say("power", "功率"),
        say("stops a day", "每天中断"),
    ]
    return grid(
        titles,
        (
            (
                name,
                f"{plan.count:,} x {plan.device}"
                + ("" if plan.layout else say(" (does not fit)", "（放不下）")),
                span(plan.days.expected),
                spans(plan.days.low, plan.days.high),
                _dollars(plan.cost_usd.expected) + _bought(plan.cost_usd.basis),
                power(plan.energy.mw),
                f"{plan.stops_per_day:,.3g}",
            )
            for name, plan in plans
        ),
        whole=range(2, 6),
    )


def _bought(basis: str) -> str:
    """The mark of a price that is no rent."""
    return " *" if basis.startswith("purchase") else ""


def _dollars(value: float | None) -> str:
    """Short, so that many stand in a column; a dash where no price is known."""
    if value is None:
        return "-"
    return usd(value) if value < 1e6 else f"${short(value)}"


def preset_tables(found: Iterable[tuple[Preset, TrainPlan]]) -> list[Table | Line]:
    """The claims, and what each would take."""
    known = list(found)
    claims = pairs("", ((preset.name, say(preset.claim, preset.claim_zh)) for preset, _ in known))
    said = {note.en: note for _, plan in known for note in plan.notes}
    return [claims, plans_table((preset.name, plan) for preset, plan in known), *notes(said.values())]


def catalogue_tables(devices: Iterable[Device], models: Mapping[str, float]) -> list[Table | Line]:
    titles = [
        say("device", "设备"),
        say("vendor", "厂商"),
        say("year", "年份"),
        "nm",
        "TFLOP/s",
        "GB",
        "GB/s",
        "W",
        say("USD/h", "美元/时"),
    ]
    table = grid(
        titles,
        (
            (
                one.name,
                one.vendor,
                f"{one.year or '-'}",
                "-" if one.process_nm is None else f"{one.process_nm:g}",
                f"{one.tflops:g}",
                f"{one.memory_gb:g}",
                f"{one.bandwidth_gbs:g}",
                "-" if one.tdp_w is None else f"{one.tdp_w:g}",
                "-" if one.usd_per_hour is None else f"{one.usd_per_hour:.2f}",
            )
            for one in devices
        ),
    )
    named = ", ".join(f"{name} ({short(params)})" for name, params in models.items())
    return [table, Line(say(f"Models: {named}", f"模型：{named}"))]


def compare_tables(found: Comparison) -> list[Table | Line]:
    said = {note.en: note for row in found.rows if row.fits for note in row.notes}
    bought = any(_bought(row.basis) for row in found.rows)
    return [_compared(found), *notes(said.values()), *([Line(_prices())] if bought else [])]


def _compared(found: Comparison) -> Table:
    titles = [
        f"{found.rows[0].count:,} x",
        say("expected", "预计"),
        say("between", "区间"),
        say("cost", "费用"),
        say("energy", "能耗"),
        say("as fast", "同样快需"),
        say("at", "费用"),
    ]
    return grid(
        titles,
        (
            (
                row.device
                + ("" if row.process_nm is None else f", {row.process_nm:g} nm")
                + ("" if row.fits else say(" (does not fit)", "（放不下）")),
                span(row.days),
                spans(row.low, row.high),
                _dollars(row.cost_usd) + _bought(row.basis),
                energy(row.mwh),
                say("no number", "多少都不够")
                if row.count_for_same_days is None
                else f"{row.count_for_same_days:,}",
                _dollars(row.cost_same_days_usd),
            )
            for row in found.rows
        ),
        whole=range(1, 7),
    )


def validation_tables(found: Validation) -> list[Table | Line]:
    known, blind = found.known_speed, found.blind
    modes = {"known_speed": say("known speed", "已知速度"), "blind": say("blind", "盲测")}
    table = grid(
        [
            say("run", "训练"),
            "",
            say("predicted", "预测"),
            say("between", "区间"),
            say("published", "公布"),
            say("ratio", "比值"),
        ],
        (
            (
                row.id,
                modes[row.mode],
                f"{row.predicted or 0:,.4g}",
                f"{row.low or 0:,.4g} - {row.high or 0:,.4g}",
                f"{row.published or 0:,.4g} {say('days', '天') if row.unit == 'days' else say('hours', '卡时')}",
                f"x{row.ratio:.2f}",
            )
            for row in found.rows
            if row.ratio is not None
        ),
    )
    left_out = [Line(f"{row.id}: {row.error}", style="dim") for row in found.rows if row.error is not None]
    return [table, *left_out, Line(_errors(known)), Line(_misses(blind))]


def _errors(known: KnownSpeed) -> str:
    if known.median_abs_error is None:
        return say("Known speed: no run could be computed.", "已知速度：没有可计算的训练。")
    return say(
        f"Known speed: {known.n} runs, median error {known.median_abs_error:.1%}.",
        f"已知速度：{known.n} 次，误差中位数 {known.median_abs_error:.1%}。",
    )


def _misses(blind: Blind) -> str:
    if blind.median_ratio is None or blind.inside_interval is None:
        return say("Blind: no run could be computed.", "盲测：没有可计算的训练。")
    return say(
        f"Blind: {blind.n} runs, median x{blind.median_ratio:.2f}, {blind.inside_interval:.0%} inside the interval.",
        f"盲测：{blind.n} 次，中位数 x{blind.median_ratio:.2f}，{blind.inside_interval:.0%} 落在区间内。",
    )
