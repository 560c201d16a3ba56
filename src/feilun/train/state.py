"""Training checkpoints: everything that a run needs to go on as if it had never been killed.

Safetensors for tensors, JSON for the rest; written beside, fsynced and renamed, so that a checkpoint that can be seen is whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from feilun.text import FeilunError
from feilun.train.optim import Optimisers
from feilun.workspace import new_artifact

_STEP = "step-{:08d}"


def save_state(
    folder: Path,
    step: int,
    weights: dict[str, Tensor],
    optimisers: Optimisers,
    extra: dict[str, Any],
    keep: int,
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
            for name, value in values.items():
                tensors[f"optimiser{number}/{index}/{name}"] = value.contiguous()
    tensors["rng"] = torch.get_rng_state()
    folder.mkdir(parents=True, exist_ok=True)
    with new_artifact(folder / _STEP.format(step)) as draft:
        save_file(tensors, draft / "state.safetensors")
        facts = {"step": step, "groups": groups, "extra": extra}
        (draft / "state.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return folder / _STEP.format(step)


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / "state.json").exists())


def load_state(
    checkpoint: Path, weights: dict[str, Tensor], optimisers: Optimisers
) -> tuple[int, dict[str, Any]]:
    """Put a checkpoint's values into ``weights`` and ``optimisers``. Gives the steps done and ``extra``.

    Raises `FeilunError` if it is damaged or belongs to another recipe.
    """
    try:
        facts = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        with safe_open(checkpoint / "state.safetensors", framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (OSError, ValueError, SafetensorError) as error:
        raise FeilunError(
            f"{checkpoint} is damaged ({error}). Delete it: the run goes on from the checkpoint before.",
            f"{checkpoint} 已损坏（{error}）。请将其删除，训练会从上一个检查点继续。",
            code="checkpoint_damaged",
        ) from None
    saved = {name.removeprefix("weights/"): t for name, t in tensors.items() if name.startswith("weights/")}
    if {n: t.shape for n, t in saved.items()} != {n: t.shape for n, t in weights.items()}:
        raise FeilunError(
            f"{checkpoint} belongs to a model of another shape. Start a new run for the changed recipe.",
            f"{checkpoint} 属于另一种形状的模型。配方已更改，请开始新的训练。",
            code="checkpoint_of_another_model",
        )
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(saved[name])
    for number, optimiser in enumerate(optimisers.all):
        state: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimiser{number}/"
        for name, tensor in tensors.items():
            if name.startswith(prefix):
                index, key = name.removeprefix(prefix).split("/")
                state.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": state, "param_groups": facts["groups"][number]})
    torch.set_rng_state(tensors["rng"])
    return facts["step"], facts["extra"]


def learning_weights(model: nn.Module) -> dict[str, Tensor]:
    """What a run changes, by name: a tied tensor once."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}
