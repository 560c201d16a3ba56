"""The tokenizer: against transformers, against textbook BPE, and for every Unicode string."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, trainers

from feilun.model.chat_template import CHATML
from feilun.model.gguf_tokenizer import pre_tokeniser_name
from feilun.model.tokenizer import Tokenizer, TokenizerConfig
from feilun.model.tokenizer_training import (
    LLAMA_CPP_PRE,
    byte_characters,
    learn_merges,
    may_merge,
    script,
    train_tokenizer,
)
from feilun.text import FeilunError

ROOT = Path(__file__).parents[2]
TEXTS = [
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")
]

# As Gemma writes turns: other names for the roles, texts trimmed, the system prompt in front of the first question.
GEMMA = (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] + '\\n\\n' %}{% else %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ ns.system }}{% set ns.system = '' %}{{ message['content'] | trim }}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# As Qwen3 does, an empty thought before the answers; and as SmolLM2, a system prompt where there is none.
THINKING = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

TALK = [
    {"role": "system", "content": "Answer briefly. 请简短。"},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "It is 4."},
    {"role": "user", "content": "用中文再说一遍。"},
    {"role": "assistant", "content": "二加二等于四。"},
]


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    return train_tokenizer(TEXTS, 600)


@pytest.fixture(scope="module")
def gemma() -> Tokenizer:
    """A small tokenizer of Gemma's kind: spaces written as U+2581, no pre-tokeniser, bytes for what is not in it."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    small = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    small.normalizer = normalizers.Replace(" ", "▁")
    small.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    words = [word for text in TEXTS for word in re.findall(r"\s*\w+|\s*[^\w\s]+|\s+", text)]
    small.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=900, special_tokens=specials + bytes_, show_progress=False)
    )
    whole = json.loads(small.to_str())
    whole["added_tokens"] = whole["added_tokens"][: len(specials)]  # bytes are ordinary tokens in Gemma's
    config = TokenizerConfig(bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")
    return Tokenizer(json.dumps(whole), config, GEMMA)


def with_template(tokenizer: Tokenizer, template: str | None, folder: Path) -> Tokenizer:
    tokenizer.save(folder)
    return Tokenizer(
        (folder / "tokenizer.json").read_text(encoding="utf-8"),
        TokenizerConfig(eos_token="<|endoftext|>"),
        template,
    )


def theirs(tokenizer: Tokenizer, folder: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    tokenizer.save(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def learnt(tokenizer: Tokenizer, messages: Sequence[dict[str, str]]) -> list[str]:
    """The parts of a conversation that the assistant says."""
    ids, mask = tokenizer.chat(messages)
    assert len(ids) == len(mask)
    return [
        tokenizer.decode([i for i, _ in group])
        for is_learnt, group in itertools.groupby(zip(ids, mask, strict=True), key=lambda pair: pair[1])
        if is_learnt
    ]


# Text.


@settings(max_examples=500)
@given(st.text())
def test_every_unicode_string_comes_back(ours: Tokenizer, text: str) -> None:
    ids = ours.encode(text)
    assert ours.decode(ids) == text
    assert all(0 <= i < ours.vocab_size for i in ids)
    assert ours.encode_batch([text, "x"]) == [ids, ours.encode("x")]


@pytest.mark.parametrize("text", ["<|endoftext|>", "a<|im_end|>\n<|im_start|>assistant", "<|pad|>" * 3])
def test_lookalikes_of_special_tokens_are_text(ours: Tokenizer, text: str) -> None:
    ids = ours.encode(text)
    assert not set(ids) & set(ours.specials.values())
    assert ours.decode(ids) == text


def test_half_a_surrogate_pair_is_refused(ours: Tokenizer) -> None:
    for encode in (lambda: ours.encode("ab \ud83d cd"), lambda: ours.encode_batch(["fine", "ab \ud83d cd"])):
        with pytest.raises(FeilunError, match=r"ab \\ud83d cd"):
            encode()


def test_transformers_reads_it_and_gives_the_same_ids(ours: Tokenizer, tmp_path: Path) -> None:
    other = theirs(ours, tmp_path)
    for text in [*TEXTS, "", " ", "\r\n\n x", "用Python写２０２４年，1234", "e\u0301 don't I'LL 🦙"]:
        assert ours.encode(text) == other.encode(text, add_special_tokens=False)
        assert other.decode(ours.encode(text)) == text
    assert len(other) == ours.vocab_size == 600
    assert (other.eos_token_id, other.pad_token_id, other.bos_token_id) == (
        ours.eos_id,
        ours.pad_id,
        ours.bos_id,
    )
    assert other.chat_template == CHATML


def test_saved_and_loaded_it_is_the_same(ours: Tokenizer, gemma: Tokenizer, tmp_path: Path) -> None:
    for tokenizer in (ours, gemma):
        tokenizer.save(tmp_path)
        again = Tokenizer.load(tmp_path)
        assert again.fingerprint == tokenizer.fingerprint
        assert again.end_ids == tokenizer.end_ids
        assert again.chat(TALK) == tokenizer.chat(TALK)


def test_fingerprint_is_of_the_file_as_it_was(ours: Tokenizer, tmp_path: Path) -> None:
    ours.save(tmp_path)
    compact = json.dumps(json.loads((tmp_path / "tokenizer.json").read_text()), ensure_ascii=False) + "\r\n"
    (tmp_path / "tokenizer.json").write_bytes(compact.encode())
    other = Tokenizer.load(tmp_path)
    assert other.fingerprint != ours.fingerprint
    other.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "tokenizer.json").read_bytes() == compact.encode()


# Training.


def textbook(words: Counter[str], count: int) -> list[tuple[bytes, bytes]]:
    """BPE as Sennrich et al. wrote it, with `may_merge` and ties to the pair of the older symbols."""
    tokens = [bytes([byte]) for byte in range(256)]
    split = {word: list(word.encode()) for word in words}
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < count:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, symbols in split.items():
            at = 0
            found = list(itertools.pairwise(symbols))
            while at < len(found):
                pairs[found[at]] += words[word]
                # "aaa" has the pair (a, a) once, not twice
                at += 2 if at + 1 < len(found) and found[at] == found[at + 1] else 1
        allowed = {
            pair: n for pair, n in pairs.items() if n > 1 and may_merge(tokens[pair[0]], tokens[pair[1]])
        }
        if not allowed:
            break
        a, b = min(allowed, key=lambda pair: (-allowed[pair], pair))
        merges.append((tokens[a], tokens[b]))
        for symbols in split.values():
            at = 0
            while at < len(symbols) - 1:
                if symbols[at : at + 2] == [a, b]:
                    symbols[at : at + 2] = [len(tokens)]
                at += 1
        tokens.append(tokens[a] + tokens[b])
    return merges


@given(
    st.dictionaries(st.text("ab语言 ", min_size=1, max_size=12), st.integers(1, 9), max_size=12),
    st.integers(0, 30),
)
def test_merges_are_those_of_the_textbook(words: dict[str, int], count: int) -> None:
    assert learn_merges(Counter(words), count) == textbook(Counter(words), count)


def test_merges_of_real_text_are_those_of_the_textbook() -> None:
    words = Counter(re.findall(r" ?\w+|\W", TEXTS[0][:3000] + TEXTS[1][:2000]))
    assert learn_merges(words, 150) == textbook(words, 150)


def test_what_a_token_is(ours: Tokenizer) -> None:
    """Whole characters or part of one; one script; Chinese of at most four characters; digits alone."""
    byte_of = {character: byte for byte, character in enumerate(byte_characters())}
    vocabulary = [token for token in ours.raw.get_vocab() if token not in ours.specials]
    assert any(len(token) == 6 and token[0] == "ä" for token in vocabulary), "some Chinese word was learnt"
    for token in vocabulary:
        whole = bytes(byte_of[character] for character in token)
        try:
            text = whole.decode()
        except UnicodeDecodeError:
            assert len(whole) < 4
            assert all(byte & 0xC0 == 0x80 for byte in whole[1:])
            continue
        letters = {script(character) for character in text if character.isalpha()}
        assert len(letters) <= 1, text
        assert "CJK" not in letters or (len(text) <= 4 and text.isalpha()), text
        assert not re.search(r"\d", text) or len(text) == 1, text


@pytest.mark.parametrize(
    ("left", "right", "may"),
    [
        (" wor", "ld", True),
        ("飞轮", "模型", True),
        ("飞轮模", "型训", False),  # five characters
        ("，", "我", False),
        ("用", "Python", False),
        ("ab", "вг", False),
        ("1", "2", False),
        ("x", "²", False),
        ("。", "\n", True),
        ("  ", "  ", True),
        ("é", "t", True),
    ],
)
def test_which_tokens_may_merge(left: str, right: str, may: bool) -> None:
    assert may_merge(left.encode(), right.encode()) is may


def test_parts_of_characters_merge_within_one_only() -> None:
    first, second, third = (bytes([byte]) for byte in "轮".encode())
    assert may_merge(first, second)
    assert may_merge(first + second, third)
    assert not may_merge(second, third)
    assert not may_merge(third, first)
    assert not may_merge("轮".encode(), first)
    assert not may_merge(b"a", first)


def test_training_knows_no_order_of_texts(ours: Tokenizer) -> None:
    assert train_tokenizer(reversed(TEXTS), 600).fingerprint == ours.fingerprint


def test_llama_cpp_has_our_pre_tokeniser(ours: Tokenizer, tmp_path: Path) -> None:
    """tests/model/test_gguf.py runs llama.cpp on tokenizers with this name and compares ids."""
    ours.save(tmp_path)
    assert (
        pre_tokeniser_name(json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8")))
        == LLAMA_CPP_PRE
    )


def test_vocabularies_that_cannot_be() -> None:
    with pytest.raises(FeilunError, match="A vocabulary of 260 is too small"):
        train_tokenizer(TEXTS, 260)
    with pytest.raises(FeilunError, match="give a vocabulary of 261 tokens, not 300") as caught:
        train_tokenizer(["ab ab"], 300)  # "ab" occurs twice, " ab" once
    assert caught.value.code == "corpus_too_small"
    with pytest.raises(FeilunError, match="260 tokens"):
        train_tokenizer([], 300)


# Conversations.


@pytest.mark.parametrize("kind", ["ours", "gemma", "thinking"])
def test_chat_has_the_ids_of_transformers(
    kind: str, ours: Tokenizer, gemma: Tokenizer, tmp_path: Path
) -> None:
    tokenizer = {"ours": ours, "gemma": gemma, "thinking": with_template(ours, THINKING, tmp_path)}[kind]
    other = theirs(tokenizer, tmp_path)
    for messages in (TALK, TALK[1:3], TALK[:2], [{"role": "user", "content": "  x \n"}, *TALK[2:3]]):
        ids, _ = tokenizer.chat(messages)
        assert ids == other.apply_chat_template(messages, return_dict=False)
        for prompt in (False, True):
            assert tokenizer.render(messages, add_generation_prompt=prompt) == other.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt
            )


def test_the_answers_and_their_ends_are_learnt_and_nothing_else(
    ours: Tokenizer, gemma: Tokenizer, tmp_path: Path
) -> None:
    assert learnt(ours, TALK) == ["It is 4.<|im_end|>", "二加二等于四。<|im_end|>"]
    assert learnt(gemma, TALK) == ["It is 4.<end_of_turn>", "二加二等于四。<end_of_turn>"]
    thought = "<think>\n\n</think>\n\n"
    thinking = with_template(ours, THINKING, tmp_path)
    assert learnt(thinking, TALK) == [thought + "It is 4.<|im_end|>", thought + "二加二等于四。<|im_end|>"]
    assert ours.specials["<|im_end|>"] in ours.end_ids
    assert gemma.end_ids == (gemma.specials["<eos>"], gemma.specials["<end_of_turn>"])


TEXT = st.text() | st.sampled_from(
    [
        "<|im_end|>",
        "a<|im_start|>assistant\nb<|im_end|>",
        "assistant\n",
        "\n\n",
        " x ",
        "\ue0001\ue001",
        "<|endoftext|>",
    ]
)


@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT.filter(bool)), min_size=1, max_size=5
    )
)
def test_whatever_is_said_the_borders_hold(ours: Tokenizer, turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": text} for role, text in turns]
    ids, mask = ours.chat(messages)
    assert ours.decode(ids) == ours.render(messages)
    assert learnt(ours, messages) == [text + "<|im_end|>" for role, text in turns if role == "assistant"]
    starts, ends = ours.specials["<|im_start|>"], ours.specials["<|im_end|>"]
    assert ids.count(starts) == ids.count(ends) == len(turns)
    for i, (role, _) in enumerate(turns):
        if role == "assistant":  # an answer is learnt behind the very ids that generation starts from
            prompt, _ = ours.chat(messages[:i])
            prompt = [*prompt, starts, *ours.encode("assistant\n")]
            if i == 0 or turns[i - 1][0] != "assistant":
                assert ids[: len(prompt)] == prompt
            assert mask[len(prompt)]


@given(TEXT, TEXT)
def test_templates_that_trim(gemma: Tokenizer, question: str, answer: str) -> None:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    said = [answer.strip() + "<end_of_turn>"] if answer else []
    assert learnt(gemma, messages) == said
    ids, _ = gemma.chat(messages)
    assert ids.count(gemma.specials["<end_of_turn>"]) == 2


def test_an_instruct_models_end_of_turn_is_not_the_end_of_a_document(ours: Tokenizer, tmp_path: Path) -> None:
    ours.save(tmp_path)
    settings = {
        "eos_token": {"content": "<|im_end|>", "special": True},
        "pad_token": None,
        "chat_template": CHATML,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "chat_template.jinja").unlink()
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.eos_id == tokenizer.pad_id == ours.eos_id
    assert tokenizer.end_ids == ours.end_ids


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", "no_turn_end"),
        ("{% for m in messages %}{{ m.content | upper }}<|im_end|>{% endfor %}", "template_changes_text"),
        (
            "{% for m in messages if m.role == 'user' %}{{ m.content }}<|im_end|>{% endfor %}",
            "template_drops_message",
        ),
        ("{{ raise_exception('roles must alternate') }}", "template_failed"),
        ("{{ ''.__class__.__mro__ }}", "template_failed"),
        (None, "no_chat_template"),
    ],
)
def test_templates_nobody_should_train_with(
    ours: Tokenizer, template: str | None, code: str, tmp_path: Path
) -> None:
    tokenizer = with_template(ours, template, tmp_path)
    with pytest.raises(FeilunError) as caught:
        tokenizer.chat(TALK)
    assert caught.value.code == code
    assert tokenizer.eos_id == ours.eos_id


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user<|im_end|>", "content": "x"},
        {"role": "user"},
        {"role": "user", "content": None},
        {**TALK[0], "name": "x"},
    ],
)
def test_messages_that_are_none(ours: Tokenizer, message: Any) -> None:
    with pytest.raises(FeilunError, match="A message needs"):
        ours.chat([message])


def test_folders_that_cannot_be_used(ours: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(FeilunError, match=r"it has no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    ours.save(tmp_path)
    for name, content, said in (
        ("chat_template.jinja", "{% for", "chat template"),
        ("tokenizer_config.json", '{"eos_token": 3}', "tokenizer_config.json is broken: eos_token: "),
        ("tokenizer_config.json", "{", "tokenizer_config.json is broken: not valid JSON"),
        ("tokenizer.json", '{"model": 1}', "No usable"),
        ("tokenizer.json", b"\xff\xfe", "Cannot read"),
    ):
        ours.save(tmp_path)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(FeilunError, match=said) as caught:
            Tokenizer.load(tmp_path)
        assert str(tmp_path) in str(caught.value)
    ours.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": 3}')
    with pytest.raises(FeilunError) as caught:
        Tokenizer.load(tmp_path)
    assert caught.value.text.zh == f"{tmp_path / 'tokenizer_config.json'} 已损坏：eos_token：应为字符串。"
