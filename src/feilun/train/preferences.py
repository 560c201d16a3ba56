"""What people prefer, in tokens: pairs of answers, single thumbs, and prompts that are still to be answered.

Lines of JSON in the one chat format: ``{"messages", "chosen", "rejected", "margin"?}``, ``{"messages", "label"}`` where the
last message is the answer and ``label`` says whether it was good, ``{"messages", ...}`` for prompts. ``lang`` may be given
in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from feilun.model.chat_template import Message as Said
from feilun.model.tokenizer import Tokenizer
from feilun.text import FeilunError
from feilun.train.conversations import Message, is_apart, nothing_left, read_lines

MOST_MARGIN = 100.0
"""Of a pair, in nats: what is usual is from 0 to 3, and far above nothing but the margin would be learnt."""


class _Line(BaseModel):
    """A pair, or one answer with a thumb."""

    messages: list[Message]
    chosen: Message | None = None
    rejected: Message | None = None
    margin: float = Field(default=0.0, ge=-MOST_MARGIN, le=MOST_MARGIN, allow_inf_nan=False)
    label: bool | None = None
    lang: str | None = None


class _PromptLine(BaseModel):
    model_config = ConfigDict(extra="allow")

    messages: list[Message]


@dataclass(frozen=True)
class Side:
    """A conversation whose last message is the answer in question, up to the token that ends it."""

    ids: list[int]
    begin: int
    """Where the answer begins."""


@dataclass(frozen=True)
class Pair:
    """Two answers to the same: the first was preferred."""

    chosen: Side
    rejected: Side
    margin: float
    language: str


@dataclass(frozen=True)
class Thumb:
    """One answer, and whether it was good."""

    answer: Side
    label: bool


@dataclass(frozen=True)
class Prompt:
    """What is to be answered."""

    ids: list[int]
    messages: list[dict[str, str]]
    row: dict[str, Any]
    """The whole line: what a verifier may want to know."""
    place: str


@dataclass
class Faults:
    """Lines that nothing can be learnt from, by what is wrong with them."""

    unasked: list[str] = field(default_factory=list[str])
    equal: list[str] = field(default_factory=list[str])
    empty: list[str] = field(default_factory=list[str])
    foreign: list[str] = field(default_factory=list[str])
    incomplete: list[str] = field(default_factory=list[str])
    read: int = 0
    """Lines, of all kinds,"""
    held_out: int = 0
    too_long: int = 0
    """and those that are not learnt from for one of these reasons."""

    def check(self, found: Sequence[object], sources: Sequence[Path], length: int) -> None:
        """Raises `FeilunError` for what is wrong, or if there is nothing ``found`` to learn from."""
        self.raise_if_any()
        if not found:
            raise nothing_left(
                sources, self.read, held_out=self.held_out, too_long=self.too_long, length=length
            )

    def raise_if_any(self) -> None:
        """Raises `FeilunError` with numbers and the first place of each kind."""
        kinds = {
            "unasked": (self.unasked, "there is no question", "没有问题"),
            "equal": (self.equal, "both answers are the same", "两个回答相同"),
            "empty": (self.empty, "an answer is empty", "回答为空"),
            "foreign": (self.foreign, "an answer that is not the assistant's", "回答的 role 不是 assistant"),
            "incomplete": (
                self.incomplete,
                "neither a pair (chosen and rejected) nor an answer with a label",
                "既不是成对的回答（chosen 与 rejected），也不是带 label 的回答",
            ),
        }
        found = [(places, en, zh) for places, en, zh in kinds.values() if places]
        if found:
            en = "; ".join(f"{len(places)} with: {en} (first {places[0]})" for places, en, _ in found)
            zh = "；".join(f"{len(places)} 行：{zh}（首个 {places[0]}）" for places, _, zh in found)
            raise FeilunError(
                f"Lines that nothing can be learnt from: {en}.", f"无法学习的数据行：{zh}。", code="bad_pair"
            )


def read_pairs(
    sources: list[Path], tokenizer: Tokenizer, *, length: int, heldout: float
) -> tuple[list[Pair], list[Pair], int]:
    """Training pairs, held-out ones (by a hash of the question), and how many were longer than ``length`` and left out.

    Raises `FeilunError` for lines that are no pairs, that ask nothing, pairs of equal answers, empty answers, answers that are
    not the assistant's, and if nothing is left.
    """
    train: list[Pair] = []
    apart: list[Pair] = []
    faults = Faults()
    for place, line in read_lines(sources, _Line):
        faults.read += 1
        if line.chosen is None or line.rejected is None:
            faults.incomplete.append(place)
            continue
        sides = _sides(place, line.messages, [line.chosen, line.rejected], tokenizer, length, faults)
        if sides:
            pair = Pair(sides[0], sides[1], line.margin, line.lang or "all")
            (apart if is_apart(line.messages, heldout) else train).append(pair)
    faults.held_out = len(apart)
    faults.check(train, sources, length)
    return train, apart, faults.too_long


def read_thumbs(
    sources: list[Path], tokenizer: Tokenizer, *, length: int, heldout: float
) -> tuple[list[Thumb], list[Thumb], int]:
    """As `read_pairs`, for single answers; a pair is one that was good and one that was not."""
    train: list[Thumb] = []
    apart: list[Thumb] = []
    faults = Faults()
    for place, line in read_lines(sources, _Line):
        faults.read += 1
        if line.label is not None and line.messages and line.messages[-1].role == "assistant":
            before, answers, labels = line.messages[:-1], line.messages[-1:], [line.label]
        elif line.chosen is not None and line.rejected is not None:
            before, answers, labels = line.messages, [line.chosen, line.rejected], [True, False]
        else:
            faults.incomplete.append(place)
            continue
        sides = _sides(place, before, answers, tokenizer, length, faults)
        thumbs = [Thumb(side, label) for side, label in zip(sides, labels, strict=False)]
        kept_apart = is_apart(before, heldout)
        faults.held_out += kept_apart and bool(thumbs)
        (apart if kept_apart else train).extend(thumbs)
    faults.check(train, sources, length)
    return train, apart, faults.too_long


def read_prompts(sources: list[Path], tokenizer: Tokenizer, *, length: int) -> tuple[list[Prompt], int]:
    """What is to be answered, and how much was longer than ``length`` tokens and left out; an answer that stands at the
    end is taken off. Raises `FeilunError` if nothing is left.
    """
    prompts: list[Prompt] = []
    faults = Faults()
    for place, line in read_lines(sources, _PromptLine):
        faults.read += 1
        messages = [message.model_dump() for message in line.messages]
        if messages and messages[-1]["role"] == "assistant":
            messages.pop()
        if not messages:
            faults.unasked.append(place)
            continue
        ids = prompt_ids(tokenizer, messages)
        if len(ids) > length:
            faults.too_long += 1
            continue
        prompts.append(Prompt(ids, messages, line.model_dump(), place))
    faults.check(prompts, sources, length)
    return prompts, faults.too_long


def prompt_ids(tokenizer: Tokenizer, messages: Sequence[Said]) -> list[int]:
    """The ids that an answer to ``messages`` would follow."""
    side = side_of(tokenizer, [*messages, {"role": "assistant", "content": "."}])
    return side.ids[: side.begin]


def side_of(tokenizer: Tokenizer, messages: Sequence[Said]) -> Side:
    """A conversation in tokens. Raises `FeilunError` if its last message is no answer."""
    last = messages[-1] if messages else {"role": "", "content": ""}
    # Else an earlier answer, or none, would be taken for the one in question.
    if last["role"] != "assistant" or not last["content"].strip():
        raise FeilunError(
            "The last message of the conversation is no answer of the assistant.",
            "对话的最后一条消息不是助手的回答。",
            code="no_answer",
        )
    ids, learnt = tokenizer.chat(messages)
    end = len(learnt) - learnt[::-1].index(True) if True in learnt else 0
    begin = end
    while begin and learnt[begin - 1]:
        begin -= 1
    return Side(ids[:end], begin)


def _sides(
    place: str,
    messages: list[Message],
    answers: list[Message],
    tokenizer: Tokenizer,
    length: int,
    faults: Faults,
) -> list[Side]:
    if not messages:
        faults.unasked.append(place)
        return []
    said = [answer.content.strip() for answer in answers]
    if not all(said):
        faults.empty.append(place)
        return []
    if any(answer.role != "assistant" for answer in answers):
        faults.foreign.append(place)
        return []
    if len(said) == 2 and said[0] == said[1]:
        faults.equal.append(place)
        return []
    before = [message.model_dump() for message in messages]
    sides = [side_of(tokenizer, [*before, answer.model_dump()]) for answer in answers]
    if any(len(side.ids) > length for side in sides):
        faults.too_long += 1
        return []
    return sides
