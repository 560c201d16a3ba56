"""Everything a user reads exists in Chinese and in English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import feilun
from feilun.text import FeilunError, Text, header_language, locale_language, say

SOURCES = sorted(Path(feilun.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"FEILUN_LANG": "zh"}, "zh"),
        ({"FEILUN_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "en_GB"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_of_a_process_is_its_own_choice_else_its_locale(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEILUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert locale_language() == language
    words = {"en": "yes", "zh": "是"}
    assert say("yes", "是") == str(Text("yes", "是")) == str(FeilunError("yes", "是")) == words[language]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("ZH", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("fr", "en"),
        ("*", "en"),
    ],
)
def test_the_language_of_an_answer_is_what_the_browser_asks_for_first(
    header: str | None, language: str
) -> None:
    assert header_language(header) == language


def test_an_error_is_shown_in_the_language_of_who_reads_it() -> None:
    error = FeilunError("full", "已满", status=507, code="disk_full")
    assert (error.text.show("en"), error.text.show("zh")) == ("full", "已满")
    assert (error.status, error.code, error.param, error.retry_after) == (507, "disk_full", None, None)


# --- over the sources --------------------------------------------------------------------------------------

BILINGUAL = {"say", "Text", "FeilunError"}
HAN = "[\u4e00-\u9fff]"


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BILINGUAL:
            yield node


def words_of(node: ast.expr) -> str | None:
    """The literal part of a text; None for what is computed elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return None


def names_in(node: ast.expr) -> set[str]:
    """The variables an f-string puts in, in whatever order; ``zh``, ``chinese`` and ``x_zh`` go with ``en``, ``english`` and ``x``."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return {{"zh": "en", "chinese": "english"}.get(name, name.removesuffix("_zh")) for name in names}


def fault(call: ast.Call) -> str | None:
    """What is wrong with the texts of a call, if anything is."""
    if len(call.args) != 2:
        return "needs both languages, in order"
    en, zh = (words_of(argument) for argument in call.args)
    if en is None or zh is None:  # passed through from elsewhere
        return None if en is zh else "one text is written here, the other is not"
    if names_in(call.args[0]) != names_in(call.args[1]):
        return "the languages name different things"
    if not (en.strip() and zh.strip()):
        return "a text is empty"
    if re.search(HAN, en.replace("飞轮", "")):
        return "the English is in Chinese"
    if re.search("[a-z]{2}", re.sub("`[^`]*`", "", en)) and not re.search(HAN, zh):
        return "the Chinese is in English"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_sentence_stands_in_both_languages(path: Path) -> None:
    assert [f"line {call.lineno}: {why}" for call in calls(path) if (why := fault(call))] == []


def test_there_are_sentences_to_look_at() -> None:
    assert sum(1 for path in SOURCES for _ in calls(path)) > 150


@pytest.mark.parametrize(
    "code",
    [
        'say("yes")',
        'say("yes", "")',
        'say("yes", "yes")',
        'say("是", "是")',
        'say(f"{a} is full", "已满")',
        'say("full", other)',
    ],
)
def test_a_forgotten_language_would_be_noticed(code: str) -> None:
    (call,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert fault(call)
