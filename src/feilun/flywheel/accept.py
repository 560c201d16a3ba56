"""Rules by which items are accepted without a reviewer: few, plain, and off unless the recipe names them.

What a reviewer has decided stays decided. Left to a reviewer is in any case what holds personal data, what people
disagree about, and what one person would teach beyond the limit of a turn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.orm import Session

from feilun.data import pii
from feilun.evaluate.wording import normalise
from feilun.flywheel.recipe import ReviewRecipe, Rule
from feilun.store import LOCAL_OWNER
from feilun.store.reviews import Item, decide, items

REVIEWER = "rule:"
"""Before a rule's name, where a decision names its reviewer."""

_Key = tuple[str, ...]


def accept_by_rules(session: Session, recipe: ReviewRecipe) -> Counter[Rule]:
    """Accept what the recipe's rules accept of the pending items; how many of each rule."""
    chosen = by_rule(items(session), recipe) if recipe.accept else {}
    for item_id, rule in chosen.items():
        decide(session, item_id, "accept", reviewer=f"{REVIEWER}{rule}")
    return Counter(chosen.values())


def by_rule(everything: Sequence[Item], recipe: ReviewRecipe) -> dict[str, Rule]:
    """By the id of each pending item that a rule accepts: the first such rule. ``everything``: items of all states."""
    standing = [item for item in everything if item.state != "rejected"]
    disputed = _disputed(everything)
    room = Counter(item.feedback.user for item in everything if item.state == "accepted")
    accepts = {rule: _RULES[rule](standing) for rule in recipe.accept}
    chosen: dict[str, Rule] = {}
    for item in everything:
        if item.state != "pending" or _asked(item) in disputed or _personal(item):
            continue
        rule: Rule | None = next((rule for rule in recipe.accept if item.id in accepts[rule]), None)
        user = item.feedback.user
        if rule is not None and (user == LOCAL_OWNER or room[user] < recipe.per_user):
            room[user] += 1
            chosen[item.id] = rule
    return chosen


def _owner_corrections(standing: Sequence[Item]) -> set[str]:
    return {item.id for item in standing if item.feedback.correction and item.feedback.user == LOCAL_OWNER}


def _agreed_corrections(standing: Sequence[Item]) -> set[str]:
    return _by_two(item for item in standing if item.feedback.correction)


def _praised_by_two(standing: Sequence[Item]) -> set[str]:
    return _by_two(
        item
        for item in standing
        if item.feedback.rating == 1 and item.answer and not item.feedback.correction
    )


_RULES: dict[Rule, Callable[[Sequence[Item]], set[str]]] = {
    "owner-corrections": _owner_corrections,
    "agreed-corrections": _agreed_corrections,
    "praised-by-two": _praised_by_two,
}


def _by_two(found: Iterable[Item]) -> set[str]:
    """Those with whose question and answer another person agrees."""
    alike: dict[_Key, list[Item]] = defaultdict(list)
    for item in found:
        alike[*_asked(item), _plain(item.answer or "")].append(item)
    return {
        item.id for group in alike.values() if len({one.feedback.user for one in group}) > 1 for item in group
    }


def _disputed(everything: Iterable[Item]) -> set[_Key]:
    """Questions to which people want different answers, or one that somebody calls bad or a reviewer has rejected."""
    wanted: dict[_Key, dict[str, str]] = defaultdict(dict)  # by question and person: the newest counts
    bad: dict[_Key, set[str]] = defaultdict(set)
    for item in everything:
        if item.feedback.rating == -1:
            bad[_asked(item)].add(_plain(item.message.content))
        if item.answer and item.state == "rejected":
            bad[_asked(item)].add(_plain(item.answer))
        elif item.answer:
            wanted[_asked(item)][item.feedback.user] = _plain(item.answer)
    found = {asked: set(answers.values()) for asked, answers in wanted.items()}
    return {asked for asked, answers in found.items() if len(answers) > 1 or answers & bad[asked]}


def _asked(item: Item) -> _Key:
    """The conversation up to the question, however it is spaced and written in upper or lower case."""
    return tuple(
        _plain(text) for text in (item.message.params.get("system") or "", *_before(item), item.question)
    )


def _before(item: Item) -> list[str]:
    return [row.content for row in item.before[:-1]]


def _personal(item: Item) -> bool:
    return any(pii.find(text) for text in (*_before(item), item.question, item.answer or ""))


def _plain(text: str) -> str:
    return " ".join(normalise(text).split())
