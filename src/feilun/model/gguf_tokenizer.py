"""The tokenizer inside a GGUF file, and Hugging Face's ``tokenizer.json``: each from the other.

Two kinds: byte-level BPE (``gpt2``: Llama 3, Qwen, SmolLM, our own) and sentencepiece's BPE (``llama``: Gemma).
What comes out gives the ids llama.cpp gives, so that a model is served the tokens it was trained on.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import tokenizers
from gguf import GGUFWriter, TokenType

from feilun.model.config import ModelConfig
from feilun.model.tokenizer import TOKENIZER, Tokenizer
from feilun.registry.gguf import BadHeader
from feilun.text import FeilunError

_CONTRACTIONS = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_QWEN2 = (
    _CONTRACTIONS[0] + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGIT = r"\p{N}"
PRE_TOKENISERS: dict[str, tuple[str, ...]] = {
    "gpt-2": (_GPT2,),
    "smollm": (_DIGIT, _GPT2),
    "qwen2": (_QWEN2,),
    "llama-bpe": (_QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1),),
}
"""llama.cpp's name (src/llama-vocab.cpp) -> the patterns that cut a text into words, one after the other."""

_SAME = {
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "smaug-bpe": "llama-bpe",
    "deepseek-r1-qwen": "qwen2",
    "kormo": "qwen2",
    "starcoder": "smollm",
    "refact": "smollm",
    "command-r": "smollm",
}
_WHOLE_WORDS = "llama-bpe"
"""Under this name llama.cpp takes a word that is a token as it is, whatever the merges (``ignore_merges``)."""

_OUT_OF_TEXT = -1000.0
"""Score of tokens that no merge makes, as in Google's files."""
_SPACE = "\u2581"
_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
_NO_ROW = {"<image_soft_token>"}
"""Stands in Gemma's tokenizer and has no row in the text model's embedding."""
_TURN_ENDS = ("<|im_end|>", "<end_of_turn>", "<|eot_id|>")

# In.


def read_tokenizer(
    metadata: dict[str, Any], config: ModelConfig
) -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """The tokenizer of a GGUF's metadata (arrays included), and the content of its ``tokenizer_config.json``.

    Raises `FeilunError` for a kind that is not supported or a vocabulary that does not fit the model,
    `BadHeader` for metadata that lack something.
    """

    def get(name: str, default: Any = None) -> Any:
        return metadata.get(f"tokenizer.ggml.{name}", default)

    kind, pre = get("model"), str(get("pre", "default"))
    tokens = cast("list[str] | None", get("tokens"))
    if not tokens:
        raise BadHeader("it has no vocabulary", "没有词表")
    if len(tokens) != config.vocab_size:
        raise vocabulary_mismatch(len(tokens), config.vocab_size)
    types: list[int] = get("token_type") or [int(TokenType.NORMAL)] * len(tokens)
    if len(types) != len(tokens):
        raise BadHeader("it has not one type for each token", "token 的类型数与词表不符")
    # Rows that merely round the embedding's size up are no tokens.
    vocab = {token: i for i, token in enumerate(tokens) if types[i] != TokenType.UNUSED}
    if kind == "gpt2":
        whole = _byte_level(_SAME.get(pre, pre), vocab, get("merges") or [])
    elif kind == "llama" and not get("add_space_prefix", True):
        whole = _sentencepiece(vocab, get("scores") or [], tokens, get("unknown_token_id"))
    else:
        raise _unsupported(f"{kind} with a space put before the text" if kind == "llama" else str(kind))
    added = {TokenType.CONTROL, TokenType.UNKNOWN, TokenType.USER_DEFINED}
    whole["added_tokens"] = [_added(i, tokens[i], kind) for i, kind in enumerate(types) if kind in added]
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.context,
        "clean_up_tokenization_spaces": False,
    }
    for name, key in {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items():
        id = get(f"{key}_token_id")
        if isinstance(id, int) and id < len(tokens):
            settings[f"{name}_token"] = tokens[id]
    bos = settings.get("bos_token")
    settings["add_bos_token"] = bool(
        bos is not None and get("add_bos_token", kind == "llama" or pre == "llama-bpe")
    )
    if bos is not None and settings["add_bos_token"]:
        whole["post_processor"] = _begin_with(bos, vocab[bos])
    return tokenizers.Tokenizer.from_str(json.dumps(whole)), settings


def end_of_turn(tokenizer: tokenizers.Tokenizer) -> int | None:
    """The token that ends a turn, by its usual names: llama.cpp stops there whether or not a file says so."""
    added = {token.content: id for id, token in tokenizer.get_added_tokens_decoder().items()}
    return next((added[name] for name in _TURN_ENDS if name in added), None)


def _byte_level(pre: str, vocab: dict[str, int], merges: list[str]) -> dict[str, Any]:
    patterns = PRE_TOKENISERS.get(pre)
    if patterns is None:
        raise _unsupported(f"byte-level BPE with the pre-tokeniser '{pre}'")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    steps: list[dict[str, Any]] = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in patterns
    ]
    return {
        "version": "1.0",
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, byte_level]},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": vocab,
            "merges": [merge.split(" ", 1) for merge in merges],
            "ignore_merges": pre == _WHOLE_WORDS,
        },
    }


