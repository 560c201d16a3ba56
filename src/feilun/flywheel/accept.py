"""Rules by which items are accepted without a reviewer: few, plain, and off unless the recipe names them.

What a reviewer has decided stays decided. Left to a reviewer is in any case what holds personal data, what people
disagree about, and what one person would teach beyond the limit of a turn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.orm import Session

from feilun.flywheel.build import plain, question_key
from feilun.flywheel.queue import disputed_questions, personal
from feilun.flywheel.recipe import ReviewRecipe, Rule
from feilun.store import LOCAL_OWNER
from feilun.store.reviews import Item, decide, items

REVIEWER = "rule:"
"""Before a rule's name, where a decision names its reviewer."""


def accept_by_rules(session: Session, recipe: ReviewRecipe) -> Counter[Rule]:
    """Accept what the recipe's rules accept of the pending items; how many of each rule."""
    chosen = by_rule(items(session), recipe) if recipe.accept else {}
    for item_id, rule in chosen.items():
        decide(session, item_id, "accept", reviewer=f"{REVIEWER}{rule}")
    return Counter(chosen.values())


def by_rule(everything: Sequence[Item], recipe: ReviewRecipe) -> dict[str, Rule]:
    """By the id of each pending item that a rule accepts: the first such rule. ``everything``: items of all states."""
    standing = [item for item in everything if item.state != "rejected"]
    disputed = disputed_questions(everything)
    room = Counter(item.feedback.user for item in everything if item.state == "accepted")
    accepts = {rule: _RULES[rule](standing) for rule in recipe.accept}
    chosen: dict[str, Rule] = {}
    for item in everything:
        if item.state != "pending" or question_key(item) in disputed or personal(item):
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
    alike: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in found:
        alike[question_key(item), plain(item.answer or "")].append(item)
    return {
        item.id for group in alike.values() if len({one.feedback.user for one in group}) > 1 for item in group
    }
