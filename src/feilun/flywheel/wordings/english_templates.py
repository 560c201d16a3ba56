"""Templates of `feilun.flywheel.wordings.english_table`, read and written."""

from __future__ import annotations

import re
from functools import cache

from feilun.flywheel.wordings.english_grammar import (
    DETERMINER,
    OWNERS,
    PRONOUNS,
    Clause,
    Number,
    is_name,
    number_of,
    possessive,
)
from feilun.flywheel.wordings.english_table import GROUPS

_SLOTS = ("wh", "aux", "subject", "rest")


def _slots(line: str) -> list[str]:
    """One slot or four; a bar between alternatives has no space before it."""
    return [slot.strip() for slot in re.split(r" \|(?: |\Z)", line.removeprefix("~ "))]


@cache
def _pattern(line: str) -> re.Pattern[str]:
    """What matches a question asked as the template says: ``x``, ``s`` (its possessive), ``n`` (agreement), slots."""
    written = not line.startswith("~")
    slots = _slots(line)
    parts: list[str] = []
    for name, slot in zip(_SLOTS, slots, strict=False):
        pattern = (
            re.escape(slot).replace(r"\ ", " ").replace(r"\{", "{").replace(r"\}", "}") if written else slot
        )
        pattern = re.sub(r"(\w+)/(\w+)", r"(?P<n>\1|\2)", pattern)
        pattern = pattern.replace("{x's}", r"(?P<x>its|your|their|our|his|her|.+?(?='s |s' ))(?P<s>'s|s'|)")
        pattern = pattern.replace("{x}", r"(?P<x>.+?)")
        space = r"\s" if parts and slot else ""
        parts.append(f"{space}(?P<{name}>{pattern})")
    return re.compile("".join(parts), re.IGNORECASE)


def by_template(core: str) -> Clause | None:
    """The clause as it was asked, if a template says where the subject ends."""
    for group in GROUPS:
        for line in group:
            if match := _pattern(line).fullmatch(core):
                return Clause(*(match[name] for name in _SLOTS)) if len(_slots(line)) == 4 else Clause(core)
    return None


def same_group(core: str) -> list[Clause] | None:
    """What the question's group has in other words, the best first; None when it is in no group."""
    for group in GROUPS:
        matches = ((line, _pattern(line).fullmatch(core)) for line in group)
        fitting = [(line, match) for line, match in matches if match and is_name(match["x"])]
        if fitting:
            read, match = min(fitting, key=lambda one: len(one[1]["x"]))
            x, number = _subject(match)
            filled = (_fill(line, x, number) for line in group if line != read and not line.startswith("~"))
            return [clause for clause in filled if clause is not None]
    return None


def _subject(match: re.Match[str]) -> tuple[str, Number | None]:
    """Whom the question is about, and whether that is ``one`` or ``many``; None when nothing says."""
    groups = match.groupdict()
    x = OWNERS.get(groups["x"].lower(), groups["x"])
    if groups.get("s") == "s'":
        x += "s"
    if DETERMINER.match(x):
        x = x[0].lower() + x[1:]
    if groups.get("n") in ("is", "was", "does"):
        return x, "one"
    if groups.get("n") in ("are", "were", "do"):
        return x, "many"
    return x, number_of(x)


def _fill(line: str, x: str, number: Number | None) -> Clause | None:
    """The template about x; None where it would not be grammatical."""
    slots = _slots(line)
    if "/" in line and number is None:
        return None
    if (
        x in PRONOUNS
        and "{x}" in line
        and "{x}" not in (slots[2:3] or [""])
        and (len(slots) == 4 or x not in ("it", "you"))
    ):
        return None
    filled = [
        re.sub(r"(\w+)/(\w+)", lambda m: m[1 if number == "one" else 2], slot)
        .replace("{x's}", possessive(x))
        .replace("{x}", x)
        for slot in slots
    ]
    return Clause(*filled)
