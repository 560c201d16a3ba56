# pyright: reportMissingImports=false
# (Peers are in a Python of their own.)
"""Who takes part in the comparison of training steps: each as its own documentation would have it run, on one shape.

nanochat's layers are its own (squared ReLU, value embeddings): as many matmul weights to within 1%, but no twin.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from feilun.model.config import ModelConfig
from feilun.model.transformer import Transformer
from feilun.train.distributed import World
from feilun.train.loop import prepare
from feilun.train.run_recipe import RunRecipe

ROWS, LENGTH, VOCABULARY = 8, 512, 8192
SHAPES = {"small": (384, 6, 6, 1024), "large": (512, 10, 8, 1376)}
"""Hidden size, layers, heads, feed-forward size: 13.8 M and 35.8 M matmul weights."""

Compiled = Literal["none", "blocks", "full"]
Step = Callable[[], float]
"""Forward, backward and optimiser over the next rows; gives the loss."""
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Setting:
    """What all contestants share."""

    shape: str
    dtype: torch.dtype
    """Of the products. Weights are float32."""
    nanochat: Path | None
    """A checkout: it is no package that could be installed."""


@dataclass(frozen=True)
class Contestant:
    compiled: Compiled
    build: Callable[[Setting], Step]
    """Raises `ImportError` where it is not installed."""
    ours: bool = False


def config_of(shape: str) -> ModelConfig:
    size, layers, heads, ffn = SHAPES[shape]
    return ModelConfig(
        vocab_size=VOCABULARY,
        hidden_size=size,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=size // heads,
        ffn_size=ffn,
        tied=False,
    )


def batches() -> Callable[[], tuple[Tensor, Tensor]]:
    """Rows of one random stream, the same for all."""
    stream = torch.randint(0, VOCABULARY, (200_000,), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)

    def following() -> tuple[Tensor, Tensor]:
        places = torch.randint(0, len(stream) - LENGTH - 1, (ROWS,), generator=generator)
        rows = torch.stack([stream[at : at + LENGTH + 1] for at in map(int, places)])
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    return following


def stepper(model: nn.Module, loss_of: Loss, optimiser: torch.optim.Optimizer | None = None) -> Step:
    moves = optimiser or torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    following = batches()

    def step() -> float:
        loss = loss_of(*following())
        loss.backward()
        moves.step()
        moves.zero_grad()
        return float(loss.detach())

    return step


def mixed(dtype: torch.dtype) -> torch.autocast:
    """How those compute who leave the type of products to autocast."""
    return torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32)


def feilun(setting: Setting, compiled: Compiled) -> Step:
    model = Transformer(config_of(setting.shape))
    model.initialise()
    prepare(model, RunRecipe(compile=compiled), World())
    return stepper(model, lambda x, y: model.nats(x, y, dtype=setting.dtype) / y.numel())


def transformers(setting: Setting, compiled: Compiled) -> Step:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    size, layers, heads, ffn = SHAPES[setting.shape]
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=size,
        intermediate_size=ffn,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=size // heads,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=False,
        use_cache=False,
    )
    config._attn_implementation = "sdpa"
    model = Qwen3ForCausalLM(config).train()
    run: Any = torch.compile(model) if compiled == "full" else model

    def loss(x: Tensor, y: Tensor) -> Tensor:
        with mixed(setting.dtype):
            return run(input_ids=x, labels=y, shift_labels=y).loss

    return stepper(model, loss)


def litgpt(setting: Setting, compiled: Compiled) -> Step:
    from litgpt.model import GPT, Config
    from litgpt.utils import chunked_cross_entropy

    size, layers, heads, ffn = SHAPES[setting.shape]
    config = Config(
        name="x",
        block_size=LENGTH,
        vocab_size=VOCABULARY,
        padded_vocab_size=VOCABULARY,
        n_layer=layers,
        n_head=heads,
        n_embd=size,
        n_query_groups=heads,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        intermediate_size=ffn,
        norm_qk=True,
    )
    model = GPT(config)
    run: Any = torch.compile(model) if compiled == "full" else model

    def loss(x: Tensor, y: Tensor) -> Tensor:
        with mixed(setting.dtype):
            return chunked_cross_entropy(run(x), y)

    return stepper(model, loss)


def nanochat(setting: Setting, compiled: Compiled, *, own_optimiser: bool = False) -> Step:
    """``own_optimiser``: with its Muon, as its script trains."""
    if setting.nanochat is None:
        raise ImportError("give a checkout: --nanochat FOLDER")
    # It reads this once, when it is imported; left alone it takes float32 on every CPU.
    os.environ["NANOCHAT_DTYPE"] = str(setting.dtype).removeprefix("torch.")
    if str(setting.nanochat) not in sys.path:
        sys.path.append(str(setting.nanochat))
    with contextlib.redirect_stdout(sys.stderr):  # it talks
        from nanochat.gpt import GPT, GPTConfig

        size, layers, heads, _ = SHAPES[setting.shape]
        model = GPT(
            GPTConfig(
                sequence_len=LENGTH,
                vocab_size=VOCABULARY,
                n_layer=layers,
                n_head=heads,
                n_kv_head=heads,
                n_embd=size,
                window_pattern="L",
            )
        )
        model.init_weights()
        optimiser = model.setup_optimizer() if own_optimiser else None
    run: Any = torch.compile(model, dynamic=False) if compiled == "full" else model
    return stepper(model, lambda x, y: run(x, y), optimiser)


CONTESTANTS: dict[str, Contestant] = {
    "feilun": Contestant("none", lambda s: feilun(s, "none"), ours=True),
    "feilun (blocks)": Contestant("blocks", lambda s: feilun(s, "blocks"), ours=True),
    "feilun (compile)": Contestant("full", lambda s: feilun(s, "full"), ours=True),
    "transformers": Contestant("none", lambda s: transformers(s, "none")),
    "transformers (compile)": Contestant("full", lambda s: transformers(s, "full")),
    "litgpt": Contestant("none", lambda s: litgpt(s, "none")),
    "litgpt (compile)": Contestant("full", lambda s: litgpt(s, "full")),
    "nanochat": Contestant("none", lambda s: nanochat(s, "none")),
    "nanochat (compile)": Contestant("full", lambda s: nanochat(s, "full")),
    "nanochat (as shipped)": Contestant("full", lambda s: nanochat(s, "full", own_optimiser=True)),
}
