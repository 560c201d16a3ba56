"""Conversations as examples: only what the assistant said is learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from feilun.data.tokens import is_heldout
from feilun.model.tokenizer import Tokenizer
from feilun.text import FeilunError
from feilun.train.recipe import ConversationsRecipe
from feilun.validation import explain

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """One of a conversation, as in the API."""

    role: str
    content: str


class _Line(BaseModel):
    messages: list[Message]
    lang: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class Example:
    """A conversation in tokens."""

    ids: list[int]
    learnt: list[bool]
    """Of each token, whether it is the assistant's: its words and the end of its turn."""
    language: str
    keep: bool = False
    """Whether it is there to be kept as likely as it is, not to be learnt (``"keep": true`` in the file)."""


def read_examples(
    data: ConversationsRecipe, sources: list[Path], tokenizer: Tokenizer, *, length: int
) -> tuple[list[Example], list[Example], int]:
    """Training examples of those that ``data`` takes, held-out ones (by a hash of their text), and how many were longer than
    ``length`` and left out.

    Raises `FeilunError` naming file and line for what is no conversation (``{"messages": [...]}``), and if nothing is left.
    """
    train: list[Example] = []
    kept: list[Example] = []
    read = left_out = too_long = 0
    for place, line in read_lines(sources, _Line):
        read += 1
        if not data.takes(said(line.messages)):
            left_out += 1
            continue
        messages = [message.model_dump() for message in line.messages]
        ids, learnt = _at(place, tokenizer, messages)
        if not any(learnt):
            raise FeilunError(
                f"{place}: there is no answer of the assistant to learn from.",
                f"{place}：没有可供学习的助手回答。",
                code="no_answer",
            )
        if len(ids) > length:
            too_long += 1
            continue
        example = Example(ids, learnt, line.lang or "all", line.keep)
        apart = not example.keep and is_apart(line.messages, data.heldout)
        (kept if apart else train).append(example)
    if not train:
        raise nothing_left(
            sources, read, held_out=len(kept), too_long=too_long, length=length, left_out=left_out
        )
    return train, kept, too_long


def nothing_left(
    sources: Sequence[Path], read: int, *, held_out: int, too_long: int, length: int, left_out: int = 0
) -> FeilunError:
    """What to say when of the lines that were ``read`` there is none to learn from, and why each is not."""
    if not read:
        named = [str(source) for source in sources]
        return FeilunError(
            f"Nothing is left to learn from: there is not one line in {', '.join(named)}.",
            f"没有可供学习的数据：{'、'.join(named)} 中没有任何数据行。",
            code="corpus_too_small",
        )
    reasons = [
        (too_long, f"{too_long} are longer than {length} tokens", f"{too_long} 行超过 {length} 个 token"),
        (held_out, f"{held_out} are held out", f"{held_out} 行属于留出集"),
        (left_out, f"{left_out} are left out (data.without)", f"{left_out} 行被略去（data.without）"),
    ]
    advice = [
        (too_long, "raise the length that is allowed", "提高允许的长度"),
        (held_out, "set data.heldout = 0", "设置 data.heldout = 0"),
        (left_out, "change data.without", "修改 data.without"),
    ]
    why, mend = ([one for one in some if one[0]] for some in (reasons, advice))
    return FeilunError(
        f"Nothing is left to learn from: of {read} lines {', '.join(en for _, en, _ in why)}. Give more lines, or "
        f"{', '.join(en for _, en, _ in mend)}.",
        f"没有可供学习的数据：共 {read} 行，{'，'.join(zh for _, _, zh in why)}。请提供更多数据，或{'，'.join(zh for _, _, zh in mend)}。",
        code="corpus_too_small",
    )


def _at(place: str, tokenizer: Tokenizer, messages: list[dict[str, str]]) -> tuple[list[int], list[bool]]:
    """`Tokenizer.chat`, which does not know where in a file it is."""
    try:
        return tokenizer.chat(messages)
    except FeilunError as error:
        if error.code == "no_chat_template":  # whatever the line says
            raise
        raise FeilunError(f"{place}: {error.text.en}", f"{place}：{error.text.zh}", code=error.code) from None


def said(messages: Sequence[Message]) -> str:
    """All words of a conversation."""
    return "\n".join(message.content for message in messages)


def is_apart(messages: Sequence[Message], heldout: float) -> bool:
    """Whether a conversation is one of the share ``heldout`` that is never trained on: by a hash of its text."""
    whole = json.dumps([message.model_dump() for message in messages], ensure_ascii=False)
    return is_heldout(whole, heldout)


def read_lines(sources: list[Path], kind: type[M]) -> Iterator[tuple[str, M]]:
    """Of every line of the sources' ``.jsonl`` files its place (``file:line``) and what it says.

    Raises `FeilunError` naming the place of a line that is not of ``kind``, and if there is no file.
    """
    files = [
        file
        for source in sources
        for file in (sorted(source.rglob("*.jsonl")) if source.is_dir() else [source])
    ]
    if not files:
        raise FeilunError(
            f"There is no .jsonl file in {', '.join(map(str, sources)) or 'the recipe'}.",
            f"{'、'.join(map(str, sources)) or '配方'} 中没有 .jsonl 文件。",
            code="no_text",
        )
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FeilunError(
                f"Cannot read {file}: {error}.", f"无法读取 {file}：{error}。", code="no_text"
            ) from None
        for number, row in enumerate(text.split("\n"), 1):
            if row.strip():
                place = f"{file}:{number}"
                yield place, _parse(place, row, kind)


def _parse(place: str, row: str, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(row)
    except ValidationError as error:
        problem: Any = error.errors()[0]
        said, where = explain(problem), ".".join(map(str, problem["loc"]))
        en, zh = (f"{where}: ", f"{where}：") if where else ("", "")  # none: it is the whole line
        raise FeilunError(
            f"{place}: {en}{said.en}.", f"{place}：{zh}{said.zh}。", code="bad_example"
        ) from None
