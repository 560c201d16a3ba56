"""A real tokenizer, small enough to be trained for the tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|end|>"
TEXTS = [
    "飞轮是属于您自己的助手，越用越好。",
    "A flywheel keeps its energy and gives it back when it is needed.",
    "数据、模型、算力、场景：大模型的四个要素。",
    "def spin(wheel):\n    return wheel + 1\n",
]


@dataclass
class SmallBpe:
    """Byte-level BPE with the surface that `write_tokens` asks for."""

    inner: Tokenizer

    @property
    def vocab_size(self) -> int:
        return self.inner.get_vocab_size()

    @property
    def eos_id(self) -> int:
        found = self.inner.token_to_id(END)
        assert found is not None
        return found

    @property
    def fingerprint(self) -> str:
        return "sha256:" + hashlib.sha256(self.inner.to_str().encode()).hexdigest()

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [found.ids for found in self.inner.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(ids)


def train(vocab_size: int = 400) -> SmallBpe:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(TEXTS * 3, trainer)
    inner.encode_special_tokens = True  # a text that spells the end of a document does not end it
    return SmallBpe(inner)


@pytest.fixture(scope="session")
def bpe() -> SmallBpe:
    return train()
