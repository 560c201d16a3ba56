"""How long a killed run takes to go on: from the start of the process to its first step.

    python bench/train.py resume

The command is ``feilun train RECIPE --resume`` itself, for a model of 35.8 M matmul weights (40 M in all; its state with
AdamW's is 480 MB), on the project's own texts: tokenizer and token shards are read again, weights and optimiser put back.
The step has few tokens, since its length is not what is measured. Times are from the run's own events. The files are in
the page cache, as after a crash of the process, not of the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train_facts import ROOT, Bar, about, lines, print_json, progress, show

SECONDS = 5.0
SOURCES = ("README.md", "README.zh-CN.md", "docs", "recipes/datasets")
ROWS, LENGTH, SAVE_EVERY = 2, 64, 10
RECIPE = f"""
kind = "pretrain"
name = "resume"
baseline = false

[model]
hidden_size = 512
layers = 10
heads = 8
ffn_size = 1376
tied = false

[run]
steps = 100
rows = {ROWS}
length = {LENGTH}
evaluate_every = 100
save_every = {SAVE_EVERY}
"""


@dataclass(frozen=True)
class Resumed:
    """Seconds since the process was started."""

    imported_s: float
    begun_s: float
    """The first step begins,"""
    stepped_s: float
    """and is done."""


@contextmanager
def events(folder: Path, *options: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What a training process says; it is killed when the block is left."""
    command = [
        sys.executable,
        "-m",
        "feilun",
        "-w",
        str(folder / "workspace"),
        "train",
        str(folder / "recipe.toml"),
    ]
    for source in SOURCES:
        command += ["--source", str(ROOT / source)]
    process = subprocess.Popen([*command, "--json", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield map(json.loads, process.stdout)
    finally:
        process.kill()
        process.wait()


def first(happened: Iterator[dict[str, Any]], event: str, after: float = 0.0) -> dict[str, Any]:
    """The first such event; those of a run's earlier process are told again at the beginning."""
    for one in happened:
        if one["event"] == event and one["time"] > after:
            return one
    raise RuntimeError(f"the run ended without the event {event!r}")


def resume(folder: Path) -> Resumed:
    start = time.time()
    with events(folder, "--resume") as happened:
        imported = first(happened, "started", start)
        step = first(happened, "step", start)
    took = ROWS * LENGTH / step["tokens_per_second"]
    if step["step"] % SAVE_EVERY != 1 or step["step"] == 1:
        raise RuntimeError(f"it did not go on from its checkpoint: step {step['step']}")
    return Resumed(imported["time"] - start, step["time"] - took - start, step["time"] - start)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        "bench/train.py resume",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    facts = about(rounds=options.rounds)
    if not options.json:
        show(lines(facts))
    found: list[Resumed] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        with events(folder) as happened:
            saved = first(happened, "checkpoint")
        progress(f"killed after step {saved['step']}")
        for _ in range(options.rounds):
            found.append(resume(folder))
            progress(str(found[-1]))
    begun = statistics.median(one.begun_s for one in found)
    imported = statistics.median(one.begun_s - one.imported_s for one in found)
    stepped = statistics.median(one.stepped_s for one in found)
    bars = [
        Bar("from process start until the first step begins", begun, SECONDS, " s", at_most=True),
        Bar("from after the imports until the first step begins", imported, SECONDS, " s", at_most=True),
    ]
    if options.json:
        print_json(facts, [asdict(one) for one in found], bars)
    else:
        show([f"until the first step of {ROWS * LENGTH} tokens is done: {stepped:.2f} s"], bars)
