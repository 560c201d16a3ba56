"""Question files, and how a model does on them.

A question file is JSON lines: ``{"id", "lang", "topic", "messages", "checks"}``, see `Question`. ``recipes/eval``
holds ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from feilun.evaluate.checks import Check, Cites, Code, passes
from feilun.evaluate.report import Graded, Report
from feilun.evaluate.wording import AnswerLanguage, in_language
from feilun.text import FeilunError
from feilun.validation import explain, invalid

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]

_SOURCE = re.compile(r"^\[(\d+)\]", re.MULTILINE)


class Message(BaseModel):
    """One turn of a conversation, as in OpenAI's API."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, StringConstraints(min_length=1)]


class Question(BaseModel):
    """A conversation up to the user's last message, and what a good answer to it has.

    Besides its ``checks``, every answer must end by itself (``ends``) and be in the right language (``language``).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Name
    lang: Literal["zh", "en"]
    topic: Name
    messages: Annotated[list[Message], Field(min_length=1)]
    checks: Annotated[list[Check], Field(min_length=1)]
    answer_lang: AnswerLanguage | None = None
    """Language of the answer, ``lang`` if not given; ``any`` for code, JSON and mixtures."""

    @model_validator(mode="after")
    def _consistent(self) -> Question:
        roles = [message.role for message in self.messages]
        turns = roles[1:] if roles[0] == "system" else roles
        if turns != ["user", *["assistant", "user"] * (len(turns) // 2)]:
            raise invalid(
                f"messages must be user and assistant in turn, the last of the user, not: {', '.join(roles)}",
                f"messages 应为 user 与 assistant 交替，以 user 结尾，现为：{'、'.join(roles)}",
            )
        given = {int(n) for message in self.messages for n in _SOURCE.findall(message.content)}
        for check in self.checks:
            if isinstance(check, Cites) and (missing := set(check.cites) - given):
                which = ", ".join(f"[{n}]" for n in sorted(missing))
                raise invalid(
                    f"cites {which}, but no line of the messages begins with it",
                    f"cites 要求引用 {which}，但消息中没有以它开头的行",
                )
        return self

    @property
    def runs_code(self) -> bool:
        """Whether the code in an answer is run to check it."""
        return any(isinstance(check, Code) for check in self.checks)

    def failures(self, answer: Answer) -> list[str]:
        """The kinds of the checks that the answer fails, each once."""
        failed = [] if answer.ended else ["ends"]
        if not in_language(self.answer_lang or self.lang, answer.text):
            failed.append("language")
        request = self.messages[-1].content
        failed += [check.kind for check in self.checks if not passes(check, answer.text, request)]
        return list(dict.fromkeys(failed))

    def kinds(self) -> list[str]:
        """The kinds of all its checks, each once."""
        return list(dict.fromkeys(["ends", "language", *(check.kind for check in self.checks)]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    ended: bool
    """It stopped by itself, before the limit on its length."""
    earlier: tuple[str, ...] = ()
    """Of a conversation of several turns: the answers before this last one."""


Ask = Callable[[Sequence[Message]], Answer]


def read_questions(path: Path) -> list[Question]:
    """The questions of a file. Raises `FeilunError` (``questions_invalid``) with file and line."""
    try:
        # Split at line feeds only: texts hold U+2028 and other characters that Python takes for ends of lines.
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        why = error.strerror
        raise _invalid(f"Cannot read the questions {path}: {why}.", f"无法读取题目 {path}：{why}。") from None
    except UnicodeDecodeError:
        raise _invalid(
            f"{path} is not UTF-8 text. Save it as UTF-8.", f"{path} 不是 UTF-8 文本。请以 UTF-8 保存。"
        ) from None
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            question = Question.model_validate_json(line)
        except ValidationError as error:
            # A misspelt key is also a missing one: the spelling is what helps. sorted() keeps the order otherwise.
            fault = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")[0]
            said, where = explain(fault), _path(fault["loc"])
            at = (f"{where}: ", f"{where}：") if where else ("", "")
            raise _invalid(
                f"{path}:{number}: {at[0]}{said.en}.", f"{path}:{number}：{at[1]}{said.zh}。"
            ) from None
        if question.id in questions:
            raise _invalid(
                f"{path}:{number}: the id '{question.id}' is there already. Each question needs its own.",
                f"{path}:{number}：编号“{question.id}”重复。每道题应有自己的编号。",
            )
        questions[question.id] = question
    if not questions:
        raise _invalid(f"{path} holds no questions.", f"{path} 中没有题目。")
    return list(questions.values())


def _path(steps: Sequence[int | str]) -> str:
    """A fault's place in the question as its writer sees it, without the names of the types that were tried."""
    named = list(steps)
    if named[:1] == ["checks"] and len(named) > 2:
        del named[2]  # the check's kind, which its only key says again
    return ".".join(str(step) for step in named if isinstance(step, int) or step.isidentifier())


def ask_all(
    ask: Ask,
    questions: Sequence[Question],
    *,
    concurrency: int = 1,
    done: Callable[[Graded], object] = lambda _: None,
) -> Report:
    """Ask every question, ``concurrency`` at a time, and grade the answers; the report has them in the given order.

    ``ask`` and ``done``, which is told of each graded answer, are called from several threads.
    What ``ask`` raises ends the whole: a server that fails is no bad answer.
    """

    failures: list[Exception] = []

    def one(question: Question) -> Graded:
        if failures:  # asking would only make the user wait for the news
            raise failures[0]
        start = time.monotonic()
        try:
            answer = ask(question.messages)
        except FeilunError as error:
            en, zh = error.text.en, error.text.zh
            failures.append(FeilunError(f"{question.id}: {en}", f"{question.id}：{zh}", code=error.code))
            raise failures[0] from None
        seconds = time.monotonic() - start
        graded = Graded(
            id=question.id,
            lang=question.lang,
            topic=question.topic,
            answer=answer.text,
            ended=answer.ended,
            seconds=round(seconds, 3),
            checked=question.kinds(),
            failed=question.failures(answer),
        )
        done(graded)
        return graded

    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")
    try:
        return Report(answers=list(pool.map(one, questions)))
    finally:
        pool.shutdown(cancel_futures=True)


def _invalid(en: str, zh: str) -> FeilunError:
    return FeilunError(en, zh, code="questions_invalid")
