"""Token shards: what training reads, as one artifact of kind ``tokens``.

Each split (``train``, ``heldout``) has shards, each of three files::

    train-00000.bin       token ids, uint16 if the vocabulary allows it, else uint32, little-endian;
                          each document is followed by the end-of-document token
    train-00000.idx.npy   uint64 (documents,): where each document starts
    train-00000.docs.npy  per document the UTF-8 bytes of its text, and its language

A document lies within one shard. The same documents and tokenizer give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from feilun.data.read import PIECE, Document, cut
from feilun.text import FeilunError
from feilun.validation import explain
from feilun.workspace import MANIFEST, Manifest, new_artifact, sha256_file

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")

_ENTRY = np.dtype([("bytes", "<u8"), ("language", "<u2")])
"""Of the table of documents; ``language`` counts in `TokenFigures.languages`."""


class Encoder(Protocol):
    """What is needed of a tokenizer (`feilun.model.tokenizer.Tokenizer`)."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def eos_id(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, without special tokens, also where a text spells one."""
        ...


class Counts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    """The ends of documents included."""
    bytes: int = Field(default=0, ge=0)
    """Of the texts in UTF-8."""

    def add(self, documents: int, tokens: int, bytes: int) -> None:
        self.documents += documents
        self.tokens += tokens
        self.bytes += bytes


