"""The checks of question files: each looks at one property of an answer and says whether it holds.

In a file a check is an object with one key, its kind: ``{"contains": ["Paris"]}``. Here each kind is a class; its
docstring is the reference. An empty answer passes none of them, nor does one that echoes the question.
"""

from __future__ import annotations

import ast
import json
import re
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    JsonValue,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from feilun.evaluate import wording
from feilun.evaluate.code_check import FENCE, code_of, python_passes
from feilun.evaluate.wording import normalise
from feilun.validation import invalid

_T = TypeVar("_T")
Wording = Annotated[str, StringConstraints(min_length=1)]
Some = Annotated[list[_T], Field(min_length=1)]

_ITEM = re.compile(r"^\s*(?:[-*]\s+|•\s*|\d+(?:[、)）．]|\.(?!\d))\s*)\S")
_CITATION = re.compile(r"\[(\d+)\]")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Limits(_Strict):
    """From ``min`` to ``max``, both included; at least one of them is given."""

    min: int = Field(0, ge=0)
    max: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _some(self) -> Limits:
        if not self.model_fields_set:
            raise invalid("give min, max or both", "请给出 min、max 或两者")
        if self.max is not None and self.min > self.max:
            raise invalid(f"min {self.min} is above max {self.max}", f"min {self.min} 大于 max {self.max}")
        return self

    def hold(self, count: int) -> bool:
        return self.min <= count and (self.max is None or count <= self.max)


class BaseCheck(_Strict, ABC):
    kind: ClassVar[str]

    @abstractmethod
    def holds(self, answer: str) -> bool:
        """Whether the property holds of an answer that is not empty."""


class Contains(BaseCheck):
    """Every entry occurs; of an inner list one of its wordings. Case and width make no difference."""

    kind = "contains"
    contains: Some[Wording | Some[Wording]]

    def holds(self, answer: str) -> bool:
        text = normalise(answer)
        wordings = [[entry] if isinstance(entry, str) else entry for entry in self.contains]
        return all(any(normalise(wording) in text for wording in entry) for entry in wordings)


class Excludes(BaseCheck):
    """None of the entries occurs."""

    kind = "excludes"
    excludes: Some[Wording]

    def holds(self, answer: str) -> bool:
        text = normalise(answer)
        return not any(normalise(entry) in text for entry in self.excludes)


class Matches(BaseCheck):
    """The regular expression is found; ``^`` and ``$`` mean lines, ``(?-i:…)`` makes case count."""

    kind = "matches"
    matches: Wording

    @field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise invalid(f"not a regular expression: {error}", f"不是有效的正则表达式：{error}") from None
        return pattern

    def holds(self, answer: str) -> bool:
        return re.search(self.matches, wording.straight(answer), re.IGNORECASE | re.MULTILINE) is not None


class JsonShape(_Strict):
    """What the JSON must be: ``keys`` exactly these (of an array: of each row), ``equals`` among them, ``items`` rows.

    A fence around it is a fault unless the user asked for one (``"fence": true``), and then it has to be there.
    """

    keys: Some[str] | None = None
    equals: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    items: int | None = Field(None, ge=0)
    fence: bool = False


class Json(BaseCheck):
    """The whole answer is JSON of this shape."""

    kind = "json"
    shape: JsonShape = Field(alias="json")

    def holds(self, answer: str) -> bool:
        wanted, text = self.shape, answer.strip()
        if wanted.fence:
            fenced = FENCE.fullmatch(text)
            if fenced is None:
                return False
            text = fenced[2]
        try:
            value = cast("JsonValue", json.loads(text))
        except (ValueError, RecursionError):
            return False
        array = value if isinstance(value, list) else None
        if wanted.items is not None and (array is None or len(array) != wanted.items):
            return False
        rows = [value] if array is None else array
        if wanted.keys is not None and any(_object(row).keys() != set(wanted.keys) for row in rows):
            return False
        found = _object(value)
        return all(
            key in found and _folded(found[key]) == _folded(expected)
            for key, expected in wanted.equals.items()
        )


def _object(value: JsonValue) -> dict[str, JsonValue]:
    """A JSON object; for any other value one without keys."""
    return value if isinstance(value, dict) else {}


def _folded(value: JsonValue) -> str:
    """JSON in which case and width make no difference, nor 7 and 7.0; ``true`` is still not 1."""
    value = json.loads(json.dumps(value), parse_int=float)
    return normalise(json.dumps(value, sort_keys=True, ensure_ascii=False))


class Items(BaseCheck):
    """So many list items: lines that begin with ``-``, ``*``, ``•``, or a number and ``.``, ``、`` or ``)``."""

    kind = "items"
    items: Limits

    def holds(self, answer: str) -> bool:
        return self.items.hold(sum(1 for line in answer.splitlines() if _ITEM.match(line)))


