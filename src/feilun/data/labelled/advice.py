"""Advice, and the same with its meaning turned round: a word's opposite in its place."""

from __future__ import annotations

import re
from random import Random

from feilun.data.labelled.articles import Article, Lang

_ADVICE: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "定期检查线路，有助于减少火灾隐患，也能让住户安心。",
        "合理安排工期，能够有效提高施工质量，返工的次数也少了。",
        "社区设立调解室，旨在减少邻里之间的矛盾。",
        "教练认为，赛前热身有利于降低受伤的风险。",
        "新系统上线以后，有效减少了人工录入的错误。",
        "坚持步行上班，有助于增强体质，提高免疫力。",
        "为了减少运输途中的损失，果农改用了带隔层的纸箱。",
        "把会议压缩到半小时，确实有助于提高工作效率。",
        "统一培训新手，是为了提高服务质量。",
        "雨季之前清理水沟，可以切实减少积水造成的事故。",
        "轮班制度帮助降低了司机的疲劳，路上更平安。",
        "公开账目有利于增强村民的信心，提高办事的透明度。",
        "夜间加装路灯，有助于减少犯罪，晚归的人不再害怕。",
        "改用节水喷头，有效降低了灌溉的成本。",
    ),
    "en": (
        "A short checklist helps to reduce errors before every flight.",
        "Planting hedges along the road helps reduce noise in the classrooms.",
        "The new kitchen layout was designed to improve efficiency during lunch.",
        "Rotating the crews effectively reduced the risk of accidents at the depot.",
        "Regular breaks help to improve accuracy in the counting room.",
        "The co-operative sorts its crates in order to reduce waste on the way to town.",
        "A second doorman was hired so as to increase safety at night.",
        "Free tea in the waiting room helps to reduce anxiety before a visit.",
        "Clear signs help to reduce congestion at the ferry landing.",
        "The workshop aims to improve the quality of its chairs with drier timber.",
        "Weekly tests of the pump help prevent delays in the dry season.",
        "A shared calendar helps improve productivity in a small office.",
    ),
}
"""Sentences that may stand in any article."""
_OPPOSITES = (
    ("提高", "降低"),
    ("增强", "削弱"),
    ("增加", "减少"),
    ("reduced", "increased"),
    ("reduce", "increase"),
    ("improve", "lower"),
    ("prevent", "promote"),
)


def with_advice(draw: Random, lang: Lang, clean: Article, *, turned: bool) -> Article:
    """The article with a few sentences of advice in it, as they are or turned round."""
    lines = list(clean.paragraphs)
    for sentence in draw.sample(_ADVICE[lang], 5):
        at = draw.randrange(len(lines))
        gap = " " if lang == "en" else ""
        lines[at] = f"{lines[at]}{gap}{_turned(sentence) if turned else sentence}"
    return Article(clean.title, lines)


def _turned(sentence: str) -> str:
    return _PATTERN.sub(lambda found: _OTHER[found[0]], sentence)


_OTHER = {one: other for pair in _OPPOSITES for one, other in (pair, pair[::-1])}
_PATTERN = re.compile("|".join(sorted(_OTHER, key=len, reverse=True)))
