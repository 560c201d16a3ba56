"""The training step, side by side, on the same shape and the same tokens, in one process.

    python bench/train.py step --nanochat FOLDER                    # all that are installed, both shapes
    python bench/train.py step --shape small --only feilun "feilun (compile)" --rounds 3

A step is forward, backward and optimiser over 8 rows of 512 tokens, products in the type that this machine is good at
(bfloat16 where the processor has it, else float32; for everyone), weights in float32, AdamW where nothing else is said.
"nanochat (as shipped)" has its own optimiser, Muon.

MFU counts 6 operations per matmul weight and token (output projection included) and causal attention at half of its
square, against a matrix product in the same type, measured in the same run. Contestants take turns, round by round; the
best round counts, since other work on the machine only ever adds time. glibc keeps freed memory for all of them, which
is our loop's doing and helps everybody.

Peak memory and the time until the second step is done are of a process for each, in which nothing is compiled yet and
each allocates as it would by itself. Peers: `pip install transformers litgpt`, and a checkout of nanochat.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from train_contestants import CONTESTANTS, LENGTH, ROWS, SHAPES, Setting, Step, config_of
from train_facts import Bar, about, lines, print_json, progress, show, worker

from feilun.train.loop import matmul_peak
from feilun.train.memory import keep_freed_memory, peak_memory_mb
from feilun.train.run_recipe import RunRecipe

OURS_TO_ALL, OURS_TO_UNCOMPILED, OURS_MFU = 1.15, 1.35, 0.68
ALONE_STEPS = 3


@dataclass
class Row:
    """What one contestant does on one shape."""

    name: str
    shape: str
    ready_s: float = 0.0
    memory_mb: float = 0.0
    seconds: list[float] = field(default_factory=list[float])
    """Of each round."""
    peak: float = 0.0
    """Operations a second of the matrix product."""
    missing: str | None = None
    """Why it is left out."""

    @property
    def tokens_per_second(self) -> float:
        return ROWS * LENGTH / min(self.seconds)

    @property
    def mfu(self) -> float:
        return self.tokens_per_second * config_of(self.shape).flops_per_token(LENGTH) / self.peak


def alone(name: str, setting: Setting) -> None:
    """The worker of `memory`: three steps in a process that does nothing else; prints JSON."""
    begun = time.perf_counter()
    contestant = CONTESTANTS[name]
    if contestant.ours:
        keep_freed_memory()  # as our loop does
    ready = 0.0
    try:
        step = contestant.build(setting)
        for number in range(ALONE_STEPS):
            step()
            if number == 1:
                ready = time.perf_counter() - begun
    except Exception as error:  # of a peer: the others are measured all the same
        traceback.print_exc()
        why = "not installed" if isinstance(error, ImportError) else type(error).__name__
        print(json.dumps({"missing": f"{why}: {str(error).partition(chr(10))[0]}"}))
        return
    print(json.dumps({"ready_s": ready, "memory_mb": peak_memory_mb()}))


def measure(names: list[str], setting: Setting, rounds: int, passed_on: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        command = [str(Path(__file__).with_name("train.py")), "step", "--only", name, "--memory"]
        found = worker([*command, "--shape", setting.shape, *passed_on])
        rows.append(Row(name, setting.shape, **found))
        progress(f"{setting.shape}, {name}: {found}")
    keep_freed_memory()
    steps: dict[str, Step] = {}
    for row in rows:
        if row.missing is None:
            torch.manual_seed(0)
            steps[row.name] = CONTESTANTS[row.name].build(setting)
            loss = [steps[row.name]() for _ in range(2)][-1]
            progress(f"{setting.shape}, {row.name}: loss {loss:.2f} at the second step")
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, matmul_peak(setting.dtype, size=2048))
        for row in rows:
            if row.name in steps:
                begun = time.perf_counter()
                steps[row.name]()
                row.seconds.append(time.perf_counter() - begun)
    for row in rows:
        row.peak = peak
    return rows


def judge(shape: str, rows: list[Row]) -> list[Bar]:
    ran = [row for row in rows if row.seconds]
    ours = [row for row in ran if CONTESTANTS[row.name].ours]
    peers = [row for row in ran if not CONTESTANTS[row.name].ours]
    uncompiled = [row for row in peers if CONTESTANTS[row.name].compiled == "none"]
    best = max(ours, key=lambda row: row.tokens_per_second, default=None)

    def faster(others: list[Row]) -> tuple[str, float | None]:
        if best is None or not others:
            return "none", None
        other = max(others, key=lambda row: row.tokens_per_second)
        return other.name, best.tokens_per_second / other.tokens_per_second

    name = best.name if best else "feilun"
    fastest, to_all = faster(peers)
    plain, to_plain = faster(uncompiled)
    leanest = min(peers, key=lambda row: row.memory_mb, default=None)
    return [
        Bar(f"{shape}: {name} against the fastest peer ({fastest})", to_all, OURS_TO_ALL),
        Bar(f"{shape}: {name} against the fastest uncompiled peer ({plain})", to_plain, OURS_TO_UNCOMPILED),
        Bar(f"{shape}: MFU of {name}", best.mfu if best else None, OURS_MFU, "%"),
        Bar(
            f"{shape}: peak memory of {name} against the leanest peer ({leanest.name if leanest else 'none'})",
            best.memory_mb if best and leanest else None,
            leanest.memory_mb if leanest else 0.0,
            " MB",
            at_most=True,
        ),
    ]


def table(shape: str, rows: list[Row]) -> list[str]:
    ran = [row for row in rows if row.seconds]
    peak = max((row.peak for row in ran), default=0.0)
    ours = max((row.tokens_per_second for row in ran if CONTESTANTS[row.name].ours), default=0.0)
    weights = config_of(shape).matmul_params / 1e6
    found = [
        f"{shape}: {weights:.1f} M matmul weights, matrix product at {peak / 1e9:.0f} GFLOP/s",
        f"{'':24}{'compiled':>9}{'tokens/s':>10}{'ours is':>9}{'MFU':>8}{'median':>9}{'ready':>8}{'peak memory':>13}",
    ]
    for row in rows:
        if row.missing is not None:
            found.append(f"{row.name:24}{row.missing}")
            continue
        found.append(
            f"{row.name:24}{CONTESTANTS[row.name].compiled:>9}{row.tokens_per_second:10.0f}"
            f"{ours / row.tokens_per_second:8.2f}x{row.mfu:8.1%}{statistics.median(row.seconds):8.2f}s"
            f"{row.ready_s:7.0f}s{row.memory_mb:10.0f} MB"
        )
    return found


def as_result(row: Row) -> dict[str, Any]:
    figures = (
        {
            "tokens_per_second": row.tokens_per_second,
            "mfu": row.mfu,
            "compiled": CONTESTANTS[row.name].compiled,
        }
        if row.seconds
        else {}
    )
    return dataclasses.asdict(row) | figures


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        "bench/train.py step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shape", choices=SHAPES, nargs="+", default=list(SHAPES))
    parser.add_argument("--only", choices=CONTESTANTS, nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float32"], default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--nanochat", type=Path, help="a checkout of github.com/karpathy/nanochat")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--memory", action="store_true", help="run the one contestant alone, for its peak memory (a worker)"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    settings = [
        Setting(shape, RunRecipe(dtype=options.dtype).torch_dtype, options.nanochat)
        for shape in options.shape
    ]
    if options.memory:
        alone(options.only[0], settings[0])
        return
    dtype = str(settings[0].dtype).removeprefix("torch.")
    facts = about(
        ["transformers", "litgpt"], dtype=dtype, threads=options.threads, batch=f"{ROWS} x {LENGTH} tokens"
    )
    passed_on = ["--dtype", options.dtype, "--threads", str(options.threads)]
    if options.nanochat:
        passed_on += ["--nanochat", str(options.nanochat)]
    if not options.json:
        show(lines(facts))
    results: list[dict[str, Any]] = []
    bars: list[Bar] = []
    # A new cache: the workers compile as on the first day, and the comparison then finds it done.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for setting in settings:
            rows = measure(options.only, setting, options.rounds, passed_on)
            results += map(as_result, rows)
            bars += judge(setting.shape, rows)
            if not options.json:
                show(table(setting.shape, rows))
    if options.json:
        print_json(facts, results, bars)
    else:
        show(bars)
