"""English questions in other words: see `feilun.flywheel.reword`.

A question is taken apart into question word, auxiliary, subject and rest, either by a template of
`feilun.flywheel.wordings.english_table`, or where a known verb shows the end of the subject. Taken apart it can be
asked directly, inside another sentence ("Tell me when X opened."), or with the question word last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from feilun.flywheel.wordings.english_grammar import (
    AUX,
    BE,
    DEFINITE,
    DETERMINER,
    OWNERS,
    PRONOUNS,
    WH_WORD,
    Clause,
    is_name,
    join,
    number_of,
    possessive,
    sentence,
)
from feilun.flywheel.wordings.english_parsing import parse, plain
from feilun.flywheel.wordings.english_table import NOUNS, PERSONS
from feilun.flywheel.wordings.english_templates import same_group
from feilun.flywheel.wordings.english_verbs import INTRANSITIVE, PASTS, THIRD, VERBS

Candidate = tuple[str, str]
"""A wording and the rule that made it."""

_IMPERATIVES = (
    "name|list|describe|explain|translate|write|summari[sz]e|state|give me|show me|introduce|mention"
)
OPENS = re.compile(rf"(?:{WH_WORD}|{AUX}|tell|please|{_IMPERATIVES})\b[^？。]*\Z", re.IGNORECASE)
"""What begins like an English question and does not end like a Chinese one."""
_COMMAND = re.compile(rf"(?:please,? )?((?:{_IMPERATIVES}|tell me) .+)", re.IGNORECASE)


_NOT_HAD = re.compile(
    r"est\b|\b(?:only|first|last|current|next|total|meaning|purpose|reason|result|capital|name)\b"
)
"""What one has only one of: not "what capital does X have"."""
_PARTITIVE = {"kind", "type", "sort", "number", "rest", "part", "name", "use", "point", "most", "cause"}
"""Of what these are is no owner: "the kind of X" is not "X's kind"."""


def reword(asked: str) -> Iterator[Candidate]:
    """Bare and framed wordings, each sort with its best first; may repeat itself and the question."""
    own, inside = parse(asked)
    if own is None:
        yield from _frames([inside] if _ASKS.match(inside) else [])
        yield from _command(asked)
        yield from frame_whole(asked)
        return
    siblings = list(_siblings(own))
    for clause in siblings:
        yield sentence(clause.ask(), "?"), "words"
    if own.rest or not own.aux or not siblings:
        yield from _other_order(own)
    if inside:
        yield sentence(own.ask(), "?"), "order"
    for clause in siblings[:2]:
        if clause.rest and (last := _wh_last(clause)) is not None:
            yield last
    forms = [form for clause in [own, *siblings] if (form := clause.embed()) is not None]
    yield from _frames(forms)
    yield from frame_whole(asked)


_ASKS = re.compile(rf"(?:{WH_WORD}|whether|if)\b")


def _frames(forms: list[str]) -> Iterator[Candidate]:
    """Each frame around another of the embedded forms."""
    frames = (
        "Tell me {}.",
        "Could you tell me {}?",
        "I would like to know {}.",
        "Do you know {}?",
        "Please let me know {}.",
    )
    for at, frame in enumerate(frames if forms else ()):
        yield frame.format(forms[at % len(forms)]), "frame"


_WHOLE = (
    "Quick question: {}",
    "Please answer this: {}",
    "I have a question: {}",
    "Here is my question: {}",
    "Can you answer this: {}",
)


def frame_whole(asked: str) -> Iterator[Candidate]:
    """Frames that take any question as it stands; nothing for what is none."""
    if asked.endswith("?") or re.match(rf"(?:{WH_WORD}|{AUX})\b", asked, re.IGNORECASE):
        for frame in _WHOLE:
            yield frame.format(asked), "frame"


def _command(asked: str) -> Iterator[Candidate]:
    if command := _COMMAND.fullmatch(plain(asked)):
        wish = command[1][0].lower() + command[1][1:]
        frames = ("Could you {}?", "Please {}.", "I would like you to {}.", "Can you {}?")
        # what follows a colon is quoted, and no place for a question mark
        yield from (
            (frame.format(wish), "frame") for frame in frames if ":" not in wish or frame.endswith(".")
        )


def _siblings(own: Clause) -> Iterator[Clause]:
    """The same question in other words: of its group, or with the nouns exchanged."""
    if own.subject.startswith("the name of ") and (named := list(_noun_siblings(own))):
        yield from named
        return
    asked = own.ask()
    often = _OFTEN.search(asked)
    group = same_group(asked[: often.start()] if often else asked)
    if group is not None:
        more = often[0].strip() if often else ""
        yield from (clause._replace(rest=join(clause.rest, more)) for clause in group)
        return
    yield from _noun_siblings(own)
    yield from _verb_siblings(own)


_OFTEN = re.compile(r" (?:per|an?|each|every) (?:month|year|week|day|hour|night|user|person|kilo|litre)\Z")


def _noun_siblings(own: Clause) -> Iterator[Clause]:
    """ "The N of X" and "X's N", nouns for the same, and the name of a person."""
    called = own.wh == "what" and own.subject.startswith("the name of ")
    thing = own.subject.removeprefix("the name of ") if called else own.subject
    if own.rest or own.aux not in BE:
        return
    of = re.fullmatch(r"the ((?:[A-Z]{2,4}|[a-z][a-z-]+)(?: [a-z-]+){0,2}) of (.+)", thing)
    owned = re.fullmatch(
        r"(its|your|our|their|.+?(?:'s|s')) ((?:[A-Z]{2,4}|[a-z-]+)(?: [a-z-]+){0,2})", thing
    )
    noun, x = (
        (of[1], of[2]) if of else (owned[2], owned[1].removesuffix("'s").rstrip("'")) if owned else ("", "")
    )
    x = OWNERS.get(x, x)
    if not noun or " of " in f" {noun} {x} " or "'s" in x or not is_name(x):
        return
    if noun.split()[-1] in _PARTITIVE:
        return
    own_s = possessive(x)
    wh, aux = own.wh, own.aux
    if called:
        if noun in PERSONS:
            yield Clause("who", "is", f"{own_s} {noun}")
            if x not in PRONOUNS:
                yield Clause("who", "is", f"the {noun} of {x}")
        yield Clause("what", aux, f"{own_s} {noun}", "called")
        yield Clause("what", "is", f"the name of {own_s} {noun}")
        return
    for other in [noun, *(other for known, other in NOUNS if known == noun)]:
        if x not in PRONOUNS and (other != noun or owned):
            yield Clause(wh, aux, f"the {other} of {x}")
        if other != noun or of:
            yield Clause(wh, aux, f"{own_s} {other}")
    number = number_of(x)
    if wh == "what" and number and not _NOT_HAD.search(noun) and aux in ("is", "are"):
        yield Clause(f"what {noun}", "does" if number == "one" else "do", x, "have")
    if noun in PERSONS and wh == "who" and aux == "is":
        yield Clause("what", "is", f"the name of {own_s} {noun}")
        yield Clause(f"which person is {own_s} {noun}")


def _verb_siblings(own: Clause) -> Iterator[Clause]:
    """Rules for question words and verbs, whatever the facts."""
    wh, aux, subject, rest = own
    if not aux:
        if made := re.fullmatch(r"(who|(?:which|what) [a-z]+) ([a-z]+) (.+)", wh):
            yield from _passive(*made.groups())
        if worked := re.fullmatch(r"how many ([a-z]+s|people) ([a-z]+) (.+)", wh):
            who = "who" if worked[1] == "people" else "that"
            yield Clause("what", "is", f"the number of {worked[1]} {who} {worked[2]} {worked[3]}")
        return
    stated = own.state()
    did = aux in ("did", "was", "were")
    if wh == "why" and stated:
        yield Clause("for what reason", aux, subject, rest)
        yield Clause("what", "was" if did else "is", f"the reason why {stated}")
    if wh == "how" and subject in ("I", "we", "you", "one") and aux in ("do", "can"):
        yield Clause("how", "can" if aux == "do" else "do", subject, rest)
        yield Clause("what", "do", subject, f"have to do to {rest}")
        yield Clause("what", "is", f"the way to {rest}")
    elif wh == "how" and rest and aux in ("does", "do", "did"):
        yield Clause("in what way", aux, subject, rest)
    if wh.startswith("how many ") and subject == "there":
        yield Clause("what", "was" if did else "is", f"the number of {wh[9:]} {rest}")
    elif wh.startswith("how many ") and stated and aux in ("does", "do", "did"):
        yield Clause("what", "was" if did else "is", f"the number of {wh[9:]} that {stated}")
    if wh == "how long" and rest == "take":
        yield Clause("how much time", aux, subject, rest)
    period = re.match(r"(?:the|\S+'s) (?:[a-z]+ )?period\b", subject) and aux == "is" and not rest
    if period and wh in ("what", "how long"):
        yield Clause("how long" if wh == "what" else "what", aux, subject)
    if wh == "how often":
        yield Clause("how frequently", aux, subject, rest)
    if match := re.fullmatch(r"((?:in |at |on )?)(which|what) (?!time|kind)([a-z]+(?: [a-z]+)?)", wh):
        ending = re.fullmatch(r"(.+) (in|at|on|from|by)", rest)
        if ending:
            yield Clause(f"{ending[2]} {wh}", aux, subject, ending[1])
        yield Clause(f"{match[1]}{'what' if match[2] == 'which' else 'which'} {match[3]}", aux, subject, rest)


def _passive(who: str, verb: str, thing: str) -> Iterator[Clause]:
    """ "Who designed X" as "By whom was X designed"."""
    base = PASTS.get(verb) or THIRD.get(verb)
    number = number_of(thing)
    if base and base not in INTRANSITIVE and number and is_name(thing) and thing not in PRONOUNS:
        be = {"one": ("was", "is"), "many": ("were", "are")}[number][verb not in PASTS]
        yield Clause("by whom" if who == "who" else f"by {who}", be, thing, VERBS[base][1])


def _other_order(own: Clause) -> Iterator[Candidate]:
    """The words of the question in another order."""
    stated = _stated(own)
    if not own.aux and (asked := re.fullmatch(r"who ([a-z]+) .+", own.wh)) and asked[1] in {*PASTS, *THIRD}:
        yield sentence(f"who {'was' if asked[1] in PASTS else 'is'} it that {own.wh[4:]}", "?"), "order"
    if not own.wh and stated and own.rest:
        yield sentence(f"is it true that {stated}", "?"), "order"
        yield sentence(f"{stated}: yes or no", "?"), "order"
        yield sentence(f"is it the case that {stated}", "?"), "order"
    if (last := _wh_last(own)) is not None:
        yield last
    if own.wh in ("when", "where", "what", "who", "why") and stated and own.aux in ("do", "does", "did"):
        yield sentence(f"{own.wh} {'was' if own.aux == 'did' else 'is'} it that {stated}", "?"), "order"
    elif own.wh in ("when", "where", "why") and stated and own.rest and own.aux in ("was", "were"):
        yield sentence(f"{own.wh} was it that {stated}", "?"), "order"


def _stated(clause: Clause) -> str | None:
    """As a sentence that begins with its subject; None for one whose capital we could not know ("acme")."""
    first = clause.subject.partition(" ")[0]
    known = first and (not first.islower() or DETERMINER.match(first.capitalize()) or first == "there")
    return clause.state() if known else None


def _wh_last(clause: Clause) -> Candidate | None:
    """ "X was founded when?": short ones only, and nothing between a verb and what it asks for."""
    stated, words = _stated(clause), clause.rest.split()
    if not stated or clause.wh in ("", "why", "how") or clause.subject == "there" or len(words) > 4:
        return None
    if not words and not (clause.wh in ("what", "who") and DEFINITE.match(clause.subject)):
        return None
    after_verb = re.match(r"(?:what|which|who|how (?:many|much))\b", clause.wh) and clause.wh != "what time"
    if (after_verb and len(words) > 1) or (words and words[-1] in ("of", "in", "for", "at", "on", "from")):
        return None
    if clause.wh == "what time" and clause.rest not in ("open", "close", "start", "begin", "end"):
        return None
    wh = "at what time" if clause.wh == "what time" else clause.wh
    return sentence(f"{stated} {wh}", "?"), "order"
