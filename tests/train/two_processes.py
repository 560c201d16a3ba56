"""What two processes do in `test_distributed`: every run of it, one after the other, started once by torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.train.shape import SHAPE
from tests.train.test_loop import trainer

from feilun.jobs import Job
from feilun.model.config import ModelConfig
from feilun.model.lora import Lora, adapter_state, attach
from feilun.model.transformer import Transformer
from feilun.train.batches import Examples
from feilun.train.distributed import World, gathered, joined
from feilun.train.loop import Trainer
from feilun.train.optim import OptimiserRecipe
from feilun.train.run_recipe import RunRecipe

LORA = Lora(rank=4, alpha=8)


def adapted(job: Job, world: World | None = None) -> Trainer:
    """A tiny model that learns an adapter. The last batch of an epoch has one row: a process has nothing to do in it."""
    world = world or World()
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(3)
    attach(model, LORA)
    examples = [([1, 2, 3 + n, 4, 5 + n, 6], [False, False, True, True, True, True]) for n in range(9)]
    batches = Examples(examples, rows=4, pad_id=0, rank=world.rank, world=world.size)
    run = RunRecipe(steps=9, dtype="float32", save_every=100)
    return Trainer(model, batches, run, OptimiserRecipe(lr=1e-2, warmup=1), job, world=world)


RUNS = {
    "adamw": lambda job, world=None: trainer(job, 12, world=world, ema=0.9),
    "muon": lambda job, world=None: trainer(job, 12, world=world, kind="muon"),
    "accumulate": lambda job, world=None: trainer(job, 6, {"accumulate": 2, "recompute": True}, world),
    "stopped": lambda job, world=None: trainer(job, 12, world=world),
    "adapter": adapted,
}


def main(runs: Path) -> None:
    torch.set_num_threads(1)
    with joined() as world:
        for name, make in RUNS.items():
            job = Job.open(runs / name)
            with job.running() if world.first else job.helping():
                one = make(job, world)
                if name == "stopped":
                    job.__dict__["_stop_asked"] = world.first  # the others do as the first is told
                one.run()
                whole = gathered(one.model, LORA if name == "adapter" else None, world)
            if world.first:
                state = adapter_state(whole) if name == "adapter" else whole.state_dict()
                save_file({n: t.clone() for n, t in state.items()}, job.folder / "weights.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
