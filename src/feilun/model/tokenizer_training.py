"""Byte-level BPE from texts (Sennrich et al. 2016; over bytes: Radford et al. 2019, section 2.2).

The pre-tokeniser is Qwen2's, sign for sign, because llama.cpp runs it (``tokenizer.ggml.pre = "qwen2"``): a GGUF
gives the same ids. It splits digits, but makes one word of a Chinese clause, or of ``用Python写``. What a *token* may be
is therefore decided where merges are chosen, by `may_merge`: a word of one script, in Chinese of at most four characters
and without the punctuation before it. Text is cut by the same expression in training and in use, so every merge counts
what it will do.

Training is our own: the library's takes five times as long, and has no say in which merges are allowed.
"""

from __future__ import annotations

import functools
import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from feilun.model.chat_template import CHATML
from feilun.model.tokenizer import Tokenizer, TokenizerConfig
from feilun.text import FeilunError

QWEN2: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_CPP_PRE: Final = "qwen2"
"""``tokenizer.ggml.pre`` of a GGUF with a tokenizer that was trained here."""

END_OF_TEXT, TURN_START, TURN_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
# Padding has a token of its own: trainers that ignore padding would otherwise ignore the end of a document as well.
SPECIALS: Final = (END_OF_TEXT, TURN_START, TURN_END, PAD)

LONGEST_HAN = 4
"""Characters in a Chinese token. Longer ones are names and set phrases of one corpus."""

