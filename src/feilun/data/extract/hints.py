"""What the name, class, id and role of an element say about its contents."""

from __future__ import annotations

import re
from functools import lru_cache

JUNK = 1
"""Navigation, advertisements, share bars, captions, lists of other articles."""
TALK = 2
"""Readers' comments, and notices that open over the page: long, and never the article."""
BODY = 4
"""The article itself, by a name that means just that."""
MAIN = 8
"""A name that articles and much else have."""
HIDDEN = 16
"""Not shown on the page."""

ASIDE = JUNK | TALK | HIDDEN
"""Not main text, if the name can be believed."""

TAGS = {
    "nav": JUNK,
    "footer": JUNK,
    "aside": JUNK,
    "menu": JUNK,
    "dialog": JUNK,
    "article": MAIN,
    "main": MAIN,
    "header": JUNK,
    "figcaption": JUNK,
}

_ATTRIBUTES = re.compile(
    r"(?<![\w-])(class|id|role|itemprop|style|aria-hidden|hidden)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

# Names are cut at `-`, `_`, spaces and capitals; short words count only when they stand alone.
_TALK = re.compile(
    r"comment(?!ary)|disqus|\brespond\b|\breply\b|\breplies\b|pinglun|liuyan|\bguestbook|"
    r"cookie|consent|gdpr|newsletter|\bmodal|pop ?up"
)
_JUNK = re.compile(
    r"side ?bar|footer|foot ?nav|bread ?crumb|related|relate\b|recommend|\brec\b|recirc|outbrain|taboola|zergnet|"
    r"\bshar(?:e|es|ing|er)\b|share ?(?:bar|box|tools?|links?|this)|addthis|sharedaddy|social|follow ?us|"
    r"promo|sponsor|advert|\bads?\b|\badv\b|\bgg\b|\bbanner|guanggao|dfp|"
    r"\bnav\b|nav ?bar|navi\b|navigation|\bmenus?\b|masthead|\btool ?bar|\btools\b|pagination|\bpager?s?\b ?nav|"
    r"subscri(?:be|ption)|sign ?up|\blog ?in\b|register|paywall|overlay|"
    r"\bwidgets?\b|\brss\b|\btags?\b|tag ?(?:list|cloud|links)|\btopics\b|\bcategories\b|author ?(?:bio|box|info|card)|"
    r"about ?(?:the ?)?author|\bbio\b|\bbyline|post ?meta|entry ?meta|article ?meta|\bmeta ?data\b|"
    r"\bmost ?(?:read|popular|viewed)|trending|popular|\bhot ?(?:news|list|article)|read ?(?:more|next|also)|"
    r"see ?also|more ?(?:stories|news|from|on|articles)|next ?(?:article|post|up)|prev(?:ious)? ?(?:article|post|next)|"
    r"up ?next|copyright|disclaimer|\bprint\b|\bskip\b|\bcredits?\b|screen ?reader|sr ?only|visually ?hidden|"
    r"\bcaptions?\b|galler(?:y|ies)|slide ?show|carousel|light ?box|"
    r"correlat|tuijian|xiangguan|fenxiang|\bedit ?section|\bline ?numbers?\b|\blineno\b|\bgutter\b"
)
_BODY = re.compile(
    r"article ?body|story ?body|entry ?content|post ?(?:content|body)|article ?content|article ?text|body ?text|"
    r"content ?body|story ?content|news ?(?:content|text|body)|article ?detail|\bartibody\b|trs ?editor|main ?text|"
    r"article ?main|rich ?text|\bendtext\b|\bpost ?text\b"
)
_MAIN = re.compile(
    r"\bcontents?\b|\barticle\b|\bmain\b|\bstory\b|\bentry\b|\bpost\b|\btext\b|zhengwen|neirong"
)
_ROLES = {
    "navigation": JUNK,
    "banner": JUNK,
    "complementary": JUNK,
    "contentinfo": JUNK,
    "search": JUNK,
    "dialog": JUNK,
    "menu": JUNK,
    "alert": JUNK,
    "main": MAIN,
    "article": MAIN,
}
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


_REAL = 64
"""The post itself, or another site's words quoted in it: its other classes say what it is about."""
_POSTS = frozenset(("hentry", "post", "type post", "article", "entry"))


@lru_cache(maxsize=16384)  # an element of a page, or of its site, is rarely alone in what it is called
def of_tag(tag: str, attributes: str) -> int:
    """Bits for an element; ``attributes`` as they stand in the tag."""
    bits = TAGS.get(tag, 0)
    if not attributes:
        return bits
    for key in ('class="', 'id="'):
        at = attributes.find(key)
        if (
            at > 0 and attributes[at - 1].isspace()
        ):  # searching is several times as fast as a regular expression
            at += len(key)
            for name in attributes[at : attributes.find('"', at)][:300].split():
                bits |= _of_name(name)
    if (
        "none" in attributes
        or "hidden" in attributes
        or "role=" in attributes
        or "itemprop=" in attributes
        or ('="' not in attributes and "=" in attributes)
        or "CLASS" in attributes
    ):
        bits |= _of_rare(attributes[:2000])
    if bits & (_REAL | BODY):
        bits &= ~(JUNK | _REAL)
    return bits


def _of_rare(attributes: str) -> int:
    bits = 0
    for given, double, single, bare in _ATTRIBUTES.findall(attributes):
        name, value = given.lower(), double or single or bare
        if name == "class" or name == "id":
            for each in value[:300].split():
                bits |= _of_name(each)
        elif name == "role":
            bits |= _ROLES.get(value.lower(), 0)
        elif name == "itemprop":
            bits |= BODY if "articlebody" in value.lower() else 0
        elif name == "style":
            bits |= HIDDEN if _UNSEEN.search(value) else 0
        elif name == "hidden" or value == "true":
            bits |= HIDDEN
    return bits


@lru_cache(maxsize=65536)
def _of_name(name: str) -> int:
    """Bits for one class or id."""
    text = _CAMEL.sub(" ", name).lower().replace("-", " ").replace("_", " ")
    if text.count(" ") > 4 or text.startswith(
        ("tag ", "category ")
    ):  # a heading as an anchor; what a post is about
        return 0
    bits = _REAL if text in _POSTS or "embed" in text or "tweet" in text else 0
    if _TALK.search(text):
        bits |= TALK
    elif _JUNK.search(text):
        bits |= JUNK
    if _BODY.search(text):
        bits |= BODY
    elif _MAIN.search(text):
        bits |= MAIN
    return bits
