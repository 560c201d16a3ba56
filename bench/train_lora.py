"""An adapter that learns thirty answers by heart: ours against peft with transformers' Trainer.

    python bench/train.py lora

Gemma 3 270M, rank 16, alpha 32, all seven linears, AdamW at a constant rate, the same tokens and the same number of rows
in a batch, until the mean loss of a pass over the samples is down. A process for each, in turns; peft's batches are of
like length too. Both read the same Hugging Face folder, which our importer makes of the GGUF file beforehand, so that
loading is compared like for like; its files are in the page cache for both.

The result counts as the same when both reach the loss and give the learnt answers. A greedy answer is the learnt one if
and only if each of its tokens is the likeliest after those before it, which one pass over the samples tells. That pass is
timed for neither.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from train_facts import ROOT, Bar, about, lines, print_json, progress, show, worker
from train_samples import SAMPLES

OURS_TO_PEFT = 1.5
CONTESTANTS = {"feilun": "train_lora_feilun.py", "peft": "train_lora_peft.py"}


@dataclass(frozen=True)
class Task:
    """What a contestant is asked to do; its process is given this as JSON."""

    base: str
    """Hugging Face folder."""
    samples: str
    """JSON lines of ``{"messages": [...]}``."""
    work: str
    """A folder for what it writes."""
    dtype: str
    seed: int
    begun: float = 0.0
    """When the process was started, Unix seconds."""
    rows: int = 10
    rank: int = 16
    alpha: int = 32
    lr: float = 1e-3
    loss: float = 0.02
    max_steps: int = 150

    @property
    def steps_in_pass(self) -> int:
        return -(-len(SAMPLES) // self.rows)

    def done(self, losses: Sequence[float]) -> bool:
        """Whether the mean loss of the last pass over the samples, one figure a step, is low enough."""
        last = losses[-self.steps_in_pass :]
        return len(last) == self.steps_in_pass and statistics.mean(last) <= self.loss


@dataclass(frozen=True)
class Outcome:
    """What a contestant answers."""

    imported_s: float
    """Seconds since the process was started: everything is imported,"""
    loaded_s: float
    """base, tokenizer and adapter are ready,"""
    trained_s: float
    """the loss is reached and the adapter is written."""
    losses: list[float]
    tokens: int
    """Of the samples, and how many of them are learnt: both contestants have to agree."""
    learnt: int
    exact: int
    """Answers that are the learnt ones."""
    memory_mb: float

    def print(self) -> None:
        print(json.dumps(asdict(self)))


def run(name: str, task: Task) -> Outcome:
    script = str(Path(__file__).with_name(CONTESTANTS[name]))
    return Outcome(**worker([script, json.dumps(asdict(task) | {"begun": time.time()})]))


def base_folder(recipe: Path) -> Path:
    """The base model of a recipe as a Hugging Face folder, fetched and unpacked where it is not yet."""
    from feilun.registry import Release
    from feilun.registry.sources import ensure, normalise
    from feilun.train.tuning import unpacked

    source = tomllib.loads(recipe.read_text(encoding="utf-8"))["base"]
    folder = unpacked(ensure(Release(name="base", source=normalise(source))))
    for file in folder.iterdir():
        with file.open("rb") as content:  # into the page cache
            while content.read(1 << 24):
                pass
    return folder


def best_dtype(wanted: Any) -> tuple[str, int]:
    """The type that products are computed in here, and the number of threads. torch is not needed before."""
    import torch

    from feilun.train.run_recipe import RunRecipe

    return str(RunRecipe(dtype=wanted).torch_dtype).removeprefix("torch."), torch.get_num_threads()


def write_samples(file: Path) -> None:
    with file.open("w", encoding="utf-8") as out:
        for question, answer in SAMPLES:
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            print(json.dumps({"messages": messages}, ensure_ascii=False), file=out)


def figures(outcomes: Sequence[Outcome], task: Task) -> dict[str, float]:
    """Of all rounds: times as medians, the rest as the worst."""

    def median(*values: float) -> float:
        return statistics.median(values)

    return {
        "wall_s": median(*(one.trained_s for one in outcomes)),
        "import_s": median(*(one.imported_s for one in outcomes)),
        "load_s": median(*(one.loaded_s - one.imported_s for one in outcomes)),
        "train_s": median(*(one.trained_s - one.loaded_s for one in outcomes)),
        "steps": median(*(len(one.losses) for one in outcomes)),
        "step_s": median(*((one.trained_s - one.loaded_s) / len(one.losses) for one in outcomes)),
        "loss": max(statistics.mean(one.losses[-task.steps_in_pass :]) for one in outcomes),
        "exact": min(one.exact for one in outcomes),
        "memory_mb": max(one.memory_mb for one in outcomes),
    }


def table(found: dict[str, dict[str, float]]) -> list[str]:
    head = f"{'':10}{'wall':>9}{'import':>9}{'load':>9}{'train':>9}{'steps':>8}{'a step':>9}{'loss':>9}"
    rows = [f"{head}{'answers':>10}{'peak memory':>14}"]
    for name, one in found.items():
        rows.append(
            f"{name:10}{one['wall_s']:8.1f}s{one['import_s']:8.1f}s{one['load_s']:8.1f}s{one['train_s']:8.1f}s"
            f"{one['steps']:8.0f}{one['step_s']:8.2f}s{one['loss']:9.4f}{one['exact']:7.0f}/{len(SAMPLES)}"
            f"{one['memory_mb']:11.0f} MB"
        )
    return rows


def judge(found: dict[str, dict[str, float]], task: Task) -> list[Bar]:
    ours, peft = found.get("feilun"), found.get("peft")

    def ratio(key: str) -> float | None:
        return peft[key] / ours[key] if ours and peft else None

    return [
        Bar("peft's time, from process start to adapter, to ours", ratio("wall_s"), OURS_TO_PEFT),
        Bar("the same without imports and loading", ratio("train_s"), OURS_TO_PEFT),
        *(
            bar
            for name, one in found.items()
            for bar in (
                Bar(f"{name}: loss", one["loss"], task.loss, "", at_most=True),
                Bar(f"{name}: answers learnt, of {len(SAMPLES)}", one["exact"], len(SAMPLES), ""),
            )
        ),
    ]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        "bench/train.py lora",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=CONTESTANTS, nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--rows", type=int, default=Task.rows)
    parser.add_argument("--lr", type=float, default=Task.lr)
    parser.add_argument("--loss", type=float, default=Task.loss)
    parser.add_argument("--max-steps", type=int, default=Task.max_steps)
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float32"], default="auto")
    parser.add_argument(
        "--recipe", type=Path, default=ROOT / "recipes/train/assistant.toml", help="names the base"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    dtype, threads = best_dtype(options.dtype)
    with tempfile.TemporaryDirectory() as name:
        samples = Path(name) / "samples.jsonl"
        write_samples(samples)
        task = Task(
            base=str(base_folder(options.recipe)),
            samples=str(samples),
            work=name,
            dtype=dtype,
            seed=0,
            rows=options.rows,
            lr=options.lr,
            loss=options.loss,
            max_steps=options.max_steps,
        )
        facts = about(
            ["transformers", "peft", "accelerate"],
            dtype=dtype,
            threads=threads,
            samples=f"{len(SAMPLES)} in batches of {task.rows}",
            learning=f"rank {task.rank}, alpha {task.alpha}, rate {task.lr:g}, down to a loss of {task.loss:g}",
        )
        if not options.json:
            show(lines(facts))
        outcomes: dict[str, list[Outcome]] = {name: [] for name in options.only}
        for seed in range(options.rounds):
            for name, found in outcomes.items():
                work = tempfile.mkdtemp(dir=task.work)
                found.append(run(name, replace(task, seed=seed, work=work)))
                progress(f"{name}, seed {seed}: {len(found[-1].losses)} steps in {found[-1].trained_s:.1f} s")
    said = {(one.tokens, one.learnt) for found in outcomes.values() for one in found}
    assert len(said) == 1, f"the contestants did not read the same tokens: {said}"
    measured = {name: figures(found, task) for name, found in outcomes.items()}
    bars = judge(measured, task)
    if options.json:
        results = [{"name": name, **one} for name, one in measured.items()]
        print_json(facts, results, bars)
    else:
        show(table(measured), bars)
