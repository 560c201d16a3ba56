# pyright: reportUnknownMemberType=false, reportPrivateImportUsage=false
# (torch.distributed's annotations are partial, and its public names are imported ones.)
"""Several processes that train one model: they share its weights, its batches and its checkpoints.

Started by torchrun, by ``feilun train --processes`` or by Ray; each holds a part of every weight (FSDP2) and
reads its own rows. A `World` of one process costs nothing and needs no process group.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from feilun.model.lora import Lora, attach
from feilun.model.transformer import Transformer
from feilun.workspace import new_artifact

T = TypeVar("T")

_PATIENCE = timedelta(days=1)
"""How long processes wait for one another: the first makes tokenizer and token shards while the others wait."""


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from one of them."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where this process computes."""

    @property
    def first(self) -> bool:
        """Whether this process does what only one may do: record events, write artifacts."""
        return self.rank == 0

    def sum(self, value: float) -> float:
        """The sum of every process's value."""
        if self.size == 1:
            return value
        whole = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(whole)
        return float(whole)

    def of_first(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.size == 1:
            return value
        holder = [value]
        dist.broadcast_object_list(holder, src=0)
        return holder[0]

    def joined(self, values: list[T]) -> list[T]:
        """Every process's values one after the other, in all of them."""
        if self.size == 1:
            return values
        parts: list[list[T]] = [[] for _ in range(self.size)]
        dist.all_gather_object(parts, values)
        return [value for part in parts for value in part]

    @contextlib.contextmanager
    def first_before_others(self) -> Generator[None]:
        """The first process goes through the block, then all others: what it has made, they find."""
        if self.size > 1 and not self.first:
            dist.barrier()
        yield
        if self.size > 1 and self.first:
            dist.barrier()

    @contextlib.contextmanager
    def new_artifact(self, folder: Path) -> Generator[Path]:
        """One draft that all processes write into; it takes its name when the last has left the block."""
        if self.size == 1:
            with new_artifact(folder) as draft:
                yield draft
            return
        with contextlib.ExitStack() as stack:
            draft = self.of_first(stack.enter_context(new_artifact(folder)) if self.first else folder)
            yield draft
            dist.barrier()
        dist.barrier()


def in_world() -> bool:
    """Whether this process was started as one of several."""
    return dist.is_initialized() or int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def joined() -> Generator[World]:
    """Meet the other processes that torchrun, or Ray, has started with this one."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if not in_world():
        yield World(device=device)
        return
    met = dist.is_initialized()  # Ray has brought them together
    if not met:
        _meet("cpu:gloo,cuda:nccl" if gpu else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        if not met:
            dist.destroy_process_group()


def _meet(backend: str) -> None:
    """Form the process group, where nobody can find the address of a process that has died.

    torchrun keeps one store for all of its attempts. A process that is started anew may find in it where another one
    was to be reached before, and then waits for it in vain. On one machine the number of the attempt keeps them apart;
    on several its agents count apart, and PyTorch's own way is left as it is.
    """
    store, rank, size = next(iter(dist.rendezvous("env://", timeout=_PATIENCE)))
    if os.environ.get("GROUP_WORLD_SIZE", "1") == "1":
        store = dist.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)


def shard(model: Transformer, world: World) -> None:
    """Spread the weights over the processes, in place (FSDP2): a block's are brought together only while it computes.

    Gradients are averaged over the processes, so a loss that is a sum has to be multiplied by their number.
    """
    mesh = init_device_mesh(world.device.type, (world.size,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for method in ("nats", "logprobs", "values", "chosen_and_values", "following"):
        register_fsdp_forward_method(model, method)


class Whole:
    """A model whose weights are spread over the processes, whole in each of them: to draw from, token by token.

    It is made before the weights are spread, and costs the memory of a second model. A model in one process is its own.
    """

    def __init__(self, model: Transformer, world: World) -> None:
        self._spread = model
        self.model = copy.deepcopy(model) if world.size > 1 else model

    def refresh(self) -> None:
        """Let it be what the spread one has become. All processes have to call this together."""
        if self.model is not self._spread:
            state = get_model_state_dict(self._spread, options=StateDictOptions(full_state_dict=True))
            self.model.load_state_dict(state)


def gathered(model: Transformer, lora: Lora | None, world: World) -> Transformer:
    """The whole model, on the CPU, to be written by the first process; the others get an empty one.

    All processes have to call this together.
    """
    if world.size == 1:
        return model.to("cpu")
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_model_state_dict(model, options=options)
    with torch.device("meta"):
        whole = Transformer(model.config)
        if model.value is not None:
            whole.add_value_head()
    if lora is not None:
        attach(whole, lora)
    if world.first:
        whole.load_state_dict(state, assign=True)
        if model.config.tied:
            whole.head.weight = whole.embedding.weight
    return whole
