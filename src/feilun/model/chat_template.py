"""Chat templates: the jinja2 text, stored with a tokenizer, that writes a conversation as one string.

The same template serves training, the GGUF and other people's programs, so it is run with the very options of
transformers (``apply_chat_template``), in a sandbox: a template comes with a model, and models come from anywhere.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from feilun.text import FeilunError

Message = Mapping[str, str]
"""``role`` and ``content``."""

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Of the models we train from nothing."""

# What stands in for a text while its place is looked for. The outer characters are white space to str.strip and
# occur nowhere else, so that afterwards one sees whether the template trims.
_EDGE = "\u2003"
_MARK = _EDGE + "\ue000{}\ue001" + _EDGE
_MARKED = re.compile(f"({_EDGE}?)\ue000(\\d+)\ue001({_EDGE}?)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a rendered conversation: the template's own words, or the text of one message."""

    text: str
    message: int | None = None
    """Which message the text is of; None: the template's own."""


class ChatTemplate:
    """A compiled template. Raises `FeilunError` if it is not one."""

    def __init__(self, source: str, names: Mapping[str, str]) -> None:
        """``names``: what the template may refer to besides the messages, such as ``bos_token``."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json  # pyright: ignore[reportUnknownMemberType]
        environment.globals |= {"raise_exception": _raise, "strftime_now": _now}  # pyright: ignore[reportUnknownMemberType]
        self.source = source
        self._names = dict(names)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise _broken(error) from None

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """The conversation as one string. Raises `FeilunError` where the template refuses it."""
        for message in messages:
            _check(message)
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=add_generation_prompt,
                **self._names,
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise _broken(error) from None

    def pieces(self, messages: Sequence[Message]) -> list[Piece]:
        """The conversation cut where the texts of the messages begin and end.

        Rendered once with marks in place of the texts: so nothing that stands in a text can be taken for a part
        of the template. Raises `FeilunError` if the template does more to a text than trim it.
        """
        rendered = self.render(messages)
        marked = [
            {**message, "content": _MARK.format(i) if message["content"] else ""}
            for i, message in enumerate(messages)
        ]
        pieces: list[Piece] = []
        draft, end = self.render(marked), 0
        for found in _MARKED.finditer(draft):
            number = int(found[2])
            text = messages[number]["content"]
            text = text if found[1] else text.lstrip()
            text = text if found[3] else text.rstrip()
            pieces += [Piece(draft[end : found.start()]), Piece(text, number)]
            end = found.end()
        pieces.append(Piece(draft[end:]))
        if "".join(piece.text for piece in pieces) != rendered:
            raise FeilunError(
                "The chat template changes the texts of messages (more than trimming them), so that what the assistant "
                "said cannot be told apart. Use a simpler template.",
                "对话模板会改写消息文本（不只是去掉首尾空白），无法确定哪些内容是助手所说。请改用更简单的模板。",
                code="template_changes_text",
            )
        return [piece for piece in pieces if piece.text or piece.message is not None]

    def opening(self) -> str:
        """What a prompt ends with so that the model answers: ``<|im_start|>assistant`` and a newline in ChatML."""
        question = [{"role": "user", "content": "?"}]
        return self.render(question, add_generation_prompt=True).removeprefix(self.render(question))


def _check(message: Mapping[str, object]) -> None:
    """A role is written among the template's own words, where special tokens count: no other signs in it."""
    role, content = message.get("role"), message.get("content")
    if (
        len(message) == 2
        and isinstance(role, str)
        and re.fullmatch(r"\w+", role)
        and isinstance(content, str)
    ):
        return
    raise FeilunError(
        f"A message needs a role (a word) and a content (a text), nothing else; this one is {str(dict(message))[:100]}.",
        f"一条消息应当且只应当有 role（一个单词）和 content（文本），而这一条是：{str(dict(message))[:100]}。",
        code="message_invalid",
    )


def _broken(error: Exception) -> FeilunError:
    return FeilunError(
        f"The chat template cannot write this conversation: {error}.",
        f"对话模板无法写出这段对话：{error}。",
        code="template_failed",
    )


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # jinja2's own would escape for HTML


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.datetime.now().strftime(form)
