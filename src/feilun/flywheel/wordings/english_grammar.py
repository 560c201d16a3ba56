"""The English grammar the rules need: clauses, number, possessives."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from feilun.flywheel.wordings.english_verbs import VERBS, past, third_person

WH_WORD = (
    r"(?:(?:in|on|at|by|from|for|to|of|with|since|until|during)\s)?(?:who|whom|what|when|where|why|how|which)"
)
BE = ("is", "are", "was", "were")
AUX = "|".join([*BE, "do|does|did|has|have|had|will|would|can|could|should|must"])
DEFINITE = re.compile(r"(?:the|its|your|their|our|his|her|my)\s|.+?(?:'s|s')\s", re.IGNORECASE)
DETERMINER = re.compile(r"(?:The|A|An|This|That|These|Those|Its?|Your?|Their|They|Our|We|His|Her?|She|My)\b")
PRONOUNS = {"it": "its", "you": "your", "they": "their", "we": "our", "he": "his", "she": "her"}
OWNERS = {owner: pronoun for pronoun, owner in PRONOUNS.items()}
_NOT_IN_NAMES = re.compile(
    rf"\b(?:{AUX}|in|at|on|for|with|from|by|as|since|before|after|to|per|during|under|without|and|or|who|which|that|"
    r"what|when|where|why|how|if|there|now|currently|today|ever|first|last|next|originally|still|also|usually|really)\b"
    r"|[,;:?!]"
)


class Clause(NamedTuple):
    """A question taken apart. A yes-no question has no ``wh``; one for the subject has only that."""

    wh: str
    aux: str = ""
    subject: str = ""
    rest: str = ""

    def ask(self) -> str:
        """As a direct question, without its mark."""
        return join(self.wh, self.aux, self.subject, self.rest)

    def state(self) -> str | None:
        """Subject first: "X was founded", "X opens its lab"; None where the verb's form is not known."""
        if self.aux not in ("do", "does", "did"):
            return join(self.subject, self.aux, self.rest)
        verb, _, rest = self.rest.partition(" ")
        if verb not in VERBS:
            return None
        form = {"do": verb, "does": third_person(verb), "did": past(verb)}[self.aux]
        return join(self.subject, form, rest)

    def embed(self) -> str | None:
        """As it stands in another sentence: "when X was founded", "the price of X"."""
        if not self.aux:
            return self.wh
        if self.wh == "what" and not self.rest and DEFINITE.match(self.subject):
            return self.subject
        stated = self.state()
        return stated and join(self.wh or "whether", stated)


Number = Literal["one", "many"]


_EITHER = {"lens", "news", "series", "headquarters", "species", "means"}


def number_of(x: str) -> Number | None:
    """``one`` or ``many`` by the last word; None where that may be either."""
    last = x.split()[-1]
    if x in PRONOUNS:
        return "one" if x in ("it", "he", "she") else "many"
    if " and " in x:
        return None
    if not last.islower():
        return "one"
    if last in ("people", "children", "men", "women"):
        return "many"
    if re.match(r"(?:these|those)\b", x):
        return "many"
    if not last.endswith("s") or last.endswith(("ss", "us", "is", "'s")):
        return "one"
    return None if last.endswith(("as", "os", "ics")) or last in _EITHER else "many"


def possessive(x: str) -> str:
    """``X's``, ``its``; a word that is possessive stays."""
    if x in PRONOUNS:
        return PRONOUNS[x]
    if x in OWNERS:
        return x
    return f"{x}'" if x.islower() and x.endswith("s") and not x.endswith("ss") else f"{x}'s"


def is_name(x: str) -> bool:
    """Short, and without words that would tie it to its place in the sentence."""
    return 0 < len(x.split()) <= 8 and _NOT_IN_NAMES.search(x) is None and x != "I"


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def sentence(text: str, end: str) -> str:
    """Begins with a capital where an ordinary word begins it: names keep theirs."""
    first = text.split()[0]
    ordinary = re.fullmatch(
        rf"{WH_WORD}|{AUX}|tell|could|please|do|the|a|an|this|that|its?|your?|their|they|our|we|his|her?|she|my|"
        r"in|on|at|by|from|for|to|of|with|since|until|during",
        first,
    )
    return (text[0].upper() if ordinary else text[0]) + text[1:] + end
