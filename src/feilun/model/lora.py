# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyTorch's own annotations of split, Function.apply and others are partial.)
"""Low-rank adapters: LoRA (Hu et al. 2021) and DoRA (Liu et al. 2024).

Notable choices:

- our fused products (`qkv`, `gate_up`) stay fused; each part of one (q, k, v, gate, up) has an A and a B of
  its own, as in PEFT, kept one above the other in one tensor;
- base weights are frozen and keep their type; adapters are float32 and computed in the input's type;
- dropout is left out: on short fine-tunings it costs time and changes little.

PEFT's and llama.cpp's files are in `feilun.model.lora_files`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn
from torch.autograd import Function

from feilun.model.config import ModelConfig
from feilun.model.transformer import Linear, Transformer
from feilun.text import FeilunError
from feilun.validation import invalid

Target = Literal["q", "k", "v", "o", "gate", "up", "down"]

ALL_TARGETS: tuple[Target, ...] = get_args(Target)


class Lora(BaseModel):
    """What an adapter is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, gt=0)
    alpha: float = Field(default=32.0, gt=0, allow_inf_nan=False)
    """Updates are multiplied by alpha / rank."""
    targets: tuple[Target, ...] = ALL_TARGETS
    """The products that learn."""
    dora: bool = False
    """Whether the length of each row of a weight learns apart from its direction."""

    @field_validator("targets")
    @classmethod
    def _in_order(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        if not targets:
            raise invalid("name at least one target", "至少要指定一个目标")
        return tuple(target for target in ALL_TARGETS if target in targets)

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


class LoraLinear(nn.Module):
    """A frozen product and the updates of those of its parts that are targets.

    With rows W, A and B of a part its output is x (W + scale B A)^T; with DoRA each output is further multiplied by
    magnitude / |W + scale B A|, that norm being taken as a constant (Liu et al. 2024, section 4.3).
    """

    def __init__(
        self, base: Linear, parts: dict[Target, int], lora: Lora, generator: torch.Generator
    ) -> None:
        """``parts``: how many rows of ``base`` each has, in their order. Starts as ``base`` is: B is zero."""
        super().__init__()
        self.base, self.lora = base, lora
        self.rows: dict[Target, tuple[int, int]] = {}
        """First row of ``base`` and the one after the last, of each part that is a target."""
        begin = 0
        for part, size in parts.items():
            if part in lora.targets:
                self.rows[part] = (begin, begin + size)
            begin += size
        a = torch.empty(len(self.rows) * lora.rank, base.in_features)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        device = base.weight.device
        self.a = nn.Parameter(a.to(device))
        """(targets * rank, inputs)."""
        self.b = nn.Parameter(torch.zeros(sum(self._sizes), lora.rank, device=device))
        """(rows of the targets, rank)."""
        self.directions: Tensor | None
        self.register_buffer("directions", None, persistent=False)
        """(inputs, inputs): what the rows of A are multiplied by, if anything (`feilun.model.spare`)."""
        self.magnitude = nn.Parameter(self._norms()) if lora.dora else None
        """(rows of the targets,)."""

    @property
    def _directed(self) -> Tensor:
        return self.a if self.directions is None else self.a @ self.directions

    @property
    def _sizes(self) -> list[int]:
        return [end - begin for begin, end in self.rows.values()]

    def forward(self, x: Tensor) -> Tensor:
        weight, a = self.base.weight.to(x.dtype), self._directed.to(x.dtype)
        b = (self.b * self.lora.scale).to(x.dtype)
        y = _Adapted.apply(x.flatten(0, -2), weight, a, b, tuple(self.rows.values()))
        assert isinstance(y, Tensor)
        y = y.unflatten(0, x.shape[:-1])
        return y if self.magnitude is None else y * self._stretch(self.magnitude).to(y.dtype)

    def tensors(self) -> Iterator[tuple[Target, dict[str, Tensor]]]:
        """Of each target its ``a`` (rank, inputs), ``b`` (outputs, rank) and perhaps ``magnitude`` (outputs,): views of what
        learns, but for ``a`` if it has directions.
        """
        a, b = self._directed.detach().chunk(len(self.rows)), self.b.detach().split(self._sizes)
        views = [{"a": first, "b": second} for first, second in zip(a, b, strict=True)]
        if self.magnitude is not None:
            for view, magnitude in zip(views, self.magnitude.detach().split(self._sizes), strict=True):
                view["magnitude"] = magnitude
        return zip(self.rows, views, strict=True)

    def merged(self) -> Linear:
        """One plain product that computes the same, in the base weight's type."""
        weight = self.base.weight.detach().float().clone()
        for (begin, end), updated in zip(self.rows.values(), self._updated(), strict=True):
            weight[begin:end] = updated
        if self.magnitude is not None:
            weight *= self._stretch(self.magnitude.detach())[:, None]
        with torch.device("meta"):
            linear = Linear(self.base.in_features, self.base.out_features)
        linear.weight = nn.Parameter(weight.to(self.base.weight.dtype))
        return linear

    def _updated(self) -> Iterator[Tensor]:
        """Each target's W + scale B A, float32 and without gradient."""
        a, b = self._directed.detach().chunk(len(self.rows)), self.b.detach().split(self._sizes)
        for (begin, end), first, second in zip(self.rows.values(), a, b, strict=True):
            yield self.base.weight[begin:end].detach().float() + self.lora.scale * second @ first

    def _norms(self) -> Tensor:
        """Lengths of the rows of the targets' updated weights, float32 (rows of the targets,)."""
        return torch.cat([torch.linalg.vector_norm(weight, dim=1) for weight in self._updated()])

    def _stretch(self, magnitude: Tensor) -> Tensor:
        """DoRA's factor of each output of the base, one where that is no target's: float32 (outputs,)."""
        factors = (magnitude / self._norms()).split(self._sizes)
        pieces: list[Tensor] = []
        at = 0
        for (begin, end), factor in zip(self.rows.values(), factors, strict=True):
            pieces += [factor.new_ones(begin - at), factor]
            at = end
        return torch.cat([*pieces, magnitude.new_ones(self.base.out_features - at)])


class _Adapted(Function):
    """x W^T plus, at the rows of each part, x A^T B^T.

    One product with all As; those with the Bs, of `rank` columns, are added where they belong inside the matrix
    multiplication, so that neither a block-diagonal B nor a second output exists. 10-20% less time than the
    same from separate operations (bf16, 2,048 x 640 to 2 x 2,048, rank 16, forward and backward).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, rows: tuple[tuple[int, int], ...]
    ) -> Tensor:
        """x (N, inputs), weight (outputs, inputs), a (parts * rank, inputs), b (rows of the parts, rank)."""
        low = x @ a.T
        y = x @ weight.T
        for (begin, end), h, up in _each(rows, low, b):
            y[:, begin:end].addmm_(h, up.T)
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.rows = rows
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        dy = gradients[0]
        d_low: list[Tensor] = []
        d_b: list[Tensor] = []
        for (begin, end), h, up in _each(ctx.rows, low, b):
            d_low.append(dy[:, begin:end] @ up)
            d_b.append(dy[:, begin:end].T @ h)
        d_h = torch.cat(d_low, 1)
        # The first layer's input comes from a frozen embedding.
        dx = (dy @ weight).addmm_(d_h, a) if ctx.needs_input_grad[0] else None
        return dx, None, d_h.T @ x, torch.cat(d_b), None


def _each(
    rows: tuple[tuple[int, int], ...], low: Tensor, b: Tensor
) -> Iterator[tuple[tuple[int, int], Tensor, Tensor]]:
    """Each part's rows with its columns of ``low`` and its rows of ``b``."""
    sizes = [end - begin for begin, end in rows]
    return zip(rows, low.chunk(len(rows), 1), b.split(sizes), strict=True)


def attach(model: Transformer, lora: Lora, seed: int = 0) -> list[nn.Parameter]:
    """Freeze ``model`` and give it a fresh adapter, in place; gives the parameters that learn.

    Raises `FeilunError` if it carries one already.
    """
    if _find(model):
        raise FeilunError(
            "The model carries an adapter already. Merge that first.",
            "模型已带有适配器。请先合并它。",
            code="adapter_attached",
        )
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    parts = _parts(model.config)
    for block in model.blocks:
        for name, sizes in parts.items():
            if not set(sizes).isdisjoint(lora.targets):
                base = block.get_submodule(name)
                assert isinstance(base, Linear)
                block.set_submodule(name, LoraLinear(base, sizes, lora, generator))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def restrict(model: Transformer, part: Literal["all", "ffn"], above: float) -> None:
    """Let only some of the adapter learn: that of the feed-forward layers, where facts are (Meng et al. 2022, section 2),
    and that of the layers above a share of them, 0 to 1, counted from the input. Less is changed, and less forgotten.
    """
    first = math.floor(above * model.config.layers)
    for name, module in adapters(model).items():
        _, layer, place = name.split(".", 2)
        module.requires_grad_(int(layer) >= first and (part == "all" or place.startswith(part)))
        module.base.requires_grad_(False)


def merge(model: Transformer) -> None:
    """Put the adapter into the weights, in place: plain products again, all of which may learn.

    Weights keep their type, so that in bfloat16 an update is rounded with them. Raises `FeilunError` without adapter.
    """
    for name, module in adapters(model).items():
        model.set_submodule(name, module.merged())
    model.requires_grad_(True)


def adapter_state(model: Transformer) -> dict[str, Tensor]:
    """The adapter's part of ``model.state_dict()``; goes back in with ``load_state_dict(..., strict=False)``."""
    return {
        f"{name}.{key}": parameter.detach()
        for name, module in adapters(model).items()
        for key, parameter in module.named_parameters(recurse=False)
    }


def adapters(model: Transformer) -> dict[str, LoraLinear]:
    """The products that carry updates, by their name in the model. Raises `FeilunError` if there are none."""
    found = _find(model)
    if not found:
        raise FeilunError("The model carries no adapter.", "模型没有适配器。", code="no_adapter")
    return found


def _find(model: Transformer) -> dict[str, LoraLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def _parts(config: ModelConfig) -> dict[str, dict[Target, int]]:
    """The products of a block and how many rows of each belong to which target."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    return {
        "attention.qkv": {"q": queries, "k": keys, "v": keys},
        "attention.out": {"o": config.hidden_size},
        "ffn.gate_up": {"gate": config.ffn_size, "up": config.ffn_size},
        "ffn.down": {"down": config.hidden_size},
    }
