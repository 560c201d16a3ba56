"""What preference is learnt from: the fine-tuned model's own answers beside what somebody wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.text import FeilunError
from feilun.train.conversations import Message, is_apart, read_lines, said
from feilun.train.pipeline.replies import replies
from feilun.train.recipe import ConversationsRecipe
from feilun.train.rollout import Sampling
from feilun.workspace import Manifest, new_artifact, sha256_file

PAIRS, PROMPTS = "pairs.jsonl", "prompts.jsonl"


class Line(BaseModel):
    """A conversation that can be learnt from."""

    messages: list[Message]
    lang: str | None = None

    @property
    def is_answered(self) -> bool:
        """Whether it ends with a question and words of the assistant: so that it may be answered otherwise, and compared.

        Fine-tuning learns from others too: a greeting that nobody asked for, an answer before an empty one.
        """
        if len(self.messages) < 2:
            return False
        *_, question, answer = self.messages
        asked = question.role not in ("assistant", "system") and question.content.strip()
        return bool(asked and answer.role == "assistant" and answer.content.strip())

    @property
    def asked(self) -> list[dict[str, str]]:
        """All before the answer."""
        return [message.model_dump() for message in self.messages[:-1]]


def conversations(data: ConversationsRecipe, sources: list[Path], *, apart: bool) -> list[Line]:
    """Fine-tuning's examples that end with a question and an answer (`Line.is_answered`): those it learns from, or those of the
    share ``data.heldout`` that it keeps ``apart``.
    """
    lines = [line for _, line in read_lines(sources, Line) if line.is_answered]
    taken = [line for line in lines if data.takes(said(line.messages))]
    return [line for line in taken if is_apart(line.messages, data.heldout) == apart]


def some(training: Sequence[Line], count: int, seed: int) -> list[Line]:
    """Those that are answered by the model itself, in their order."""
    order = np.random.Generator(np.random.PCG64([seed, len(training)])).permutation(len(training))
    return [training[int(number)] for number in order[:count]]


def write_own_answers(
    policy: Path,
    sources: list[Path],
    added: list[Path],
    job: Job,
    folder: Path,
    *,
    name: str,
    data: ConversationsRecipe,
    prompts: int,
    sampling: Sampling,
    likeliest: float,
    seed: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Path:
    """Make the artifact ``folder``: pairs, and the prompts of fine-tuning's training examples.

    The share ``likeliest`` of the answers is the likeliest one, the others are drawn. ``sources`` are fine-tuning's, of
    which it learnt from what ``data`` takes and did not keep apart; ``added`` are files of pairs.
    Raises `FeilunError` if the model at ``policy`` has nothing to say.
    """
    training = conversations(data, sources, apart=False)
    chosen = some(training, prompts, seed)
    model, tokenizer = checkpoint.load(policy, dtype).to(device), Tokenizer.load(policy)
    asked, drawn = [line.asked for line in chosen], round((1 - likeliest) * len(chosen))
    greedy = sampling.model_copy(update={"temperature": 0})
    said = replies(model, tokenizer, asked[:drawn], sampling, seed=seed, dtype=dtype)
    said += replies(model, tokenizer, asked[drawn:], greedy, dtype=dtype)
    pairs: list[dict[str, Any]] = [
        {
            "messages": line.asked,
            "chosen": line.messages[-1].model_dump(),
            "rejected": {"role": "assistant", "content": own.text},
            "lang": line.lang,
        }
        for line, own in zip(chosen, said, strict=True)
        if own.text and own.text != line.messages[-1].content.strip()
    ]
    if not pairs:
        raise FeilunError(
            "The fine-tuned model says nothing, or what it was taught: there are no pairs to learn from.",
            "微调后的模型没有回答，或只会复述教过的内容：没有可供学习的成对回答。",
            code="no_pairs",
        )
    own_count = len(pairs)
    pairs += [json.loads(row) for file in added for row in _rows(file)]
    with new_artifact(folder) as draft:
        _write(draft / PAIRS, pairs)
        _write(draft / PROMPTS, ({"messages": line.asked, "lang": line.lang} for line in training))
        files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        figures = {"pairs": len(pairs), "own": own_count, "prompts": len(training)}
        manifest = Manifest(
            kind="dataset",
            id=files[PAIRS],
            name=name,
            parents=[
                sha256_file(policy / checkpoint.WEIGHTS),
                *(sha256_file(file) for source in (*sources, *added) for file in _files(source)),
            ],
            recipe={
                "prompts": prompts,
                "sampling": sampling.model_dump(),
                "likeliest": likeliest,
                "seed": seed,
                "heldout": data.heldout,
                "without": data.without,
            },
            files=files,
            figures=figures,
        )
        manifest.write(draft)
    job.emit("artifact", path=str(folder), id=manifest.id, **figures)
    return folder


def _files(source: Path) -> list[Path]:
    return sorted(source.rglob("*.jsonl")) if source.is_dir() else [source]


def _rows(source: Path) -> Iterator[str]:
    texts = (path.read_text(encoding="utf-8") for path in _files(source))
    return (row for text in texts for row in text.split("\n") if row.strip())


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
