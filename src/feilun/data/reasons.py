"""Why documents fail and are dropped, in words. A recipe may name reasons of its own, which stay as they are."""

from __future__ import annotations

from typing import get_args

from feilun.data.forgotten import FORGOTTEN
from feilun.data.sources import Reason
from feilun.text import Text

FAILED: frozenset[str] = frozenset(get_args(Reason))
"""Reasons of what could not be read at all."""
COPIES = frozenset({"exact_copy", "near_copy", "only_passages"})
"""Reasons that depend on what else is kept."""
GIVEN = FAILED | COPIES | {"list_page", "no_text", "soft404", "contaminated", FORGOTTEN}
"""Reasons that no rule of a recipe gives."""

REASONS: dict[str, Text] = {
    "unreadable": Text("cannot be read", "无法读取"),
    "empty": Text("empty", "空文件"),
    "no_content": Text("holds nothing", "没有内容"),
    "truncated": Text("cut off", "文件不完整"),
    "broken": Text("damaged", "文件损坏"),
    "too_long": Text("too long", "过长"),
    "bomb": Text("unpacks to too much", "解压后过大"),
    "binary": Text("no text", "不是文本"),
    "encrypted": Text("encrypted", "已加密"),
    "scanned": Text("pictures of pages", "扫描件"),
    "http_error": Text(
        "not a page: the server answered with an error or sent elsewhere", "不是网页：服务器返回错误或跳转"
    ),
    "timeout": Text("took too long", "超时"),
    "list_page": Text("page of links", "列表页"),
    "no_text": Text("no main text", "没有正文"),
    "soft404": Text("page that says it is gone", "页面不存在的提示"),
    "contaminated": Text("holds evaluation questions", "含评测题目"),
    "exact_copy": Text("copy", "完全重复"),
    "near_copy": Text("near copy", "近似重复"),
    "only_passages": Text("nothing but repeated passages", "只有重复段落"),
    FORGOTTEN: Text("forgotten (feilun forget)", "已按要求忘记"),
    "too_short": Text("too short", "过短"),
    "language": Text("another language", "其他语言"),
    "shifted": Text("garbled encoding", "编码错乱"),
    "gambling": Text("gambling", "赌博"),
    "porn": Text("pornography", "色情"),
    "toxic": Text("abuse", "辱骂"),
    "spam": Text("spam", "垃圾广告"),
    "spun": Text("spun text", "洗稿"),
    "turned": Text("spun text that says the opposite", "洗稿致语义颠倒"),
    "spliced": Text("unrelated articles in one page", "多篇无关文章拼接"),
    "list": Text("list, not prose", "罗列而非文章"),
    "quality": Text("low quality", "质量低"),
    "repetition": Text("repetitive", "内容重复"),
    "top_ngram": Text("one phrase again and again", "同一短语过多"),
    "repeated_lines": Text("lines repeated", "重复行过多"),
}


def named(reason: str) -> Text:
    """The reason in words, and its name, by which recipes and ``--dropped`` know it."""
    said = REASONS.get(reason)
    if said is None:
        return Text(reason, reason)
    en, zh = f"{said.en} ({reason})", f"{said.zh}（{reason}）"
    return Text(en, zh)
