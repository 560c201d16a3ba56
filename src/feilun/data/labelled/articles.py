"""Articles: a title and paragraphs of sentences that belong to one topic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from feilun.data.labelled import banks_en, banks_zh

Lang = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Article:
    title: str
    paragraphs: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)


def topics(lang: Lang) -> list[str]:
    return list((banks_zh if lang == "zh" else banks_en).TOPICS)


def fill(template: str, slots: Mapping[str, tuple[str, ...]], draw: Random) -> str:
    """The template with each slot drawn anew."""
    return _SLOT.sub(lambda slot: draw.choice(slots[slot[1]]), template)


_SLOT = re.compile(r"\{(\w+)\}")


def article(draw: Random, lang: Lang, topic: str | None = None, sentences: int = 0) -> Article:
    """An article of 8 to 22 sentences, no template twice."""
    bank = banks_zh if lang == "zh" else banks_en
    topic = topic or draw.choice(topics(lang))
    own, general = list(bank.TOPICS[topic]), list(bank.GENERAL)
    count = sentences or draw.randint(8, 22)
    few = min(draw.randint(1, 1 + count // 4), len(general))
    chosen = draw.sample(own, min(len(own), count - few)) + draw.sample(general, few)
    head, rest = chosen[0], chosen[1:]
    draw.shuffle(rest)
    lines = [fill(one, bank.SLOTS, draw) for one in [head, *rest]]
    paragraphs: list[str] = []
    while lines:
        take = draw.randint(2, 4)
        paragraphs.append(("" if lang == "zh" else " ").join(lines[:take]))
        del lines[:take]
    return Article(title(draw, lang, topic), paragraphs)


def title(draw: Random, lang: Lang, topic: str) -> str:
    bank = banks_zh if lang == "zh" else banks_en
    return fill(draw.choice(bank.TITLES), {**bank.SLOTS, "topic": (topic,)}, draw)
