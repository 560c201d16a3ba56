"""What ``feilun train`` says of a run beforehand, and at its end of what it had said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feilun.jobs import Job
from feilun.plan import probe
from feilun.plan.calibration import Outcome, calibration, outcome
from feilun.plan.facts import Device
from feilun.plan.recipes import of_recipe
from feilun.plan.tables import span
from feilun.text import FeilunError, say

STATES = 12
"""Bytes of a parameter in training, at least: weight, gradient, and one moment of an optimiser, in float32."""

HOPELESS = 3
"""So many times the memory is no matter of a rough estimate, or of swap."""


class Planned:
    """The plan of a run on this machine's processor, by what earlier runs of the workspace took."""

    def __init__(self, recipe: dict[str, Any], workspace: Path, *, whole: bool = True) -> None:
        """``recipe``: as resolved. Nothing is planned of one that says how long it trains only once its data are read.
        ``whole``: else it is the pre-training of a pipeline, whose other stages are not planned.
        """
        self._whole = whole
        self._device: Device = probe.device(probe.HERE, workspace)
        known = calibration(workspace / "runs", self._device)
        self._factor, self._runs = known.factor, len(known.runs)
        try:
            self.plan = of_recipe(recipe, self._device, factor=known.factor)
        except FeilunError:
            self.plan = None

    def check(self) -> None:
        """Raises `FeilunError` if weights, gradients and optimiser alone are several times what the machine has."""
        if self.plan is None:
            return
        needed, there = STATES * self.plan.model.params / 1e9, self._device.memory_gb
        if needed > HOPELESS * there:
            raise FeilunError(
                f"This model cannot be trained on this machine: its weights, gradients and optimiser take {needed:,.0f} GB, there "
                f"are {there:,.0f}. Plan it with --dry-run, or take a smaller size.",
                f"本机无法训练此模型：权重、梯度与优化器状态需要 {needed:,.0f} GB，本机只有 {there:,.0f} GB。"
                "请用 --dry-run 只做计划，或选择更小的规模。",
                code="too_large",
            )

    def before(self) -> str | None:
        """One line; None if nothing is planned."""
        if self.plan is None:
            return None
        days, wh = self.plan.days, self.plan.energy.mwh * 1e6
        by = f"by {self._runs} earlier runs" if self._runs else "no earlier run to go by"
        by_zh = f"依据 {self._runs} 次训练" if self._runs else "尚无可依据的训练"
        steps = span(days.expected), span(days.low), span(days.high)
        if not self._whole:
            return say(
                f"Plan of pre-training, not of the other stages: {steps[0]} of steps ({steps[1]} to {steps[2]}; {by}), {wh:,.3g} Wh.",
                f"预训练的计划（不含其他阶段）：训练步共 {steps[0]}（{steps[1]} 至 {steps[2]}；{by_zh}），{wh:,.3g} Wh。",
            )
        return say(
            f"Plan: {steps[0]} of steps ({steps[1]} to {steps[2]}; {by}), {wh:,.3g} Wh.",
            f"计划：训练步共 {steps[0]}（{steps[1]} 至 {steps[2]}；{by_zh}），{wh:,.3g} Wh。",
        )

    def after(self, job: Job) -> str | None:
        """How it went; None if too few steps were taken."""
        went: Outcome | None = outcome(job, self._device, self._factor) if self.plan else None
        if went is None:
            return None
        taken, planned = span(went.taken_s / 86400), span(went.planned_s / 86400)
        if not self._whole:
            return say(
                f"Planned {planned} for the steps of pre-training, taken {taken}: {went.ratio - 1:+.0%}. The next plan will know.",
                f"预训练的训练步计划 {planned}，实际 {taken}：{went.ratio - 1:+.0%}。下次计划将据此修正。",
            )
        return say(
            f"Planned {planned}, taken {taken}: {went.ratio - 1:+.0%}. The next plan will know.",
            f"计划 {planned}，实际 {taken}：{went.ratio - 1:+.0%}。下次计划将据此修正。",
        )
