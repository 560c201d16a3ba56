"""Text to token ids and back, and conversations to ids with the assistant's part marked.

A tokenizer is the three files of a Hugging Face folder: ``tokenizer.json``, ``tokenizer_config.json`` and
``chat_template.jinja``. ``feilun.model.tokenizer_training`` makes one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import tokenizers
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from feilun.model.chat_template import ChatTemplate, Message
from feilun.text import FeilunError
from feilun.validation import first_fault
from feilun.workspace import write_atomically

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"

# The end of a document, where `eos_token` names the end of a turn instead, as instruction-tuned models do.
_DOCUMENT_ENDS = ("<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>")


class TokenizerConfig(BaseModel):
    """What we read of a ``tokenizer_config.json``. It is other people's file: the rest of it is kept as it is."""

    model_config = ConfigDict(extra="allow")

    bos_token: str | None = None
    eos_token: str | None = None
    pad_token: str | None = None
    unk_token: str | None = None
    chat_template: str | None = None

    @field_validator("bos_token", "eos_token", "pad_token", "unk_token", mode="before")
    @classmethod
    def _content(cls, value: Any) -> Any:
        return cast("dict[str, Any]", value).get("content") if isinstance(value, dict) else value

    @field_validator("chat_template", mode="before")
    @classmethod
    def _default_template(cls, value: Any) -> Any:
        """Some folders hold several named templates."""
        if not isinstance(value, list):
            return value
        named = cast("list[dict[str, str]]", value)
        return next((entry.get("template") for entry in named if entry.get("name") == "default"), None)


