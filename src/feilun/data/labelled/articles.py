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


_NAMES = frozenset(
    (
        "place",
        "person",
        "job",
        "team",
        "dish",
        "plant",
        "bird",
        "machine",
        "thing",
        "subject",
        "disease",
        "law",
    )
)
"""Slots of what an article speaks of, and comes back to."""


def cast(slots: Mapping[str, tuple[str, ...]], draw: Random) -> dict[str, tuple[str, ...]]:
    """The slots for one article: two names of each kind, of which one is met more often, and all numbers and days."""
    return {name: _two(values, draw) if name in _NAMES else values for name, values in slots.items()}


def _two(values: tuple[str, ...], draw: Random) -> tuple[str, ...]:
    one, other = draw.sample(values, 2)
    return one, one, other


def article(
    draw: Random, lang: Lang, topic: str | None = None, sentences: int = 0, used: set[str] | None = None
) -> Article:
    """An article of 10 to 26 sentences, no template twice. ``used``: templates and names that others took, which it leaves
    alone as far as there are others, and adds to."""
    bank = banks_zh if lang == "zh" else banks_en
    topic = topic or draw.choice(topics(lang))
    taken: set[str] = set() if used is None else used

    def free(ones: tuple[str, ...], least: int = 1) -> tuple[str, ...]:
        left = tuple(one for one in ones if one not in taken)
        return left if len(left) >= least else ones

    slots = cast({name: free(values, 2) for name, values in bank.SLOTS.items()}, draw)
    slots["theme"] = _two(bank.THEMES[topic], draw)
    place = slots["place"][0]
    slots["org"] = (place + ("" if lang == "zh" else " ") + draw.choice(bank.ORGS[topic]),)
    own, general, returns = list(bank.TOPICS[topic]), free(bank.GENERAL), free(bank.RETURNS)
    count = sentences or draw.randint(8, 22)
    few = min(draw.randint(1, 1 + count // 4), len(general))
    back = min(1 + count // 6, len(returns))
    chosen = draw.sample(own, min(len(own), count - few))
    chosen += draw.sample(general, few) + draw.sample(returns, back)
    taken.update(chosen, *(slots[name] for name in _NAMES & slots.keys()))
    head, rest = chosen[0], chosen[1:]
    draw.shuffle(rest)
    leads = _two(free(bank.LEADS, 2), draw)
    taken.update(leads)
    rest = [draw.choice(leads) + one if draw.random() < 0.3 and one[0] != "“" else one for one in rest]
    lines = [fill(one, slots, draw) for one in [head, *rest]]
    paragraphs: list[str] = []
    while lines:
        take = draw.randint(2, 4)
        paragraphs.append(("" if lang == "zh" else " ").join(lines[:take]))
        del lines[:take]
    return Article(title(draw, lang, topic, slots), paragraphs)


def title(draw: Random, lang: Lang, topic: str, slots: Mapping[str, tuple[str, ...]] | None = None) -> str:
    bank = banks_zh if lang == "zh" else banks_en
    return fill(draw.choice(bank.TITLES), {**(slots or bank.SLOTS), "topic": (topic,)}, draw)
