"""The other side of ``train.py lora``: transformers' Trainer and peft, as their own examples use them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from train_lora import Outcome, Task
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from feilun.train.memory import peak_memory_mb

IGNORED = -100
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TURN_END = "<end_of_turn>"


class UntilLearnt(TrainerCallback):
    """Asks for the end when the loss is reached."""

    def __init__(self, task: Task) -> None:
        self.task, self.losses = task, list[float]()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))
            control.should_training_stop |= self.task.done(self.losses)


def examples(task: Task, tokenizer: Any) -> list[dict[str, list[int]]]:
    """The answer and the end of its turn are learnt, as in our examples."""
    made: list[dict[str, list[int]]] = []
    end = tokenizer.convert_tokens_to_ids(TURN_END)
    for line in Path(task.samples).read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        whole = tokenizer.apply_chat_template(messages, return_dict=False)
        prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_dict=False)
        assert whole[: len(prompt)] == prompt
        answer = whole[len(prompt) : whole.index(end, len(prompt)) + 1]
        after = len(whole) - len(prompt) - len(answer)
        labels = [IGNORED] * len(prompt) + answer + [IGNORED] * after
        made.append({"input_ids": whole, "attention_mask": [1] * len(whole), "labels": labels})
    return made


@torch.no_grad()
def exact_answers(model: Any, batches: Any, dtype: torch.dtype) -> int:
    exact = 0
    for batch in batches:
        labels = batch["labels"][:, 1:]
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        right = (logits[:, :-1].argmax(-1) == labels) | (labels == IGNORED)
        exact += int(right.all(1).sum())
    return exact


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    imported = time.time()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    dtype = torch.bfloat16 if task.dtype == "bfloat16" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(task.base)
    data = examples(task, tokenizer)
    torch.manual_seed(task.seed)
    base = AutoModelForCausalLM.from_pretrained(task.base, dtype=dtype)
    base.config.use_cache = False
    adapter = LoraConfig(r=task.rank, lora_alpha=task.alpha, target_modules=TARGETS, task_type="CAUSAL_LM")
    model: Any = get_peft_model(base, adapter)
    loaded = time.time()
    until = UntilLearnt(task)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=task.work,
            per_device_train_batch_size=task.rows,
            max_steps=task.max_steps,
            learning_rate=task.lr,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            adam_beta2=0.95,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            bf16=dtype == torch.bfloat16,
            use_cpu=True,
            train_sampling_strategy="group_by_length",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=task.seed,
        ),
        train_dataset=data,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        callbacks=[until],
    )
    trainer.train()
    model.save_pretrained(task.work)
    trained = time.time()
    memory = peak_memory_mb()
    model.eval()
    Outcome(
        imported_s=imported - task.begun,
        loaded_s=loaded - task.begun,
        trained_s=trained - task.begun,
        losses=until.losses,
        tokens=sum(len(example["input_ids"]) for example in data),
        learnt=sum(label != IGNORED for example in data for label in example["labels"]),
        exact=exact_answers(model, trainer.get_train_dataloader(), dtype),
        memory_mb=memory,
    ).print()


if __name__ == "__main__":
    main()
