"""English questions that mean the same, in groups: what is known about the facts of a business.

A group is a paragraph; the best wordings stand first. ``~`` marks a wording that is understood and never written
(it may hold alternatives in parentheses). A line is ``question word | auxiliary | subject | rest``, or without bars
a question for the subject, which keeps its order. ``{x}`` is whom or what the question is about, ``{x's}`` its
possessive; ``is/are`` agrees with the subject ``{x}``.
"""

from __future__ import annotations


def groups(text: str) -> tuple[tuple[str, ...], ...]:
    """Paragraphs of lines."""
    return tuple(tuple(group.strip().split("\n")) for group in text.strip().split("\n\n"))


GROUPS = groups("""
in which year | was/were | {x} | founded
when | was/were | {x} | founded
when | was/were | {x} | established
what | is | {x's} founding year |
~ (?:what|in what|which) year | was/were | {x} | (?:founded|established|created|set up|started)
~ in which year | was/were | {x} | (?:established|created|set up|started)
~ when | was/were | {x} | (?:created|set up|started|formed)
~ what | is | the founding year of {x} |

who founded {x}
who | is | the founder of {x} |
who | is | {x's} founder |
by whom | was/were | {x} | founded
who established {x}
~ who (?:set up|started|created) {x}
~ who | was | the founder of {x} |
~ who | was | {x's} founder |

who owns {x}
who | is | the owner of {x} |
who | is | {x's} owner |
to whom | does/do | {x} | belong

where | is/are | {x} | based
where | is/are | {x} | headquartered
where | is | {x's} head office |
where | is | the head office of {x} |
~ where | (?:is|are) | {x's} (?:headquarters|main office|head office)(?: located)? |
~ where | (?:is|are) | the (?:headquarters|main office|head office) of {x}(?: located)? |

where | is/are | {x} | located
what | is | the location of {x} |
where | is/are | {x} | situated
~ where | is/are | {x} |

how much | does/do | {x} | cost
what | is | the price of {x} |
how much | is/are | {x} |
what | is | {x's} price |
what | does/do | {x} | cost
~ what | is | the cost of {x} |
~ what | is | {x's} cost |

when | does/do | {x} | open
at what time | does/do | {x} | open
what | is | {x's} opening time |
~ (?:what|which) time | does/do | {x} | open
~ at which (?:time|hour) | does/do | {x} | open

when | does/do | {x} | close
at what time | does/do | {x} | close
what | is | {x's} closing time |
~ (?:what|which) time | does/do | {x} | close
~ at which (?:time|hour) | does/do | {x} | close

what | are | the opening hours of {x} |
what | are | {x's} opening hours |
when | is/are | {x} | open
during which hours | is/are | {x} | open
~ what | are | {x's} (?:business|opening|office|shop) hours |
~ what | are | the (?:business|opening|office|shop) hours of {x} |

how many employees | does/do | {x} | have
how many people work for {x}
how many people | does/do | {x} | employ
what | is | {x's} number of employees |
~ what | is | the number of (?:employees|staff) (?:of|at|in) {x} |
~ how many (?:people|employees|staff) work (?:at|for|in) {x}
~ how many (?:staff|workers|staff members) | does/do | {x} | have
~ how many (?:people|workers|staff) | are | employed (?:by|at) {x} |

what | is | the colour of {x} |
what | is | {x's} colour |
which colour | is/are | {x} |
what colour | is/are | {x} |

what | is | the color of {x} |
what | is | {x's} color |
which color | is/are | {x} |
what color | is/are | {x} |

what | is | the phone number of {x} |
what | is | {x's} phone number |
what | is | {x's} telephone number |
on which phone number | can | {x} | be reached
~ what | is | {x's} (?:tele)?phone number |
~ what | is | the (?:tele)?phone number (?:of|for) {x} |
~ (?:what|which) number | (?:can|do|should) | (?:I|we|you|one) | call (?:for|to reach) {x}

how long | is | the warranty on {x} |
how long | is | {x's} warranty |
for how long | is/are | {x} | under warranty
how long | does | the warranty on {x} | last
~ how long | is | the warranty (?:of|for) {x} |
~ how long | does | {x's} warranty | last
~ how long | does | the warranty (?:of|for) {x} | last
~ what | is | {x's} warranty period |
~ what | is | the warranty period (?:of|for|on) {x} |

what | does/do | {x} | make
what products | does/do | {x} | make
which products | does/do | {x} | make
what | does/do | {x} | manufacture
what | is | made by {x} |
~ (?:what|which)(?: products| goods)? | does/do | {x} | (?:produce|manufacture|make)

of what | is/are | {x} | made
what material | is/are | {x} | made of
which material | is/are | {x} | made of
what | is/are | {x} | made of

where | can | I | buy {x}
where | is/are | {x} | sold
where | can | one | buy {x}
~ where | (?:do|could) | (?:I|we|you|one) | (?:buy|get|purchase) {x}
~ where | can | (?:we|you|people|customers) | (?:buy|get|purchase) {x}

what | does/do | {x} | sell
what products | does/do | {x} | sell
which products | does/do | {x} | sell
what | is | sold by {x} |

who makes {x}
which company makes {x}
by whom | is/are | {x} | made
by which company | is/are | {x} | made
who manufactures {x}
~ (?:who|what company|which company|which manufacturer) (?:makes|produces|manufactures) {x}

what | is | the latest version of {x} |
which version of {x} is the latest
what | is | the newest version of {x} |
what | is | {x's} latest version |
which version of {x} is the newest
~ what | is | the (?:current|most recent) version of {x} |
~ what | is | {x's} (?:current|newest|most recent) version |

when | is | the deadline for {x} |
what | is | the deadline for {x} |
what | is | the closing date for {x} |
when | is | the closing date for {x} |
~ (?:what|when) | is | {x's} (?:deadline|closing date) |
~ (?:what|when) | is | the (?:deadline|closing date) (?:of|to) {x} |

when | was/were | {x} | released
when | did | {x} | come out
what | is | the release date of {x} |
what | is | {x's} release date |

when | was/were | {x} | launched
what | is | the launch date of {x} |
what | is | {x's} launch date |

what | is/are | {x} | called
what | is | the name of {x} |
~ what name | does/do | {x} | have
~ what | is | {x's} name |

how old | is/are | {x} |
what | is | the age of {x} |
what | is | {x's} age |

how tall | is/are | {x} |
what | is | the height of {x} |
what | is | {x's} height |

how much | does/do | {x} | weigh
what | is | the weight of {x} |
how heavy | is/are | {x} |
what | is | {x's} weight |
""")

NOUNS = (
    ("CEO", "chief executive"),
    ("motto", "slogan"),
    ("slogan", "motto"),
    ("head office", "headquarters"),
    ("website", "web site"),
    ("email address", "e-mail address"),
    ("phone number", "telephone number"),
    ("opening hours", "business hours"),
    ("business hours", "opening hours"),
    ("chairman", "chairperson"),
    ("closing date", "deadline"),
    ("annual revenue", "yearly revenue"),
    ("revenue", "turnover"),
    ("best-selling product", "top-selling product"),
    ("return period", "return window"),
)
"""A noun and another for the same; the first that fits is exchanged."""

_PERSONS = """
CEO CFO CTO COO president chairman chairwoman chair chairperson director boss owner founder manager head author
designer inventor editor secretary treasurer spokesperson spokeswoman spokesman chef architect accountant
"""
PERSONS = {
    *_PERSONS.split(),
    "chief executive",
    "chief executive officer",
    "chief engineer",
    "managing director",
}
"""Nouns that are asked for with "who"."""
