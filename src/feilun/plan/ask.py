"""Questions as people put them: the options of ``feilun plan``, which are the fields of a request to ``/api/plan`` as well.

A question holds words ("175B", "30d", "8..4096"); `answer` reads them and asks the planner.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from feilun.plan import probe, quantities
from feilun.plan.arithmetic import Model, Recompute, shape_of
from feilun.plan.budget import COMPUTE_OPTIMAL, BudgetPlan, solve_budget
from feilun.plan.compare import USUAL, Comparison, compare
from feilun.plan.deadline import cheapest, solve_deadline
from feilun.plan.facts import Device
from feilun.plan.fits import Fits, training_fits
from feilun.plan.presets import Plans, known_model, plan_preset
from feilun.plan.serve import DRAFT_COST, Quantisation, ServePlan, plan_serve, serving_fits
from feilun.plan.train import MOST_DEVICES, Terms, TrainPlan, plan_train
from feilun.text import FeilunError

MOST_USERS, MOST_DAYS = 1e11, 1e6
"""Beyond these the formulas mean nothing."""

Word = Annotated[str, Field(min_length=1, max_length=100)]
Price = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]

_SIZE = re.compile(r"[0-9.]+[KMBT]?", re.IGNORECASE)


class ServePlans(BaseModel):
    """By the number of users."""

    plans: list[ServePlan]


class ModelQuestion(BaseModel):
    """Which model is meant."""

    model_config = ConfigDict(extra="forbid")

    params: Word | None = None
    active: Word | None = None
    """Of a mixture of experts: those a token passes through."""
    model: Word | None = None
    """Instead: the name of a known one, or a size."""

    def wanted(self, *, serving: bool = False) -> Model:
        """Raises `FeilunError`: ``no_model``, ``unknown_model``, ``bad_quantity``; ``bad_option`` for two answers to the question."""
        params = self.params
        if self.model is not None and params is not None:
            raise _alone("model", "Give --params or --model, not both.", "--params 与 --model 只能给出一个。")
        if self.model is not None:
            if self.active is not None:
                raise _alone("active", "--active goes with --params.", "--active 需与 --params 一起使用。")
            if not _SIZE.fullmatch(self.model):
                return known_model(self.model)
            params = self.model
        if params is None:
            raise FeilunError(
                "Give --params, such as 7B, or --model.",
                "请给出 --params（例如 7B）或 --model。",
                status=422,
                code="no_model",
                param="params",
            )
        size = quantities.bounded(quantities.count(params), quantities.MOST_PARAMS, "params", params)
        passed = quantities.count(self.active) if self.active else size
        if not 0 < passed <= size:
            raise _alone(
                "active",
                "--active is a part of --params, or all of it.",
                "--active 须大于 0 且不超过 --params。",
            )
        # Models that are served share keys and values among the heads of a group.
        return Model.of_size(size, passed, config=shape_of(passed, kv_heads=8) if serving else None)


class _TrainingQuestion(ModelQuestion):
    tokens: Word | None = None
    """Default: 20 a parameter."""

    def _tokens(self, model: Model) -> float:
        if self.tokens is None:
            return COMPUTE_OPTIMAL * model.active
        return quantities.bounded(
            quantities.count(self.tokens), quantities.MOST_TOKENS, "tokens", self.tokens
        )


class TrainQuestion(_TrainingQuestion):
    """What ``feilun plan train`` is asked, but ``--from``."""

    device: Word | None = None
    """Default: H100; with a deadline and no count, every device."""
    count: Word | None = None
    """Devices: a number, or from one to another in doublings."""
    tflops: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    length: Annotated[int, Field(ge=1, le=10**8)] = 2048
    precision: Literal["bf16", "fp16", "fp8"] = "bf16"
    recompute: Recompute | None = None
    batch_tokens: Word | None = None
    """Of a step."""
    budget: Word | None = None
    deadline: Word | None = None
    price: Price | None = None
    """US dollars an hour and device."""
    preset: Word | None = None

    def answer(self, workspace: Path, model: Model | None = None) -> TrainPlan | Plans | BudgetPlan:
        """`Plans`: of several counts, or the cheapest devices that make the deadline.

        Args:
            workspace: where a probe of this machine is kept.
            model: instead of the one that is named.

        Raises `FeilunError`: those of the planner; ``too_slow``; ``bad_option``.
        """
        self._goes_together()
        if self.preset is not None:
            return plan_preset(self.preset)
        within = None if self.deadline is None else _days(self.deadline)
        device = self._device(workspace)
        counts = self._counts()
        terms = self._terms()
        if self.budget is not None:
            money = quantities.dollars(self.budget)
            return solve_budget(money, device, counts[0] if counts else None, deadline_days=within, **terms)
        model = model or self.wanted()
        tokens = self._tokens(model)
        if len(counts) > 1:
            plans = [plan_train(model, tokens, device, count, **terms, must_fit=False) for count in counts]
            return Plans(plans=plans)
        if within is None:
            return plan_train(model, tokens, device, counts[0] if counts else 1, **terms)
        if not counts and self.device is None:
            return _cheapest(model, tokens, within, terms)
        if not counts:
            return solve_deadline(model, tokens, device, within, **terms)
        plan = plan_train(model, tokens, device, counts[0], **terms)
        if plan.days.expected > within:
            raise _too_slow(plan, within, solve_deadline(model, tokens, device, within, **terms).count)
        return plan

    def alone_on(self) -> int:
        """On how many devices, where all else stands in a recipe. Raises `FeilunError` (``bad_option``) if more is asked."""
        if more := self._given() - {"device", "count"}:
            option = "--" + min(more).replace("_", "-")
            raise _alone(min(more), f"{option} does not go with --from.", f"{option} 不能与 --from 并用。")
        counts = self._counts() or [1]
        if len(counts) > 1:
            raise _alone("count", "--from goes with one --count.", "--from 只能与一个 --count 并用。")
        return counts[0]

    def fits(self, workspace: Path) -> Fits:
        """What would fit if this does not."""
        count = (self._counts() or [1])[0]
        return training_fits(
            self.wanted(),
            self._device(workspace),
            count,
            length=self.length,
            recompute=self.recompute,
            batch_tokens=self._batch_tokens(),
        )

    def _device(self, workspace: Path) -> Device:
        return probe.device(self.device or "H100", workspace)

    def _counts(self) -> list[int]:
        return [] if self.count is None else quantities.counts(self.count, 2, MOST_DEVICES)

    def _batch_tokens(self) -> int | None:
        if self.batch_tokens is None:
            return None
        return round(
            quantities.bounded(quantities.count(self.batch_tokens), 1e12, "batch_tokens", self.batch_tokens)
        )

    def _terms(self) -> Terms:
        return {
            "tflops": self.tflops,
            "length": self.length,
            "precision": self.precision,
            "recompute": self.recompute,
            "batch_tokens": self._batch_tokens(),
            "usd_per_hour": self.price,
        }

    def _goes_together(self) -> None:
        """Raises `FeilunError` (``bad_option``) for what would be given and not used."""
        given = self._given()
        if self.preset is not None and given > {"preset"}:
            raise _alone(
                "preset",
                "--preset is a whole question: give no other option with it.",
                "--preset 本身就是完整的问题：请勿同时给出其他选项。",
            )
        if self.budget is not None and given & {"params", "active", "model", "tokens"}:
            raise _alone(
                "budget",
                "--budget looks for the model and its tokens: give neither with it.",
                "--budget 正是要求解模型与 token 数：请勿同时给出。",
            )
        if len(self._counts()) > 1 and (self.deadline is not None or self.budget is not None):
            raise _alone(
                "count",
                "Several counts go with neither --budget nor --deadline: those look for the count.",
                "多个数量不能与 --budget 或 --deadline 并用：后两者正是要求解数量。",
            )
        of_one = {"tflops", "price"} & given
        every = (
            self.deadline is not None and self.budget is None and self.device is None and self.count is None
        )
        if every and of_one:
            raise _alone(
                "device",
                f"--{min(of_one)} is of one device, and --deadline looks through all: name a --device.",
                f"--{min(of_one)} 只针对一种设备，而 --deadline 会遍历全部设备：请给出 --device。",
            )

    def _given(self) -> set[str]:
        """Options that say something else than their defaults."""
        return {
            name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default
        }


def _cheapest(model: Model, tokens: float, within: float, terms: Terms) -> Plans:
    plans = cheapest(model, tokens, within, **terms)
    if not plans:
        raise FeilunError(
            f"No device with a known price makes it in {within:g} days. Allow more time, or name a --device and its --price.",
            f"已知价格的设备都无法在 {within:g} 天内完成。请放宽期限，或给出 --device 与 --price。",
            status=422,
            code="too_slow",
        )
    return Plans(plans=plans)


def _alone(param: str, en: str, zh: str) -> FeilunError:
    return FeilunError(en, zh, status=422, code="bad_option", param=param)


class CompareQuestion(_TrainingQuestion):
    """What ``feilun plan compare`` is asked."""

    count: Annotated[int, Field(ge=1, le=int(MOST_DEVICES))] = 1024
    """Of each device."""
    device: Annotated[list[Word], Field(max_length=50)] = []
    """The first is the measure. None: `USUAL`."""

    def answer(self, workspace: Path, model: Model | None = None) -> Comparison:
        """Raises `FeilunError`: those of the planner."""
        model = model or self.wanted()
        devices = [probe.device(name, workspace) for name in self.device or USUAL]
        return compare(model, self._tokens(model), devices, self.count)


class ServeQuestion(ModelQuestion):
    """What ``feilun plan serve`` is asked."""

    users: Word = "1"
    """A number, or from one to another in steps of ten."""
    context: Word = "8k"
    """Tokens of a conversation."""
    device: Word = "H100"
    quantisation: Quantisation = "bf16"
    speculative: bool = False
    accept: Annotated[float, Field(ge=0, le=0.99)] = 0.7
    """Share of the guesses that are right."""
    answer_tokens: Annotated[int, Field(ge=1, le=10**7)] = 500
    per_day: Annotated[float, Field(ge=0.001, le=1e6)] = 20
    """Answers a user."""
    price: Price | None = None
    """US dollars an hour and device."""
    revenue: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """US dollars an answer."""

    def answer(self, workspace: Path, model: Model | None = None) -> ServePlan | ServePlans:
        """Raises `FeilunError`: those of the planner."""
        model = model or self.wanted(serving=True)
        device = probe.device(self.device, workspace)
        users = quantities.counts(self.users, 10, MOST_USERS)
        plans = [
            plan_serve(
                model,
                device,
                number,
                self._context(),
                quantisation=self.quantisation,
                speculative=self.speculative,
                accept=self.accept,
                answer_tokens=self.answer_tokens,
                answers_per_user_day=self.per_day,
                usd_per_hour=self.price,
                revenue_usd_per_answer=self.revenue,
            )
            for number in users
        ]
        return plans[0] if len(plans) == 1 else ServePlans(plans=plans)

    def fits(self, workspace: Path) -> Fits:
        """What would fit if this does not."""
        device = probe.device(self.device, workspace)
        draft = DRAFT_COST if self.speculative else 0.0
        return serving_fits(self.wanted(serving=True), device, self._context(), self.quantisation, draft)

    def _context(self) -> int:
        return round(
            quantities.bounded(quantities.tokens_of_context(self.context), 1e9, "context", self.context)
        )


def _days(text: str) -> float:
    found = quantities.days(text)
    if found < 1 / 1440:
        raise FeilunError(
            f"{text} is less than a minute.",
            f"{text} 不足一分钟。",
            status=422,
            code="bad_quantity",
            param="deadline",
        )
    return quantities.bounded(found, MOST_DAYS, "deadline", text)


def _too_slow(plan: TrainPlan, within: float, enough: int) -> FeilunError:
    taken = f"{plan.count:,} x {plan.device}"
    return FeilunError(
        f"{taken} take {plan.days.expected:.3g} days, not {within:g}; {enough:,} would make it.",
        f"{taken} 需 {plan.days.expected:.3g} 天，而非 {within:g} 天；{enough:,} 张可按期完成。",
        status=422,
        code="too_slow",
    )
