# pyright: reportMissingImports=false
# (Peers are in a Python of their own.)
"""The peers of `bench/align.py`, in a Python of their own: TRL's trainers and transformers' ``generate``.

Reads names of tasks from standard input, a line each, does one of it, and answers with the seconds it took as JSON; or with
what is missing. The first line that it prints says which versions it has.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}

SETTING: dict[str, Any] = json.loads(sys.argv[1])
"""What both sides share: sizes, rows, lengths, threads."""


def config() -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(**SETTING["config"], tie_word_embeddings=False, pad_token_id=0, eos_token_id=1)


def model(kind: str = "Qwen3ForCausalLM", **changes: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    wanted = config()
    for name, value in changes.items():
        setattr(wanted, name, value)
    return getattr(transformers, kind)(wanted)


def tokenizer() -> Any:
    """A token is a word: ``w17`` is 17."""
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1} | {f"w{n}": n for n in range(2, SETTING["config"]["vocab_size"])}
    raw = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<pad>"))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    found = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>")
    found.padding_side = "left"
    return found


def words(count: int, seed: int) -> str:
    import random

    chance = random.Random(seed)
    return " ".join(f"w{chance.randrange(2, SETTING['config']['vocab_size'])}" for _ in range(count))


def arguments(kind: Any, rows: int, **more: Any) -> Any:
    return kind(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=rows, use_cpu=True, bf16=SETTING["dtype"] == "bfloat16", report_to=[],
        gradient_checkpointing=False, learning_rate=1e-5, **more,
    )  # fmt: skip


def dpo(precompute: bool) -> Callable[[], None]:
    """A step on the same pairs again and again. The reference is computed in each, or once before."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs, prompt, answer = (SETTING["dpo"][name] for name in ("pairs", "prompt", "answer"))
    rows = [
        {"prompt": words(prompt, 3 * n), "chosen": " " + words(answer - 1, 3 * n + 1), "rejected": " " + words(answer - 1, 3 * n + 2)}
        for n in range(pairs)
    ]  # fmt: skip
    trainer = DPOTrainer(
        model=model(), ref_model=None if precompute else model(), train_dataset=Dataset.from_list(rows),
        args=arguments(DPOConfig, pairs, max_length=prompt + answer + 8, precompute_ref_log_probs=precompute),
        processing_class=tokenizer(),
    )  # fmt: skip
    batch = next(iter(trainer.get_train_dataloader()))
    shape = list(batch["input_ids"].shape)
    assert shape == [2 * pairs, prompt + answer], shape
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()

    def step() -> None:
        trainer.training_step(trainer.model, batch)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()

    return step


def ppo() -> Callable[[], None]:
    """A whole update: answers, rewards, epochs. Policy and value network are two models, as the trainer wants them."""
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    rows, prompt, answer, epochs = (SETTING["ppo"][name] for name in ("rows", "prompt", "answer", "epochs"))
    read = tokenizer()
    data = Dataset.from_list([{"input_ids": read(words(prompt, n))["input_ids"]} for n in range(4 * rows)])
    trainer = PPOTrainer(
        args=arguments(
            PPOConfig, rows, num_ppo_epochs=epochs, num_mini_batches=1, total_episodes=rows, response_length=answer,
            local_rollout_forward_batch_size=rows, num_sample_generations=0, temperature=1.0, save_strategy="no",
        ),
        processing_class=read, model=model(), ref_model=model(), train_dataset=data, eval_dataset=data,
        reward_model=model("Qwen3ForSequenceClassification", num_labels=1),
        value_model=model("Qwen3ForSequenceClassification", num_labels=1),
    )  # fmt: skip
    return trainer.train


def generate(ends: bool) -> Callable[[], int]:
    """``ends``: stop tokens are among what is drawn, and there are several batches; else every answer goes to the full
    length. Gives the tokens of the answers, each up to its stop token."""
    import torch

    rows, prompt, answer, every = (SETTING["sample"][name] for name in ("rows", "prompt", "answer", "all"))
    policy = model().to(getattr(torch, SETTING["dtype"])).eval()
    ids = torch.randint(
        2,
        SETTING["config"]["vocab_size"],
        (every if ends else rows, prompt),
        generator=torch.Generator().manual_seed(0),
    )
    stop = SETTING["sample"]["stop"] if ends else [1]
    least = {} if ends else {"min_new_tokens": answer}

    def run() -> int:
        torch.manual_seed(0)
        tokens = 0
        with torch.no_grad():
            for part in ids.split(rows):
                found = policy.generate(
                    part, attention_mask=torch.ones_like(part), do_sample=True, top_k=0, max_new_tokens=answer,
                    eos_token_id=stop, pad_token_id=0, **least,
                )  # fmt: skip
                new = found[:, prompt:]
                ended = torch.isin(new, torch.tensor(stop))
                lengths = torch.where(ended.any(1), ended.int().argmax(1) + 1, new.shape[1])
                tokens += int(lengths.sum())
        return tokens

    return run


TASKS: dict[str, Callable[[], Callable[[], int | None]]] = {
    "dpo": lambda: dpo(False),
    "dpo, reference once": lambda: dpo(True),
    "ppo": ppo,
    "generate": lambda: generate(False),
    "generate, with ends": lambda: generate(True),
}


def main() -> None:
    import torch

    torch.set_num_threads(SETTING["threads"])
    versions = {name: metadata.version(name) for name in ("trl", "transformers", "torch")}
    print(json.dumps(versions), flush=True)
    built: dict[str, Callable[[], int | None]] = {}
    for line in sys.stdin:
        name = line.strip()
        answer: dict[str, Any] = {}
        try:
            with contextlib.redirect_stdout(sys.stderr):
                if name not in built:
                    built[name] = TASKS[name]()
                    built[name]()  # the first time is slower
                begun = time.perf_counter()
                tokens = built[name]()
                answer = {"seconds": time.perf_counter() - begun, "tokens": tokens}
        except Exception as error:  # the other tasks are measured all the same
            import traceback

            traceback.print_exc()
            answer = {"missing": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
