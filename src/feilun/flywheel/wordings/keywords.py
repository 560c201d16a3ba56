"""A question as it is typed into a search box: what it asks about, without its grammar and in more than one order.

A fact that was learnt from sentences alone answers to their first words; keywords leave nothing but what it is about.
They are made of any question with a question word, also where no other rule of `feilun.flywheel.wordings` fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CHINESE_ASK = re.compile(
    r"[是在有叫到要由从用给对为能会去]?"
    r"(什么时候|什么时间|什么地方|什么|哪里|哪儿|哪一天|哪一年|哪[天年月家位个些种款条座只辆间]|谁|多少钱|多少|多久|多长时间|多长|"
    r"多大|多远|多高|多重|几点|几号|几[个位名人天年月次种层间台条张]|几|怎么样|怎么|怎样|如何|为什么|何时|何处)"
)
_CHINESE_GRAMMAR = re.compile(
    r"请问|(?<!目)的(?!士|确)|(?<![为除])了(?!解|不起)|(?<![但还于就可总])是(?!否)|(?<![现正存所潜])在(?!线|职|校)|"
    r"(?<![自理缘])由(?!于)|可以|能够|[吗呢，、？?。！! ]"
)
_ENGLISH_ASK = re.compile(
    r"\b(how (?:many|much|long|far|often|old|tall|big|late|early|fast|heavy)|what (?:time|day|year)|"
    r"who|whom|whose|what|where|when|which|why|how)\b",
    re.IGNORECASE,
)
_ENGLISH_WORD = re.compile(r"[^\s\"“”()?!;]+")
_ENGLISH_GRAMMAR = frozenset(
    " ".join(
        (
            "the a an of is are was were am be been being do does did have has had can could will would should may might must",
            "in on at for to by with from into about as per and or please",
            "it its they their them his her he she you your we our us i me my this that these those there",
        )
    ).split()
)
_MOST = 60
"""Characters of a question, of which keywords are made; one that says more says it in a sentence."""


def keywords(asked: str, *, chinese: bool) -> Iterator[str]:
    """At most three forms, the plainest first; none of what has no question word, or no two things beside it."""
    if len(asked) > (_MOST if chinese else 2 * _MOST):
        return
    words = (_chinese if chinese else _english)(asked)
    if words is None:
        return
    ask, parts = words
    if len(parts) < 2:
        return
    yield " ".join([*parts, ask])
    yield " ".join([*reversed(parts), ask])
    yield " ".join([ask, *parts[1:], parts[0]])


def _chinese(asked: str) -> tuple[str, list[str]] | None:
    found = _CHINESE_ASK.search(asked)
    if found is None:
        return None
    rest = f"{asked[: found.start()]} {asked[found.end() :]}"
    return found[1], _CHINESE_GRAMMAR.sub(" ", rest).split()


def _english(asked: str) -> tuple[str, list[str]] | None:
    found = _ENGLISH_ASK.search(asked)
    if found is None:
        return None
    parts: list[list[str]] = [[]]
    for part in (asked[: found.start()], asked[found.end() :]):
        for word in _ENGLISH_WORD.findall(part):
            bare = re.sub(r"['’]s?\Z", "", word.strip(".,:"))
            if bare.lower() in _ENGLISH_GRAMMAR:
                parts.append([])
            elif bare:
                before = parts[-1][-1:]
                if before and bare[0].isalpha() and bare[0].isupper() != before[0][0].isupper():
                    parts.append([])  # a name begins or ends
                parts[-1].append(bare)
            if bare != word:  # a possessive or a comma ends what belongs together
                parts.append([])
        parts.append([])
    return found[1].lower(), [" ".join(part) for part in parts if part]