class ShardSize(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: int = Field(gt=0)
    tokens: int = Field(gt=0)


class SplitFigures(Counts):
    by_language: dict[str, Counts] = Field(default_factory=dict[str, Counts])
    shards: list[ShardSize] = Field(default_factory=list[ShardSize])


class TokenFigures(Counts):
    """The ``figures`` in the manifest."""

    dtype: Literal["uint16", "uint32"]
    vocab_size: int = Field(gt=0)
    eos_id: int = Field(ge=0)
    tokenizer: str
    """Its fingerprint."""
    languages: list[str] = Field(default_factory=list[str])
    """In the order of their numbers in the tables of documents."""
    splits: dict[Split, SplitFigures]


def is_heldout(text: str, fraction: float) -> bool:
    """Whether a text is held out: by its hash, so that it is in one split only however often it occurs, and wherever.

    What is held out at one fraction is held out at every larger one.
    """
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def write_tokens(
    folder: Path,
    documents: Iterable[Document],
    tokenizer: Encoder,
    *,
    heldout: float = 0.01,
    shard_tokens: int = 2**27,
    batch_chars: int = 2**18,
    parents: Sequence[str] = (),
    recipe: dict[str, Any] | None = None,
    progress: Callable[[Counts], None] | None = None,
    also: Callable[[Path], object] | None = None,
) -> Manifest:
    """Encode documents into a new artifact, which replaces an older one of that name when it is whole.

    Holds one batch in memory, and the index of one shard of each split.

    Args:
        heldout: share of the documents, in [0, 1), that goes to the split ``heldout``, chosen by `is_heldout`.
        shard_tokens: a shard ends before the document with which it would get larger.
        batch_chars: characters that are encoded at a time. Longer documents are encoded in pieces of `PIECE`.
        parents: ids of artifacts that the documents come from; the tokenizer is added.
        recipe: what made it, for the manifest.
        progress: called with the totals after each batch.
        also: puts more into the artifact's folder.

    Raises:
        FeilunError: no text to train on, a vocabulary that does not fit, a folder in use for something else.
    """
    if not 0 <= heldout < 1:
        raise FeilunError(
            f"heldout is {heldout}: it must be at least 0 and less than 1.",
            f"heldout 为 {heldout}：应不小于 0 且小于 1。",
        )
    if not 0 <= tokenizer.eos_id < tokenizer.vocab_size <= 2**32:
        raise FeilunError(
            f"The tokenizer cannot be used: {tokenizer.vocab_size} tokens, end of document {tokenizer.eos_id}; at most {2**32} fit.",
            f"分词器无法使用：词表 {tokenizer.vocab_size}，文档结束符 {tokenizer.eos_id}；词表最多 {2**32}。",
            code="vocabulary_too_large",
        )
    _check_free(folder)
    figures = TokenFigures(
        dtype="uint16" if tokenizer.vocab_size <= 2**16 else "uint32",
        vocab_size=tokenizer.vocab_size,
        eos_id=tokenizer.eos_id,
        tokenizer=tokenizer.fingerprint,
        splits={split: SplitFigures() for split in SPLITS},
    )
    with new_artifact(folder) as draft:
        with (
            _Writer(draft, "train", figures, shard_tokens) as train,
            _Writer(draft, "heldout", figures, shard_tokens) as held,
        ):
            for batch in _batches(documents, batch_chars):
                for document, ids in zip(batch, _encode(batch, tokenizer), strict=True):
                    if not is_heldout(document.text, heldout):
                        train.add(document, ids)
                    elif not document.again:
                        held.add(document, ids)
                if progress:
                    progress(figures)
        if not figures.splits["train"].documents:
            raise FeilunError(
                f"No text to train on: {figures.documents} documents, all of them held out. Give more text, or a smaller --heldout."
                if figures.documents
                else "There is no text in the source.",
                f"没有可供训练的文本：共 {figures.documents} 个文档，全部被留出。请提供更多文本，或减小 --heldout。"
                if figures.documents
                else "来源中没有文本。",
                code="empty_corpus",
            )
        if also:
            also(draft)
        files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        content = json.dumps([tokenizer.fingerprint, files], sort_keys=True)
        manifest = Manifest(
            kind="tokens",
            id="sha256:" + hashlib.sha256(content.encode()).hexdigest(),
            name=folder.name,
            parents=[tokenizer.fingerprint, *parents],
            recipe={**(recipe or {}), "heldout": heldout, "shard_tokens": shard_tokens},
            files=files,
            figures=figures.model_dump(),
        )
        (draft / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _check_free(folder: Path) -> None:
    """`new_artifact` replaces what has the name: that may only be older token shards."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        taken = True
    elif folder.exists() and any(folder.iterdir()):
        taken = not (folder / MANIFEST).exists() or Manifest.read(folder).kind != "tokens"
    else:
        taken = False
    if taken:
        raise FeilunError(
            f"{folder} exists and holds something else. Choose another name.",
            f"{folder} 已存在且存放着其他内容。请换一个名称。",
            code="name_taken",
        )


def _batches(documents: Iterable[Document], chars: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) + 64  # many short ones cost as well
        if size >= chars:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _encode(batch: list[Document], tokenizer: Encoder) -> Iterator[list[int]]:
    """Ids of each document. What a tokenizer keeps of a text is some 100 times its size: a book goes in pieces."""
    pieces: list[str] = []
    counts: list[int] = []
    for document in batch:
        rest, before = document.text, len(pieces)
        while rest:
            piece, rest = cut(rest, PIECE)
            pieces.append(piece)
        counts.append(len(pieces) - before)
    encoded = iter(tokenizer.encode_batch(pieces))
    for count in counts:
        yield [token for _ in range(count) for token in next(encoded)]


class _Writer:
    """Writes the shards of one split, and counts."""

    def __init__(self, folder: Path, split: Split, figures: TokenFigures, shard_tokens: int) -> None:
        self._folder, self._split, self._all, self._limit = folder, split, figures, shard_tokens
        self._figures = figures.splits[split]
        self._dtype = _stored(figures.dtype)
        self._file: IO[bytes] | None = None
        self._size = 0
        self._starts, self._bytes, self._languages = array("Q"), array("Q"), array("H")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        elif self._file:
            self._file.close()

    def add(self, document: Document, ids: list[int]) -> None:
        if ids and (worst := max(ids)) >= self._all.vocab_size:
            raise FeilunError(
                f"The tokenizer gives token {worst}, but says it has {self._all.vocab_size}: its files do not belong together.",
                f"分词器给出了 token {worst}，但其词表大小为 {self._all.vocab_size}：其文件不配套。",
                code="vocabulary_mismatch",
            )
        tokens = np.array([*ids, self._all.eos_id], self._dtype)
        if self._file and self._size + len(tokens) > self._limit:
            self._finish()
        if self._file is None:
            self._file = (self._folder / f"{_stem(self._split, len(self._figures.shards))}.bin").open("wb")
        self._file.write(tokens.tobytes())  # tofile() hides that a disk is full
        size, language = len(document.text.encode()), document.language
        if language not in self._all.languages:
            self._all.languages.append(language)
        self._starts.append(self._size)
        self._bytes.append(size)
        self._languages.append(self._all.languages.index(language))
        self._size += len(tokens)
        of_language = self._figures.by_language.setdefault(language, Counts())
        for counts in (self._all, self._figures, of_language):
            counts.add(1, len(tokens), size)

    def _finish(self) -> None:
        if self._file is None:
            return
        self._file.close()
        stem = _stem(self._split, len(self._figures.shards))
        entries = np.empty(len(self._starts), _ENTRY)
        entries["bytes"], entries["language"] = self._bytes, self._languages
        for name, column in (("idx", np.array(self._starts, "<u8")), ("docs", entries)):
            with (self._folder / f"{stem}.{name}.npy").open("wb") as file:
                np.lib.format.write_array(file, column, allow_pickle=False)
        self._figures.shards.append(ShardSize(documents=len(self._starts), tokens=self._size))
        self._file, self._size = None, 0
        self._starts, self._bytes, self._languages = array("Q"), array("Q"), array("H")


def _stored(name: Literal["uint16", "uint32"]) -> np.dtype[Any]:
    return np.dtype({"uint16": "<u2", "uint32": "<u4"}[name])


def _stem(split: str, number: int) -> str:
    return f"{split}-{number:05d}"


class TokenDocument(NamedTuple):
    """One document of the shards."""

    tokens: NDArray[Any]
    """(tokens,), a view; the last is the end of the document."""
    bytes: int
    """Of its text in UTF-8."""
    language: str


class _Shard(NamedTuple):
    tokens: NDArray[Any]
    starts: NDArray[np.uint64]
    entries: NDArray[Any]


class Tokens:
    """Token shards, memory-mapped. See `open`."""

    def __init__(self, manifest: Manifest, figures: TokenFigures, shards: dict[Split, list[_Shard]]) -> None:
        self.manifest = manifest
        self.figures = figures
        self._shards = shards

    @classmethod
    def open(cls, folder: Path, tokenizer: Encoder | None = None, *, vocab_size: int | None = None) -> Tokens:
        """Open an artifact, and check that it is whole and fits.

        Args:
            tokenizer: whose shards they must be.
            vocab_size: of the model that is to read them.

        Raises:
            FeilunError: no token shards, truncated or otherwise not whole, of another tokenizer, of a vocabulary
                larger than the model's.
        """
        manifest = Manifest.read(folder)
        if manifest.kind != "tokens":
            raise FeilunError(
                f"{folder} holds no token shards: it is of the kind '{manifest.kind}'.",
                f"{folder} 不是 token 分片：其类型为“{manifest.kind}”。",
                code="not_tokens",
            )
        try:
            figures = TokenFigures.model_validate(manifest.figures)
        except ValidationError as error:
            problem = error.errors()[0]
            where, said = ".".join(map(str, problem["loc"])), explain(problem)
            raise _broken(
                folder / MANIFEST, f"figures.{where}: {said.en}", f"figures.{where}：{said.zh}"
            ) from None
        if tokenizer is not None and tokenizer.fingerprint != figures.tokenizer:
            raise FeilunError(
                f"{folder} was made with another tokenizer ({_short(figures.tokenizer)}, not {_short(tokenizer.fingerprint)}). "
                "Make it again: feilun data tokens.",
                f"{folder} 由另一个分词器生成（{_short(figures.tokenizer)}，而非 {_short(tokenizer.fingerprint)}）。"
                "请重新生成：feilun data tokens。",
                code="other_tokenizer",
            )
        if vocab_size is not None and figures.vocab_size > vocab_size:
            raise FeilunError(
                f"{folder} has a vocabulary of {figures.vocab_size} tokens, the model one of {vocab_size}.",
                f"{folder} 的词表有 {figures.vocab_size} 个 token，而模型只有 {vocab_size} 个。",
                code="vocabulary_too_large",
            )
        return cls(
            manifest,
            figures,
            {
                split: [
                    _open_shard(folder, _stem(split, number), size, figures)
                    for number, size in enumerate(figures.splits[split].shards)
                ]
                for split in figures.splits
            },
        )

    @property
    def vocab_size(self) -> int:
        return self.figures.vocab_size

    @property
    def eos_id(self) -> int:
        return self.figures.eos_id

    def tokens(self, split: Split) -> list[NDArray[Any]]:
        """Per shard the ids, uint16 or uint32 (tokens,), read-only views of the files. Empty if nothing is in the split."""
        return [shard.tokens for shard in self._shards.get(split, [])]

    def document_starts(self, split: Split) -> list[NDArray[np.uint64]]:
        """Per shard where its documents start within it, uint64 (documents,), ascending from 0."""
        return [shard.starts for shard in self._shards.get(split, [])]

    def documents(self, split: Split, language: str | None = None) -> Iterator[TokenDocument]:
        """The documents in order, or those of one language."""
        for tokens, starts, entries in self._shards.get(split, []):
            for number in range(len(starts)):
                size, name = (
                    int(entries["bytes"][number]),
                    self.figures.languages[int(entries["language"][number])],
                )
                if language in (None, name):
                    end = starts[number + 1] if number + 1 < len(starts) else len(tokens)
                    yield TokenDocument(tokens[int(starts[number]) : int(end)], size, name)

    def bytes(self, split: Split, language: str | None = None) -> int:
        """UTF-8 bytes of the texts of a split, or of those in one language."""
        figures = self.figures.splits.get(split, SplitFigures())
        return figures.bytes if language is None else figures.by_language.get(language, Counts()).bytes


def _open_shard(folder: Path, stem: str, size: ShardSize, figures: TokenFigures) -> _Shard:
    path = folder / f"{stem}.bin"
    dtype = _stored(figures.dtype)
    try:
        have, want = path.stat().st_size, size.tokens * dtype.itemsize
        if have != want:
            verb, verb_zh = ("truncated", "被截断") if have < want else ("too long", "过长")
            raise _broken(
                path,
                f"{verb}, {have} bytes instead of {want}",
                f"{verb_zh}，应为 {want} 字节，实为 {have} 字节",
            )
        tokens: NDArray[Any] = np.asarray(np.memmap(path, dtype, "r"))
        path = folder / f"{stem}.idx.npy"
        starts: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        fits = starts.dtype == np.dtype("<u8") and starts.shape == (size.documents,)
        if not fits or starts[0] != 0 or starts[-1] >= size.tokens or not (starts[:-1] < starts[1:]).all():
            raise _broken(path, f"does not fit {stem}.bin", f"与 {stem}.bin 不符")
        path = folder / f"{stem}.docs.npy"
        entries: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if (
            entries.dtype != _ENTRY
            or entries.shape != starts.shape
            or entries["language"].max() >= len(figures.languages)
        ):
            raise _broken(path, f"does not fit {stem}.bin", f"与 {stem}.bin 不符")
    except (OSError, ValueError, EOFError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
        raise _broken(path, why, why) from None
    if tokens[-1] != figures.eos_id:
        raise _broken(folder / f"{stem}.bin", "does not end with the end of a document", "结尾不是文档结束符")
    return _Shard(tokens, starts, entries)


def _broken(path: Path, en: str, zh: str) -> FeilunError:
    return FeilunError(
        f"{path} cannot be used: {en}. Remove {path.parent} and make the token shards again: feilun data tokens, or the run that made "
        "them with --resume.",
        f"{path} 无法使用：{zh}。请删除 {path.parent} 并重新生成 token 分片：feilun data tokens，或以 --resume 继续生成它们的训练。",
        code="broken_shard",
    )


def _short(fingerprint: str) -> str:
    return fingerprint.removeprefix("sha256:")[:12]