class Lines(BaseCheck):
    """So many lines that are not empty."""

    kind = "lines"
    lines: Limits

    def holds(self, answer: str) -> bool:
        return self.lines.hold(sum(1 for line in answer.splitlines() if line.strip()))


class Words(BaseCheck):
    """So many English words."""

    kind = "words"
    words: Limits

    def holds(self, answer: str) -> bool:
        return self.words.hold(wording.count_words(answer))


class Characters(BaseCheck):
    """So many Chinese characters."""

    kind = "characters"
    characters: Limits

    def holds(self, answer: str) -> bool:
        return self.characters.hold(wording.count_han(answer))


class Cites(BaseCheck):
    """Exactly these sources are cited, each as ``[n]``; an empty list: none."""

    kind = "cites"
    cites: list[int]

    def holds(self, answer: str) -> bool:
        return {int(number) for number in _CITATION.findall(answer)} == set(self.cites)


class Abstains(BaseCheck):
    """Says that it does not know, or that the sources do not say; ``false``: does not."""

    kind = "abstains"
    abstains: bool

    def holds(self, answer: str) -> bool:
        return wording.abstains(answer) == self.abstains


class Refuses(BaseCheck):
    """Declines the request; ``false``: does not."""

    kind = "refuses"
    refuses: bool

    def holds(self, answer: str) -> bool:
        return wording.refuses(answer) == self.refuses


class Number(BaseCheck):
    """The last number in the answer, citations aside."""

    kind = "number"
    number: FiniteFloat

    def holds(self, answer: str) -> bool:
        found = wording.numbers(_CITATION.sub("", answer))
        return bool(found) and found[-1] == self.number


class CodeTest(_Strict):
    """In which language, and the expressions that must be true after it has run."""

    language: Literal["python"]
    asserts: Some[Wording]

    @field_validator("asserts")
    @classmethod
    def _compile(cls, asserts: list[str]) -> list[str]:
        for line in asserts:
            try:
                tree = ast.parse(f"({line}\n)", "assert", "eval")
            except (SyntaxError, ValueError) as error:
                raise invalid(f"'{line}' is not Python: {error}", f"“{line}”不是 Python：{error}") from None
            if isinstance(tree.body, ast.Tuple):  # which is always true
                raise invalid(f"'{line}' is not one expression", f"“{line}”不是单个表达式")
        return asserts


class Code(BaseCheck):
    """The first code block, or the whole answer where there is none, runs, and the asserts hold."""

    kind = "code"
    code: CodeTest

    def holds(self, answer: str) -> bool:
        return python_passes(code_of(answer), self.code.asserts)


_KINDS = (
    "contains", "excludes", "matches", "json", "items", "lines", "words", "characters", "cites", "abstains",
    "refuses", "number", "code",
)  # fmt: skip


def _kind(value: object) -> str | None:
    if isinstance(value, BaseCheck):
        return value.kind
    keys = list(cast("dict[str, object]", value)) if isinstance(value, dict) else []
    return keys[0] if len(keys) == 1 and keys[0] in _KINDS else None


Check = Annotated[
    Annotated[Contains, Tag("contains")]
    | Annotated[Excludes, Tag("excludes")]
    | Annotated[Matches, Tag("matches")]
    | Annotated[Json, Tag("json")]
    | Annotated[Items, Tag("items")]
    | Annotated[Lines, Tag("lines")]
    | Annotated[Words, Tag("words")]
    | Annotated[Characters, Tag("characters")]
    | Annotated[Cites, Tag("cites")]
    | Annotated[Abstains, Tag("abstains")]
    | Annotated[Refuses, Tag("refuses")]
    | Annotated[Number, Tag("number")]
    | Annotated[Code, Tag("code")],
    Discriminator(
        _kind,
        custom_error_type="feilun",
        custom_error_message="{en}",
        custom_error_context={
            "en": f"a check is an object with one key, one of {', '.join(_KINDS)}",
            "zh": f"检查项应为只有一个键的对象，键为 {'、'.join(_KINDS)} 之一",
        },
    ),
]
"""A check as it stands in a file."""


def passes(check: BaseCheck, answer: str, request: str) -> bool:
    """Whether the answer passes; ``request``: the user's last message, which the answer must not merely echo."""
    return bool(answer.strip()) and not echoes(answer, request) and check.holds(answer)


def echoes(answer: str, request: str) -> bool:
    """The answer holds the whole last request, word for word: a small model's favourite way out."""
    return len(request) >= 12 and normalise(request.strip()) in normalise(answer)
