"""The training step, side by side: ours, transformers and litgpt, on the same shape, the same tokens, in one process.

    python bench/train.py                          # all that are installed, uncompiled and compiled
    python bench/train.py --shape large --only "feilun,feilun (compile)"

A step is forward, backward and AdamW over 8 rows of 512 tokens in bfloat16 with float32 weights. MFU counts 6
operations per matmul weight and token (output projection included) and causal attention at half of its square,
against a matrix product measured in the same run. Contestants take turns, round by round; the best round counts,
since other work on the machine only ever adds time. Peers: `pip install transformers litgpt`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from feilun.model.config import ModelConfig
from feilun.model.transformer import Transformer
from feilun.train.loop import matmul_peak
from feilun.train.memory import keep_freed_memory

ROWS, LENGTH, VOCABULARY = 8, 512, 8192
SHAPES = {"small": (384, 6, 6, 1024), "large": (512, 10, 8, 1376)}
"""Hidden size, layers, heads, feed-forward size: 13.8 M and 35.8 M matmul weights."""

Step = Callable[[], float]


@dataclass
class Contestant:
    name: str
    step: Step
    warm_s: float
    seconds: list[float] = field(default_factory=list[float])


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


def stepper(model: torch.nn.Module, loss_of: Callable[[Tensor, Tensor], Tensor]) -> Step:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    following = batches()

    def step() -> float:
        loss = loss_of(*following())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        return float(loss.detach())

    return step


def feilun(shape: str, compiled: str) -> Step:
    model = Transformer(config_of(shape))
    model.initialise()
    if compiled == "blocks":
        for block in model.blocks:
            block.compile(dynamic=False)
    elif compiled == "full":
        model.hidden = torch.compile(model.hidden, dynamic=False)
    return stepper(model, lambda x, y: model.nats(x, y, dtype=torch.bfloat16) / y.numel())


def transformers(shape: str, compiled: bool) -> Step:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    size, layers, heads, ffn = SHAPES[shape]
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
    run: Any = torch.compile(model) if compiled else model

    def loss(x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = run(input_ids=x).logits
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), y.flatten())

    return stepper(model, loss)


def litgpt(shape: str, compiled: bool) -> Step:
    from litgpt.model import GPT, Config
    from litgpt.utils import chunked_cross_entropy

    size, layers, heads, ffn = SHAPES[shape]
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
    run: Any = torch.compile(model) if compiled else model

    def loss(x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return chunked_cross_entropy(run(x), y)

    return stepper(model, loss)


CONTESTANTS: dict[str, Callable[[str], Step]] = {
    "feilun": lambda shape: feilun(shape, "none"),
    "feilun (blocks)": lambda shape: feilun(shape, "blocks"),
    "feilun (compile)": lambda shape: feilun(shape, "full"),
    "transformers": lambda shape: transformers(shape, False),
    "transformers (compile)": lambda shape: transformers(shape, True),
    "litgpt": lambda shape: litgpt(shape, False),
    "litgpt (compile)": lambda shape: litgpt(shape, True),
}


def compare(shape: str, names: list[str], rounds: int) -> dict[str, Any]:
    ready: list[Contestant] = []
    missing: dict[str, str] = {}
    for name in names:
        begun = time.perf_counter()
        try:
            torch.manual_seed(0)
            step = CONTESTANTS[name](shape)
            step()
            step()
        except ImportError as error:
            missing[name] = str(error)
            continue
        ready.append(Contestant(name, step, time.perf_counter() - begun))
        print(f"# {name}: ready after {ready[-1].warm_s:.0f} s", flush=True)
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, matmul_peak(torch.bfloat16, 2048))
        for one in ready:
            begun = time.perf_counter()
            one.step()
            one.seconds.append(time.perf_counter() - begun)
    tokens, config = ROWS * LENGTH, config_of(shape)
    fastest = min((min(one.seconds) for one in ready), default=math.nan)
    rows = [
        {
            "name": one.name,
            "tokens_per_second": tokens / min(one.seconds),
            "times_slower": min(one.seconds) / fastest,
            "mfu": tokens / min(one.seconds) * config.flops_per_token(LENGTH) / peak,
            "median_s": sorted(one.seconds)[len(one.seconds) // 2],
            "ready_s": one.warm_s,
        }
        for one in ready
    ]
    return {
        "shape": shape,
        "matmul_params": config.matmul_params,
        "peak_gflops": peak / 1e9,
        "rows": rows,
        "missing": missing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="names, with commas between")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    keep_freed_memory()
    found = compare(args.shape, args.only.split(","), args.rounds)
    if args.json:
        print(json.dumps(found, indent=2))
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    print(f"commit {commit.stdout.strip()} · {found['matmul_params'] / 1e6:.1f} M matmul weights · ", end="")
    print(f"peak {found['peak_gflops']:.0f} GFLOP/s bfloat16 · load {os.getloadavg()[0]:.1f}")
    print(f"{'':24} {'tokens/s':>9} {'slower':>7} {'MFU':>7} {'median':>8} {'ready':>7}")
    for row in found["rows"]:
        print(
            f"{row['name']:24} {row['tokens_per_second']:9.0f} {row['times_slower']:6.2f}x {row['mfu']:7.1%} "
            f"{row['median_s']:7.2f}s {row['ready_s']:6.0f}s"
        )
    for name, why in found["missing"].items():
        print(f"{name:24} not installed ({why})")


if __name__ == "__main__":
    main()
