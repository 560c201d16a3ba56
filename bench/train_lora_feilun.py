"""Our side of ``train.py lora``: what ``feilun train`` does for a recipe of kind ``sft``, part by part, up to a loss
instead of a number of steps."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from train_lora import Outcome, Task

from feilun.jobs import Job
from feilun.model import checkpoint, lora_files
from feilun.model.lora import Lora, attach
from feilun.model.loss import IGNORED
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.train.batches import Examples
from feilun.train.conversations import read_examples
from feilun.train.loop import Trainer
from feilun.train.memory import peak_memory_mb
from feilun.train.optim import OptimiserRecipe
from feilun.train.recipe import ConversationsRecipe
from feilun.train.run_recipe import RunRecipe

NEVER = 10**9


class UntilLearnt(Job):
    """Asks for the end, as `feilun jobs stop` does, when the loss is reached."""

    def __init__(self, job: Job, task: Task) -> None:
        super().__init__(job.folder, job.record)
        self.task, self.losses = task, list[float]()

    def emit(self, event: str, **fields: Any) -> None:
        super().emit(event, **fields)
        if event == "step":
            self.losses.append(fields["loss"])

    @property
    def stop_wanted(self) -> bool:
        return super().stop_wanted or self.task.done(self.losses)


@torch.no_grad()
def exact_answers(model: Transformer, batches: Examples, dtype: torch.dtype) -> int:
    exact = 0
    for step in range(batches.steps_in_epoch):
        for batch in batches.at(step).batches:
            assert batch.packing
            assert batch.packing.documents is not None
            likeliest = model(batch.ids, batch.packing, dtype).argmax(-1)
            wrong = (likeliest != batch.targets) & (batch.targets != IGNORED)
            for documents, row in zip(batch.packing.documents, wrong, strict=True):
                exact += sum(not row[documents == number].any() for number in range(int(documents.max()) + 1))
    return exact


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    imported = time.time()
    folder, work = Path(task.base), Path(task.work)
    tokenizer = Tokenizer.load(folder)
    data = ConversationsRecipe(heldout=0)
    examples, _, _ = read_examples(data, [Path(task.samples)], tokenizer, length=512)
    batches = Examples(
        [(example.ids, example.learnt) for example in examples],
        rows=task.rows,
        pad_id=tokenizer.pad_id,
        seed=task.seed,
    )
    run = RunRecipe(
        steps=task.max_steps,
        rows=task.rows,
        dtype="bfloat16" if task.dtype == "bfloat16" else "float32",
        evaluate_every=NEVER,
        save_every=NEVER,
    )
    optimiser = OptimiserRecipe(lr=task.lr, weight_decay=0.0, schedule="constant", warmup=0)
    model = checkpoint.load(folder, run.torch_dtype)
    attach(model, Lora(rank=task.rank, alpha=task.alpha), task.seed)
    loaded = time.time()
    job = UntilLearnt(Job.create(work / "runs", "sft", "lora", {}), task)
    with job.running():
        Trainer(model, batches, run, optimiser, job, seed=task.seed).run()
    lora_files.save_peft(model, work)
    trained = time.time()
    memory = peak_memory_mb()
    model.eval()
    Outcome(
        imported_s=imported - task.begun,
        loaded_s=loaded - task.begun,
        trained_s=trained - task.begun,
        losses=job.losses,
        tokens=sum(len(example.ids) for example in examples),
        learnt=sum(sum(example.learnt) for example in examples),
        exact=exact_answers(model, batches, run.torch_dtype),
        memory_mb=memory,
    ).print()


if __name__ == "__main__":
    main()
