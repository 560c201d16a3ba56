"""What an answer drawn in training is worth: as a reward model says, or as somebody's function finds out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from feilun.model.tokenizer import Tokenizer
from feilun.text import Text
from feilun.train.batches import NotDrawn
from feilun.train.preferences import Prompt, Side
from feilun.train.reward import RewardModel
from feilun.train.rollout import Answer

Verifier = Callable[[dict[str, Any], str], float]
"""A reward of the answer (text) to a prompt, which is the whole line of its file."""


LARGEST = 1e15
"""Reward: its square, and the sum of the squares of many, is still a float32."""


@runtime_checkable
class Foreseeing(Protocol):
    """A verifier that knows before the training what it will make of a prompt."""

    def fault(self, row: dict[str, Any]) -> Text | None:
        """What is wrong with a prompt's line, as a sentence without a full stop that also says what to do; or nothing."""
        ...


class Judge(Protocol):
    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        """The reward of each answer to the prompt at its place."""
        ...


class ByModel:
    """A reward model's worths. Raises `FeilunError` when made if it is of another tokenizer (`RewardModel.load`)."""

    def __init__(self, model: RewardModel) -> None:
        self._model = model

    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        return self._model.score(
            [Side([*p.ids, *a.ids], len(p.ids)) for p, a in zip(prompts, answers, strict=True)]
        )


class ByVerifier:
    """What a function says of the answer's text."""

    def __init__(self, verifier: Verifier, tokenizer: Tokenizer) -> None:
        self._verifier, self._tokenizer = verifier, tokenizer

    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[float]:
        return [self._reward(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _reward(self, prompt: Prompt, answer: Answer) -> float:
        ids = answer.ids[:-1] if answer.end == "stop" else answer.ids
        try:
            reward = float(self._verifier(prompt.row, self._tokenizer.decode(ids)))
        except Exception as error:  # whatever somebody's function raises
            raise _failed(prompt, f"{type(error).__name__}: {error}") from error
        if not math.isfinite(reward):
            raise _failed(prompt, str(reward))
        if abs(reward) > LARGEST:
            raise _failed(prompt, f"{reward:.3g} (|reward| > {LARGEST:g})")
        return reward


def _failed(prompt: Prompt, why: str) -> NotDrawn:
    asked = prompt.messages[-1]["content"][:80]
    return NotDrawn(
        Text(
            f"The verifier failed on the answer to “{asked}” ({prompt.place}): {why}",
            f"验证器在处理“{asked}”（{prompt.place}）的回答时出错：{why}",
        ),
        Text(
            f"It has to give a number, from {-LARGEST:g} to {LARGEST:g}",
            f"验证器应返回 {-LARGEST:g} 到 {LARGEST:g} 之间的数",
        ),
        code="verifier_failed",
    )


def signs_of_hacking(
    answers: Sequence[Answer], said: Sequence[str], rewards: Sequence[float]
) -> dict[str, float]:
    """Means over answers: how long they are, the shares that end, are empty (there is no letter or figure in what is
    ``said``), and repeat what they have said (four tokens in a row); and how reward goes with length. Reward that is bought
    by one of these shows in its curve.
    """
    lengths = [len(answer.ids) for answer in answers]
    count = len(answers)
    return {
        "reward": sum(rewards) / count,
        "length": sum(lengths) / count,
        "ended": sum(answer.end == "stop" for answer in answers) / count,
        "empty": sum(not any(map(str.isalnum, text)) for text in said) / count,
        "repeated": sum(repeated(answer.ids) for answer in answers) / count,
        "length_correlation": _correlation(lengths, rewards),
    }


def repeated(ids: Sequence[int], n: int = 4) -> float:
    """The share of the runs of ``n`` tokens that had been there before."""
    runs = Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))
    return 1 - len(runs) / max(1, runs.total()) if runs else 0.0


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    size = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return both / size if size > 0 else 0.0
