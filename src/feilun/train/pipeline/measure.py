"""How good a model is, stage by stage: bits per byte, answers to questions, and whose answers are better."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel

from feilun.data.tokens import TokenDocument
from feilun.evaluate.figures import Difference, Figure
from feilun.evaluate.questions import Answer, Question
from feilun.evaluate.report import Graded, Rate, rate, wilson
from feilun.evaluate.wording import in_language
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.train.heldout import bits_per_byte
from feilun.train.judges import repeated
from feilun.train.pipeline.replies import Reply, replies
from feilun.train.preferences import Prompt, Side
from feilun.train.reward import RewardModel
from feilun.train.rollout import Sampling

REPEATS = 0.2
"""An answer repeats itself if so many of its runs of four tokens, or of four letters, were there before."""
TALKS = ("ends", "language", "repeats")
"""What every answer must do, whatever it was asked: end, stay in the language, not repeat itself."""


class Measured(BaseModel):
    """One model's figures."""

    stage: str
    by: str = ""
    """`Yardstick.digest` of what it was measured by; empty where an earlier Feilun measured."""
    bits: dict[str, float]
    """Bits per byte of held-out text: ``all`` and each language."""
    questions: list[Graded]
    instructions: list[Graded]
    heldout: list[Reply]
    """To the held-out prompts, in their order."""

    @property
    def talks(self) -> Rate:
        """Answers that end, stay in the language and do not repeat themselves."""
        held = [not set(TALKS) & set(answer.failed) for answer in self.questions]
        return Rate(passed=sum(held), total=len(held))

    @property
    def right(self) -> Rate:
        """Answers that pass all their checks."""
        return rate(self.questions)

    @property
    def followed(self) -> Rate:
        """Instructions that were followed."""
        return Rate(passed=sum(map(follows, self.instructions)), total=len(self.instructions))

    def by_check(self, check: str) -> Rate:
        made = [answer for answer in self.questions if check in answer.checked]
        return Rate(passed=sum(check not in answer.failed for answer in made), total=max(1, len(made)))


@dataclass
class Yardstick:
    """What all models of a pipeline are measured by."""

    questions: Sequence[Question]
    instructions: Sequence[Question]
    """Whose checks say whether the answer does what was asked."""
    prompts: Sequence[Prompt]
    """Held out of fine-tuning."""
    documents: Sequence[TokenDocument]
    """Held out of pre-training, in the pipeline's tokenizer."""
    tokens: int
    """The most of an answer."""
    length: int
    """Tokens that are read together of a text."""
    dtype: torch.dtype
    device: torch.device
    """Where the models compute."""

    @cached_property
    def digest(self) -> str:
        """Of the questions, instructions, prompts and documents: what is measured by others cannot be compared."""
        found = hashlib.sha256()
        for question in (*self.questions, *self.instructions):
            found.update(question.model_dump_json().encode())
        for prompt in self.prompts:
            found.update(np.array(prompt.ids, np.int64).tobytes() + b"|")
        for document in self.documents:
            found.update(np.asarray(document.tokens, np.int64).tobytes() + b"|")
        return found.hexdigest()

    def measure(self, folder: Path, stage: str) -> Measured:
        """The model in ``folder``; it answers as is likeliest."""
        model, tokenizer = self._model(folder), Tokenizer.load(folder)
        sampling = Sampling(tokens=self.tokens, temperature=0)
        bits = bits_per_byte(
            model, self.documents, eos_id=tokenizer.eos_id, length=self.length, dtype=self.dtype
        )

        def said(asked: Sequence[Sequence[dict[str, str]]]) -> list[Reply]:
            return replies(model, tokenizer, asked, sampling, dtype=self.dtype)

        def graded(questions: Sequence[Question]) -> list[Graded]:
            asked = [[one.model_dump() for one in question.messages] for question in questions]
            return [grade(question, reply) for question, reply in zip(questions, said(asked), strict=True)]

        return Measured(
            stage=stage,
            by=self.digest,
            bits=bits,
            questions=graded(self.questions),
            instructions=graded(self.instructions),
            heldout=said([prompt.messages for prompt in self.prompts]),
        )

    def of_other(self, folder: Path, tokenizer: Tokenizer) -> dict[str, float]:
        """Bits per byte of the same text under a model with another tokenizer. ``tokenizer``: the pipeline's."""
        model, own = self._model(folder), Tokenizer.load(folder)
        documents = [
            document._replace(
                tokens=np.array([*own.encode(tokenizer.decode(document.tokens[:-1].tolist())), own.eos_id])
            )
            for document in self.documents
        ]
        return bits_per_byte(model, documents, eos_id=own.eos_id, length=self.length, dtype=self.dtype)

    def compare(self, before: Measured, after: Measured, judge: RewardModel) -> list[Difference]:
        """Whose answers to the held-out prompts are better: by the reward model, and by checks that it does not know; who
        follows more instructions; and whose answers to the questions pass. A won item counts 1, an even one 0. What there
        is nothing to compare by is left out: no prompt was held out, there are no instructions.
        """
        names = (before.stage, after.stage)
        scored = [self._rewards(one, judge) for one in (before, after)]
        wins = [float((new > old) - (new < old)) for old, new in zip(*scored, strict=True)]
        found = [
            Difference.of(names, "reward", *_signs(wins)),
            Difference.of(names, "checks", *(self._checks(one) for one in (before, after))),
            Difference.of(names, "instructions", *(_followed(one) for one in (before, after))),
            Difference.of(names, "questions", *(_passed(one) for one in (before, after))),
        ]
        return [one for one in found if one is not None]

    def _model(self, folder: Path) -> Transformer:
        return checkpoint.load(folder, self.dtype).to(self.device).eval()

    def _rewards(self, measured: Measured, judge: RewardModel) -> list[float]:
        pairs = zip(self.prompts, measured.heldout, strict=True)
        return judge.score([Side([*prompt.ids, *reply.ids], len(prompt.ids)) for prompt, reply in pairs])

    def _checks(self, measured: Measured) -> dict[str, float | None]:
        """The share of what every answer must do that each does."""
        pairs = zip(self.prompts, measured.heldout, strict=True)
        return {
            str(number): 1 - len(faults(reply, str(prompt.row.get("lang")), prompt.messages)) / 4
            for number, (prompt, reply) in enumerate(pairs)
        }


