"""Tokenizers trained on the same texts with the same vocabulary, measured on texts held out of them.

    python bench/tokenizer.py                              # the project's own texts
    python bench/tokenizer.py --source ../shared/data/corpus

Ours against sentencepiece's BPE (byte fallback; normalisation off, so that it is lossless, and as it comes) and
against the expressions of Qwen2 and Llama 3 with the trainer of the `tokenizers` library. Bytes are of UTF-8, and more of
them per token are better. Needs `pip install sentencepiece` besides ``feilun[train]``.

Contestants run one after the other in one process, in rounds; times are those of the quickest. CPU time is the fairer
figure on a machine with other work, but counts both cores of the library's trainer. sentencepiece as it comes is no
equal: it rewrites signs (full-width to ASCII) and drops line ends and double spaces, which saves it tokens.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from feilun.data.read import cut, read_texts
from feilun.model.tokenizer_training import QWEN2, SPECIALS, train_tokenizer
from feilun.text import FeilunError

ROOT = Path(__file__).parents[1]
OWN = [
    ROOT / name
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "README.zh-CN.md", "docs", "recipes")
]
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
PIECE = 16_000
"""Characters: long documents are cut, so that a sample has something of many."""


@dataclass
class Codec:
    encode: Callable[[Sequence[str]], list[list[int]]]
    decode: Callable[[list[int]], str]


@dataclass
class Result:
    name: str
    vocabulary: int
    zh: float | None
    """Bytes per token on held-out Chinese, and English."""
    en: float | None
    seconds: float
    """Of training."""
    cpu_seconds: float
    lossless: bool
    """Whether every held-out text comes back."""
    encode_mb_per_s: float


Trainer = Callable[[Sequence[str], int], Codec]


def ours(texts: Sequence[str], size: int) -> Codec:
    tokenizer = train_tokenizer(texts, size)
    return Codec(tokenizer.encode_batch, tokenizer.decode)


def by_sentencepiece(**options: Any) -> Trainer:
    def train(texts: Sequence[str], size: int) -> Codec:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts for line in text.split("\n") if line),
            model_writer=model,
            model_type="bpe",
            vocab_size=size,
            byte_fallback=True,
            max_sentence_length=1 << 20,  # bytes; longer lines would be left out
            num_threads=2,
            minloglevel=2,
            **options,
        )
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        return Codec(lambda batch: processor.encode(list(batch), num_threads=2), processor.decode)

    return train


def by_library(expression: str) -> Trainer:
    def train(texts: Sequence[str], size: int) -> Codec:
        tokenizer = tokenizers.Tokenizer(models.BPE())
        split = pre_tokenizers.Split(tokenizers.Regex(expression), "isolated")
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator(
            texts,
            trainers.BpeTrainer(
                vocab_size=size, special_tokens=list(SPECIALS), initial_alphabet=alphabet, show_progress=False
            ),
        )
        return Codec(
            lambda batch: [found.ids for found in tokenizer.encode_batch_fast(list(batch))], tokenizer.decode
        )

    return train


LOSSLESS = {
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
}
OURS, BAR = "feilun", "sentencepiece BPE, lossless"
CONTESTANTS: dict[str, Trainer] = {
    OURS: ours,
    BAR: by_sentencepiece(**LOSSLESS),
    "sentencepiece BPE, as it comes": by_sentencepiece(),
    "Qwen2's expression": by_library(QWEN2),
    "Llama 3's expression": by_library(LLAMA3),
}


def sample(
    sources: Sequence[Path], train_bytes: int, held_bytes: int
) -> tuple[list[str], dict[str, list[str]]]:
    """Texts to train on, as many bytes of Chinese as of English, and others to measure on."""
    pieces: dict[str, list[str]] = {"zh": [], "en": []}
    for document in itertools.chain.from_iterable(read_texts(source, strict=False) for source in sources):
        rest = document.text
        while rest:
            piece, rest = cut(rest, PIECE)
            pieces.setdefault(document.language, []).append(piece)
    least = min(sum(len(text.encode()) for text in set(pieces[language])) for language in ("zh", "en"))
    train: list[str] = []
    held: dict[str, list[str]] = {}
    for language in ("zh", "en"):
        ordered = iter(sorted(set(pieces[language]), key=_hash))
        held[language] = _take(ordered, min(held_bytes, least // 10))
        train += _take(ordered, min(train_bytes, least - least // 10))
    return sorted(train, key=_hash), held


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _take(texts: Iterator[str], size: int) -> list[str]:
    taken: list[str] = []
    while size > 0 and (text := next(texts, None)) is not None:
        taken.append(text)
        size -= len(text.encode())
    return taken


def measure(name: str, size: int, train: Sequence[str], held: dict[str, list[str]]) -> Result:
    start, cpu = time.perf_counter(), time.process_time()
    codec = CONTESTANTS[name](train, size)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    per_token: dict[str, float | None] = {}
    lossless, encoded, encoding = True, 0, 0.0
    for language, texts in held.items():
        start = time.perf_counter()
        ids = codec.encode(texts)
        encoding += time.perf_counter() - start
        total = sum(len(text.encode()) for text in texts)
        encoded += total
        tokens = sum(map(len, ids))
        per_token[language] = total / tokens if tokens else None
        lossless = lossless and all(
            codec.decode(found) == text for found, text in zip(ids, texts, strict=True)
        )
    rate = encoded / encoding / 1e6 if encoded else 0.0
    return Result(name, size, per_token["zh"], per_token["en"], seconds, cpu, lossless, rate)


def show(result: Result) -> str:
    zh, en = (f"{value:.3f}" if value else "-" for value in (result.zh, result.en))
    return (
        f"{result.name:32}{result.vocabulary:7}{zh:>8}{en:>8}{result.seconds:10.1f}{result.cpu_seconds:8.1f}"
        f"{'yes' if result.lossless else 'no':>10}{result.encode_mb_per_s:10.1f}"
    )


def verdict(results: Sequence[Result], size: int) -> str:
    """Whether the bar is met: no fewer bytes per token than sentencepiece, in at most twice its time."""
    found = {result.name: result for result in results if result.vocabulary == size}
    if not {OURS, BAR} <= set(found):
        return f"{size}: not all were measured"
    mine, bar = found[OURS], found[BAR]
    denser = all(
        value is None or other is None or value >= other
        for value, other in ((mine.zh, bar.zh), (mine.en, bar.en))
    )
    times = (
        f"{mine.seconds / bar.seconds:.2f}x its time, {mine.cpu_seconds / bar.cpu_seconds:.2f}x its CPU time"
    )
    met = denser and mine.lossless and mine.seconds <= 2 * bar.seconds
    return f"{size}: bar of {BAR} {'met' if met else 'MISSED'} ({times})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, nargs="+", default=OWN, help="files or folders of texts")
    parser.add_argument("--vocab", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--megabytes", type=float, default=10, help="to train on, per language")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    train, held = sample(options.source, round(options.megabytes * 1e6), 1_000_000)
    git = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    sizes = {language: sum(len(text.encode()) for text in texts) for language, texts in held.items()}
    about = {
        "commit": git.stdout.strip(),
        "command": " ".join(["python", *sys.argv]),
        "train_bytes": sum(len(text.encode()) for text in train),
        "held_out_bytes": sizes,
    }
    if not options.json:
        print(*(f"{key}: {value}" for key, value in about.items()), "", sep="\n")
        print(
            f"{'':32}{'vocab':>7}{'zh B/t':>8}{'en B/t':>8}{'train s':>10}{'CPU s':>8}{'lossless':>10}{'enc MB/s':>10}"
        )
    results: list[Result] = []
    for size in options.vocab:
        runs: dict[str, list[Result]] = {name: [] for name in options.only}
        for name in options.only * options.rounds:
            try:
                runs[name].append(measure(name, size, train, held))
            except (FeilunError, RuntimeError) as error:  # the texts are too few for this vocabulary
                print(f"{name} at {size}: {error}", file=sys.stderr)
        best = [min(found, key=lambda result: result.seconds) for found in runs.values() if found]
        results += best
        if not options.json:
            print(*map(show, best), sep="\n", flush=True)
    if options.json:
        print(
            json.dumps(
                about | {"results": [asdict(result) for result in results]}, ensure_ascii=False, indent=2
            )
        )
    else:
        print("", *(verdict(results, size) for size in options.vocab), sep="\n")


if __name__ == "__main__":
    main()
