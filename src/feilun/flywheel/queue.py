"""The review queue: what is worth a reviewer's time first, with repetitions together and personal data marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from feilun.data import pii
from feilun.evaluate.wording import normalise
from feilun.store.reviews import Item

ALIKE = 0.7
"""Questions that share so many of their character triples are near-duplicates."""
CORRECTION, COMPLAINT, PRAISE = 4.0, 2.0, 1.0
DISAGREEMENT, REPEATED = 2.0, 0.5
"""Added where people disagree about an answer, and for each further time that the question was asked."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An item and its place in the queue."""

    item: Item
    value: float
    """What it is worth to look at."""
    group: str
    """Id of the first item whose question is nearly the same."""
    disputed: bool
    personal: list[str]
    """Kinds of personal data in what would be learnt, which is masked when the data set is built."""


def ranked(items: Sequence[Item]) -> list[Queued]:
    """The most valuable first; near-duplicates stand together, behind the best of them."""
    groups = _groups(items)
    ratings: dict[str, set[int]] = defaultdict(set)
    for item in items:
        if item.feedback.rating is not None:
            ratings[item.message.id].add(item.feedback.rating)
    sizes: dict[str, int] = defaultdict(int)
    for group in groups.values():
        sizes[group] += 1
    queue: list[Queued] = []
    for item in items:
        disputed = len(ratings[item.message.id]) > 1
        value = _worth(item) + DISAGREEMENT * disputed + REPEATED * (sizes[groups[item.id]] - 1)
        found = pii.find(f"{item.question}\n{item.answer or ''}")
        queue.append(Queued(item, value, groups[item.id], disputed, sorted({one.kind for one in found})))
    best: dict[str, float] = defaultdict(float)
    for one in queue:
        best[one.group] = max(best[one.group], one.value)
    return sorted(queue, key=lambda one: (-best[one.group], one.group, -one.value, one.item.feedback.seq))


def _worth(item: Item) -> float:
    if item.feedback.correction is not None:
        return CORRECTION
    return COMPLAINT if item.feedback.rating == -1 else PRAISE


def _groups(items: Sequence[Item]) -> dict[str, str]:
    """Of each item the id of the first one whose question is nearly the same (Jaccard's index of character triples)."""
    found: dict[str, str] = {}
    heads: list[tuple[str, set[str]]] = []
    for item in items:
        triples = _triples(item.question)
        for head, others in heads:
            common = len(triples & others)
            if common >= ALIKE * (len(triples) + len(others) - common):
                found[item.id] = head
                break
        else:
            heads.append((item.id, triples))
            found[item.id] = item.id
    return found


def _triples(text: str) -> set[str]:
    padded = f"  {' '.join(normalise(text).split())} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}
