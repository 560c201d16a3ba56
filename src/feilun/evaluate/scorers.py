"""The scorers that a task names under ``[scorers]``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from feilun.evaluate.choice import Choice
from feilun.evaluate.code_check import FENCE, code_of, python_passes
from feilun.evaluate.instructions import INSTRUCTIONS, follows
from feilun.evaluate.item import Item, Score, Scorer, unscorable, verdict
from feilun.evaluate.judge import Judge
from feilun.evaluate.questions import Answer
from feilun.evaluate.similarity import chrf, rouge_l, token_f1, tokens
from feilun.evaluate.template import fill, value_of
from feilun.evaluate.wording import in_language, normalise, numbers, straight
from feilun.text import FeilunError
from feilun.validation import invalid

_NO_TARGET = "the item has no target"
_ARTICLES = {"a", "an", "the"}


class Exact(Scorer):
    """The answer is the target, but for case, width, punctuation, spaces and English articles."""

    def score(self, item: Item, answer: Answer) -> Score:
        if not item.targets:
            return unscorable(_NO_TARGET)
        return verdict(_bare(answer.text) in [_bare(target) for target in item.targets])


def _bare(text: str) -> list[str] | str:
    """Its words without articles; of a text that has none, such as "+" or "the", the text itself."""
    return [token for token in tokens(text) if token not in _ARTICLES] or normalise(text.strip())


class Includes(Scorer):
    """The target occurs in the answer, as a whole word where it begins or ends with a Latin letter or a digit.

    Of a target "name (other name)" either counts, and marks of titles (《》) make no difference. Unscorable where
    anybody hits it: the target occurs in the question, or is one letter or character.
    """

    def score(self, item: Item, answer: Answer) -> Score:
        names = [name for target in item.targets for name in _names(target)]
        if not names:
            return unscorable(_NO_TARGET)
        if any(_holds(item.request, name) for name in names):
            return unscorable("the question holds the target")
        if any(len(name) == 1 and not name.isdigit() for name in names):
            return unscorable("the target is a single character")
        return verdict(any(_holds(answer.text, name) for name in names))


def _names(target: str) -> list[str]:
    both = re.fullmatch(r"([^(（]+)[(（]([^)）]+)[)）]", target.strip())
    found = [name.strip().strip("《》").strip() for name in (both.groups() if both else [target])]
    return [name for name in found if name]


def _holds(text: str, name: str) -> bool:
    wanted = re.escape(normalise(name))
    start = r"(?<![0-9a-z])(?<!\d[.,])" if re.match("[0-9a-z]", normalise(name)) else ""
    end = (
        r"(?![0-9a-z]|[.,]\d)" if re.search(r"[0-9a-z]\Z", normalise(name)) else ""
    )  # 4 is not in 1949, nor in 4.5
    return re.search(start + wanted + end, normalise(text)) is not None


class Number(Scorer):
    """The last number in the answer is the target's last, within ``tolerance``."""

    tolerance: float = Field(1e-6, ge=0)

    def score(self, item: Item, answer: Answer) -> Score:
        wanted = [found[-1] for target in item.targets if (found := numbers(target))]
        if not wanted:
            return unscorable("the target holds no number")
        said = numbers(answer.text)
        if not said:
            return verdict(False, "no number")
        return verdict(any(abs(said[-1] - number) <= self.tolerance for number in wanted), f"{said[-1]:g}")


class Regex(Scorer):
    """``pattern``, a template, is found; if it has a group, what the last finding has there must be the target.

    ``^`` and ``$`` mean lines and case makes no difference; ``(?-i:…)`` makes it count.
    """

    pattern: str = Field(min_length=1)

    def score(self, item: Item, answer: Answer) -> Score:
        pattern = fill(self.pattern, item.row or {})
        try:
            found = list(re.finditer(pattern, straight(answer.text), re.IGNORECASE | re.MULTILINE))
        except re.error as error:
            return unscorable(f"{pattern} is not a regular expression: {error}")
        if not found or not found[-1].re.groups:
            return verdict(bool(found))
        if not item.targets:
            return unscorable(_NO_TARGET)
        said = found[-1][1] or ""
        return verdict(_bare(said) in [_bare(target) for target in item.targets], said)


class _Like(Scorer):
    """How like the target the answer is; of several targets the one it is most like."""

    def score(self, item: Item, answer: Answer) -> Score:
        if not item.targets:
            return unscorable(_NO_TARGET)
        return Score(value=max(self._likeness()(answer.text, target) for target in item.targets))

    def _likeness(self) -> Callable[[str, str], float]:
        raise NotImplementedError


class F1(_Like):
    """Token F1."""

    def _likeness(self) -> Callable[[str, str], float]:
        return token_f1


class Chrf(_Like):
    """chrF, character n-grams."""

    def _likeness(self) -> Callable[[str, str], float]:
        return chrf


class RougeL(_Like):
    """ROUGE-L, the longest common subsequence."""

    def _likeness(self) -> Callable[[str, str], float]:
        return rouge_l


