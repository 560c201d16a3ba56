"""Answers as tables for a terminal, in the reader's language: what all have in common, and a training run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text as Line

from feilun.plan.days import Days
from feilun.plan.layout import Layout
from feilun.plan.notes import Note
from feilun.plan.train import TrainPlan
from feilun.text import Text, say

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


_SPANS = (
    (730, 365.25, Text("years", "年")),
    (2, 1, Text("days", "天")),
    (1 / 12, 1 / 24, Text("hours", "小时")),
    (1 / 720, 1 / 1440, Text("minutes", "分钟")),
    (0, 1 / 86400, Text("seconds", "秒")),
)
"""From how many days on a unit reads best, and how many days it is."""


def span(days: float) -> str:
    """In the unit that reads best, from seconds to years."""
    _, unit, name = next(one for one in _SPANS if days >= one[0])
    return f"{days / unit:.3g} {name}"


def spans(low: float, high: float) -> str:
    """From one to the other, in one unit."""
    _, unit, name = next(one for one in _SPANS if high >= one[0])
    return f"{low / unit:.3g} - {high / unit:.3g} {name}"


def energy(mwh: float) -> str:
    """So many megawatt-hours in the unit that reads best, from Wh to TWh."""
    return _prefixed(mwh * 1e6, "Wh")


def power(mw: float) -> str:
    """So many megawatts in the unit that reads best, from W to GW."""
    return _prefixed(mw * 1e6, "W")


def _prefixed(value: float, unit: str) -> str:
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def pairs(title: str, rows: Rows) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Line(value))
    return table


def grid(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    *,
    whole: Sequence[int] = (),
) -> Table:
    """A column for each title. ``whole``: those whose cells are not broken where the terminal is narrow."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(titles):
        justify = "left" if number == 0 else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=number in whole)
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
    cost, checkpoint = plan.cost_usd, plan.checkpoint
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
            f"{energy(plan.energy.mwh)}, {plan.energy.co2e_t:,.3g} t CO2e, {power(plan.energy.mw)}",
        ),
        (
            say("Checkpoint", "检查点"),
            say(
                f"{size(1e9 * checkpoint.weights_gb)} of weights, {size(1e9 * checkpoint.full_gb)} to go on from, every "
                f"{span(checkpoint.interval_minutes / 1440)}",
                f"权重 {size(1e9 * checkpoint.weights_gb)}，可续训 {size(1e9 * checkpoint.full_gb)}，每 "
                f"{span(checkpoint.interval_minutes / 1440)}一次",
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
                f"{memory.total_gb:.3g} / {memory.device_gb:.3g} GB: {held}",
            ),
        ],
    )
