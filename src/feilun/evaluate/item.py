"""One question of a task, and the score of an answer to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from feilun.evaluate.questions import Answer, Message, Question
from feilun.evaluate.template import Row


@dataclass(frozen=True, slots=True)
class Item:
    """What a model is asked, and what is known of the right answer."""

    id: str
    language: str
    topic: str
    """Both may be empty."""
    messages: tuple[Message, ...]
    """Up to the first message of the user that awaits an answer."""
    more: tuple[str, ...] = ()
    """What the user says after each answer, in a conversation of several turns."""
    targets: tuple[str, ...] = ()
    """Right answers, each as good as the other."""
    choices: tuple[str, ...] = ()
    row: Row | None = None
    """The line of the data file."""
    question: Question | None = None
    """That of a question file, with its checks."""

    @property
    def request(self) -> str:
        """The user's last message."""
        return self.more[-1] if self.more else self.messages[-1].content


class Score(BaseModel):
    """How good an answer is."""

    value: float | None
    """0 to 1; None: it could not be judged, which is not a zero."""
    note: str = ""
    """Why, where the value does not say it."""


class Scorer(BaseModel, ABC):
    """Judges one answer by itself. A subclass's fields are what a task may set; its docstring is their reference."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @abstractmethod
    def score(self, item: Item, answer: Answer) -> Score: ...


def unscorable(why: str) -> Score:
    return Score(value=None, note=why)


def verdict(right: bool, note: str = "") -> Score:
    return Score(value=float(right), note=note)
