"""A base model from nothing: sources -> tokenizer -> token shards -> model, each stage kept when it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from feilun.data.read import Document, Tally, cut, read_texts, text_files
from feilun.data.tokens import Encoder, Tokens, write_tokens
from feilun.evaluate.bits import Bits
from feilun.evaluate.ngram import KneserNey
from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError, Text
from feilun.train.artifact import publish
from feilun.train.distributed import World, gathered
from feilun.train.heldout import bits_per_byte, heldout_documents
from feilun.train.loop import Trainer
from feilun.train.packed import PackedRows
from feilun.train.recipe import PretrainRecipe, TextsRecipe
from feilun.train.same_data import check_same_data
from feilun.train.sample import TOKENS, generate
from feilun.workspace import MANIFEST, Manifest, new_artifact

T = TypeVar("T")

PART = 8192
"""Characters of the longest document of a run."""


def pretrain(
    recipe: PretrainRecipe, sources: list[Path], job: Job, folder: Path, world: World | None = None
) -> Path | None:
    """Run a recipe inside ``job.running()``; stages that a killed run has finished are not done again.

    The model becomes the artifact ``folder``, which is returned; None if the job was asked to stop before the end.
    Several processes each call this with their ``world``.
    """
    world = world or World()
    with world.first_before_others():
        tokenizer = _tokenizer(recipe, sources, job)
        # Whose cached properties pyright does not match.
        tokens = _tokens(recipe, sources, job, cast(Encoder, tokenizer))
    name = tokens.manifest.name
    changed = Text(f"the token shards {name} are others", f"token 分片 {name} 已不是原来的")
    check_same_data(job, "tokens.sha256", tokens.manifest.id, changed, world)
    config = recipe.model.config(tokenizer.vocab_size, tuple(tokenizer.end_ids), tokenizer.pad_id)
    model = Transformer(config)
    model.initialise(recipe.seed)
    run = recipe.run
    batches = PackedRows(
        tokens.tokens("train"),
        tokens.document_starts("train"),
        eos_id=tokenizer.eos_id,
        length=run.length,
        rows=run.rows,
        accumulate=run.accumulate,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
    )
    documents = heldout_documents(tokens, recipe.evaluate_tokens)
    dtype = run.torch_dtype

    def evaluate(step: int) -> None:
        figures = bits_per_byte(model, documents, eos_id=tokenizer.eos_id, length=run.length, dtype=dtype)
        job.emit("eval", step=step, name="heldout", bits_per_byte=figures)
        for prompt in recipe.samples:
            ids = [tokenizer.eos_id, *tokenizer.encode(prompt)]
            stop = frozenset({tokenizer.eos_id})
            text = generate(model, ids, tokens=TOKENS, stop=stop, dtype=dtype, temperature=0.8)
            job.emit("sample", step=step, prompt=prompt, text=tokenizer.decode(text))

    trainer = Trainer(
        model, batches, run, recipe.optimiser, job, seed=recipe.seed, evaluate=evaluate, world=world
    )
    job.emit(
        "model", params=config.params, matmul_params=config.matmul_params, epoch_rows=batches.rows_in_epoch
    )
    if not trainer.run():
        return None
    trainer.use_average()
    whole = gathered(model, None, world)
    if not world.first:
        return folder
    figures: dict[str, Any] = {"params": config.params, "tokens": trainer.tokens, "stages": ["pretrain"]}
    evaluated = job.last("eval")
    if evaluated is not None:
        figures["bits_per_byte"] = evaluated["bits_per_byte"]
    if recipe.baseline and documents:
        figures["ngram_bits_per_byte"] = _baseline(batches.consumed(trainer.steps), documents, tokenizer, job)

    def write(draft: Path) -> None:
        checkpoint.save(whole, draft)
        tokenizer.save(draft)

    parents = [tokens.manifest.id]
    publish(
        folder,
        "model",
        write,
        weights=checkpoint.WEIGHTS,
        parents=parents,
        recipe=recipe,
        figures=figures,
        job=job,
    )
    return folder


def read_sources(data: TextsRecipe, sources: list[Path], tally: Tally | None = None) -> Iterator[Document]:
    """The documents of all files, of each no more than ``limit_mb``. ``tally`` counts what cannot be read and is left out.

    Raises `FeilunError` for the first fault if nothing can be read.
    """
    tally = tally or Tally()
    return _needed(_parts(data, sources, tally), tally)


def _needed(found: Iterator[T], tally: Tally) -> Iterator[T]:
    """What is found. Raises the first fault if that is nothing."""
    empty = True
    for one in found:
        empty = False
        yield one
    if empty and tally.first_fault is not None:
        raise tally.first_fault


def _parts(data: TextsRecipe, sources: list[Path], tally: Tally) -> Iterator[Document]:
    for source in sources:
        for file in text_files(source):
            read = 0
            for document in read_texts(file, strict=False, tally=tally):
                # A book is many documents: so the order can mix it with others, and a part of it be held out.
                text = document.text
                while text:
                    part, text = cut(text, PART)
                    yield replace(document, text=part)
                read += len(document.text.encode())
                if data.limit_mb is not None and read >= data.limit_mb * 2**20:
                    break


def _is_shards(source: Path) -> bool:
    """Whether ``feilun data tokens`` has made it."""
    return (source / MANIFEST).is_file() and Manifest.read(source).kind == "tokens"


def _tokenizer(recipe: PretrainRecipe, sources: list[Path], job: Job) -> Tokenizer:
    if recipe.tokenizer.folder is not None:
        return Tokenizer.load(Path(recipe.tokenizer.folder))
    if shards := [source for source in sources if _is_shards(source)]:
        return Tokenizer.load(shards[0])
    folder = job.folder / "tokenizer"
    if not folder.exists():
        job.emit("stage", name="tokenizer")
        with new_artifact(folder) as draft:
            _trained_tokenizer(recipe, sources).save(draft)
    return Tokenizer.load(folder)


def _trained_tokenizer(recipe: PretrainRecipe, sources: list[Path]) -> Tokenizer:
    limit = recipe.tokenizer.sample_mb * 2**20
    files = [file for source in sources for file in text_files(source)]
    if not files:
        raise FeilunError("There is no text to read.", "没有可读取的文本。", code="no_text")

    tally = Tally()

    def sample() -> Iterator[str]:
        # An equal share of every file, so that a large one does not make the vocabulary its own.
        for file in files:
            read = 0
            for document in read_texts(file, strict=False, tally=tally):
                yield document.text
                read += len(document.text.encode())
                if read >= limit / len(files):
                    break

    return train_tokenizer(_needed(sample(), tally), recipe.tokenizer.vocab_size)


def _tokens(recipe: PretrainRecipe, sources: list[Path], job: Job, tokenizer: Encoder) -> Tokens:
    shards = [source for source in sources if _is_shards(source)]
    folder = shards[0] if shards else job.folder / "tokens"
    if shards and len(sources) > 1:
        raise FeilunError(
            f"{folder} holds token shards: a run reads one such folder, and no texts beside it.",
            f"{folder} 是 token 分片：一次训练只能读取一个这样的文件夹，且不能同时读取文本。",
            code="shards_and_texts",
        )
    if not folder.exists():
        job.emit("stage", name="tokens")
        tally = Tally()
        documents = read_sources(recipe.data, sources, tally)
        parents = [Manifest.read(source).id for source in sources if (source / MANIFEST).is_file()]
        write_tokens(folder, documents, tokenizer, heldout=recipe.data.heldout, parents=parents)
        if tally.first_fault is not None:
            fault = tally.first_fault.text
            job.emit("left_out", count=tally.skipped, first=fault.en, first_zh=fault.zh)
    return Tokens.open(folder, tokenizer)


def _baseline(
    consumed: Iterable[Any], documents: list[Any], tokenizer: Tokenizer, job: Job
) -> dict[str, float]:
    """Bits per byte of a 5-gram model over the bytes that the run has read."""
    job.emit("stage", name="5-gram")

    def text(ids: Any) -> bytes:
        return tokenizer.decode([int(token) for token in ids if token != tokenizer.eos_id]).encode()

    ngram = KneserNey.fit(text(ids) for ids in consumed)
    bits = Bits()
    for document in documents:
        bits.add(ngram.nats([text(document.tokens)]), document.bytes, document.language)
    return bits.figures()
