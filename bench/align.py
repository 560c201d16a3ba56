"""Preferences and rewards, side by side with TRL, and our sampler with transformers' ``generate``.

    python bench/align.py --peers PYTHON_WITH_TRL [--peers ANOTHER]

All on one shape (13.8 M matmul weights, Qwen3's layers), the same rows and lengths, products in the type that this machine
is good at (bfloat16 where the processor has it, else float32; for everyone: TRL's trainers with ``bf16=True``, ``generate``
with weights in that type), weights that learn in float32. A DPO step is forward,
backward and optimiser over pairs; TRL computes the reference in each step, or once before (``precompute_ref_log_probs``), as
ours always does: the faster of the two counts. A PPO update is drawing answers, judging them with a reward model of the same
shape, and two epochs over them; TRL's policy and value network are two models, ours has a value head on the policy. The
sampler draws 16 rows, all of full length; and 64 answers, 16 at a time, with stop tokens among what is drawn, so that rows end
at different times: ours begins the next answer in a place that is free, ``generate`` when the last of the 16 has ended.

Both sides take turns, round by round; the best round of each counts, since other work on the machine only ever adds time.
Peers need ``pip install trl``; PPO is in TRL up to 1.4.0 (of those tried), so two Pythons may be named: of each task the
fastest that can do it counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from train_contestants import VOCABULARY, config_of
from train_facts import Bar, about, lines, print_json, progress, show

from feilun.jobs import Job
from feilun.model.transformer import Transformer
from feilun.train.dpo import Dpo
from feilun.train.experience import Drawn, Rollouts
from feilun.train.judges import ByModel
from feilun.train.loop import Trainer
from feilun.train.memory import keep_freed_memory
from feilun.train.optim import OptimiserRecipe
from feilun.train.pairs import Pairs
from feilun.train.ppo import Ppo, experience
from feilun.train.preferences import Prompt, Side
from feilun.train.recipe import RolloutRecipe
from feilun.train.reward import RewardModel
from feilun.train.rollout import Sampling, sample
from feilun.train.run_recipe import RunRecipe

PAIRS, DPO_PROMPT, DPO_ANSWER = 4, 64, 192
ROWS, PPO_PROMPT, PPO_ANSWER, EPOCHS = 16, 64, 64, 2
SAMPLE_PROMPT, SAMPLE_ANSWER, SAMPLES = 64, 128, 64
ENDS = VOCABULARY // 50
"""Stop tokens among those that are drawn, nearly evenly by a model that has learnt nothing: an answer has 50 in the mean."""

AGAINST_TRL, AGAINST_GENERATE = 1.3, 3.0

Run = Callable[[], int | None]
"""Does it once; gives how many tokens that were, where it is not always the same."""


@dataclass
class Row:
    """What one side takes for one task."""

    task: str
    who: str
    tokens: int
    """Of a round that does not say how many it had."""
    seconds: list[float] = field(default_factory=list[float])
    speeds: list[float] = field(default_factory=list[float])
    """Tokens per second."""
    missing: str | None = None

    def add(self, seconds: float, tokens: int | None) -> None:
        self.seconds.append(seconds)
        self.speeds.append((tokens or self.tokens) / seconds)

    @property
    def speed(self) -> float | None:
        return max(self.speeds, default=None)


def policy() -> Transformer:
    model = Transformer(config_of("small"))
    model.initialise()
    return model


def random_ids(rows: int, length: int, seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, VOCABULARY, (rows, length), generator=generator).tolist()


def dpo(job: Job, run: RunRecipe) -> Run:
    rows = random_ids(2 * PAIRS, DPO_PROMPT + DPO_ANSWER, 1)
    sides = [Side(ids, DPO_PROMPT) for ids in rows]
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    reference = torch.full((PAIRS, 2), -9.0 * DPO_ANSWER)
    batches = Pairs(pairs, {"reference": reference}, rows=PAIRS, pad_id=0)
    trainer = Trainer(
        policy(), batches, run.model_copy(update={"steps": 1}), OptimiserRecipe(lr=1e-5), job, objective=Dpo()
    )
    work = batches.at(0)
    return lambda: _discard(trainer._step(work, 1.0, 0, []))


def _discard(_: object) -> None: ...


class Worth(RewardModel):
    """A reward model without a tokenizer: all is ids here."""

    def __init__(self) -> None:
        model = policy()
        model.add_value_head()

        class Padding:
            pad_id = 0

        super().__init__(model, Padding())  # type: ignore[arg-type]


def ppo(job: Job, run: RunRecipe) -> Run:
    model = policy()
    model.add_value_head()
    prompts = [
        Prompt(ids, [{"role": "user", "content": ""}], {}, "") for ids in random_ids(4 * ROWS, PPO_PROMPT, 2)
    ]

    def learn(drawn: Drawn, penalty: float) -> dict[str, Tensor]:
        return experience(
            drawn.old, drawn.reference, drawn.values, drawn.scores, drawn.counts,
            penalty=penalty, gamma=1.0, lam=0.95, whiten=False,
        )  # fmt: skip

    rollouts = Rollouts(
        model, prompts, ByModel(Worth()), learn,
        RolloutRecipe(prompts=ROWS, epochs=EPOCHS, sampling=Sampling(tokens=PPO_ANSWER)),
        job, copies=1, rows=ROWS, stop=[], decode=str, pad_id=0, dtype=run.torch_dtype, by_rows=False,
    )  # fmt: skip
    trainer = Trainer(
        model,
        rollouts,
        run.model_copy(update={"steps": EPOCHS}),
        OptimiserRecipe(lr=1e-5),
        job,
        objective=Ppo(),
        memory=rollouts,
        stride=rollouts.stride,
    )
    done = 0

    def update() -> None:
        nonlocal done
        for step in range(done, done + EPOCHS):
            trainer._step(rollouts.at(step), 1.0, step, [])
        done += EPOCHS

    return update


def drawing(stop: list[int], run: RunRecipe) -> Run:
    model, prompts = policy(), random_ids(SAMPLES if stop else ROWS, SAMPLE_PROMPT, 3)
    sampling = Sampling(tokens=SAMPLE_ANSWER)

    def draw() -> int:
        answers = sample(model, prompts, sampling, stop=stop, together=ROWS, dtype=run.torch_dtype)
        return sum(len(answer.ids) for answer in answers)

    return draw


class Peer:
    """A Python of the peers, that does one task after the other."""

    def __init__(self, python: str, setting: dict[str, Any]) -> None:
        command = [python, str(Path(__file__).with_name("align_peers.py")), json.dumps(setting)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.versions: dict[str, str] = json.loads(self._line())

    @property
    def name(self) -> str:
        return f"TRL {self.versions['trl']}, transformers {self.versions['transformers']}"

    def does(self, task: str, row: Row) -> None:
        if row.missing is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        row.missing = answer.get("missing")
        if row.missing is None:
            row.add(answer["seconds"], answer.get("tokens"))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline() or '{"missing": "it died"}'

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


def measure(peers: list[Peer], rounds: int, chosen: list[str], run: RunRecipe) -> list[Row]:
    """Task by task, ours and theirs in turn."""
    job = Job.create(Path(tempfile.mkdtemp()), "bench", "align", {}, argv=["true"])
    stop = list(range(2, 2 + ENDS))
    dpo_tokens, ppo_tokens = 2 * PAIRS * (DPO_PROMPT + DPO_ANSWER), ROWS * (PPO_PROMPT + PPO_ANSWER)
    tasks: dict[str, tuple[Callable[[], Run], list[str], int]] = {
        "dpo": (lambda: dpo(job, run), ["dpo", "dpo, reference once"], dpo_tokens),
        "ppo": (lambda: ppo(job, run), ["ppo"], ppo_tokens),
        "sampler": (lambda: drawing([], run), ["generate"], ROWS * SAMPLE_ANSWER),
        "sampler, with ends": (lambda: drawing(stop, run), ["generate, with ends"], 0),
    }
    rows: list[Row] = []
    with job.running():
        for task in chosen:
            build, theirs, tokens = tasks[task]
            do = build()
            do()  # the first time is slower
            ours = Row(task, "feilun", tokens)
            others = [
                (peer, name, Row(task, f"{peer.name}: {name}", tokens)) for peer in peers for name in theirs
            ]
            for _ in range(rounds):
                begun = time.perf_counter()
                tokens_drawn = do()
                ours.add(time.perf_counter() - begun, tokens_drawn)
                for peer, name, row in others:
                    peer.does(name, row)
            rows += [ours, *(row for _, _, row in others)]
            progress(
                f"{task}: "
                + ", ".join(f"{row.who} {row.speed or 0:.0f} tokens/s" for row in rows if row.task == task)
            )
    return rows


def judge(rows: list[Row], chosen: list[str]) -> list[Bar]:
    bars: list[Bar] = []
    for task in chosen:
        ours, *others = [row for row in rows if row.task == task]
        best = max((row.speed for row in others if row.speed), default=None)
        target = AGAINST_GENERATE if task.startswith("sampler") else AGAINST_TRL
        ratio = ours.speed / best if ours.speed and best else None
        bars.append(Bar(f"{task}: tokens/s against the fastest peer", ratio, target))
    return bars


def table(rows: list[Row]) -> list[str]:
    found = [f"{'task':20}{'tokens/s':>10}{'best':>9}{'median':>9}  who"]
    for row in rows:
        if row.speed is None:
            found.append(f"{row.task:20}{'-':>10}{'':18}  {row.who}: {row.missing}")
            continue
        middle = sorted(row.seconds)[len(row.seconds) // 2]
        found.append(f"{row.task:20}{row.speed:10.0f}{min(row.seconds):8.2f}s{middle:8.2f}s  {row.who}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="append", default=[], metavar="PYTHON", help="may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    every = ["dpo", "ppo", "sampler", "sampler, with ends"]
    parser.add_argument("--only", choices=every, nargs="+", default=every)
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float32"], default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    config, run = config_of("small"), RunRecipe(dtype=options.dtype)
    dtype = str(run.torch_dtype).removeprefix("torch.")
    setting = {
        "threads": options.threads,
        "dtype": dtype,
        "config": {
            "vocab_size": VOCABULARY, "hidden_size": config.hidden_size, "intermediate_size": config.ffn_size,
            "num_hidden_layers": config.layers, "num_attention_heads": config.heads,
            "num_key_value_heads": config.kv_heads, "head_dim": config.head_dim, "max_position_embeddings": 1024,
        },
        "dpo": {"pairs": PAIRS, "prompt": DPO_PROMPT, "answer": DPO_ANSWER},
        "ppo": {"rows": ROWS, "prompt": PPO_PROMPT, "answer": PPO_ANSWER, "epochs": EPOCHS},
        "sample": {"rows": ROWS, "prompt": SAMPLE_PROMPT, "answer": SAMPLE_ANSWER, "all": SAMPLES, "stop": list(range(2, 2 + ENDS))},
    }  # fmt: skip
    peers = [Peer(python, setting) for python in options.peers]
    try:
        rows = measure(peers, options.rounds, options.only, run)
    finally:
        for peer in peers:
            peer.end()
    bars = judge(rows, options.only)
    facts = about(
        dtype=dtype, threads=options.threads, peers="; ".join(peer.name for peer in peers) or "none",
        dpo=f"{PAIRS} pairs, {DPO_PROMPT} + {DPO_ANSWER} tokens", ppo=f"{ROWS} rows, {PPO_PROMPT} + {PPO_ANSWER} tokens, {EPOCHS} epochs",
        sampler=f"{ROWS} rows, {SAMPLE_PROMPT} + {SAMPLE_ANSWER} tokens; with ends {SAMPLES} answers, {ROWS} at a time",
    )  # fmt: skip
    if options.json:
        print_json(facts, [vars(row) | {"tokens_per_second": row.speed} for row in rows], bars)
    else:
        show(lines(facts), table(rows), bars)


if __name__ == "__main__":
    main()