class Tokenizer:
    """A `tokenizers.Tokenizer` with its special tokens and chat template."""

    def __init__(self, text: str, config: TokenizerConfig, template: str | None = None) -> None:
        """``text``: the content of ``tokenizer.json``. Raises `FeilunError` if it, or the template, cannot be used."""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception
            raise FeilunError(
                f"No usable {TOKENIZER}: {error}.",
                f"{TOKENIZER} 无法使用：{error}。",
                code="tokenizer_broken",
            ) from None
        # Kept as read: written again it has the same fingerprint, whatever the library would make of it.
        self._text = text
        self._config = config
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # as text: only `chat` writes special tokens
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {token.content: number for number, token in added.items() if token.special}
        longest_first = sorted(self._specials, key=len, reverse=True)
        self._special = (
            re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")
            if longest_first
            else re.compile("(?!)()")
        )
        source = template or config.chat_template
        names = config.model_dump(
            include={"bos_token", "eos_token", "pad_token", "unk_token"}, exclude_none=True
        )
        self.template = ChatTemplate(source, names) if source else None

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """The tokenizer of a Hugging Face folder. Raises `FeilunError` if files are missing or broken."""
        text = _read(folder, TOKENIZER)
        template = _read(folder, TEMPLATE) if (folder / TEMPLATE).exists() else None
        try:
            config = TokenizerConfig.model_validate_json(_read(folder, CONFIG))
            return cls(text, config, template)
        except ValidationError as error:
            said = first_fault(error)
            raise FeilunError(
                f"{folder / CONFIG} is broken: {said.en}.",
                f"{folder / CONFIG} 已损坏：{said.zh}。",
                code="tokenizer_broken",
            ) from None
        except FeilunError as error:
            raise FeilunError(
                f"{folder}: {error.text.en}", f"{folder}：{error.text.zh}", code=error.code
            ) from None

    def save(self, folder: Path) -> None:
        """Write the files into a folder, which is made if need be."""
        write_atomically(folder / TOKENIZER, self._text)
        template = {"chat_template": self.template.source} if self.template else {}
        config = self._config.model_dump() | template
        write_atomically(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        if self.template:
            write_atomically(folder / TEMPLATE, self.template.source)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:<hex>`` of ``tokenizer.json``."""
        return "sha256:" + hashlib.sha256(self._text.encode()).hexdigest()

    @property
    def raw(self) -> tokenizers.Tokenizer:
        """The library's object, for those who write other file formats."""
        return self._tokenizer

    @property
    def specials(self) -> dict[str, int]:
        """Special tokens and their ids."""
        return dict(self._specials)

    # Ids with a meaning.

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def bos_id(self) -> int | None:
        return self._id(self._config.bos_token)

    @cached_property
    def eos_id(self) -> int:
        """The end of a document. Raises `FeilunError` if the tokenizer has none."""
        eos = self._id(self._config.eos_token)
        if eos is None or eos == self.turn_end_id:
            eos = next((self._specials[name] for name in _DOCUMENT_ENDS if name in self._specials), eos)
        if eos is None:
            raise FeilunError(
                f"The tokenizer names no end token: set eos_token in {CONFIG}.",
                f"分词器没有结束标记：请在 {CONFIG} 中设置 eos_token。",
                code="no_end_token",
            )
        return eos

    @cached_property
    def turn_end_id(self) -> int | None:
        """The end of an assistant's turn, as the chat template writes it; None without template or such a token."""
        if self.template is None:
            return None
        try:
            pieces = self.template.pieces(
                [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
            )
        except FeilunError:  # not a template for conversations; `chat` will say why
            return None
        found = self._special.search(pieces[-1].text) if pieces[-1].message is None else None
        return self._specials[found[0]] if found else None

    @property
    def end_ids(self) -> tuple[int, ...]:
        """What generation stops at: the end of a document, and of a turn."""
        return tuple(dict.fromkeys(i for i in (self.eos_id, self.turn_end_id) if i is not None))

    @property
    def pad_id(self) -> int:
        pad = self._id(self._config.pad_token)
        return self.eos_id if pad is None else pad

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._tokenizer.token_to_id(token)

    # Text.

    def encode(self, text: str) -> list[int]:
        """Ids of a text; what looks like a special token in it is text. Raises `FeilunError` for lone surrogates."""
        try:
            return self._tokenizer.encode(text, add_special_tokens=False).ids
        except (TypeError, UnicodeEncodeError):
            raise _not_unicode(text) from None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The same of many texts, on all cores."""
        try:
            return [
                found.ids
                for found in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
            ]
        except (TypeError, UnicodeEncodeError):
            raise _not_unicode(*texts) from None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included. Bytes that are no character become U+FFFD."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    # Conversations.

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """The conversation as the chat template writes it. Raises `FeilunError` if there is no template or it refuses."""
        return self._need_template().render(messages, add_generation_prompt=add_generation_prompt)

    def chat(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and for each whether it is the assistant's: its text and the token that ends its turn.

        The ids are those that generation sees: the text between two special tokens is encoded as a whole, but cut
        where a prompt would end and the assistant begin. Only the template writes special tokens; their look-alikes
        in messages are text. An empty answer is not learnt. Raises `FeilunError` if the template drops an answer, or
        does not end it with a special token, for then the model would never learn to stop.
        """
        template = self._need_template()
        pieces = template.pieces(messages)
        said = {piece.message for piece in pieces}
        if any(m["role"] == "assistant" and m["content"] and i not in said for i, m in enumerate(messages)):
            raise FeilunError(
                "The chat template leaves out an assistant's message.",
                "对话模板漏掉了一条助手消息。",
                code="template_drops_message",
            )
        opening = template.opening() or "\0"  # some have none; NUL is in no template
        parts: list[_Part] = []
        answering = False  # between the beginning of an answer and the token that ends it
        for piece, after in itertools.zip_longest(pieces, pieces[1:]):
            if piece.message is not None:
                if answering and messages[piece.message]["role"] != "assistant":
                    raise _no_turn_end()
                answering = messages[piece.message]["role"] == "assistant"
                parts.append(_Part(piece.text, False, answering))
                continue
            # What a template adds behind the prompt's end (an empty thought, with Qwen3) the model has to say itself.
            own, begun = piece.text, ""
            if opening in own and after and messages[cast("int", after.message)]["role"] == "assistant":
                before, _, begun = own.rpartition(opening)
                own = before + opening
            for part in self._split(own):
                parts.append(_Part(part, part in self._specials, answering))
                answering = answering and part not in self._specials
            if begun:
                parts += [_Part(part, part in self._specials, True) for part in self._split(begun)]
                answering = True
        if answering:
            raise _no_turn_end()
        return self._encode_parts(parts)

    def _split(self, text: str) -> list[str]:
        """The template's own words, with special tokens as parts of their own."""
        return [part for part in self._special.split(text) if part]

    def _encode_parts(self, parts: Sequence[_Part]) -> tuple[list[int], list[bool]]:
        ids: list[int] = []
        mask: list[bool] = []
        for (special, learnt), group in itertools.groupby(
            parts, key=lambda part: (part.special, part.learnt)
        ):
            texts = [part.text for part in group]
            ids += [self._specials[text] for text in texts] if special else self.encode("".join(texts))
            mask += [learnt] * (len(ids) - len(mask))
        return ids, mask

    def _need_template(self) -> ChatTemplate:
        if self.template is None:
            raise FeilunError(
                f"The tokenizer has no chat template: put a {TEMPLATE} beside its {TOKENIZER}.",
                f"分词器没有对话模板：请在 {TOKENIZER} 旁放置 {TEMPLATE}。",
                code="no_chat_template",
            )
        return self.template


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a conversation: a special token, or text of the template or of a message."""

    text: str
    special: bool
    learnt: bool


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_bytes().decode()  # not read_text, which would change line ends
    except FileNotFoundError:
        raise FeilunError(
            f"{folder} is no tokenizer folder: it has no {name}.",
            f"{folder} 不是分词器文件夹：缺少 {name}。",
            code="no_tokenizer",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FeilunError(
            f"Cannot read {folder / name}: {error}.",
            f"无法读取 {folder / name}：{error}。",
            code="tokenizer_broken",
        ) from None


def _no_turn_end() -> FeilunError:
    return FeilunError(
        "The chat template writes no special token after an answer, so a model would never learn to stop. Use another template.",
        "对话模板没有在助手回答之后写入特殊标记，模型将永远学不会停止。请换用其他模板。",
        code="no_turn_end",
    )


def _not_unicode(*texts: str) -> FeilunError:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            near = ascii(text[max(0, error.start - 20) : error.end + 20])
            return FeilunError(
                f"The text is not valid Unicode: half of a surrogate pair near {near}.",
                f"文本不是有效的 Unicode：{near} 附近有不成对的代理码位。",
                code="text_not_unicode",
            )
    return FeilunError("Only text can be encoded.", "只能编码文本。", code="text_not_unicode")
