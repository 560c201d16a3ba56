"""What a turn would cost, and what it is likely to bring, before it is begun.

The examples are those that the turn would build, for each of its objectives. What a byte of them and a question cost is
known from earlier turns of the model in this workspace, else from Feilun's own. The gain is what earlier turns taught, by
a beta-binomial model.
"""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import BaseModel

from feilun.evaluate.questions import read_questions
from feilun.flywheel import build
from feilun.flywheel.accept import by_rule
from feilun.flywheel.asking import unanswered
from feilun.flywheel.costs import WATTS_PER_CORE, Rates, work_kb
from feilun.flywheel.gate import Verdict
from feilun.flywheel.recipe import Objective, TurnRecipe
from feilun.flywheel.replay import replay
from feilun.flywheel.stages import stages, teaches
from feilun.flywheel.turn import KIND
from feilun.jobs import Job, list_jobs
from feilun.recipe import shipped
from feilun.registry import Registry, Release
from feilun.store import Store
from feilun.store.reviews import items, within_caps
from feilun.store.served import line
from feilun.text import Text
from feilun.workspace import Workspace

RIGHT, WRONG = 26, 4
"""Corrected questions after a turn of Feilun's own (``bench/flywheel.py``). An estimate begins with these, as if they had
been seen here."""

TURNS = 5
"""Of the earlier turns, so many of the newest say what time and energy are needed."""


class Learning(BaseModel):
    """One objective of a turn."""

    objective: Objective
    examples: int
    """To learn from: conversations, pairs, or answers with a thumb."""
    steps: int
    train_s: float


class Estimate(BaseModel):
    """Of one turn."""

    items: int
    waiting: int
    """How many of the items wait for review: the turn would be like this if they were accepted."""
    held_back: int
    """Left for later turns, since one person teaches only so much in one."""
    least: int
    """Items that a turn needs."""
    learning: list[Learning]
    """What is trained, in this order."""
    examples: int
    steps: int
    """Of all of them."""
    missing: Text | None
    """Why the turn cannot begin, if one of its objectives lacks what it learns from."""
    questions: int
    """Asked by the gate, of both releases together."""
    train_s: float
    gate_s: float
    energy_wh: float
    measured: bool
    """The energy is reckoned from what the processor counted in earlier turns; else from `WATTS_PER_CORE`."""
    turns: int
    """Earlier turns that time and energy are reckoned from. 0: from Feilun's own, on another machine."""
    corrected: int
    """Questions whose answer was corrected,"""
    right: float
    """of which so many should be answered right when they are asked again;"""
    right_low: int
    right_high: int
    """with a chance of 90 % not fewer and not more than these."""
    judged: int
    """Earlier turns that the gate has judged,"""
    passed: int
    """and those that it let pass."""

    def words(self) -> list[Text]:
        """The estimate in sentences."""
        return [self._size(), self._cost(), self._gain(), self._grounds()]

    def _size(self) -> Text:
        en, zh = f"A turn would learn from {self.items} items", f"这一轮将学习 {self.items} 条反馈"
        if self.waiting:
            en, zh = f"{en} ({self.waiting} of them wait for review)", f"{zh}（其中 {self.waiting} 条待审核）"
        if self.held_back:
            en, zh = f"{en}, {self.held_back} held back", f"{zh}，{self.held_back} 条留待以后"
        if self.items < self.least:
            en, zh = f"{en}; it needs {self.least}", f"{zh}；至少需要 {self.least} 条"
        alone = len(self.learning) == 1
        stages = [_stage(stage, named=not alone or stage.objective != "sft") for stage in self.learning]
        return Text(
            f"{en}: {', then '.join(stage.en for stage in stages)}, {self.questions} questions at the gate.",
            f"{zh}：{'，再 '.join(stage.zh for stage in stages)}，把关时提问 {self.questions} 次。",
        )

    def _cost(self) -> Text:
        whole, train, gate = (_duration(s) for s in (self.train_s + self.gate_s, self.train_s, self.gate_s))
        energy = _figure(self.energy_wh)
        how = (
            Text("reckoned from what the processor measured", "按处理器此前的实测推算")
            if self.measured
            else Text(
                f"not measured: {WATTS_PER_CORE:.0f} watts a core are assumed",
                f"未实测：假定每核 {WATTS_PER_CORE:.0f} 瓦",
            )
        )
        return Text(
            f"About {whole.en} (training {train.en}, gate {gate.en}) and {energy} Wh ({how.en}).",
            f"约需 {whole.zh}（训练 {train.zh}，把关 {gate.zh}），耗电约 {energy} 瓦时（{how.zh}）。",
        )

    def _gain(self) -> Text:
        if self.missing:
            return self.missing
        if not self.corrected:
            return Text(
                "No answer was corrected: the gate would have nothing to find better.",
                "没有被更正的回答：把关时无从看出改进。",
            )
        return Text(
            f"Of {self.corrected} corrected questions about {self.right:.0f} should be answered right afterwards (90% "
            f"interval {self.right_low} to {self.right_high}).",
            f"{self.corrected} 个被更正的问题中，之后约有 {self.right:.0f} 个能答对（90% 区间 {self.right_low} 至 "
            f"{self.right_high}）。",
        )

    def _grounds(self) -> Text:
        made, judged = _turns(self.turns), _turns(self.judged)
        cost = (
            Text(f"Time as in {made.en} made here", f"时间依据此处的 {made.zh}")
            if self.turns
            else Text(
                "Time as in a turn of the default model on two cores", "时间依据默认模型在两个核心上的一轮"
            )
        )
        gain = Text(
            f"gain as in Feilun's own demonstration ({RIGHT} of {RIGHT + WRONG})",
            f"收益依据飞轮自带的演示（{RIGHT + WRONG} 题中 {RIGHT} 题）",
        )
        if not self.judged:
            return Text(f"{cost.en}; {gain.en}.", f"{cost.zh}；{gain.zh}。")
        return Text(
            f"{cost.en}; {gain.en} and in {judged.en} judged here, of which the gate let {self.passed} pass.",
            f"{cost.zh}；{gain.zh}与此处评判过的 {judged.zh}，其中 {self.passed} 轮通过把关。",
        )


