"""What the words of a single block say: a sentence, or a line that belongs to the page and not to the text."""

from __future__ import annotations

import re

from ahocorasick_rs import BytesAhoCorasick

from feilun.data.extract.outline import Block


def prose(block: Block) -> bool:
    """A sentence, or a good part of one."""
    return (
        block.size >= 60
        and (block.linked < 0.5 or (block.linked < 0.75 and block.size >= 120))
        and _MARK.search(block.text) is not None
    )


def furniture(block: Block) -> bool:
    """A date line, a credit, a notice, an invitation, "Read more": what stands in an article without being of it."""
    size, text = block.size, block.text
    if size >= 700 or "\n" in text:  # lines are kept in code only, whose comments are its own
        return False
    small = text.lower()
    # Most blocks have none of the words, and are spared the expressions.
    there = _AUTOMATON.find_matches_as_indexes(small.encode("utf-8", "replace"))
    found = {_WORDS[word] for word, _, _ in there}
    if _NOTICE in found and _NOTICE.search(small):
        return True
    if size >= 300:
        return False
    if _INVITE in found and _INVITE.search(small):
        return True
    if _CREDIT in found and _CREDIT.search(text):
        return True
    if size < 150 and ("20" in text or "19" in text) and _SOURCE.search(text):
        return True
    said = text[-1] in "。！？" or (text[-1] in ".!?" and text.count(" ") >= 4)
    return size < 90 and not said and _LABEL.match(text) is not None


_MARK = re.compile(r"[,.;:!?，。；：！？、…]")
_LABEL = re.compile(
    r"advert(?:isement|s)?\b|sponsored|read more|continue reading|related|share this|click here|sign up|subscribe|"
    r"follow us|tell us what|comments?\b|leave a|posted (?:by|in|on)|filed under|tags?:|see also|"
    r"上一篇|下一篇|上一页|下一页|相关(?:阅读|推荐|文章|新闻|链接|报道)|责任编辑|责编|编辑[:：]|(?:文章)?来源[:：]|免责声明|"
    r"版权|分享到|打印|关闭|返回|我要评论|网友评论|发表评论|点击|更多|扫一扫|关注我们|字号|收藏|举报|[【\[(（]责任编辑",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"(?:19|20)\d\d[-./年]\d{1,2}[-./月]\d{1,2}日?.{0,60}(?:来源|來源|作者|编辑|阅读|浏览|点击|评论)|"
    r"^(?:来源|來源|作者|发布时间|发表于|时间|日期|posted|published|updated)\s*[:：]?.{0,40}(?:19|20)\d\d|"
    r"^.{0,12}(?:19|20)\d\d[-./年]\d{1,2}[-./月]\d{1,2}日?\s*(?:\d{1,2}:\d\d(?::\d\d)?)?.{0,4}$",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"\b[Pp]hotos?(?:graph)?(?: by|:)|\b(?:[Ii]mage|[Pp]icture) (?:[Cc]redit|[Ss]ource)|Getty Images|"
    r"/ ?(?:AP|AFP|Reuters|REUTERS|Getty)\b|图片来源|^资料图|摄$"
)
_NOTICE = re.compile(
    r"(?:this|our) (?:web)?site uses cookies|we use cookies|use of cookies|all rights reserved|javascript (?:is )?"
    r"(?:disabled|required)|requires javascript|enable javascript|本(?:网)?站使用 ?cookie|版权所有(?![者人权])|icp备|"
    r"凡本[网站报]|免责声明"
)
_INVITE = re.compile(
    r"^(?:sign up|subscribe)\b|sign up (?:for|to) (?:our|the|a|get|receive)|subscribe to (?:our|the)|"
    r"(?:our|daily|weekly|free) newsletter|^follow .{2,40} on (?:twitter|facebook|instagram|mastodon|linkedin|youtube)|"
    r"can be reached at|^download (?:our|the)\b|trackback|"
    r"转载.{0,8}注明|(?:请勿|禁止|不得|谢绝)(?:擅自)?转载|(?:关注|搜索|添加|扫).{0,20}(?:公众号|二维码)|已被阅读|阅读次数"
)
_OF = {
    _NOTICE: ("cookie", "reserved", "javascript", "版权", "icp备", "凡本", "免责"),
    _INVITE: (
        *("sign up", "subscribe", "newsletter", "follow ", "reached at", "download", "trackback"),
        *("转载", "公众号", "二维码", "已被阅读", "阅读次数"),
    ),
    _CREDIT: ("hoto", "mage", "icture", "getty", "/", "图", "摄"),
}
"""What each has one of, in small letters, wherever it is found."""
_WORDS = [expression for expression, words in _OF.items() for _ in words]
_AUTOMATON = BytesAhoCorasick([word.encode() for words in _OF.values() for word in words])
