"""Forms of the verbs that questions about a business use: what do-support needs to know.

Only the verbs listed here: a word that is no known verb is left where it stands.
"""

from __future__ import annotations

_REGULAR = """
accept acquire add announce appear appoint arrive assemble attend belong call cancel change charge close
complete contain cost cover create deliver depend design develop discontinue discover donate earn employ end
enter establish exist expect expire export finish found handle happen hire host import include increase
install introduce invent join last launch like live locate maintain manufacture measure merge mine move name
need notice obtain occur offer open operate order own pack paint patent perform play prefer prepare present
process produce promise provide publish purchase raise receive record recommend recycle refund refuse
register release remain rename renew rent repair replace report require reserve return sample save serve
settle ship sign sponsor start stay stop store supply support train transfer treat update use visit want
warn weigh work
"""
_DOUBLING = {"ship", "stop", "transfer"}
_IRREGULAR = """
become became become|begin began begun|break broke broken|build built built|buy bought bought|come came come
cost cost cost|do did done|draw drew drawn|eat ate eaten|find found found|get got got|give gave given|go went gone
grow grew grown|have had had|hold held held|keep kept kept|know knew known|leave left left|let let let
lose lost lost|make made made|mean meant meant|meet met met|offset offset offset|pay paid paid|reset reset reset
run ran run|say said said|see saw seen|sell sold sold|send sent sent|set set set|show showed shown
spend spent spent|take took taken|teach taught taught|think thought thought|win won won|write wrote written
""".strip()


def _regular_past(verb: str) -> str:
    if verb in _DOUBLING:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


_forms = [forms.split() for forms in _IRREGULAR.replace("\n", "|").split("|")]
_forms += [[verb, _regular_past(verb), _regular_past(verb)] for verb in _REGULAR.split()]
VERBS: dict[str, tuple[str, str]] = {base: (simple, participle) for base, simple, participle in _forms}
"""Base form to past tense and past participle."""


def third_person(verb: str) -> str:
    """``open`` to ``opens``, ``have`` to ``has``."""
    if verb in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def past(verb: str) -> str:
    return VERBS[verb][0]


PASTS = {simple: base for base, (simple, _) in VERBS.items() if base != "find"}  # found: established
"""Past tense to base form."""
THIRD = {third_person(verb): verb for verb in VERBS}
PARTICIPLES = {participle for _, participle in VERBS.values()} | {"based", "headquartered", "situated"}
PREDICATES = PARTICIPLES | {"open", "available", "due", "born", "free", "ready", "responsible", "valid"}
"""What may follow the subject after a form of "be"."""
_ALSO_NOUNS = """
call change charge cost cover design display end export finish host import increase last like mine move name need
notice offer open order own pack paint patent play present process produce purchase record release rent repair report
reserve reset return run sample sign show sponsor start stay stop store supply support train transfer treat update
use visit work
"""
ALSO_NOUNS = frozenset(_ALSO_NOUNS.split())
"""Verbs that may be part of the subject instead: "the annual report"."""
_NO_PASSIVE = """
appear arrive become belong come cost depend end exist expire go happen have last like live mean need occur remain
stay want weigh work
"""
INTRANSITIVE = frozenset(_NO_PASSIVE.split())
"""Verbs without a passive."""