def _sentencepiece(
    vocab: dict[str, int], scores: list[float], tokens: list[str], unknown: int | None
) -> dict[str, Any]:
    if len(scores) != len(tokens):
        raise BadHeader("it has not one score for each token", "token 的分数个数与词表不符")
    return {
        "version": "1.0",
        "normalizer": _SPACES,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": None if unknown is None else tokens[unknown],
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocab,
            "merges": _merges(vocab, scores),
        },
    }


def _merges(vocab: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """What sentencepiece does without a list: any two neighbours that together are a token, best score first."""
    ranked = sorted((-scores[i], i, token) for token, i in vocab.items() if len(token) > 1)
    return [
        (token[:cut], token[cut:])
        for _, _, token in ranked
        for cut in range(1, len(token))
        if token[:cut] in vocab and token[cut:] in vocab
    ]


def _added(id: int, content: str, kind: int) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id, "content": content, **plain, "special": kind != TokenType.USER_DEFINED}


def _begin_with(token: str, id: int) -> dict[str, Any]:
    first, text, second = (
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}},
    )
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, second],
        "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}},
    }


# Out.


def write_tokenizer(folder: Path, config: ModelConfig, writer: GGUFWriter) -> None:
    """The tokenizer and chat template of a Hugging Face folder.

    Raises `FeilunError` if there is none, it does not fit the model, or llama.cpp has none like it.
    """
    tokenizer = Tokenizer.load(folder)
    path = folder / TOKENIZER
    try:
        _write_vocabulary(json.loads(path.read_text(encoding="utf-8")), config.vocab_size, writer)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise FeilunError(
            f"{path} cannot be used ({why}).", f"{path} 无法使用（{why}）。", code="tokenizer_broken"
        ) from None
    # llama.cpp stops at each of them, and calls the first eos_token in templates.
    ends = dict.fromkeys((*config.eos_ids, *tokenizer.end_ids))
    keys = (writer.add_eos_token_id, writer.add_eot_token_id, writer.add_eom_token_id)
    for write, id in zip(keys, ends, strict=False):
        write(id)
    bos = tokenizer.bos_id if config.bos_id is None else config.bos_id
    if bos is not None:
        writer.add_bos_token_id(bos)
    writer.add_pad_token_id(tokenizer.pad_id if config.pad_id is None else config.pad_id)
    writer.add_add_bos_token(bos is not None and tokenizer.raw.encode("a").ids[:1] == [bos])
    if tokenizer.template is not None:
        writer.add_chat_template(tokenizer.template.source)


