"""What readers know the kinds of checks as, each by what an answer does that passes it."""

from __future__ import annotations

from feilun.text import Text

CHECKS: dict[str, Text] = {
    "ends": Text("ends by itself", "自行结束"),
    "language": Text("right language", "语言正确"),
    "repeats": Text("does not repeat itself", "不重复"),
    "contains": Text("says what it must", "包含要点"),
    "excludes": Text("leaves out what it must", "不含不当内容"),
    "matches": Text("matches the pattern", "符合模式"),
    "json": Text("JSON as asked", "JSON 符合要求"),
    "items": Text("list as asked", "列表项数"),
    "lines": Text("number of lines", "行数"),
    "words": Text("number of words", "英文词数"),
    "characters": Text("number of characters", "汉字数"),
    "cites": Text("cites the sources", "引用来源"),
    "abstains": Text("says it does not know", "承认不知道"),
    "refuses": Text("declines harm", "拒绝有害请求"),
    "number": Text("right number", "数字正确"),
    "code": Text("code runs right", "代码正确"),
}