class JsonSchema(Scorer):
    """The answer, or the one fenced block in it, is JSON that ``schema`` allows (a table, or a template of one).

    Needs the package ``jsonschema``.
    """

    allowed: dict[str, JsonValue] | str = Field(alias="schema")

    def score(self, item: Item, answer: Answer) -> Score:
        try:
            import jsonschema  # pyright: ignore[reportMissingTypeStubs]
        except ImportError:
            raise FeilunError(
                "The scorer json_schema needs a package: pip install jsonschema",
                "评分器 json_schema 需要安装软件包：pip install jsonschema",
                code="jsonschema_not_installed",
            ) from None
        check = cast("Any", jsonschema)
        try:
            schema = self.allowed if isinstance(self.allowed, dict) else _parsed(self.allowed, item)
            kind = check.validators.validator_for(schema)
            kind.check_schema(schema)
        except (ValueError, check.SchemaError) as error:
            return unscorable(f"not a JSON schema: {error}".splitlines()[0])
        block = FENCE.fullmatch(answer.text.strip())
        try:
            value = json.loads(block[2] if block else answer.text)
        except (ValueError, RecursionError):
            return verdict(False, "not JSON")
        fault = next(iter(kind(schema).iter_errors(value)), None)
        return verdict(fault is None, fault.message if fault else "")


def _parsed(template: str, item: Item) -> Any:
    value = value_of(template, item.row or {})
    return json.loads(value) if isinstance(value, str) else value


class Ifeval(Scorer):
    """IFEval: all instructions are followed (``level = "prompt"``), or the share of them that are (``"instruction"``).

    ``ids`` and ``arguments`` are templates of two lists of the same length. A row with an instruction that is not
    known is unscorable.
    """

    ids: str = "{instruction_id_list}"
    arguments: str = "{kwargs}"
    level: Literal["prompt", "instruction"] = "prompt"

    def score(self, item: Item, answer: Answer) -> Score:
        ids = value_of(self.ids, item.row or {})
        given = value_of(self.arguments, item.row or {})
        if not isinstance(ids, list) or not isinstance(given, list) or len(ids) != len(given) or not ids:
            return unscorable("no list of instructions and list of their arguments")
        if unknown := [name for name in ids if name not in INSTRUCTIONS]:
            return unscorable(f"unknown instruction {unknown[0]}")
        try:
            broken = [
                str(name)
                for name, arguments in zip(ids, given, strict=True)
                if not follows(str(name), cast("dict[str, Any]", arguments or {}), answer.text)
            ]
        except TypeError as error:
            return unscorable(f"arguments: {error}")
        share = 1 - len(broken) / len(ids)
        return Score(
            value=share if self.level == "instruction" else float(not broken), note=", ".join(broken)
        )


class Code(Scorer):
    """The answer's first code block, or the whole of it, runs after ``setup``, and then ``tests`` do; all are Python.

    ``setup`` and ``tests`` are templates. It is run on this machine, shut in as `feilun.evaluate.sandbox` says.
    """

    tests: str = Field(min_length=1)
    setup: str = ""

    def score(self, item: Item, answer: Answer) -> Score:
        tests, setup = (fill(template, item.row or {}) for template in (self.tests, self.setup))
        if not tests.strip():
            return unscorable("the item has no tests")
        return verdict(python_passes(code_of(answer.text), setup=setup, tests=tests))


class Ends(Scorer):
    """The answer ends by itself, before ``max_tokens``."""

    def score(self, item: Item, answer: Answer) -> Score:
        return verdict(answer.ended)


class InLanguage(Scorer):
    """The answer is in the item's language, ``zh`` or ``en``."""

    def score(self, item: Item, answer: Answer) -> Score:
        if item.language not in ("zh", "en"):
            return unscorable(f"language '{item.language}' is not told apart")
        return verdict(in_language(item.language, answer.text))


class Checks(Scorer):
    """The checks of a question file, all of them."""

    def score(self, item: Item, answer: Answer) -> Score:
        if item.question is None:
            return unscorable("not an item of a question file")
        failed = item.question.failures(answer)
        return verdict(not failed, ", ".join(failed))


class Scorers(BaseModel):
    """The table ``[scorers]``. The first of them, in this order, is what the items are called right or wrong by."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    checks: Checks | None = None
    exact: Exact | None = None
    includes: Includes | None = None
    number: Number | None = None
    choice: Choice | None = None
    regex: Regex | None = None
    json_schema: JsonSchema | None = None
    ifeval: Ifeval | None = None
    code: Code | None = None
    chrf: Chrf | None = None
    rouge_l: RougeL | None = None
    f1: F1 | None = None
    judge: Judge | None = None
    language: InLanguage | None = None
    ends: Ends | None = None

    @field_validator("*")
    @classmethod
    def _is_a_table(cls, scorer: BaseModel | None) -> BaseModel:
        if scorer is None:
            raise invalid("write {} for a scorer without options", "没有选项的评分器请写 {}")
        return scorer

    def single(self) -> Iterator[tuple[str, Scorer]]:
        """Those that judge an answer by itself, by name."""
        for name in Scorers.model_fields:
            if isinstance(scorer := getattr(self, name), Scorer):
                yield name, scorer

    def names(self) -> list[str]:
        """Of all that are set; the first is the main one."""
        return [name for name in Scorers.model_fields if getattr(self, name) is not None]
