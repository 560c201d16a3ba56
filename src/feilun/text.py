"""Sentences for people, in Chinese and English side by side.

Both versions stand at the place where the sentence is used, so neither can be forgotten and no
catalogue of keys has to be kept in step. Which one is shown is decided when it is shown: on the
command line by the locale, over HTTP by ``Accept-Language``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


def locale_language() -> Language:
    """The language of this process: ``FEILUN_LANG`` (``zh`` or ``en``), else the POSIX locale."""
    for name in ("FEILUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "").lower()
        if value:
            return "zh" if value.startswith("zh") else "en"
    return "en"


def header_language(accept_language: str | None) -> Language:
    """The language an ``Accept-Language`` header asks for first; English when it does not say."""
    first = (accept_language or "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    en: str
    zh: str

    def show(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def __str__(self) -> str:
        return self.show(locale_language())


def say(en: str, zh: str) -> str:
    """The sentence in the language of this process."""
    return str(Text(en, zh))


class FeilunError(Exception):
    """Something the user can act on: what went wrong, where, and what to do, in both languages.

    It is printed as one line, without a traceback. Over HTTP it becomes an error in OpenAI's shape:
    ``status`` is the HTTP status, ``code`` the machine-readable name, ``param`` the field at fault.
    """

    def __init__(
        self,
        en: str,
        zh: str,
        *,
        status: int = 500,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(en)
        self.text = Text(en, zh)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.text)
