"""The answers about serving, fine-tuning, data and scaling as tables for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text as Line

from feilun.plan.ask import ServePlans
from feilun.plan.data import DataPlan
from feilun.plan.finetune import FinetunePlan
from feilun.plan.scaling import ScalingPlan
from feilun.plan.serve import ServePlan
from feilun.plan.tables import energy, grid, interval, pairs, power, short, size, span, usd
from feilun.text import say


def serving_table(answer: ServePlan | ServePlans) -> Table:
    if isinstance(answer, ServePlan):
        return serve_table(answer)
    first = answer.plans[0]
    asked = first.revenue_usd_per_answer is not None
    return grid(
        [
            say("users", "用户"),
            say("devices", "设备"),
            say("an hour", "每小时"),
            say("an answer", "每次回答"),
            *([say("pays for itself", "财务上可行")] if asked else []),
            say("a user and month", "每位用户每月"),
            say("power", "功率"),
        ],
        (
            (
                short(plan.users),
                f"{plan.devices:,}",
                usd(plan.cost_usd_per_hour),
                usd(plan.cost_usd_per_answer),
                *([_pays(plan)] if asked else []),
                usd(plan.cost_usd_per_user_month),
                power(plan.mw),
            )
            for plan in answer.plans
        ),
        title=f"{first.model} ({first.quantisation}), {first.context:,} token, {first.device}",
    )


def _pays(plan: ServePlan) -> str:
    return {
        None: say("give --price", "请给出 --price")
        if plan.cost_usd_per_answer is None
        else say("give --revenue", "请给出 --revenue"),
        True: say("yes", "是"),
        False: say("no", "否"),
    }[plan.pays]


def _answer(plan: ServePlan) -> str:
    low, high = plan.cost_usd_per_answer_low, plan.cost_usd_per_answer_high
    if plan.cost_usd_per_answer is None or low is None or high is None:
        return usd(plan.cost_usd_per_answer)
    return say(
        f"{usd(plan.cost_usd_per_answer)} (between {usd(low)} and {usd(high)})",
        f"{usd(plan.cost_usd_per_answer)}（{usd(low)} 至 {usd(high)}）",
    )


def serve_table(plan: ServePlan) -> Table:
    rows = [
        (say("Weights", "权重"), f"{plan.weights_gb:,.4g} GB ({plan.quantisation})"),
        (
            say("Cache of a user", "每位用户的缓存"),
            f"{plan.kv_gb_per_user:.3g} GB ({plan.kv_mb_per_token * 1e3:.3g} kB/token)",
        ),
        (
            say("A replica", "每个副本"),
            f"{plan.devices_per_replica} x {plan.device}, {plan.concurrency_per_replica:,}",
        ),
        (say("Answered at once", "同时作答"), f"{plan.busy_users:,.3g}"),
        (say("Devices", "设备"), f"{plan.devices:,} ({plan.replicas:,} x {plan.devices_per_replica})"),
        (
            say("Tokens a second", "每秒 token"),
            say(
                f"{plan.decode_tokens_per_second_alone:,.3g} alone, {plan.decode_tokens_per_second_busy:,.3g} in a full batch; "
                f"prompts {short(plan.prefill_tokens_per_second)}; first word after {plan.first_token_s:.2g} s",
                f"独占 {plan.decode_tokens_per_second_alone:,.3g}，满载 {plan.decode_tokens_per_second_busy:,.3g}；"
                f"读入提示 {short(plan.prefill_tokens_per_second)}；首字 {plan.first_token_s:.2g} 秒",
            ),
        ),
        *(
            []
            if plan.speculation is None
            else [
                (
                    say("Guessing ahead", "推测解码"),
                    say(
                        f"x{plan.speculation:.2g} in a full batch"
                        + ("" if plan.speculation > 1 else ": it is faster without"),
                        f"满载时 x{plan.speculation:.2g}" + ("" if plan.speculation > 1 else "：不用更快"),
                    ),
                )
            ]
        ),
        (say("Cost an hour", "每小时费用"), usd(plan.cost_usd_per_hour)),
        (say("A million tokens, full load", "满载每百万 token"), usd(plan.cost_usd_per_million_tokens)),
        (say("An answer", "每次回答"), _answer(plan)),
        (say("A user and month", "每位用户每月"), usd(plan.cost_usd_per_user_month)),
        (say("Pays for itself", "财务上可行"), _pays(plan)),
    ]
    return pairs(f"{plan.model}, {plan.users:,} x {plan.context:,}", rows)


def finetune_table(plan: FinetunePlan) -> Table:
    rows = [
        (say("Learns", "可训练参数"), f"{short(plan.learns)} ({plan.method})"),
        (
            say("Memory of a device", "单卡显存"),
            say(
                f"{plan.per_device_gb:.3g} GB (all: frozen {plan.frozen_gb:.3g}, learning {plan.learning_gb:.3g}, activations "
                f"{plan.activations_gb:.3g})",
                f"{plan.per_device_gb:.3g} GB（合计：冻结 {plan.frozen_gb:.3g}，训练 {plan.learning_gb:.3g}，激活 "
                f"{plan.activations_gb:.3g}）",
            ),
        ),
        (say("Expected", "预计"), interval(plan.days)),
        (say("Cost", "费用"), usd(plan.cost_usd.expected)),
        (say("Energy", "能耗"), energy(plan.energy.mwh)),
    ]
    return pairs(f"{plan.model}, {short(plan.tokens)} token, {plan.count} x {plan.device}", rows)


def data_table(plan: DataPlan) -> Table:
    rows = [
        (say("Text in it", "其中文本"), size(plan.text_bytes)),
        (say("Kept", "保留"), size(plan.kept_bytes)),
        (say("Tokens", "词元"), say(f"{short(plan.tokens)} ({short(plan.useful_tokens)} with four epochs)",
                                     f"{short(plan.tokens)}（读四遍为 {short(plan.useful_tokens)}）")),
        (say("Storage", "存储"), size(plan.storage_bytes)),
        (say("Curation", "治理"), say(f"{plan.core_hours:,.3g} core-hours, {span(plan.days)} on {plan.cores} cores",
                                      f"{plan.core_hours:,.3g} 核时，{plan.cores} 核 {span(plan.days)}")),
        (say("Enough for", "足够训练"), say(f"{short(plan.compute_optimal_params)} parameters (over-trained: "
                                            f"{short(plan.over_trained_params)})",
                                            f"{short(plan.compute_optimal_params)} 参数（小而多训：{short(plan.over_trained_params)}）")),
    ]  # fmt: skip
    return pairs(size(plan.raw_bytes), rows)


def scaling_tables(plan: ScalingPlan) -> list[Table | Line]:
    law = plan.law
    found: list[Table | Line] = [
        Line(
            f"L(C) = {law.floor:.4g} + {law.scale:.4g} (C / {law.reference:.3g})^-{law.exponent:.2f}   ± {law.residual:.2g}"
        ),
        grid(
            ["FLOP", say("loss", "损失"), say("between", "区间"), say("beyond the largest", "外推倍数")],
            (
                (f"{p.flops:.2e}", f"{p.loss:.4f}", f"{p.low:.4f} - {p.high:.4f}", f"{p.times_beyond:,.3g}x")
                for p in plan.curve[::3]
            ),
        ),
    ]
    if plan.target_loss is not None:
        band = f"{short(plan.target_flops_low)} - {short(plan.target_flops_high)}"
        reached = (
            f"{plan.target_flops:.3g} FLOP ({band})"
            if plan.target_flops
            else say("never, by this law", "按此规律无法达到")
        )
        found.append(Line(f"{plan.target_loss:g}: {reached}"))
    found.append(
        Line(
            say(
                "Loss falls smoothly. An ability that is counted all or nothing may seem to emerge at once where its loss does "
                "not (R. Schaeffer et al. 2023): fit the ability's own loss or bits.",
                "损失平滑下降。以全对或全错计分的能力看似突然“涌现”，其损失却未必如此（R. Schaeffer 等，2023）："
                "请拟合该能力自身的损失或比特数。",
            )
        )
    )
    return found
