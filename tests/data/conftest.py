"""What the tests of data share: a real tokenizer, small enough to be trained for them, and a folder of pages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.data.corpora import PHONE, TOPICS, article, html
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


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, (thing, who) in TOPICS.items():
        (folder / f"{name}.html").write_text(html(f"{thing}修缮开工", article(thing, who)), encoding="utf-8")
    copied = article(*TOPICS["tea"])
    (folder / "z-copy.html").write_text(html("茶园修缮开工", copied), encoding="gb18030")
    longer = [*copied, "读者可以在周末前往现场参观，工作人员会在入口处发放安全帽。"]
    (folder / "z-near.html").write_text(html("茶园修缮开工了", longer), encoding="utf-8")
    (folder / "contact.txt").write_text(
        "\n".join([*article("水塔", "供水公司的工程队"), f"如有疑问，请拨打电话{PHONE}联系工程队。"]),
        encoding="utf-8",
    )
    (folder / "short.txt").write_text("仅此一句。", encoding="utf-8")
    (folder / "empty.html").write_text("")
    (folder / "picture.html").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    return folder
