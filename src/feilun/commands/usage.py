"""What was wrong with a command line, in one line and in the reader's language.

typer speaks English only, and lets go of no sentence before it is put together; so these are its sentences,
and the Chinese for them. One that is not among them is shown as it is.
"""

from __future__ import annotations

import re

from pydantic import ValidationError
from typer import BadParameter
from typer.exceptions import TyperException

from feilun.text import Text
from feilun.validation import explain

_SENTENCES = (
    (r"No such command '(.*?)'\.", "没有命令“{}”。"),
    (r" Did you mean (.*)\?", "您是否想用 {}？"),
    (r"No such option: (\S+)", "没有选项 {}"),
    (r" \(Possible options: (.*)\)", "（相近的选项：{}）"),
    (r"Missing command\.", "缺少命令。"),
    (r"Missing argument '(.*?)'\.", "缺少参数“{}”。"),
    (r"Missing option '(.*?)'\.", "缺少选项“{}”。"),
    (r"Got unexpected extra argument\(s\) \((.*)\)", "多余的参数：{}"),
    (r"Option '(.*?)' requires an argument\.", "选项 {} 需要一个值。"),
    (r"Option '(.*?)' does not take a value\.", "选项 {} 不接受值。"),
    (r"Invalid value for '(.*?)': ", "{} 的值无效："),
    (r"Invalid value: ", "值无效："),
    (r"(?:File|Directory|Path) '(.*)' does not exist\.", "“{}”不存在。"),
    (r"Value '(.*)' is not a valid .*\.", "“{}”不可用。"),
    (r"['\"](.*)['\"] is not one of ('.*')\.", "“{}”不可用，应为以下之一：{}"),
)


def usage_error(error: TyperException) -> Text:
    """The fault in both languages, and where to look."""
    english = error.format_message().replace(": Value error, ", ": ", 1)  # pydantic's name for any ValueError
    chinese = english
    if isinstance(error, BadParameter) and isinstance(error.__cause__, ValidationError):
        chinese = chinese.replace(error.message, explain(error.__cause__.errors()[0]).zh)
    for pattern, sentence in _SENTENCES:
        chinese = re.sub(pattern, lambda found, sentence=sentence: sentence.format(*found.groups()), chinese)
    english += "" if english.endswith((".", "?")) else "."
    chinese = chinese.removesuffix(".")  # of a sentence that is not among ours
    chinese += "" if chinese.endswith(("。", "？")) else "。"
    return Text(f"{english} Add --help to see how it is used.", f"{chinese}加上 --help 可查看用法。")