def estimate(
    workspace: Workspace,
    store: Store,
    recipe: TurnRecipe,
    model: str,
    *,
    pending: bool | None = None,
) -> Estimate | None:
    """What a turn of ``model`` would be like now; None if nothing has gathered, or an upstream model cannot learn.

    ``pending``: whether all that waits for review counts as well. None: if what is accepted is too little for a turn.
    """
    release = Registry(workspace).get(model)
    with store.reading() as session:
        everything = items(session)
        taught = [row.turn for row in line(session, model) if row.turn]
    ruled = by_rule(everything, recipe.review)
    teaching = [item for item in everything if teaches(item, recipe.train.objectives)]
    ready = [item for item in teaching if item.state == "accepted" or item.id in ruled]
    too_few = len(within_caps(ready, recipe.review.per_user)[0]) < recipe.review.least
    if pending or (pending is None and too_few):
        ready = [item for item in teaching if item.state in ("accepted", "pending")]
    mine, _ = within_caps(ready, recipe.review.per_user)
    if not mine or release.kind != "gguf":
        return None
    built = build.build(mine, recipe.build, replay(workspace, release, taught))
    planned = stages(recipe, built.figures)
    questions = _questions(workspace, release, recipe, built)
    earlier = _earlier(workspace, model)
    rates = Rates.of([job for job, _ in earlier][-TURNS:], workspace)
    learning = [
        Learning(
            objective=stage.objective,
            examples=stage.examples,
            steps=stage.steps,
            train_s=rates.per_kb
            * work_kb(recipe, stage.objective, stage.steps, built.learnt(stage.objective)),
        )
        for stage in planned
    ]
    train_s = sum(stage.train_s for stage in learning)
    gate_s = rates.per_question * questions
    corrected = len(built.asked)
    told = [verdict for _, verdict in earlier if not verdict.held_out]
    target = [part for verdict in told for part in verdict.parts if part.part == "target"]
    right = RIGHT + sum(part.after for part in target)
    wrong = WRONG + sum(part.n - part.after for part in target)
    low, high = likely(corrected, right, wrong)
    return Estimate(
        items=len(mine),
        waiting=sum(item.state == "pending" and item.id not in ruled for item in mine),
        held_back=len(ready) - len(mine),
        least=recipe.review.least,
        learning=learning,
        examples=sum(stage.examples for stage in learning),
        steps=sum(stage.steps for stage in learning),
        missing=next((stage.missing for stage in planned if stage.missing), None),
        questions=questions,
        train_s=train_s,
        gate_s=gate_s,
        energy_wh=rates.watts * (train_s + gate_s) / 3600,
        measured=rates.measured,
        turns=rates.turns,
        corrected=corrected,
        right=corrected * right / (right + wrong),
        right_low=low,
        right_high=high,
        judged=len(earlier),
        passed=sum(verdict.passed for _, verdict in earlier),
    )


