"""Checks of question files as a reward: training draws answers, and `feilun.evaluate.checks` says how good they are."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from feilun.evaluate.checks import Check, passes
from feilun.text import Text
from feilun.validation import explain


class _Line(BaseModel):
    checks: Annotated[list[Check], Field(min_length=1)]


class ShareOfChecks:
    """A `feilun.train.judges.Verifier` that finds faults before the training."""

    def __call__(self, row: dict[str, Any], answer: str) -> float:
        """The share of a question's ``checks`` that the answer passes. ``row``: its line (`feilun.evaluate.questions`)."""
        checks = _Line.model_validate(row).checks
        asked = [message for message in row["messages"] if message["role"] != "assistant"]
        request = (asked or row["messages"])[-1]["content"]
        return sum(passes(check, answer, request) for check in checks) / len(checks)

    def fault(self, row: dict[str, Any]) -> Text | None:
        """Why there is no such share, and what to do."""
        try:
            _Line.model_validate(row)
        except ValidationError as error:
            # A misspelt key is also a missing one: the spelling is what helps. sorted() keeps the order otherwise.
            problem = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")[0]
            said, where = explain(problem), _path(problem["loc"])
            return Text(
                f'{where}: {said.en}. With reward = "checks" every line has some, such as '
                f'"checks": [{{"contains": ["Paris"]}}]; else name a reward model (reward)',
                f'{where}：{said.zh}。reward = "checks" 时每行都应有检查，例如 '
                f'"checks": [{{"contains": ["Paris"]}}]；否则请用 reward 指定奖励模型',
            )
        return None


share_of_checks = ShareOfChecks()


def _path(steps: tuple[int | str, ...]) -> str:
    """A fault's place in the line as its writer sees it, without the names of the types that were tried."""
    named = list(steps)
    if len(named) > 2:
        del named[2]  # the check's kind, which its only key says again
    return ".".join(str(step) for step in named if isinstance(step, int) or step.isidentifier())
