"""Tasks: a data set, how a model is asked, and how its answers are scored, in a few lines of TOML.

    name = "gsm8k"
    data = "gsm8k_dev.jsonl"
    prompt = "{question}\\n\\nEnd with the answer as a number."
    target = "{solution}"
    target_pattern = "#### (.+)"
    scorers.number = {}

``prompt``, ``target`` and what else depends on the row are templates (`feilun.evaluate.template`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from feilun.evaluate.item import Item
from feilun.evaluate.questions import Message, Name, Question, read_questions
from feilun.evaluate.rows import read_rows
from feilun.evaluate.scorers import Checks, Scorers
from feilun.evaluate.solvers import SolverName
from feilun.evaluate.template import LETTERS, Row, fill, texts_of
from feilun.recipe import read_recipe
from feilun.text import FeilunError
from feilun.validation import invalid


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Paths = Annotated[list[str], BeforeValidator(_as_list)]
"""One path or several, relative to the task's file, or below the folder that ``--data`` names."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Params(_Strict):
    """How the model writes."""

    max_tokens: Annotated[int, Field(ge=1)] = 512
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0


class Task(_Strict):
    """A task's file. It has ``questions``, or ``data`` with ``prompt`` and ``scorers``."""

    name: Name
    questions: Paths = []
    """Files of questions with checks, as `feilun.evaluate.questions` reads them."""
    data: Paths = []
    """Files of rows (`feilun.evaluate.rows`)."""

    prompt: str | None = None
    """What the user says. One ``{field}`` that is a list of texts makes a conversation of as many turns."""
    system: str | None = None
    shots: int = Field(0, ge=0)
    """So many examples stand before each question, as earlier turns; of the same topic if there are enough."""
    examples: Paths = []
    """Where they are taken from; if not given, rows of the data, which are then not asked."""
    shot: str | None = None
    """The answer shown in an example (default: its target)."""

    target: str | None = None
    """The right answer; one ``{field}`` that is a list: any of them."""
    target_pattern: str | None = None
    """Regular expression whose first group, in the target, is the target: ``#### (.+)``."""
    choices: Annotated[list[str], BeforeValidator(_as_list)] = []
    """Of multiple choice, in the order of the letters."""

    id: str | None = None
    """(default: the field ``id``, else the number of the row)"""
    language: str | None = None
    """(default: the field ``lang``)"""
    topic: str | None = None
    """By what results are grouped."""

    limit: int | None = Field(None, ge=1)
    """So many items, drawn by ``seed``; those of a smaller limit are in those of a larger one."""
    seed: int = 0
    solver: SolverName = "chat"
    params: Params = Params()
    scorers: Scorers = Scorers()

    @field_validator("target_pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern or "()").groups
        except re.error as error:
            raise invalid(f"not a regular expression: {error}", f"不是有效的正则表达式：{error}") from None
        if not groups:
            raise invalid("needs a group, such as #### (.+)", "需要一个分组，例如 #### (.+)")
        return pattern

    @model_validator(mode="after")
    def _whole(self) -> Task:
        if bool(self.questions) == bool(self.data):
            raise invalid("give either questions or data", "请给出 questions 或 data 之一")
        if self.data and not (self.prompt and self.scorers.names()):
            raise invalid("data needs prompt and scorers", "data 需要 prompt 与 scorers")
        if self.questions and (self.prompt or self.shots):
            raise invalid("questions have their own messages", "questions 自带消息，不能再给 prompt 或 shots")
        if self.solver != "chat" and not self.choices:
            raise invalid(f"solver '{self.solver}' needs choices", f"solver“{self.solver}”需要 choices")
        return self


class Loaded(BaseModel):
    """A task with its items."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    task: Task
    items: list[Item]
    files: list[Path]
    total: int
    """Items there are, of which ``items`` are drawn."""

    @property
    def runs_code(self) -> bool:
        """Whether code in answers is run to score them."""
        checked = self.task.scorers.checks is not None
        asked = (item.question for item in self.items if item.question is not None)
        return self.task.scorers.code is not None or (
            checked and any(question.runs_code for question in asked)
        )


def read_task(
    path: Path, data: Path | None = None, overrides: Mapping[str, object] = MappingProxyType({})
) -> Loaded:
    """A task and its items; a question file (any but ``.toml``) is a task too.

    ``data``: the folder its files are below (default: the task's own). ``overrides``: see `feilun.recipe.read_recipe`.
    Raises `FeilunError` with file and key for what is wrong with either.
    """
    if path.suffix == ".toml":
        task = read_recipe(path, Task, overrides)
    else:
        given = {key.removeprefix("params."): value for key, value in overrides.items() if value is not None}
        limit = given.pop("limit", None)
        params = Params.model_validate({"max_tokens": 256, **given})
        task = Task.model_validate(
            {"name": path.stem, "questions": [path.name], "limit": limit, "params": params}
        )
        data = None
    if task.questions and not task.scorers.names():
        task = task.model_copy(update={"scorers": Scorers(checks=Checks())})
    folder = data or path.absolute().parent
    if task.questions:
        files = [folder / name for name in task.questions]
        found = [_item_of(question) for file in files for question in read_questions(file)]
    else:
        files = [folder / name for name in [*task.data, *task.examples]]
        found = _from_rows(task, path, folder)
    _distinct(path, found)
    return Loaded(task=task, items=_drawn(found, task), files=files, total=len(found))


def _item_of(question: Question) -> Item:
    return Item(
        id=question.id,
        language=question.lang,
        topic=question.topic,
        messages=tuple(question.messages),
        question=question,
    )


def _from_rows(task: Task, path: Path, folder: Path) -> list[Item]:
    rows = [row for name in task.data for row in read_rows(folder / name)]
    if task.examples:
        shown = [row for name in task.examples for row in read_rows(folder / name)]
    else:
        order = sorted(range(len(rows)), key=lambda at: _rank(task.seed, str(at)))
        taken = set(order[: task.shots])
        shown = [rows[at] for at in sorted(taken)]
        rows = [row for at, row in enumerate(rows) if at not in taken]
    if not rows:
        raise _invalid(path, "its data holds no items", "其数据中没有题目")
    if len(shown) < task.shots:
        raise _invalid(
            path, f"shots: {len(shown)} examples for {task.shots}", f"shots：示例只有 {len(shown)} 个"
        )
    at = 0
    try:
        examples = [(_topic(task, row), _shot(task, row)) for row in (shown if task.shots else ())]
        items: list[Item] = []
        for at, row in enumerate(rows, 1):
            items.append(_item(task, row, at, examples))
    except FeilunError as error:
        where = f"row {at}: " if at else "examples: "
        raise _invalid(path, where + error.text.en, where + error.text.zh) from None
    return items


def _item(task: Task, row: Row, number: int, examples: Sequence[tuple[str, list[Message]]]) -> Item:
    topic = _topic(task, row)
    # Those of the same topic first; sorted() keeps the order otherwise.
    nearest = sorted(examples, key=lambda example: example[0] != topic)[: task.shots]
    system = [Message(role="system", content=fill(task.system, row))] if task.system else []
    first, *more = _turns(task, row)
    language = fill(task.language, row) if task.language is not None else str(row.get("lang") or "")
    return Item(
        id=fill(task.id, row) if task.id is not None else str(row.get("id") or number),
        language=language,
        topic=topic,
        messages=(*system, *(turn for _, turns in nearest for turn in turns), first),
        more=tuple(turn.content for turn in more),
        targets=tuple(_targets(task, row)),
        choices=tuple(_choices(task, row)),
        row=row,
    )


def _turns(task: Task, row: Row) -> list[Message]:
    texts = [text for text in texts_of(task.prompt or "", row) if text.strip()]
    if not texts:
        raise FeilunError("the prompt is empty", "提示词为空")
    return [Message(role="user", content=text) for text in texts]


def _shot(task: Task, row: Row) -> list[Message]:
    answer = fill(task.shot, row) if task.shot else "".join(_targets(task, row)[:1])
    return [_turns(task, row)[0], Message(role="assistant", content=answer or "…")]


def _topic(task: Task, row: Row) -> str:
    return fill(task.topic, row) if task.topic else ""


def _choices(task: Task, row: Row) -> list[str]:
    choices = [choice for template in task.choices for choice in texts_of(template, row)]
    if len(choices) > len(LETTERS):
        raise FeilunError(
            f"{len(choices)} choices, more than letters", f"选项有 {len(choices)} 个，字母不够用"
        )
    return choices


def _targets(task: Task, row: Row) -> list[str]:
    """Of a target in which the pattern is not found nothing: its item cannot be scored."""
    targets = texts_of(task.target, row) if task.target else []
    if task.target_pattern is None:
        return targets
    found = [re.search(task.target_pattern, target) for target in targets]
    return [(match[1] or "").strip() for match in found if match]


def _distinct(path: Path, items: Iterable[Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise _invalid(
                path,
                f"two items have the id '{item.id}'; set id",
                f"有两道题的编号都是“{item.id}”；请设置 id",
            )
        seen.add(item.id)


def _drawn(items: list[Item], task: Task) -> list[Item]:
    """The sample, in the order of the file."""
    if task.limit is None or task.limit >= len(items):
        return items
    taken = {item.id for item in sorted(items, key=lambda item: _rank(task.seed, item.id))[: task.limit]}
    return [item for item in items if item.id in taken]


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{name}".encode()).digest()


def _invalid(path: Path, en: str, zh: str) -> FeilunError:
    return FeilunError(f"{path}: {en}.", f"{path}：{zh}。", code="task_invalid")
