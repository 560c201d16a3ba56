"""A pipeline that goes on by a recipe that has changed: what would be lost, and what is to be made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from feilun.jobs import Job
from feilun.text import Text
from feilun.train.pipeline.recipe import EvaluateStage
from feilun.train.state import checkpoints

ORDER = ("corpus", "pretrain", "sft", "pairs", "reward", "ppo", "dpo")
"""The stages."""
RESULTS = "results.json"
ALL_HANG_ON = ("kind", "name", "size", "seed")
"""What may change no more as soon as a run has begun."""


def made_by(job: Job) -> set[str]:
    """The stages that have left something, and ``evaluate`` or its keys by which has been measured: they keep their recipe."""
    made = {str(event["part"]) for event in job.events() if event["event"] == "artifact" and "part" in event}
    if any(event["event"] == "measured" for event in job.events()):
        made |= {f"evaluate.{key}" for key in EvaluateStage.model_fields if key != "peers"}
    return made | ({"evaluate"} if (job.folder / RESULTS).exists() else set())


def to_lose(job: Job, stage: str) -> Text | None:
    """What a stage that has not ended would lose if it were begun anew; None: nothing that takes long."""
    folder = job.folder / stage
    if stage == "corpus":
        gathered = any((folder / "work" / "pages").glob("*.parquet"))
        return Text("the pages that it has gathered", "已收集的页面") if gathered else None
    if found := checkpoints(folder / "checkpoints"):
        step = int(found[-1].name.split("-")[1])
        return Text(f"its checkpoint of step {step}", f"第 {step} 步的检查点")
    return None


def begin_anew(job: Job, stage: str, changed: Iterable[str]) -> None:
    """Remove what a stage that has nothing `to_lose` has made by other values of the keys ``changed`` (``run.rows``). Tokenizer
    and token shards, which take long where there is much text, stay unless these are what they are made from.
    """
    keys, folder = list(changed), job.folder / stage
    if stage != "pretrain":
        shutil.rmtree(folder, ignore_errors=True)
        return
    if any(key.startswith(("data.", "tokenizer.")) for key in keys):
        (folder / "tokens.sha256").unlink(missing_ok=True)
        shutil.rmtree(folder / "tokens", ignore_errors=True)
    if any(key == "data.sources" or key.startswith("tokenizer.") for key in keys):
        shutil.rmtree(folder / "tokenizer", ignore_errors=True)
