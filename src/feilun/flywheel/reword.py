"""Other ways to ask a question, so that fine-tuning on a correction teaches a fact and not a sentence.

No model: tables of questions that mean the same and a few rules of grammar, a module a language in
`feilun.flywheel.wordings`, and keywords. Where no rule fits safely a question gets keywords and polite frames alone,
and what is no short question gets nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from feilun.evaluate.wording import count_han, count_words, normalise
from feilun.flywheel.wordings import chinese, english
from feilun.flywheel.wordings.keywords import keywords


class Reworded(NamedTuple):
    """Another wording of a question."""

    text: str
    rule: str
    """``words``: other words for the same; ``order``: another word order; ``keywords``: what it asks about, without its
    grammar; ``frame``: politely asked for; ``model``: made by a model (`feilun.flywheel.rewrite`)."""


LONGEST = 200
"""Characters; a longer text is a task, and no rule here was written for tasks."""

_NO_QUESTION = re.compile(r"[\n`{}<>|\\]|https?://|^\s*(?:[-*•]|\d+[.)、])\s")
_SENTENCES = re.compile(r"[.!?]\s+\S|[。！？；;]\s*\w")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Co|Inc|Ltd|No|vs|[A-Z])\.")
_QUOTED = re.compile(r"“[^”]*”|「[^」]*」|《[^》]*》|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NAME = re.compile(r"(?<!\A)\b[A-Z][A-Za-z0-9]+", re.ASCII)
_EXCHANGED = {"CEO"}
"""What looks like a name and has a synonym in the tables."""


def rewordings(question: str, wanted: int = 6) -> list[Reworded]:
    """At most ``wanted`` other wordings of the same meaning, the best first; always the same ones.

    They differ from the question and each other in more than case, width and punctuation. Names, numbers and
    quotations of the question stand in all of them.
    """
    asked = " ".join(question.split())
    if not is_plain(question):
        return []
    language = chinese if in_chinese(asked) else english
    single = _SENTENCES.search(_ABBREVIATION.sub("", _QUOTED.sub("", asked))) is None
    candidates = list(language.reword(asked) if single else language.frame_whole(asked))
    if single:
        candidates += [(text, "keywords") for text in keywords(asked, chinese=language is chinese)]
    seen = {essence(asked)}
    kept: list[Reworded] = []
    for text, rule in _alternate(candidates):
        bare = essence(text)
        if bare not in seen and keeps_facts(asked, text) and len(kept) < wanted:
            seen.add(bare)
            kept.append(Reworded(text, rule))
    return kept


def is_plain(text: str) -> bool:
    """One short paragraph of words: no list, no code, no address."""
    return bool(essence(text)) and len(text) <= LONGEST and not _NO_QUESTION.search(text.strip())


def in_chinese(text: str) -> bool:
    """As many Chinese characters as words, unless it is an English question about something Chinese."""
    return count_han(text) >= max(1, count_words(text)) and not english.OPENS.match(text)


def essence(text: str) -> str:
    """The text without what makes no other wording: case, width, white space and punctuation."""
    return re.sub(r"[\W_]+", "", normalise(text))


def keeps_facts(question: str, text: str) -> bool:
    """Whether all names, numbers and quotations of the question stand in the text. The rules keep what they do not know;
    this is the net under them."""
    facts = {fact for kind in (_QUOTED, _NUMBER, _NAME) for fact in kind.findall(question)}
    return all(fact in text for fact in facts - _EXCHANGED)


def _alternate(candidates: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Two in other words or order, and between them one in keywords; then one in a frame, and so on: any of these alone would
    teach too little."""
    sorts: dict[str, list[tuple[str, str]]] = {"bare": [], "keywords": [], "frame": []}
    for candidate in candidates:
        sorts.get(candidate[1], sorts["bare"]).append(candidate)
    bare = sorts["bare"]
    for each in zip_longest(bare[::2], sorts["keywords"], bare[1::2], sorts["frame"]):
        yield from (one for one in each if one is not None)