def _signs(wins: Sequence[float]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    return (
        {str(number): float(win < 0) for number, win in enumerate(wins)},
        {str(number): float(win > 0) for number, win in enumerate(wins)},
    )


def _passed(measured: Measured) -> dict[str, float | None]:
    return {answer.id: float(not answer.failed) for answer in measured.questions}


def _followed(measured: Measured) -> dict[str, float | None]:
    return {answer.id: float(follows(answer)) for answer in measured.instructions}


def follows(answer: Graded) -> bool:
    """Whether it does what was asked, however it does it: passes all checks but those of `TALKS`."""
    return not set(answer.failed) - set(TALKS)


def grade(question: Question, reply: Reply) -> Graded:
    """By the question's own checks, and by whether it repeats itself."""
    failed = question.failures(Answer(reply.text, reply.ended))
    if says_nothing(reply.text, question.messages[-1].content) and "language" not in failed:
        failed.append("language")
    if repeats(reply):
        failed.append("repeats")
    return Graded(
        id=question.id,
        lang=question.lang,
        topic=question.topic,
        answer=reply.text,
        ended=reply.ended,
        seconds=0,
        checked=[*question.kinds(), "repeats"],
        failed=failed,
    )


def faults(reply: Reply, language: str, messages: Sequence[dict[str, str]]) -> list[str]:
    """What is wrong with an answer, whatever was asked: of ``ends``, ``language``, ``repeats``, ``echo``."""
    found: list[str] = []
    if not reply.ended:
        found.append("ends")
    known = language if language in ("zh", "en") else "any"
    if not in_language(known, reply.text) or says_nothing(reply.text, messages[-1]["content"]):
        found.append("language")
    if repeats(reply):
        found.append("repeats")
    if reply.text == messages[-1]["content"].strip() or not reply.text:
        found.append("echo")
    return found


def says_nothing(answer: str, asked: str) -> bool:
    """Marks are in no language, and figures alone are an answer where figures were asked about."""
    words = any(map(str.isalpha, answer))
    return not words and not (any(map(str.isdigit, answer)) and any(map(str.isdigit, asked)))


def repeats(reply: Reply) -> bool:
    """Whether an answer says the same again and again."""
    text = "".join(reply.text.split())
    runs = Counter(text[i : i + 4] for i in range(len(text) - 3))
    letters = 1 - len(runs) / runs.total() if len(text) >= 24 else 0.0
    return max(repeated(reply.ids), letters) > REPEATS


def winning(difference: Difference) -> Figure:
    """The share of items that the second model wins, even ones counting half; Wilson's interval of as many wins.

    Student's would have no width where all items are even. A half win that is left over widens it to both sides.
    """
    halves = difference.scored + difference.won - difference.lost  # two of a won item, one of an even one
    low, high = wilson(halves // 2, difference.scored)[0], wilson(-(-halves // 2), difference.scored)[1]
    return Figure(
        mean=halves / 2 / difference.scored, interval=(low, high), scored=difference.scored, unscorable=0
    )
