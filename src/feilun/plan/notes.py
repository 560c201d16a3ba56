"""What the reader of a plan has to know besides its figures."""

from __future__ import annotations

from pydantic import BaseModel

from feilun.plan.arithmetic import Model, Recompute, train_flops_per_token
from feilun.plan.days import days_of
from feilun.plan.facts import Device
from feilun.plan.goodput import stops_per_day
from feilun.plan.throughput import FULL_RECOMPUTE, Speed


class Note(BaseModel):
    """Something the reader has to know, in both languages."""

    en: str
    zh: str


def counted_twice(
    model: Model, tokens: float, count: int, tflops: float, length: int, again: Recompute
) -> Note:
    other: Recompute = "none" if again == "full" else "full"
    days = train_flops_per_token(model, length, other) * tokens / (tflops * 1e12 * count) / 86400
    if again == "full":
        return Note(
            en=f"{tflops:g} TFLOP/s are taken to count the forward pass that is done twice, as papers did then. If nothing is "
            f"(--recompute none), it is {days:.3g} days.",
            zh=f"按当时论文的惯例，{tflops:g} TFLOP/s 计入了重算的前向计算。若不重算（--recompute none），则为 {days:.3g} 天。",
        )
    return Note(
        en=f"Nothing is taken to be computed twice. If the {tflops:g} TFLOP/s count a second forward pass (--recompute full), "
        f"it is {days:.3g} days.",
        zh=f"假定没有重算。若 {tflops:g} TFLOP/s 计入了重算的前向计算（--recompute full），则为 {days:.3g} 天。",
    )


NOT_MEASURED = Note(
    en="This machine has not been measured: its speed is that of a slow cloud processor for each core, and may be half of the truth "
    "(feilun plan probe, a minute).",
    zh="尚未测量本机：按每核较慢的云端处理器估计，实际速度可能快一倍（运行 feilun plan probe，约一分钟）。",
)


def no_links(device: Device, share: float) -> Note:
    return Note(
        en=f"{device.name} has no fast links to others: what is moved between them leaves {share:.0%} of the speed that clusters with "
        "such links reach. That is an estimate by bandwidths; give a speed that was measured (--tflops) if there is one.",
        zh=f"{device.name} 没有高速互联：设备间的数据传输使速度仅为有高速互联集群的 {share:.0%}。"
        "这是按带宽估算的；若有实测速度，请用 --tflops 给出。",
    )


def once(model: Model, tokens: float, speed: Speed, count: int, length: int) -> Note:
    slower = speed.model_copy(update={"tflops": speed.tflops * FULL_RECOMPUTE})
    days = days_of(train_flops_per_token(model, length) * tokens, slower, count).expected
    return Note(
        en=f"Nothing is computed twice. Most runs of this size on such devices did their forward pass twice: {days:.3g} days then "
        "(--recompute full).",
        zh=f"假定没有重算。此类设备上同等规模的训练大多重算前向计算，那样需 {days:.3g} 天（--recompute full）。",
    )


def stops_too_often(count: int) -> Note:
    return Note(
        en=f"{count:,} devices stop {stops_per_day(count):,.0f} times a day: as one run, restarted as a whole each time, most of "
        "their time is lost. It would need spares that take over at once, or many runs that seldom meet.",
        zh=f"{count:,} 张设备每天中断 {stops_per_day(count):,.0f} 次：若作为一个整体每次全部重启，大部分时间都会损失。"
        "需要能立即接管的备用设备，或许多很少同步的任务。",
    )
