"""Hijacked titles: a casino's or a porn site's words over somebody else's article.

Title and body are scored apart. Where the body speaks of the same things, the title is the page's own, and a
spam score may judge the page; where it does not, the bad part of the title is cut and the body kept.
"""

from __future__ import annotations

import re
from itertools import pairwise

from feilun.data.repair.edits import Edit
from feilun.data.repair.script import HAN, simplified

_GAMBLING = (
    r"百家乐|时时彩|北京赛车|赛车pk10|幸运飞艇|幸运28|六合彩|老虎机|澳门(?:新)?葡京|葡京(?:娱乐|赌|官)|真人(?:娱乐|荷官|视讯|赌)|"
    r"(?:网上|在线|澳门|线上|真人|正规)赌(?:场|博)?(?:平台|网站|官网|网址|开户|游戏)|(?:博彩|菠菜)(?:平台|网站|公司|官网|导航)|"
    r"(?:彩票|体育|娱乐城?|棋牌|电竞|捕鱼|电子)(?:平台|官网|注册|登录|登陆|开户|投注|app下载|手机版|入口){1,3}|"
    r"(?:平台|官网|免费)?开户送\d*|注册(?:就)?送(?:彩金|\d+元?)|送彩金|下注平台|外围(?:投注|赌球)|投注(?:网|平台|官网)|"
    r"(?:开云|亚博|乐鱼|华体会|必威|威尼斯人|金沙|永利|太阳城|皇冠|新濠|大发)(?:体育|娱乐|平台|官网|集团|网址|app|手机版|国际)+|"
    r"\b(?:bet365|188bet|1xbet|w88|pk10)\b|\bonline casinos?\b|\bcasino (?:online|bonus|slots?)\b|\bslots? (?:online|gacor)\b|"
    r"\b(?:free spins|no deposit bonus|sports? betting (?:site|odds)|judi online|poker online)\b"
)
_PORN = (
    r"(?:国产|亚洲|欧美|日韩|日本|韩国)(?:精品|无码|有码|成人|激情|情色|偷拍|自拍|熟女|黄色|一区|av|高清av)+[^\s,，|_-]{0,12}|"
    r"无码(?:视频|专区|中文|av|高清|在线|免费)+|一区二区三?区?|久久(?:久+|精品|综合|爱)+|(?:黄色|成人|情色|色情)(?:网站|视频|电影|小说|网址|av|影院)+|"
    r"av(?:在线|天堂|片|电影|视频)+|(?:三级片|毛片|A片|黄片)(?:在线|免费|观看)*|丝袜(?:美腿|熟女)|人妻(?:熟女|少妇)|(?:同城|上门)(?:约炮|援交)|"
    r"\b(?:porn(?:hub|o)?|xxx|xvideos|hentai|milf|camgirls?|sex (?:videos?|cams?|tube)|nude (?:pics|videos?)|escort girls?)\b|"
    r"\b(?:viagra|cialis) (?:online|generic|without)\b|\b(?:cheap|buy|generic) (?:viagra|cialis)\b"
)
_BAD = re.compile(f"(?:{_GAMBLING}|{_PORN})", re.IGNORECASE)
_TOPIC = re.compile(
    r"赌|博彩|彩票|投注|棋牌|色情|淫秽|成人|黄色网|嫖|\b(?:casinos?|gambl\w+|betting|poker|slots?|porn\w*|sex\w*|viagra)\b",
    re.IGNORECASE,
)
_SPLIT = re.compile(rf"\s*(?:[|_–—·•,，。！!;；:：~【】\[\]()（）<>《》]|(?<=[{HAN}])-|-(?=[{HAN}])|\s)\s*")
_PIECE = re.compile(rf"[{HAN}]|[a-z0-9]+", re.IGNORECASE)

_TITLE = 200
"""Characters of a title, at most."""
_OWN = 2.0
"""Words of the topic in a thousand characters above which the body speaks of it too."""


def title_spam(title: str) -> list[tuple[int, int]]:
    """Spans of the title that sell gambling or porn. The words are chosen so that no news of them is hit."""
    return [match.span() for match in _BAD.finditer(_shadow(title))]


def body_spam(text: str) -> float:
    """Words of these topics in a thousand characters of the text, its first 20,000."""
    head = simplified(text[:20_000])
    return 1000 * len(_TOPIC.findall(head)) / max(len(head), 200)


def hijacked(title: str, text: str) -> list[Edit]:
    """Cuts the bad parts of a title whose body is about something else. A title of nothing else becomes empty."""
    bad = title_spam(title)
    if not bad or not text.strip() or body_spam(text) >= _OWN:
        return []
    keep = [
        (start, end)
        for start, end in _parts(title)
        if _belongs(title[start:end], text) and not any(first < end and start < last for first, last in bad)
    ]
    if not keep:
        return [Edit(0, len(title), "", "hijacked", 0.8)]
    first, last = keep[0][0], keep[-1][1]
    cuts = [(0, first), (last, len(title))]
    cuts += [(end, start) for (_, end), (start, _) in pairwise(keep) if _hit(bad, end, start)]
    return [
        Edit(start, end, " " if start > 0 and end < len(title) else "", "hijacked", 0.9)
        for start, end in sorted(cuts)
        if start < end
    ]


def hijacked_head(text: str) -> list[Edit]:
    """The same for a page that somebody has stripped to text already, title and all: its first line is the title."""
    begin = len(text) - len(text.lstrip())
    head = text[begin:].partition("\n")[0]
    if len(head) > _TITLE:
        return []
    return [
        edit._replace(start=edit.start + begin, end=edit.end + begin)
        for edit in hijacked(head, text[begin + len(head) :])
    ]


def _hit(bad: list[tuple[int, int]], start: int, end: int) -> bool:
    return any(first < end and start < last for first, last in bad)


def _shadow(title: str) -> str:
    """Simplified where that keeps every offset."""
    shadow = simplified(title)
    return shadow if len(shadow) == len(title) else title


def _parts(title: str) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    at = 0
    for match in _SPLIT.finditer(title):
        parts.append((at, match.start()))
        at = match.end()
    parts.append((at, len(title)))
    return [(start, end) for start, end in parts if start < end]


def _belongs(part: str, text: str) -> bool:
    """Whether a good half of its pairs of characters or its words stand in the body."""
    pieces: list[str] = _PIECE.findall(part)
    if not pieces:
        return False
    pairs = [a + b for a, b in pairwise(pieces) if len(a) == len(b) == 1] or pieces
    return 2 * sum(pair in text for pair in pairs) >= len(pairs)
