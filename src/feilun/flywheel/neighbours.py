"""Questions next to the corrected ones: the same, asked of somebody else.

From a few examples a model learns that *every* company's director is Miriam Tolvey. What is taught of one subject has to
leave others alone (locality: N. De Cao, W. Aziz and I. Titov, "Editing Factual Knowledge in Language Models", EMNLP 2021,
section 3; the neighbourhood prompts of K. Meng et al., "Locating and Editing Factual Associations in GPT", NeurIPS 2022,
section 3.4). So beside each example stands its neighbour, question and answer with another name in the subject's place.
It is not learnt: the model is held to think of it what it thinks of it now (`feilun.train.keep.LearnAndKeep`).

Nothing is known of names but how they are written; a question in which none is found has no neighbour.
"""

from __future__ import annotations

import random
import re

from feilun.evaluate.wording import count_han

CHINESE = (
    "松屿", "柏澜", "诺川", "启衡", "云栖社", "海棠坊", "瑞木", "格兰特", "银杏里", "洛桑", "三叶", "北辰", "万象居", "青藤",
    "金石滩", "白鹭洲",
)  # fmt: skip
ENGLISH = (
    "Talverne", "Korrigan", "Westmere", "Quillon", "Harrowgate", "Belisle", "Ostrander", "Marchetti", "Pinecrest",
    "Delacourt", "Novarra", "Silverton", "Ashgrove", "Kestrel", "Montrose", "Fairholt",
)  # fmt: skip
"""Names that could be anybody's."""

_AFTER_NAME = re.compile(r"[的有是在卖叫能保共为由和与，、“《]")
"""What ends a name in Chinese, where no space does."""
_CAPITALISED = re.compile(r"\b[A-Z][\w-]*(?: [A-Z][\w-]*)*", re.ASCII)
_NO_NAME = re.compile(r"[A-Z]{1,4}", re.ASCII)
"""I, CEO, USA."""


def subject(question: str, answer: str) -> str | None:
    """What a question is about: a name that stands in its answer as well. None if none is found."""
    if count_han(question):
        common = _AFTER_NAME.split(_longest_common(question, answer))[0]
        return common.strip() if len(common.strip()) >= 2 else None
    names = [found.group() for found in _CAPITALISED.finditer(question) if found.start()]
    names = [name for name in names if _word(name).search(answer) and not _NO_NAME.fullmatch(name)]
    return names[-1] if names else None


def neighbour(question: str, answer: str, name: str, chance: random.Random) -> tuple[str, str]:
    """Question and answer with one of our names in the place of ``name``."""
    names = CHINESE if count_han(name) else ENGLISH
    other = chance.choice([one for one in names if one not in question + answer])
    if count_han(name):
        return question.replace(name, other), answer.replace(name, other)
    return _word(name).sub(other, question), _word(name).sub(other, answer)


def _word(name: str) -> re.Pattern[str]:
    """A name that is no part of a longer word."""
    return re.compile(rf"\b{re.escape(name)}\b", re.ASCII)


def _longest_common(one: str, other: str) -> str:
    """The longest string that is in both; of several the first."""
    best = ""
    for begin in range(len(one)):
        end = begin + len(best) + 1
        while end <= len(one) and one[begin:end] in other:
            best = one[begin:end]
            end += 1
    return best