# The same in Python's own `re`, where letters are the word characters that are neither digits nor "_": this counts
# ² and Ⅷ among the letters, which `may_merge` undoes.
_WORD = re.compile(
    r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|(?:[^\w\r\n]|_)?[^\W\d_]+|\d| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_BORDER: Final = "\udfff"
"""Between words: no valid text has it."""

_NOTHING: Final = b"\xff"
"""The symbol that nothing merges with: a byte that no UTF-8 text has."""

_Ints = npt.NDArray[np.integer[Any]]


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer with ChatML template and ``vocab_size`` tokens: 4 special, 256 bytes, and merges.

    Deterministic, whatever the order of the texts. 20 MB take some ten seconds and 0.3 GB. Raises `FeilunError` if the
    vocabulary is smaller than the bytes, or larger than the texts give.
    """
    first = len(SPECIALS) + 256
    if vocab_size <= first:
        raise FeilunError(
            f"A vocabulary of {vocab_size} is too small: special tokens and bytes alone are {first}.",
            f"词表大小 {vocab_size} 太小：仅特殊标记和字节就有 {first} 个。",
            code="vocabulary_too_small",
        )
    words: Counter[str] = Counter()
    for text in texts:
        words.update(_WORD.findall(text))
    merges = learn_merges(words, vocab_size - first)
    if len(merges) < vocab_size - first:
        found = first + len(merges)
        raise FeilunError(
            f"The texts give a vocabulary of {found} tokens, not {vocab_size}. Take more text, or a vocabulary of {found}.",
            f"这些文本只能得到 {found} 个词元的词表，不足 {vocab_size}。请使用更多文本，或将词表设为 {found}。",
            code="corpus_too_small",
        )
    return _assemble(merges)


def learn_merges(words: Counter[str], count: int) -> list[tuple[bytes, bytes]]:
    """The ``count`` best merges, or as many as there are of pairs that occur twice, best first.

    All words lie in one array of symbols, linked as a list, so that one merge is a handful of numpy calls wherever in
    the corpus it applies. A pair's occurrences are noted when it comes up; later merges only take some of them away,
    hence the number noted in the heap is an upper bound and is put right when it comes to the top.

    No merge crosses the border of a character before both characters are whole. So how a character is put together
    depends on its frequency alone: it is learnt from one copy of it, and in the words the character is a single symbol
    that nothing merges with until then. With Chinese that leaves a third of the work.
    """
    codes = np.frombuffer(_BORDER.join(["", *words, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 1
    times = np.fromiter(words.values(), np.int32, len(words))
    weights = np.concatenate((np.zeros(len(codes) - lengths.sum(), np.int64), np.repeat(times, lengths)))
    occurrences, totals = _characters(codes, weights)
    copies = _NOTHING + b"".join(character + _NOTHING for character in occurrences)
    # Sorting small integers is what most of the time would go into: numpy sorts those of 16 bits by radix.
    size = np.uint16 if 256 + count <= 65536 else np.int32
    nothing = _NOTHING[0]
    symbols = np.concatenate(
        (np.where(codes < 128, codes, nothing).astype(size), np.frombuffer(copies, np.uint8).astype(size))
    )
    per_copy = np.fromiter((len(character) + 1 for character in occurrences), np.int64, len(occurrences))
    weights = np.concatenate((weights, [0], np.repeat(totals, per_copy)))
    following = np.arange(1, len(symbols) + 1, dtype=np.int32)
    previous = np.arange(-1, len(symbols) - 1, dtype=np.int32)
    places: dict[int, _Ints] = {}
    heap: list[tuple[int, int]] = []  # pairs as one number: left << 32 | right

    def note(at: _Ints, kind: _Ints, pair: Callable[[_Ints], _Ints]) -> None:
        """Note new pairs: where they begin (ascending), and a number for each from which ``pair`` tells which it is."""
        order = kind.argsort(kind="stable")
        at, kind = at[order], kind[order]
        starts = _starts(kind)
        totals = np.add.reduceat(weights[at], starts)
        ends = np.append(starts[1:], len(at))
        often = totals > 1
        columns = (pair(kind[starts].astype(np.int64)), starts, ends, totals)
        for number, start, end, total in zip(*(column[often].tolist() for column in columns), strict=True):
            places[number] = at[start:end]
            heapq.heappush(heap, (-total, number))

    def note_neighbours(at: _Ints, new: int) -> None:
        """Note the pairs that the symbol ``new``, just written at these places, makes with what is beside it."""
        right, before = symbols[following[at]], previous[at]
        left = symbols[before]
        if (beside := right != nothing).any():
            note(at[beside], right[beside], lambda kind: new << 32 | kind)
        if (beside := (left != nothing) & (left != new)).any():  # two new ones in a row were noted just now
            note(before[beside], left[beside], lambda kind: kind << 32 | new)

    beside = np.flatnonzero((symbols[:-1] != nothing) & (symbols[1:] != nothing)).astype(np.int32)
    if len(beside):
        note(beside, symbols[beside] << 8 | symbols[beside + 1], lambda kind: kind >> 8 << 32 | kind & 0xFF)
    tokens = [bytes([byte]) for byte in range(256)]
    merges: list[tuple[bytes, bytes]] = []
    while heap and len(merges) < count:
        bound, pair = heapq.heappop(heap)
        a, b = pair >> 32, pair & 0xFFFFFFFF
        noted = places.pop(pair)
        noted = noted[(symbols[noted] == a) & (symbols[following[noted]] == b)]
        at = _without_overlaps(noted, following) if a == b else noted
        total = int(weights[at].sum())
        if total < -bound:
            if total > 1:
                places[pair] = noted
                heapq.heappush(heap, (-total, pair))
            continue
        if not may_merge(tokens[a], tokens[b]):
            continue
        new = len(tokens)
        tokens.append(tokens[a] + tokens[b])
        merges.append((tokens[a], tokens[b]))
        gone = following[at]
        after = following[gone]
        symbols[at], symbols[gone] = new, nothing
        following[at], previous[after] = after, at
        note_neighbours(at, new)
        if (whole := occurrences.get(tokens[new])) is not None:
            symbols[whole] = new
            note_neighbours(whole, new)
    return merges


def _characters(codes: npt.NDArray[np.uint32], weights: _Ints) -> tuple[dict[bytes, _Ints], _Ints]:
    """Characters of more than one byte, in UTF-8, with their places in ``codes``; and how often each occurs."""
    at = np.flatnonzero((codes >= 128) & (codes & 0x1FF800 != 0xD800)).astype(np.int32)
    at = at[np.argsort(codes[at], kind="stable")]
    starts = _starts(codes[at])
    found = [chr(code).encode() for code in codes[at[starts]].tolist()]
    totals = np.add.reduceat(weights[at], starts) if len(at) else np.zeros(0, np.int64)
    return dict(zip(found, np.split(at, starts[1:]), strict=False)), totals


def _starts(ascending: _Ints) -> _Ints:
    """Where equal values begin."""
    begins = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    return begins.nonzero()[0]


def _without_overlaps(at: _Ints, following: _Ints) -> _Ints:
    """Of runs like ``aaa``, whose pairs share symbols, every other pair from the left."""
    if len(at) < 2:
        return at
    index = np.arange(len(at))
    begins = np.concatenate(([True], following[at[:-1]] != at[1:]))
    return at[(index - np.maximum.accumulate(np.where(begins, index, 0))) % 2 == 0]


def may_merge(left: bytes, right: bytes) -> bool:
    """Whether two tokens may become one.

    A token is part of one character, or a sequence of whole ones with letters of one script. Chinese is up to four
    characters with nothing else: "，我" would be a second word for "我", and a prompt that ends in "，" could not go on
    with it.
    """
    try:
        text = (left + right).decode()
    except UnicodeDecodeError:
        return (
            left[0] >= 0xC0
            and len(left + right) <= 4
            and all(byte & 0xC0 == 0x80 for byte in left[1:] + right)
        )
    scripts = {script(character) for character in text if character.isalpha()}
    if any(character.isnumeric() and not character.isalpha() for character in text):
        return len(text) == 1
    if "CJK" in scripts:
        return len(text) <= LONGEST_HAN and scripts == {"CJK"} and text.isalpha()
    return len(scripts) <= 1


@functools.cache
def script(letter: str) -> str:
    """LATIN, CYRILLIC, HIRAGANA, CJK (Chinese characters): the first word of the letter's name in Unicode."""
    return unicodedata.name(letter, "?").split(" ")[0].split("-")[0]


def _assemble(merges: list[tuple[bytes, bytes]]) -> Tokenizer:
    show = byte_characters()

    def shown(token: bytes) -> str:
        return "".join(show[byte] for byte in token)

    tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]
    vocabulary = {shown(token): len(SPECIALS) + i for i, token in enumerate(tokens)}
    vocabulary |= {token: i for i, token in enumerate(SPECIALS)}
    pairs = [(shown(left), shown(right)) for left, right in merges]
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    added = [tokenizers.AddedToken(token, special=True, normalized=False) for token in SPECIALS]
    tokenizer.add_special_tokens(added)  # pyright: ignore[reportUnknownMemberType]
    config = TokenizerConfig.model_validate(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END_OF_TEXT,
            "pad_token": PAD,
            "additional_special_tokens": [TURN_START, TURN_END],
            "clean_up_tokenization_spaces": False,
        }
    )
    return Tokenizer(tokenizer.to_str(pretty=True), config, CHATML)


def byte_characters() -> list[str]:
    """The character that stands for each byte in the vocabulary: GPT-2's table, which every reader of the format knows.

    Bytes that print stand for themselves, the others for the characters from U+0100 on, in order.
    """
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in prints else chr(next(others)) for byte in range(256)]
