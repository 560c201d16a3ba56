"""The answers about training as tables for a terminal, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text as Line

from feilun.plan.budget import BudgetPlan
from feilun.plan.compare import Comparison
from feilun.plan.facts import Preset
from feilun.plan.layout import Layout
from feilun.plan.train import Days, Note, TrainPlan
from feilun.plan.validate import Validation
from feilun.text import say

Rows = Iterable[tuple[str, str]]


def short(value: float | None, unit: str = "") -> str:
    """``1.25T``: three digits and a scale; a dash for None."""
    if value is None:
        return "-"
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}{unit}"
    return f"{value:.3g}{unit}"


def size(value: float) -> str:
    """Bytes, decimal."""
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:,.0f} B"


def usd(value: float | None) -> str:
    if value is None:
        return say("price unknown", "价格未知")
    return f"${value:,.0f}" if value >= 100 else f"${value:.3g}"


def span(days: float) -> str:
    """In the unit that reads best, from seconds to years."""
    if days >= 730:
        return say(f"{days / 365.25:.3g} years", f"{days / 365.25:.3g} 年")
    if days >= 2:
        return say(f"{days:.3g} days", f"{days:.3g} 天")
    if days >= 1 / 12:
        return say(f"{days * 24:.3g} hours", f"{days * 24:.3g} 小时")
    if days >= 1 / 720:
        return say(f"{days * 1440:.3g} minutes", f"{days * 1440:.3g} 分钟")
    return say(f"{days * 86400:.3g} seconds", f"{days * 86400:.3g} 秒")


def pairs(title: str, rows: Rows) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Line(value))
    return table


def grid(titles: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(titles):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Line(cell) for cell in row))
    return table


def notes(found: Iterable[Note]) -> list[Line]:
    return [Line(say(note.en, note.zh)) for note in found]


def interval(days: Days) -> str:
    """What is expected, and between what."""
    return say(
        f"{span(days.expected)} (8 of 10 runs: {span(days.low)} to {span(days.high)})",
        f"{span(days.expected)}（八成情况在 {span(days.low)} 至 {span(days.high)} 之间）",
    )


def train_tables(plan: TrainPlan) -> list[Table | Line]:
    cost, energy = plan.cost_usd, plan.energy
    money = usd(cost.expected)
    if cost.low is not None and cost.low != cost.high:
        money += f" ({usd(cost.low)} - {usd(cost.high)}, {cost.basis})"
    speed = f"{plan.speed.tflops:,.4g} TFLOP/s, MFU {plan.speed.utilisation:.1%} ({plan.speed.basis})"
    title = (
        f"{short(plan.model.params)} ({plan.model.layers} x {plan.model.width}), {short(plan.tokens)} token, "
        f"{plan.count:,} x {plan.device}"
    )
    rows = [
        (say("If nothing fails", "一切顺利"), span(plan.days.ideal)),
        (say("Expected", "预计"), interval(plan.days)),
        (
            say("Whole programme", "整个项目"),
            f"{span(plan.days.programme)}, {usd(plan.programme_cost_usd)}",
        ),
        (say("Device-hours", "卡时"), f"{plan.accelerator_hours:,.4g}"),
        (say("Operations", "运算量"), f"{plan.flops.useful:.3e} FLOP ({plan.flops.hardware:.3e})"),
        (say("Speed of a device", "单卡速度"), speed),
        (say("Tokens a second", "每秒 token"), short(plan.tokens_per_second)),
        (say("Cost", "费用"), money),
        (
            say("Energy", "能耗"),
            f"{energy.mwh:,.3g} MWh, {energy.co2e_t:,.3g} t CO2e, {energy.mw:,.3g} MW",
        ),
        (
            say("Checkpoint", "检查点"),
            say(
                f"{plan.checkpoint.weights_gb:,.4g} GB of weights, {plan.checkpoint.full_gb:,.4g} GB to go on from, every "
                f"{plan.checkpoint.interval_minutes:,.0f} min",
                f"权重 {plan.checkpoint.weights_gb:,.4g} GB，可续训 {plan.checkpoint.full_gb:,.4g} GB，每 "
                f"{plan.checkpoint.interval_minutes:,.0f} 分钟一次",
            ),
        ),
        (
            say("Stops", "中断"),
            say(
                f"{plan.stops_per_day:.3g} a day; {plan.goodput:.1%} of the time counts",
                f"每天 {plan.stops_per_day:.3g} 次；有效时间 {plan.goodput:.1%}",
            ),
        ),
    ]
    found: list[Table | Line] = [pairs(title, rows)]
    if plan.layout is not None:
        found.append(layout_table(plan.layout))
    return [*found, *notes(plan.notes)]


def layout_table(layout: Layout) -> Table:
    memory = layout.memory
    how = say(
        f"data {layout.data} (ZeRO {layout.zero}) x tensor {layout.tensor} x pipeline {layout.pipeline}, recompute "
        f"{layout.recompute}, micro-batch {layout.micro_batch} x {layout.micro_batches}, bubble {layout.bubble:.1%}",
        f"数据 {layout.data}（ZeRO {layout.zero}）x 张量 {layout.tensor} x 流水线 {layout.pipeline}，重算 "
        f"{layout.recompute}，微批 {layout.micro_batch} x {layout.micro_batches}，气泡 {layout.bubble:.1%}",
    )
    parts = [
        (say("weights", "权重"), memory.weights_gb),
        (say("gradients", "梯度"), memory.gradients_gb),
        (say("optimiser", "优化器"), memory.optimiser_gb),
        (say("activations", "激活"), memory.activations_gb),
        (say("logits", "输出层"), memory.logits_gb),
        (say("gathered", "聚合"), memory.gathered_gb),
    ]
    held = ", ".join(f"{name} {gb:.3g}" for name, gb in parts if gb > 0)
    return pairs(
        say("Layout", "并行布局"),
        [
            (say("Spread", "切分"), how),
            (
                say("Memory of a device", "单卡显存"),
                f"{memory.total_gb:.3g} / {memory.device_gb:g} GB: {held}",
            ),
        ],
    )


def budget_table(found: BudgetPlan) -> Table:
    titles = [
        usd(found.budget_usd),
        say("parameters", "参数"),
        "token",
        say("loss", "损失"),
        say("devices", "设备"),
        say("expected", "预计"),
        say("cost", "费用"),
    ]
    names = {
        "compute_optimal": say("compute-optimal", "计算最优"),
        "over_trained": say("small, over-trained", "小而多训"),
    }
    return grid(
        titles,
        (
            (
                f"{names[one.kind]} ({one.tokens_per_param:g}x)",
                short(one.plan.model.params),
                short(one.plan.tokens),
                f"{one.loss:.3f}",
                f"{one.plan.count:,} x {one.plan.device}",
                span(one.plan.days.expected),
                usd(one.plan.cost_usd.expected),
            )
            for one in found.variants
        ),
    )


def plans_table(plans: Iterable[tuple[str, TrainPlan]]) -> Table:
    titles = [
        "",
        say("devices", "设备"),
        say("expected", "预计"),
        say("between", "区间"),
        say("cost", "费用"),
        "MW",
    ]
    titles += [say("stops a day", "每天中断"), say("counts", "有效")]
    return grid(
        titles,
        (
            (
                name,
                f"{plan.count:,} x {plan.device}",
                span(plan.days.expected),
                f"{span(plan.days.low)} - {span(plan.days.high)}",
                usd(plan.cost_usd.expected),
                f"{plan.energy.mw:,.3g}",
                f"{plan.stops_per_day:,.3g}",
                f"{plan.goodput:.0%}",
            )
            for name, plan in plans
        ),
    )


def preset_tables(found: Iterable[tuple[Preset, TrainPlan]]) -> list[Table | Line]:
    """The claims, and what each would take."""
    known = list(found)
    claims = pairs("", ((preset.name, say(preset.claim, preset.claim_zh)) for preset, _ in known))
    said = {note.en: note for _, plan in known for note in plan.notes}
    return [claims, plans_table((preset.name, plan) for preset, plan in known), *notes(said.values())]


def compare_table(found: Comparison) -> Table:
    titles = [
        say("device", "设备"),
        "nm",
        say("count", "数量"),
        say("expected", "预计"),
        say("cost", "费用"),
        "MWh",
        "t CO2e",
    ]
    titles += [say("to be as fast", "同样快需"), say("cost", "费用"), "MW"]
    return grid(
        titles,
        (
            (
                row.device + ("" if row.fits else say(" (does not fit)", "（放不下）")),
                "-" if row.process_nm is None else f"{row.process_nm:g}",
                f"{row.count:,}",
                span(row.days),
                usd(row.cost_usd),
                f"{row.mwh:,.3g}",
                f"{row.co2e_t:,.3g}",
                f"{row.count_for_same_days:,}",
                usd(row.cost_same_days_usd),
                f"{row.mw_same_days:,.3g}",
            )
            for row in found.rows
        ),
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
    summary = say(
        f"Known speed: {known.n} runs, median error {known.median_abs_error or 0:.1%}. Blind: {blind.n} runs, median "
        f"x{blind.median_ratio or 0:.2f}, {blind.inside_interval or 0:.0%} inside the interval.",
        f"已知速度：{known.n} 次，误差中位数 {known.median_abs_error or 0:.1%}。盲测：{blind.n} 次，中位数 "
        f"x{blind.median_ratio or 0:.2f}，{blind.inside_interval or 0:.0%} 落在区间内。",
    )
    return [table, *left_out, Line(summary)]
