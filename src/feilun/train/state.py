# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false
# (torch.distributed.checkpoint's annotations are partial, and its public names are imported ones.)
"""Training checkpoints: everything that a run needs to go on as if it had never been killed.

Safetensors for tensors, JSON for the rest; written beside, fsynced and renamed, so that a checkpoint that can be seen is whole.
Each process of a run writes its own parts (torch.distributed.checkpoint), and a run may go on with another number of them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.checkpoint import (
    CheckpointException,
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from feilun.text import FeilunError
from feilun.train.distributed import World
from feilun.train.optim import Optimisers

_STEP = "step-{:08d}"


def save_state(
    folder: Path,
    step: int,
    weights: dict[str, Tensor],
    optimisers: Optimisers,
    extra: dict[str, Any],
    keep: int,
    world: World,
) -> Path:
    """Write the state after ``step`` steps, and remove all but the newest ``keep`` checkpoints.

    ``weights`` are what learns (and averages of it); ``extra`` is JSON.
    """
    tensors = {f"weights/{name}": tensor.detach().contiguous() for name, tensor in weights.items()}
    groups: list[Any] = []
    for number, optimiser in enumerate(optimisers.all):
        state = optimiser.state_dict()
        groups.append(state["param_groups"])
        for index, values in state["state"].items():
            tensors |= {f"optimiser{number}/{index}/{name}": t.contiguous() for name, t in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / _STEP.format(step)
    with world.new_artifact(place) as draft:
        writer = HuggingFaceStorageWriter(str(draft), save_distributed=True)
        with _first_failure():
            dcp.save(tensors, storage_writer=writer, no_dist=world.size == 1)
        if world.first:
            facts = {"step": step, "groups": groups, "extra": extra}
            (draft / "state.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    if world.first:
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        for lock in folder.glob(".step-*.lock"):
            if not (folder / lock.stem.removeprefix(".")).exists():
                lock.unlink()
    return place


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / "state.json").exists())


def load_state(
    checkpoint: Path, weights: dict[str, Tensor], optimisers: Optimisers, world: World
) -> tuple[int, dict[str, Any]]:
    """Put a checkpoint's values into ``weights`` and ``optimisers``. Gives the steps done and ``extra``.

    Raises `FeilunError` if it is damaged or belongs to another recipe.
    """
    try:
        facts = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        reader = HuggingFaceStorageReader(str(checkpoint))
        found = reader.read_metadata().state_dict_metadata
        saved = {n: entry.size for n, entry in found.items() if isinstance(entry, TensorStorageMetadata)}
        into = {f"weights/{name}": tensor for name, tensor in weights.items()}
        theirs = {name: size for name, size in saved.items() if name.startswith("weights/")}
        if theirs != {name: tensor.shape for name, tensor in into.items()}:
            raise _of_another_model(checkpoint)
        states = list(_optimiser_states(checkpoint, saved, optimisers))
        into |= {name: tensor for state in states for name, tensor in state.items()}
        with _first_failure():
            dcp.load(into, storage_reader=reader, no_dist=world.size == 1)
    except (OSError, ValueError, SafetensorError) as error:
        raise FeilunError(
            f"{checkpoint} is damaged ({error}). Delete it: the run goes on from the checkpoint before.",
            f"{checkpoint} 已损坏（{error}）。请将其删除，训练会从上一个检查点继续。",
            code="checkpoint_damaged",
        ) from None
    for number, (optimiser, state) in enumerate(zip(optimisers.all, states, strict=True)):
        values: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            _, index, key = name.split("/")
            values.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": values, "param_groups": facts["groups"][number]})
    return facts["step"], facts["extra"]


def learning_weights(model: nn.Module) -> dict[str, Tensor]:
    """What a run changes, by name: a tied tensor once."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}


def _optimiser_states(
    checkpoint: Path, saved: dict[str, torch.Size], optimisers: Optimisers
) -> Iterator[dict[str, Tensor]]:
    """Room for what is saved of each optimiser, spread over the processes as its weights are."""
    rest = {name for name in saved if name.startswith("optimiser")}
    for number, optimiser in enumerate(optimisers.all):
        parameters: list[Tensor] = [weight for group in optimiser.param_groups for weight in group["params"]]
        state: dict[str, Tensor] = {}
        for name in sorted(name for name in rest if name.startswith(f"optimiser{number}/")):
            index = int(name.split("/")[1])
            if index >= len(parameters):
                raise _of_another_model(checkpoint)
            same = saved[name] == parameters[index].shape
            state[name] = (
                torch.zeros_like(parameters[index], requires_grad=False) if same else torch.zeros(saved[name])
            )
        rest -= state.keys()
        yield state
    if rest:
        raise _of_another_model(checkpoint)


@contextlib.contextmanager
def _first_failure() -> Generator[None]:
    """Let out what went wrong in the first process that failed, instead of the library's collection of it."""
    try:
        with warnings.catch_warnings(action="ignore"):  # that there is one process: as meant
            yield
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None


def _of_another_model(checkpoint: Path) -> FeilunError:
    return FeilunError(
        f"{checkpoint} belongs to a model of another shape. Start a new run for the changed recipe.",
        f"{checkpoint} 属于另一种形状的模型。配方已更改，请开始新的训练。",
        code="checkpoint_of_another_model",
    )
