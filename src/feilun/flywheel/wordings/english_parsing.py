"""An English question taken apart, whoever wraps it in "Could you tell me" or puts its question word last."""

from __future__ import annotations

import re
from collections.abc import Collection

from feilun.flywheel.wordings.english_grammar import (
    AUX,
    BE,
    DEFINITE,
    PRONOUNS,
    WH_WORD,
    Clause,
    join,
    number_of,
)
from feilun.flywheel.wordings.english_table import PERSONS
from feilun.flywheel.wordings.english_templates import by_template
from feilun.flywheel.wordings.english_verbs import ALSO_NOUNS, PASTS, PREDICATES, THIRD, VERBS

_FRAMES = (
    r"(?:do|would|did) you (?:happen to )?know|(?:can|could|would|will) you (?:please )?(?:tell me|say|explain)|"
    r"(?:please )?(?:tell me|explain|let me know)|"
    r"(?:I would|I'd) (?:like|love) to know|I want(?:ed)? to know|I(?: a|')m wondering|I wonder"
)
_FRAMED = re.compile(rf"(?:{_FRAMES})(?: about)?,? (.+)", re.IGNORECASE)
_NAME_IT = re.compile(r"(?:please )?(?:name|state|give me|tell me)(?: me)? (.+)", re.IGNORECASE)
_WH = re.compile(
    rf"({WH_WORD}(?:(?:(?<=which)|(?<=what)|(?<=how))(?:\s(?!(?:{AUX}|that|the|an?|its|your|our|their)\b)(?-i:[a-z-]+))"
    rf"{{1,4}}?)?)\s({AUX})\s(.+)",
    re.IGNORECASE,
)
_WH_LAST = re.compile(
    rf"(.+?)\s({WH_WORD}(?:\s(?:much|many|long|year|city|country|time|often))?)", re.IGNORECASE
)
_EMBEDDED = re.compile(
    rf"({WH_WORD}(?:\s(?:much|long|old|tall|often|heavy|big|far)|(?<=how)\smany\s[\w-]+"
    r"|(?<=which)\s(?!of)[\w-]+|(?<=what)\s(?!the|a|an|its?|your|our|their|his|her|this|that|you|they|we)[a-z]+)?)\s(.+)",
    re.IGNORECASE,
)
_YES_NO = re.compile(rf"({AUX})\s(.+)", re.IGNORECASE)
_BAD_END = re.compile(
    r"(?:\w+(?:ing|ed|able|ible|ful)|of|for|in|at|to|with|about|like|on|from|by|now|today|currently)\Z"
)
_NO_SUBJECT = re.compile(
    rf"\b(?:{AUX}|who|whom|whose|which|that|what|when|where|why|how|if|ever|never|already|now|still|also)\b"
    r"|\A(?:of|in|at|on|for|to|with|from|by)\b"
)
_PREDICATE_WITHIN = re.compile(
    r"(?<!\bthe)(?<!\ba)(?<!\ban)(?<!\byour)(?<!\bits)(?<!\bour)(?<!\btheir)(?<!'s) [a-z]+(?:ing|ed)\b"
    r"|\b(?:about|unable|able|likely|ready|willing) to\b"
)
"""What shows that a body is more than a noun: "the team planning today", "the team unable to sell"."""


def parse(asked: str) -> tuple[Clause | None, str]:
    """The clause, or None where its parts are not certain; and as what it stood inside another sentence, if it did."""
    text = plain(asked)
    core = _core(text)
    return _take_apart(core) or _take_apart(_from_end(core)), "" if core == text else core


def plain(asked: str) -> str:
    """Without the end mark, "please" and contractions."""
    text = asked.replace("’", "'").strip().rstrip("?.!？。 ")
    text = re.sub(r",? please\Z|^please,? (?=wh|how)", "", text, flags=re.IGNORECASE)
    return re.sub(r"\b(who|what|when|where|how|which)'s\b", r"\1 is", text, flags=re.IGNORECASE)


def _core(text: str) -> str:
    """The question without the sentence around it."""
    framed = _FRAMED.fullmatch(text)
    core = framed[1] if framed else text
    if re.match(r"(?:whether|if)\s", core, re.IGNORECASE) and framed:
        return core
    named = _NAME_IT.fullmatch(text)
    wanted = named[1] if named else core if framed else ""
    if DEFINITE.match(wanted) and not re.match(rf"(?:{WH_WORD})\b", wanted, re.IGNORECASE):
        head = wanted.partition(" of ")[0].split()[-1]
        noun = re.sub(r"^.*?(?:the|'s|s') ", "", wanted.partition(" of ")[0])
        plural = head.islower() and head.endswith("s") and not head.endswith("ss")
        return join("who" if noun in PERSONS else "what", "are" if plural else "is", wanted)
    return core


def _from_end(core: str) -> str:
    """ "X was founded when" as "when X was founded"."""
    match = _WH_LAST.fullmatch(core)
    return join(match[2], match[1]) if match else core