def pre_tokeniser_name(whole: dict[str, Any]) -> str:
    """llama.cpp's name of the pre-tokeniser of a byte-level ``tokenizer.json``. Raises `FeilunError` if it has none like it."""
    patterns: list[str] = []
    found = cast("dict[str, Any]", whole["pre_tokenizer"] or {})
    steps = cast("list[dict[str, Any]]", found.get("pretokenizers", [found]))
    for step in steps:
        match step:
            case {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated", "invert": False}:
                patterns.append(
                    regex.replace(_CONTRACTIONS[1], _CONTRACTIONS[0]).replace(r"\p{N}{1}", _DIGIT)
                )
            case {"type": "Digits", "individual_digits": True}:
                patterns.append(_DIGIT)
            case {"type": "ByteLevel", "add_prefix_space": False} if step is steps[-1]:
                patterns += [_GPT2] if step.get("use_regex", True) else []
            case _:
                raise _unsupported(f"the pre-tokeniser {step.get('type')}")
    for name, known in PRE_TOKENISERS.items():
        if known == tuple(patterns):
            return name
    raise _unsupported("a pre-tokeniser llama.cpp does not know: " + " then ".join(patterns))


def _write_vocabulary(whole: dict[str, Any], size: int, writer: GGUFWriter) -> None:
    model = whole["model"]
    if model["type"] != "BPE":
        raise _unsupported(model["type"])
    vocab: dict[str, int] = model["vocab"]
    added = {token["content"]: token for token in whole["added_tokens"] if token["content"] not in _NO_ROW}
    tokens = {id: token for token, id in vocab.items()} | {token["id"]: name for name, token in added.items()}
    if max(tokens) >= size:
        raise vocabulary_mismatch(max(tokens) + 1, size)
    written = cast("list[str | list[str]]", model["merges"])
    merges = [tuple(merge.split(" ", 1) if isinstance(merge, str) else merge) for merge in written]
    pieces = bool(model.get("byte_fallback"))
    types: dict[int, TokenType] = {}
    for id, token in tokens.items():
        if token in added:
            types[id] = TokenType.CONTROL if added[token]["special"] else TokenType.USER_DEFINED
        elif pieces and len(token) == 6 and token.startswith("<0x"):
            types[id] = TokenType.BYTE
        else:
            types[id] = TokenType.UNKNOWN if token == model.get("unk_token") else TokenType.NORMAL
    if pieces:
        # Of tokens matched in the text itself llama.cpp wants the text: spaces as they are.
        tokens |= {
            id: tokens[id].replace(_SPACE, " ")
            for id, type in types.items()
            if type == TokenType.USER_DEFINED
        }
        _write_sentencepiece(whole, merges, vocab, size, writer)
    else:
        _write_byte_level(whole, merges, writer)
    writer.add_token_list([tokens.get(id, f"[PAD{id}]") for id in range(size)])
    writer.add_token_types([types.get(id, TokenType.UNUSED) for id in range(size)])


def _write_byte_level(whole: dict[str, Any], merges: list[tuple[str, ...]], writer: GGUFWriter) -> None:
    normalizer = cast("dict[str, Any]", whole.get("normalizer") or {}).get("type")
    if normalizer not in (
        None,
        "NFC",
    ):  # NFC (Qwen): llama.cpp takes the text as it comes, which is NFC nearly always
        raise _unsupported(f"the normalizer {normalizer}")
    pre = pre_tokeniser_name(whole)
    if bool(whole["model"].get("ignore_merges")) != (pre == _WHOLE_WORDS):
        raise _unsupported(f"the pre-tokeniser '{pre}' and ignore_merges otherwise than in Llama 3")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_merges([" ".join(merge) for merge in merges])


def _write_sentencepiece(
    whole: dict[str, Any], merges: list[tuple[str, ...]], vocab: dict[str, int], size: int, writer: GGUFWriter
) -> None:
    if whole.get("normalizer") != _SPACES:
        raise _unsupported("a sentencepiece normalizer other than spaces to ▁")
    scores = [_OUT_OF_TEXT - len(merges)] * size
    # A token is as good as its first merge is early; its other merges follow at once (see `_merges`).
    for rank, (token, _) in enumerate(groupby("".join(merge) for merge in merges)):
        if token in vocab:
            scores[vocab[token]] = max(scores[vocab[token]], -float(rank))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_scores(scores)
    writer.add_add_space_prefix(False)
    unknown = whole["model"].get("unk_token")
    if unknown in vocab:
        writer.add_unk_token_id(vocab[unknown])


def vocabulary_mismatch(tokens: int, rows: int) -> FeilunError:
    """The error for a tokenizer that is not the model's."""
    return FeilunError(
        f"The vocabulary does not match: the tokenizer has {tokens} tokens, the model's embedding {rows} rows.",
        f"词表不匹配：分词器有 {tokens} 个 token，模型嵌入有 {rows} 行。",
        code="vocabulary_mismatch",
    )


def _unsupported(what: str) -> FeilunError:
    return FeilunError(
        f"This tokenizer is not supported in GGUF files: {what}.",
        f"GGUF 转换不支持此分词器：{what}。",
        code="unsupported_tokenizer",
    )
