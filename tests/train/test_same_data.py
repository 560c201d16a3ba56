"""Tuning that goes on: only with the data, the base and the judge that it was begun with. And what a model cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.train.shape import SHAPE

from feilun.commands.verifier import share_of_checks
from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.config import ModelConfig
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.prefer import prefer, train_reward
from feilun.train.recipe import DpoRecipe, GrpoRecipe, KtoRecipe, PpoRecipe, RewardRecipe, SftRecipe
from feilun.train.reinforce import reinforce
from feilun.train.reward import RewardModel
from feilun.train.sft import fine_tune

CONTEXT = 128


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(iter(["Tom saw many birds near the lake, and more." * 40]), 280)


def model_in(folder: Path, tokenizer: Tokenizer, seed: int, judge: bool = False) -> Path:
    """A model, or a reward model, with random weights."""
    size = {"vocab_size": tokenizer.vocab_size, "context": CONTEXT, "eos_ids": tuple(tokenizer.end_ids)}
    model = Transformer(ModelConfig(**{**SHAPE, **size, "pad_id": tokenizer.pad_id}))
    model.initialise(seed)
    folder.mkdir(exist_ok=True)
    if judge:
        model.add_value_head()
        RewardModel(model, tokenizer).save(folder)
    else:
        checkpoint.save(model, folder)
        tokenizer.save(folder)
    return folder


def rows(kind: str, count: int = 8) -> list[dict[str, Any]]:
    asked = [{"messages": [{"role": "user", "content": f"thing {n}?"}]} for n in range(count)]
    good, bad = ({"role": "assistant", "content": one} for one in ("lake", "birds"))
    if kind in ("reward", "dpo", "kto"):
        return [{**row, "chosen": good, "rejected": bad} for row in asked]
    if kind == "sft":
        return [{"messages": [*row["messages"], good]} for row in asked]
    return [{**row, "checks": [{"contains": ["a"]}]} for row in asked]


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    return path


Go = Callable[[], Path | None]


def tuning(kind: str, folder: Path, base: Path, source: Path, reward: Path | None, **changes: Any) -> Go:
    """A job, and what goes on with it each time that it is called; the first time it stops where it can."""
    common: dict[str, Any] = {"kind": kind, "name": kind, "base": str(base)}
    common["run"] = {"steps": 4, "rows": 2, "dtype": "float32", "save_every": 1, **changes.pop("run", {})}
    job = Job.create(folder / "runs", kind, kind, {}, argv=["true"])
    times: list[int] = []

    def go() -> Path | None:
        with job.running():
            job.__dict__["_stop_asked"] = not times
            times.append(1)
            if kind == "sft":
                return fine_tune(SftRecipe(**common, **changes), base, [source], job, folder / "made")
            if kind == "reward":
                return train_reward(RewardRecipe(**common, **changes), base, [source], job, folder / "made")
            if kind in ("dpo", "kto"):
                recipe = (DpoRecipe if kind == "dpo" else KtoRecipe)(**common, **changes)
                return prefer(recipe, base, [source], job, folder / "made")
            more: dict[str, Any] = {"rollout": {"prompts": 2, "sampling": {"tokens": 4}}, **changes}
            if kind == "ppo":
                assert reward is not None
                return reinforce(
                    PpoRecipe(**common, **more), base, [source], job, folder / "made", reward=reward
                )
            wanted = GrpoRecipe(**common, group=2, **more)
            return reinforce(wanted, base, [source], job, folder / "made", reward=share_of_checks)

    return go


KINDS = ["sft", "reward", "dpo", "kto", "ppo", "grpo"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_with_what_it_was_begun_with_only(
    kind: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", rows(kind))
    reward = model_in(tmp_path / "judge", tokenizer, 5, judge=True) if kind == "ppo" else None
    go = tuning(kind, tmp_path, base, source, reward)
    assert go() is None
    (job,) = (tmp_path / "runs").iterdir()

    def refused(why: str, zh: str) -> None:
        with pytest.raises(FeilunError, match=why) as stopped:
            go()
        assert stopped.value.code == "other_data"
        assert zh in stopped.value.text.zh

    changed = rows(kind)
    for name in ("chosen", "checks", "messages"):
        if name in changed[3]:
            changed[3] = json.loads(json.dumps(changed[3]).replace("lake", "Tom").replace('["a"]', '["b"]'))
            break
    for other in (changed, rows(kind)[:4]):
        write(source, other)
        refused(r"was begun with other data: what is in .*rows\.jsonl has changed", "已改变")
    write(source, rows(kind))
    model_in(base, tokenizer, 2)
    refused(f"was begun with other data: the weights in {base} are others", "权重已被替换")
    model_in(base, tokenizer, 1)
    if reward:
        model_in(reward, tokenizer, 6, judge=True)
        refused(f"the reward model in {reward} is another one", "奖励模型已被替换")
        model_in(reward, tokenizer, 5, judge=True)
    assert go() == tmp_path / "made"
    assert {path.name for path in job.glob("*.sha256")} == {
        "examples.sha256",
        "base.sha256",
        *(["reward.sha256"] if reward else []),
    }


@pytest.mark.parametrize(("kind", "name", "value"), [("reward", "margin", 1.0), ("kto", "label", False)])
def test_margins_and_labels_are_data_too(
    kind: str, name: str, value: object, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    lines = rows(kind)
    if kind == "kto":
        lines = [
            {"messages": [*row["messages"], row["chosen"]], "label": n < 6} for n, row in enumerate(lines)
        ]
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", lines)
    go = tuning(kind, tmp_path, base, source, None)
    assert go() is None
    write(source, [{**lines[0], name: value}, *lines[1:]])
    with pytest.raises(FeilunError, match="begun with other data"):
        go()


@pytest.mark.parametrize("label", [True, False])
def test_thumbs_of_one_kind_are_refused(label: bool, tokenizer: Tokenizer, tmp_path: Path) -> None:
    lines = [{"messages": [*row["messages"], row["chosen"]], "label": label} for row in rows("kto")]
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", lines)
    with pytest.raises(FeilunError, match="All 8 thumbs to learn from are of one kind"):
        tuning("kto", tmp_path, base, source, None)()


def test_a_run_of_an_older_feilun_goes_on(tokenizer: Tokenizer, tmp_path: Path) -> None:
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", rows("dpo"))
    go = tuning("dpo", tmp_path, base, source, None)
    assert go() is None
    for path in (tmp_path / "runs").glob("*/*.sha256"):
        path.unlink()
    assert go() == tmp_path / "made"


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "kto"])
def test_answers_that_are_longer_than_what_the_model_reads_are_refused(
    kind: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    lines = rows(kind)
    lines[2]["messages"][0]["content"] = "lake " * CONTEXT
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", lines)
    go = tuning(kind, tmp_path, base, source, None, run={"length": 2000})
    with pytest.raises(
        FeilunError, match=rf"reads at most {CONTEXT}\. Lower run\.length to {CONTEXT}"
    ) as stopped:
        go()
    assert stopped.value.code == "beyond_context"
    assert f"最多读取 {CONTEXT} 个。请将 run.length 降至不超过 {CONTEXT}" in stopped.value.text.zh
    tuning(kind, tmp_path, base, source, None, run={"length": CONTEXT})()


@pytest.mark.parametrize("kind", ["ppo", "grpo"])
def test_a_prompt_leaves_room_for_its_answer(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", rows(kind))
    reward = model_in(tmp_path / "judge", tokenizer, 5, judge=True) if kind == "ppo" else None
    rollout = {"prompts": 2, "length": 4000, "sampling": {"tokens": CONTEXT - 4}}
    with pytest.raises(
        FeilunError, match=r"Lower rollout\.sampling\.tokens \(124\), or rollout\.length"
    ) as stopped:
        tuning(kind, tmp_path, base, source, reward, rollout=rollout)()
    assert stopped.value.code == "beyond_context"
    assert f"两者之和不超过 {CONTEXT}" in stopped.value.text.zh


def test_checks_are_looked_at_before_anything_is_drawn(tokenizer: Tokenizer, tmp_path: Path) -> None:
    lines = rows("grpo")
    lines[5].pop("checks")
    lines[7]["checks"] = []
    base, source = model_in(tmp_path / "base", tokenizer, 1), write(tmp_path / "rows.jsonl", lines)
    with pytest.raises(FeilunError, match=r"rows\.jsonl:6: checks: .*\(and 1 more\)") as stopped:
        tuning("grpo", tmp_path, base, source, None)()
    assert stopped.value.code == "bad_checks"
    assert "rows.jsonl:6：checks：缺少此项" in stopped.value.text.zh