def likely(n: int, right: float, wrong: float, level: float = 0.9) -> tuple[int, int]:
    """The central ``level`` interval of how many of ``n`` go right, where ``right`` went right before and ``wrong`` wrong.

    The quantiles of the beta-binomial distribution: the rate of successes has the density Beta(right, wrong), and is
    the same for all of a turn's questions.
    """

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    tail, below = (1 - level) / 2, 0.0
    low, high = 0, n
    for k in range(n + 1):
        log = math.log(math.comb(n, k)) + log_beta(k + right, n - k + wrong) - log_beta(right, wrong)
        above, below = below, below + math.exp(log)  # chances of fewer than k, and of at most k
        if above <= tail:
            low = k
        if below >= 1 - tail:
            high = k
            break
    return low, high


def _questions(workspace: Workspace, release: Release, recipe: TurnRecipe, built: build.Built) -> int:
    """How many the gate asks: the suite and the corrected ones, each of both releases, if not asked before."""
    suite = read_questions(Path(recipe.gate.suite) if recipe.gate.suite else shipped("eval/regression.jsonl"))
    asked = [[message.model_dump() for message in question.messages] for question in suite]
    target = [row["messages"][:-1] for row in (*built.asked, *built.heldout)]
    new = unanswered(workspace.path / "answers", release, asked + target, max_tokens=recipe.gate.max_tokens)
    return new + len(asked) + len(target)


def _earlier(workspace: Workspace, model: str) -> list[tuple[Job, Verdict]]:
    """The model's turns that the gate has judged, the oldest first."""
    found: list[tuple[Job, Verdict]] = []
    for job in list_jobs(workspace.path / "runs"):
        path = workspace.path / "reports" / job.id / "verdict.json"
        if job.record.kind == KIND and job.record.recipe.get("model") == model and path.exists():
            found.append((job, Verdict.model_validate_json(path.read_bytes())))
    return found


def _stage(stage: Learning, *, named: bool) -> Text:
    """``named``: whether to say which objective it is."""
    name = stage.objective.upper()
    of, of_zh = (f"{name} of ", f"{name} ") if named else ("", "")
    return Text(
        f"{of}{stage.examples} examples, {stage.steps} steps",
        f"{of_zh}{stage.examples} 个样本，{stage.steps} 步",
    )


def _turns(n: int) -> Text:
    return Text(f"{n} turn{'' if n == 1 else 's'}", f"{n} 轮")


def _duration(seconds: float) -> Text:
    if seconds < 90:
        return Text(f"{seconds:.0f} s", f"{seconds:.0f} 秒")
    return Text(f"{_figure(seconds / 60)} min", f"{_figure(seconds / 60)} 分钟")


def _figure(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
