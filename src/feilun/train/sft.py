"""Supervised fine-tuning on conversations: an adapter, or all weights."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feilun.jobs import Job
from feilun.model.attention import Packing
from feilun.model.lora import restrict
from feilun.model.loss import Candidates
from feilun.model.spare import avoid
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.batches import Examples
from feilun.train.conversations import Example, read_examples
from feilun.train.distributed import World
from feilun.train.keep import LearnAndKeep
from feilun.train.loop import Trainer
from feilun.train.objectives import NextToken
from feilun.train.origin import origin_of
from feilun.train.preferences import prompt_ids
from feilun.train.recipe import SftRecipe
from feilun.train.same_data import changed_in, check_same_data
from feilun.train.sample import TOKENS, generate
from feilun.train.tuning import Tuned

SAMPLE = 100
"""Examples to keep that tell which directions are used (`spare`): some 3,000 words, which take seconds."""
AT_ONCE = 40
"""Examples that are read together where nothing is learnt: some 2,000 tokens. With a quarter of that a token takes twice as
long; with half as many again a third longer, since what lies between the products no longer fits into the cache."""


def fine_tune(
    recipe: SftRecipe,
    base: Path,
    sources: list[Path],
    job: Job,
    folder: Path,
    world: World | None = None,
    *,
    adapter: Path | None = None,
) -> Path | None:
    """Run a recipe inside ``job.running()`` on the base model at ``base`` (a folder or a GGUF file).

    ``adapter`` is one to go on with (see the recipe's).

    The adapter, or the model, becomes the artifact ``folder``, which is returned; None if the job was asked to
    stop before the end. Several processes each call this with their ``world``.
    """
    world = world or World()
    tuned = Tuned.open(recipe, base, adapter, world)
    tuned.check_same_base(job, world)
    model, tokenizer, run, dtype = tuned.model, tuned.tokenizer, recipe.run, recipe.run.torch_dtype
    train, heldout, too_long = read_examples(recipe.data, sources, tokenizer, length=run.length)
    tuned.check_lengths(example.ids for example in (*train, *heldout))
    _check_unchanged(job, [*train, *heldout], sources, world)
    if tuned.lora:
        restrict(model, recipe.learns, recipe.above)
    # What is kept is kept in its questions as well: it costs nothing more, and holds the model a fifth closer.
    shown = [(e.ids, [True] * len(e.ids) if e.keep else e.learnt) for e in train]
    keep = [example.keep for example in train]
    batches = Examples(
        shown,
        rows=run.rows,
        pad_id=tokenizer.pad_id,
        keep=keep,
        keep_share=recipe.keep_share,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
    )
    if run.steps is None:
        run = run.model_copy(update={"steps": math.ceil(recipe.epochs * batches.steps_in_epoch)})
    job.emit(
        "model",
        params=model.config.params,
        learns=tuned.learns,
        examples=len(train),
        too_long=too_long,
    )

    def learn_and_keep() -> LearnAndKeep:
        every = Examples(shown, rows=AT_ONCE, pad_id=tokenizer.pad_id, keep=keep)
        return LearnAndKeep(origin_of(model, every, (run.steps or 0) * run.rows, dtype), candidates)

    def evaluate(step: int) -> None:
        if heldout:
            losses = answer_loss(model, heldout, tokenizer.pad_id, dtype)
            job.emit("eval", step=step, name="heldout answers", loss=losses)
        for question in recipe.samples:
            ids = prompt_ids(tokenizer, [{"role": "user", "content": question}])
            text = generate(model, ids, tokens=TOKENS, stop=frozenset(tokenizer.end_ids), dtype=dtype)
            job.emit("sample", step=step, prompt=f"{question}\n", text=tokenizer.decode(text))

    candidates = _candidates(recipe, model, train)
    keeps = candidates is not None or any(keep)
    if keeps and world.size > 1:
        raise FeilunError(
            'Examples to keep ("keep": true) and vocabulary = "occurring" are for one process.',
            '需保持的示例（"keep": true）与 vocabulary = "occurring" 仅支持单进程训练。',
            code="one_process",
        )
    kept = [example for example in train if example.keep]
    if recipe.spare and kept:
        some = kept[:: math.ceil(len(kept) / SAMPLE)]
        avoid(model, _read(some, run.rows, tokenizer.pad_id), recipe.spare, dtype)
    trainer = Trainer(
        model,
        batches,
        run,
        recipe.optimiser,
        job,
        seed=recipe.seed,
        objective=learn_and_keep() if keeps else NextToken(),
        evaluate=evaluate,
        world=world,
    )
    if not trainer.run():
        return None
    trainer.use_average()
    figures: dict[str, Any] = {"examples": len(train), "tokens": trainer.tokens}
    evaluated = job.last("eval")
    if evaluated is not None:
        figures["heldout_loss"] = evaluated["loss"]
    tuned.publish(folder, job, world, sources, figures)
    return folder


def _check_unchanged(job: Job, examples: list[Example], sources: list[Path], world: World) -> None:
    """Write down which examples a run has; one that goes on must have the same. Raises `FeilunError` if it has others."""
    digest = hashlib.sha256()
    for one in examples:
        digest.update(f"{len(one.ids)} {one.language} {one.keep}\n".encode())
        digest.update(array("I", one.ids).tobytes() + bytes(one.learnt))
    check_same_data(job, "examples.sha256", digest.hexdigest(), changed_in(sources), world)


def _read(examples: list[Example], rows: int, pad_id: int) -> Iterator[tuple[Tensor, Packing, Tensor]]:
    """Ids of the examples, how they lie, and which are words of theirs: neither padding nor the first, which is in all."""
    batches = Examples([(example.ids, example.learnt) for example in examples], rows=rows, pad_id=pad_id)
    for step in range(batches.steps_in_epoch):
        for batch in batches.at(step).batches:
            assert batch.packing is not None
            yield batch.ids, batch.packing, batch.packing.positions > 0


def _candidates(recipe: SftRecipe, model: Transformer, examples: list[Example]) -> Candidates | None:
    if recipe.vocabulary != "occurring":
        return None
    if model.head.weight.requires_grad:
        raise FeilunError(
            'vocabulary = "occurring" is for adapters: here the embedding learns as well.',
            'vocabulary = "occurring" 仅用于适配器：此处嵌入层也参与训练。',
            code="embedding_learns",
        )
    occurring = torch.tensor([token for example in examples for token in example.ids])
    return Candidates(occurring, model.config.vocab_size, seed=recipe.seed)


@torch.no_grad()
def answer_loss(
    model: Transformer, examples: list[Example], pad_id: int, dtype: torch.dtype
) -> dict[str, float]:
    """Mean nats of the answers' tokens, of all examples and of each language."""
    figures: dict[str, float] = {}
    for language in ["all", *sorted({example.language for example in examples} - {"all"})]:
        chosen = [(e.ids, e.learnt) for e in examples if language in ("all", e.language)]
        batches = Examples(chosen, rows=8, pad_id=pad_id)
        nats, learnt = 0.0, 0
        for step in range(batches.steps_in_epoch):
            work = batches.at(step)
            rows = [batch.to(model.device) for batch in work.batches]
            nats += sum(float(model.nats(b.ids, b.targets, b.packing, dtype)) for b in rows)
            learnt += work.learnt
        figures[language] = nats / learnt
    return figures
