"""The review queue: what is worth a reviewer's time first, with repetitions together and personal data marked.

How sure the model was of an answer does not count. Over the regression suite the mean log-probability of the default
model's tokens tells right answers from wrong ones hardly better than chance (AUROC 0.57, 95 % interval 0.50 to 0.64), the
least likely token no better (0.60), and people have judged these answers already.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feilun.data import pii
from feilun.flywheel.build import plain, question_key, spoken
from feilun.store.reviews import Item, Kind, State

ALIKE = 0.7
"""Questions that share so many of their character triples are near-duplicates."""
WORTH: dict[Kind, float] = {
    "correction": 4.0,
    "edited question": 3.0,
    "choice": 3.0,
    "complaint": 2.0,
    "praise": 1.0,
}
DISAGREEMENT, REPEATED = 2.0, 0.5
"""Added where people disagree about an answer, and each time that the question was asked twice as often,"""
MOST_REPEATED = 4
"""but so many times at most: asking is cheap, and must not push anything to the top."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An item and its place in the queue."""

    item: Item
    value: float
    """What it is worth to look at."""
    group: str
    """Id of the first item whose question is nearly the same, be it in the queue or decided already."""
    disputed: bool
    """Whether people disagree about the answer, or about what is to be answered, be it here or where the same was asked."""
    personal: list[str]
    """Kinds of personal data in what would be learnt, which is masked when the data set is built."""


def ranked(everything: Sequence[Item], state: State | None = None) -> list[Queued]:
    """Those in one state, or all, the most valuable first; near-duplicates stand together, behind the best of them.

    ``everything``: the items of all states, since what was decided already tells what is disputed and what is frequent.
    """
    groups = _groups(everything)
    asked = _asked(everything, groups)
    answers, questions = _disputed_answers(everything), disputed_questions(everything)
    queue: list[Queued] = []
    for item in everything:
        if state not in (None, item.state):
            continue
        group = groups[item.id]
        value = WORTH[item.kind] + REPEATED * min(math.log2(asked[group]), MOST_REPEATED)
        disputed = item.feedback.message_id in answers or question_key(item) in questions
        value += DISAGREEMENT * disputed
        queue.append(Queued(item, value, group, disputed, sorted(personal(item))))
    best: dict[str, float] = defaultdict(float)
    for one in queue:
        best[one.group] = max(best[one.group], one.value)
    return sorted(queue, key=lambda one: (-best[one.group], one.group, -one.value, one.item.feedback.seq))


def personal(item: Item) -> set[pii.Kind]:
    """Kinds of personal data in what would be learnt: the whole conversation, the system prompt too, and the answer."""
    learnt = [*spoken(item), item.answer or item.suggestion or ""]
    return {found.kind for text in learnt for found in pii.find(text)}


def disputed_questions(items: Iterable[Item]) -> set[str]:
    """Keys of the questions to which people want different answers, or one that somebody calls bad or a reviewer has
    rejected."""
    wanted: dict[str, dict[str, str]] = defaultdict(dict)  # by question and person: the newest counts
    bad: dict[str, set[str]] = defaultdict(set)
    for item in items:
        question = question_key(item)
        if item.feedback.rating == -1:
            bad[question].add(plain(item.message.content))
        if item.answer and item.state == "rejected":
            bad[question].add(plain(item.answer))
        elif item.answer:
            wanted[question][item.feedback.user] = plain(item.answer)
    found = {question: set(answers.values()) for question, answers in wanted.items()}
    return {question for question, answers in found.items() if len(answers) > 1 or answers & bad[question]}


def _disputed_answers(items: Sequence[Item]) -> set[str]:
    """Ids of the answers about which people disagree: one likes what another does not, or they correct it differently."""
    ratings: dict[str, set[int]] = defaultdict(set)
    corrections: dict[str, set[str]] = defaultdict(set)
    for item in items:
        said = item.feedback
        if said.rating is not None:
            ratings[said.message_id].add(said.rating)
        if said.correction is not None:
            corrections[said.message_id].add(plain(said.correction))
    return {id for found in (ratings, corrections) for id, said in found.items() if len(said) > 1}


def _asked(items: Sequence[Item], groups: dict[str, str]) -> Counter[str]:
    """How often the questions of each group were asked."""
    questions = {(groups[item.id], item.before[-1].path_hash or item.id): item.times for item in items}
    asked: Counter[str] = Counter()
    for (group, _), times in questions.items():
        asked[group] += times
    return asked


def _groups(items: Sequence[Item]) -> dict[str, str]:
    """Of each item the id of the first one whose question is nearly the same (Jaccard's index of character triples).

    Two sets that are alike have one of their rarest triples in common, so only those that have are compared.
    Source: Bayardo et al., "Scaling Up All Pairs Similarity Search" (2007), section 5 (prefix filtering).
    """
    having = {item.id: triples(item.question) for item in items}
    count = Counter(triple for some in having.values() for triple in some)
    order = {id: place for place, id in enumerate(having)}
    found: dict[str, str] = {}
    heads: dict[str, list[str]] = defaultdict(list)  # by their rarest triples
    for id, mine in having.items():
        rarest = sorted(mine, key=lambda triple: (count[triple], triple))
        rarest = rarest[: len(mine) - math.ceil(ALIKE * len(mine)) + 1]
        candidates = sorted({head for triple in rarest for head in heads[triple]}, key=order.__getitem__)
        found[id] = next((head for head in candidates if _alike(mine, having[head])), id)
        if found[id] == id:
            for triple in rarest:
                heads[triple].append(id)
    return found


def _alike(one: set[str], other: set[str]) -> bool:
    common = len(one & other)
    return common >= ALIKE * (len(one) + len(other) - common)


def triples(text: str) -> set[str]:
    """Runs of three characters, with the spaces before and behind; case and width make no difference."""
    padded = f"  {plain(text)} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}
