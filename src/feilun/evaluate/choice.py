"""Multiple choice: which letter an answer means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from feilun.evaluate.item import Item, Score, Scorer, unscorable, verdict
from feilun.evaluate.questions import Answer
from feilun.evaluate.template import LETTERS
from feilun.evaluate.wording import normalise

_SAID = (
    # The whole answer, or its beginning: "B", "(B)", "B. Paris", "B、巴黎"
    r"\A\W*(?:选|选项|option\s+)?([A-Z])(?![A-Za-z'’])(?:\W*\Z|\s*[.)）、:：。，,\n]|\s*\))",
    # "the answer is B", "答案是（B）", "正确选项为 B", "选 B"
    r"(?:answer|choice|option)\s*(?:is|:|=)?\s*[*(（\[]*([A-Z])(?![A-Za-z])",
    r"(?:答案|选项|应选|应该选|选择|选)\s*(?:是|为|：|:|应为|应该是)?\s*[*(（\[“\"]*([A-Z])(?![A-Za-z])",
)
_ALONE = re.compile(r"(?<![A-Za-z'’])([A-Z])(?![A-Za-z'’])")


class Choice(Scorer):
    """The letter that the answer means is the target's, which is a letter, or the text of one of the choices.

    An answer that names no letter but holds the text of just one choice means that; any other is wrong.
    """

    def score(self, item: Item, answer: Answer) -> Score:
        if not item.choices:
            return unscorable("the task has no choices")
        right = {letter_of(target, item.choices) for target in item.targets} - {None}
        if not right:
            return unscorable("the target is none of the choices")
        said = said_letter(answer.text, item.choices)
        return verdict(said in right, said or "no letter")


def letter_of(target: str, choices: Sequence[str]) -> str | None:
    """The letter of a target: the text of a choice, or a letter itself."""
    texts = [normalise(choice.strip()) for choice in choices]
    if (wanted := normalise(target.strip())) in texts:
        return LETTERS[texts.index(wanted)]
    letter = target.strip().strip("().").upper()
    return letter if letter and letter in LETTERS[: len(choices)] else None


def said_letter(answer: str, choices: Sequence[str]) -> str | None:
    """The letter that an answer chooses, None if it does not say."""
    known = LETTERS[: len(choices)]
    text = unicodedata.normalize("NFKC", answer).strip()
    for pattern in _SAID:
        found = [letter.upper() for letter in re.findall(pattern, text, re.IGNORECASE)]
        if found and found[-1] in known:
            return found[-1]
    alone = {letter for letter in _ALONE.findall(text) if letter in known and letter not in "AI"}
    if len(alone) == 1:
        return alone.pop()
    folded = normalise(answer)
    named = [
        at for at, choice in enumerate(choices) if choice.strip() and normalise(choice.strip()) in folded
    ]
    # "37°C" stands in "137°C": of choices that hold each other the longest is meant.
    longest = [at for at in named if not any(choices[at] in choices[other] for other in named if other != at)]
    return known[longest[0]] if len(longest) == 1 else None
