"""Supervised fine-tuning on conversations: an adapter, or all weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feilun.jobs import Job
from feilun.model import checkpoint, gguf, lora_files
from feilun.model.joined import Updates, attach_above, join
from feilun.model.lora import Lora, attach, restrict
from feilun.model.loss import Candidates
from feilun.model.spare import avoid
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.artifact import publish
from feilun.train.batches import Examples
from feilun.train.conversations import Example, read_examples
from feilun.train.distributed import World, gathered
from feilun.train.loop import Trainer
from feilun.train.objectives import LearnAndKeep, NextToken, Objective
from feilun.train.recipe import SftRecipe
from feilun.train.state import learning_weights
from feilun.workspace import MANIFEST, Manifest, new_artifact, sha256_file, stages

SAMPLE = 100
"""Examples to keep that tell which directions are used (`spare`): some 3,000 words, which take seconds."""


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
    with world.first_before_others():
        where = base if base.is_dir() else unpacked(base)
    tokenizer = Tokenizer.load(where)
    run = recipe.run
    train, heldout, too_long = read_examples(
        sources, tokenizer, length=run.length, heldout=recipe.data.heldout
    )
    batches = Examples(
        [(example.ids, example.learnt) for example in train],
        rows=run.rows,
        pad_id=tokenizer.pad_id,
        keep=[example.keep for example in train],
        keep_share=recipe.keep_share,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
    )
    if run.steps is None:
        run = run.model_copy(update={"steps": math.ceil(recipe.epochs * batches.steps_in_epoch)})
    dtype = run.torch_dtype
    # What is frozen is never added to: it may as well be kept in the type that products are computed in.
    model = checkpoint.load(where, dtype if recipe.lora or adapter else torch.float32)
    lora, below = _attached(model, recipe, adapter)
    learns = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    job.emit("model", params=model.config.params, learns=learns, examples=len(train), too_long=too_long)

    def evaluate(step: int) -> None:
        if heldout:
            losses = answer_loss(model, heldout, tokenizer.pad_id, dtype)
            job.emit("eval", step=step, name="heldout answers", loss=losses)

    objective = _objective(recipe, model, train)
    if isinstance(objective, LearnAndKeep) and world.size > 1:
        raise FeilunError(
            'Examples to keep ("keep": true) and vocabulary = "occurring" are for one process.',
            '需保持的示例（"keep": true）与 vocabulary = "occurring" 仅支持单进程训练。',
            code="one_process",
        )
    kept = [example for example in train if example.keep]
    if recipe.spare and kept:
        some = kept[:: math.ceil(len(kept) / SAMPLE)]
        avoid(model, _read(some, run.rows, tokenizer.pad_id), recipe.spare)
    trainer = Trainer(
        model,
        batches,
        run,
        recipe.optimiser,
        job,
        seed=recipe.seed,
        objective=objective,
        evaluate=evaluate,
        world=world,
    )
    if not trainer.run():
        return None
    trainer.use_average()
    whole = gathered(model, lora, world)
    if not world.first:
        return folder
    if below:
        lora = join(whole, below, most=recipe.most)
    figures: dict[str, Any] = {"examples": len(train), "tokens": trainer.tokens, "learns": learns}
    figures["stages"] = [*stages(base, adapter), "sft"]
    evaluated = job.last("eval")
    if evaluated is not None:
        figures["heldout_loss"] = evaluated["loss"]

    def write(draft: Path) -> None:
        if lora:
            lora_files.save_peft(whole, draft, recipe.base)
            if not lora.dora:  # which llama.cpp does not know: merge it instead
                lora_files.save_gguf(whole, draft / "adapter.gguf", half=True)
        else:
            checkpoint.save(whole, draft)
        tokenizer.save(draft)

    parents = [sha256_file(base if base.is_file() else base / checkpoint.WEIGHTS)]
    if adapter:
        parents.append(sha256_file(adapter / lora_files.WEIGHTS if adapter.is_dir() else adapter))
    parents += artifacts_of(sources)
    weights = lora_files.WEIGHTS if lora else checkpoint.WEIGHTS
    kind = "adapter" if lora else "model"
    publish(folder, kind, write, weights=weights, parents=parents, recipe=recipe, figures=figures, job=job)
    return folder


def _attached(
    model: Transformer, recipe: SftRecipe, adapter: Path | None
) -> tuple[Lora | None, Updates | None]:
    """Give ``model`` what learns. The adapter, if it is one, and the one below it that does not learn."""
    lora, below = recipe.lora, None
    if adapter:
        present = lora_files.load_adapter(model, adapter)
        if lora:
            below = attach_above(model, lora, recipe.seed)
        else:
            lora = present
    elif lora:
        attach(model, lora, recipe.seed)
    if lora:
        restrict(model, recipe.learns, recipe.above)
    return lora, below


def _read(examples: list[Example], rows: int, pad_id: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Ids of the examples, and which of them are words of theirs: neither padding nor the first, which is in all."""
    batches = Examples([(example.ids, example.learnt) for example in examples], rows=rows, pad_id=pad_id)
    for step in range(batches.steps_in_epoch):
        for batch in batches.at(step).batches:
            counts = batch.ids != pad_id
            counts[:, 0] = False
            yield batch.ids, counts


def _objective(recipe: SftRecipe, model: Transformer, examples: list[Example]) -> Objective:
    chosen = None
    if recipe.vocabulary == "occurring":
        if model.head.weight.requires_grad:
            raise FeilunError(
                'vocabulary = "occurring" is for adapters: here the embedding learns as well.',
                'vocabulary = "occurring" 仅用于适配器：此处嵌入层也参与训练。',
                code="embedding_learns",
            )
        occurring = torch.tensor([token for example in examples for token in example.ids])
        chosen = Candidates(occurring, model.config.vocab_size, seed=recipe.seed)
    if chosen or any(example.keep for example in examples):
        return LearnAndKeep(learning_weights(model), chosen)
    return NextToken()


def artifacts_of(sources: list[Path]) -> list[str]:
    """Ids of the artifacts that the sources are, or are files of."""
    folders = dict.fromkeys(source if source.is_dir() else source.parent for source in sources)
    return [Manifest.read(folder).id for folder in folders if (folder / MANIFEST).is_file()]


def unpacked(file: Path) -> Path:
    """The Hugging Face folder of a GGUF file, made beside it the first time.

    Raises `FeilunError` if the file is none, or of an architecture that is not supported.
    """
    if not file.exists():
        raise FeilunError(f"There is no model at {file}.", f"{file} 处没有模型。", code="no_model")
    folder = file.with_name(f"{file.stem}-hf")
    if not folder.exists():
        with new_artifact(folder) as draft:
            gguf.import_gguf(file, draft)
    return folder


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
            nats += sum(float(model.nats(b.ids, b.targets, dtype=dtype)) for b in rows)
            learnt += work.learnt
        figures[language] = nats / learnt
    return figures