def _take_apart(core: str) -> Clause | None:
    core = core[0].lower() + core[1:] if re.match(rf"(?:{WH_WORD}|{AUX})\b", core, re.IGNORECASE) else core
    if clause := by_template(core):
        return clause
    if match := _WH.fullmatch(core):
        wh, aux, body = match.groups()
        return _sure(_split(wh, aux.lower(), body))
    if match := _YES_NO.fullmatch(core):
        aux, body = match.groups()
        wish = aux.lower() in ("can", "could", "would", "will") and body.startswith("you ")
        return None if wish else _sure(_split("", aux.lower(), body))
    if match := re.fullmatch(r"(?:whether|if)\s(.+)", core, re.IGNORECASE):
        return _sure(_unembed("", match[1]))
    words = core.split()
    asks_subject = re.match(r"(?:who|which [a-z]+|what [a-z]+|how many [a-z]+)\s([a-z]+)\s", core)
    if (what := re.match(r"what ([a-z]+) ", core)) and what[1] in {*THIRD, *PASTS}:
        return Clause(core)
    if asks_subject and (asks_subject[1] in PASTS or asks_subject[1] in THIRD or asks_subject[1] in VERBS):
        return Clause(core)
    if words[0] == "who" and len(words) > 2 and words[1] in BE and words[2].islower():
        return Clause(core)
    if match := _EMBEDDED.fullmatch(core):
        return _sure(_unembed(match[1], match[2]))
    return None


def _sure(clause: Clause | None) -> Clause | None:
    """No clause whose subject holds another: "the country where X was" ends who knows where."""
    return clause if clause and not (clause.aux and _NO_SUBJECT.search(clause.subject)) else None


def _split(wh: str, aux: str, body: str) -> Clause | None:
    """The body of a direct question into subject and rest, where exactly one place is possible."""
    words = body.split()
    if words[0] in PRONOUNS or words[0] in ("there", "I"):
        known = len(words) > 1 and (aux not in ("do", "does", "did") or words[1] in VERBS)
        return Clause(wh, aux, words[0], " ".join(words[1:])) if known else None
    be = aux in BE
    if be or aux in ("has", "have", "had"):
        places = _places(words, PREDICATES | {"been"})
        end = places[0] if len(places) == 1 else None
    else:
        places = _places(words, {*VERBS, "be"})
        end = _verb(words, places)
    if end is not None:
        return Clause(wh, aux, " ".join(words[:end]), " ".join(words[end:]))
    named = all(not word.islower() or word in ("of", "the", "and") for word in words)
    thing = named or (DEFINITE.match(body) and not _PREDICATE_WITHIN.search(body))
    if (
        not places
        and be
        and thing
        and not _BAD_END.search(body)
        and re.match(r"(?:who|what|which|how [a-z]+)\b", wh)
    ):
        return Clause(wh, aux, body)
    if not places and be and wh.startswith("when") and re.match(r"the [a-z ]+ (?:of|for) [A-Z]\w+\Z", body):
        return Clause(wh, aux, body)
    if be and words[0] in PREDICATES:
        return Clause(join(wh, aux, body))
    return None


def _places(words: list[str], known: Collection[str]) -> list[int]:
    """Where a known word may follow the subject."""
    noun_follows = {"the", "a", "an", "of", "to", "its", "your", "our", "their", "this"}
    return [at for at, word in enumerate(words) if at and word in known and words[at - 1] not in noun_follows]


def _verb(words: list[str], places: list[int]) -> int | None:
    """The first of the places; None if that may be a noun: "the annual report appears"."""
    if not places:
        return None
    at = places[0]
    base = THIRD.get(words[at], PASTS.get(words[at], words[at]))
    if base not in ALSO_NOUNS:
        return at
    proper = all(not word.islower() and not word.endswith("'s") for word in words[:at])
    ends = at + 1 == len(words) or not words[at + 1].islower() or words[at + 1] in _AFTER_VERB
    return at if proper or (ends and len(places) == 1) else None


_AFTER = "the a an its your our their to in on at for with from by as per each every"
_AFTER_VERB = frozenset(_AFTER.split())


def _unembed(wh: str, body: str) -> Clause | None:
    """ "when", "X opened its lab" to the clause of "When did X open its lab?"."""
    words = body.split()
    places = [at for at, word in enumerate(words) if at and re.fullmatch(AUX, word)]
    if len(places) == 1 and words[places[0]] not in ("has", "have", "had", "do", "does", "did"):
        at = places[0]
        return Clause(wh, words[at], " ".join(words[:at]), " ".join(words[at + 1 :]))
    for forms, aux in ((THIRD, "does"), (PASTS, "did"), ({verb: verb for verb in VERBS}, "do")):
        at = _verb(words, _places(words, forms))
        if at is not None:
            subject = " ".join(words[:at])
            if forms is PASTS and words[at] in VERBS and number_of(subject) != "one":  # cost, set
                continue
            if aux == "do" and number_of(subject) != "many":
                return None
            return Clause(wh, aux, subject, join(forms[words[at]], *words[at + 1 :]))
    return None
