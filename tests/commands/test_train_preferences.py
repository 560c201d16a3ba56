"""``feilun train`` after fine-tuning: reward model, DPO, KTO, PPO and GRPO, each from its recipe to its artifact."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.forks import run_feilun

from feilun.commands.verifier import share_of_checks
from feilun.jobs import Job, list_jobs
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.recipe import shipped
from feilun.train.preferences import read_pairs
from feilun.train.reward import RewardModel
from feilun.workspace import Manifest

pytestmark = pytest.mark.xdist_group("preferences")  # what its module fixtures train is trained once

PRETRAIN = """
kind = "pretrain"
name = "tiny"
baseline = false
[tokenizer]
vocab_size = 300
[model]
hidden_size = 32
layers = 2
heads = 2
[optimiser]
warmup = 2
[run]
steps = 8
rows = 4
length = 64
"""
RECIPE = """
kind = "{kind}"
name = "{kind}"
base = "tiny"
{more}
[optimiser]
lr = 3e-3
weight_decay = 0.0
warmup = 2
schedule = "constant"
[run]
rows = 8
length = 128
save_every = 4
{run}
"""
EXACT = (
    'dtype = "float32"'  # so that one process and two may be compared, whatever type this machine is good at
)
LORA = "[lora]\nrank = 4\nalpha = 8\n"
PAIRS = [
    {
        "messages": [{"role": "user", "content": f"How is thing {n}?"}],
        "chosen": {"role": "assistant", "content": f"Good, {n}."},
        "rejected": {"role": "assistant", "content": f"Bad {n}!"},
        "lang": "en",
    }
    for n in range(40)
]
THUMBS = [
    {"messages": [*row["messages"], row[side]], "label": side == "chosen"}
    for row in PAIRS
    for side in ("chosen", "rejected")
]
QUESTIONS = [{"messages": row["messages"], "checks": [{"contains": ["o"]}]} for row in PAIRS[:8]]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a base model that `feilun train` has made."""
    folder = tmp_path_factory.mktemp("preferences")
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=5)) for _ in range(60)]
    texts = [{"text": " ".join(chance.choices(words, k=40))} for _ in range(60)]
    texts += [{"text": row["messages"][0]["content"] + " " + row["chosen"]["content"]} for row in PAIRS] * 4
    made = train(folder, PRETRAIN, lines(folder / "texts.jsonl", texts))
    assert made.returncode == 0, made.stderr
    return folder


def train(workspace: Path, recipe: str, source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = workspace / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    return run_feilun("-w", workspace, "train", path, "--source", source, *options, OMP_NUM_THREADS="1")


def recipe(kind: str, more: str = "", run: str = "") -> str:
    return RECIPE.format(kind=kind, more=more, run=run)


def job_of(workspace: Path, kind: str) -> Job:
    return next(job for job in list_jobs(workspace / "runs") if job.record.kind == kind)


@pytest.fixture(scope="module")
def reward(workspace: Path) -> Path:
    source = lines(workspace / "pairs.jsonl", PAIRS)
    made = train(workspace, recipe("reward", "epochs = 12\n[data]\nheldout = 0.2"), source)
    assert made.returncode == 0, made.stderr
    return workspace / "models" / "reward"


def test_a_reward_model_knows_the_better_answer(workspace: Path, reward: Path) -> None:
    manifest = Manifest.read(reward)
    assert manifest.kind == "reward"
    assert manifest.figures["stages"] == ["pretrain", "reward"]
    assert manifest.figures["heldout_accuracy"]["all"] == 1.0
    tokenizer = Tokenizer.load(reward)
    assert manifest.figures["tokenizer"] == tokenizer.fingerprint
    pairs, _, _ = read_pairs([workspace / "pairs.jsonl"], tokenizer, length=128, heldout=0)
    worth = RewardModel.load(reward, tokenizer).score(
        [side for p in pairs for side in (p.chosen, p.rejected)]
    )
    assert sum(a > b for a, b in zip(worth[::2], worth[1::2], strict=True)) == len(pairs)


@pytest.mark.parametrize(
    ("kind", "more", "rows"),
    [
        ("dpo", "epochs = 6\nnll = 0.1\n[data]\nheldout = 0.2\n" + LORA, PAIRS),
        ("kto", "epochs = 8\n[data]\nheldout = 0.2\n", THUMBS),
    ],
)
def test_preferences_are_learnt(workspace: Path, kind: str, more: str, rows: list[dict[str, Any]]) -> None:
    made = train(workspace, recipe(kind, more), lines(workspace / "rows.jsonl", rows))
    assert made.returncode == 0, made.stderr
    manifest = Manifest.read(workspace / "models" / kind)
    assert manifest.kind == ("adapter" if kind == "dpo" else "model")
    assert manifest.figures["stages"] == ["pretrain", kind]
    steps = [event for event in job_of(workspace, kind).events() if event["event"] == "step"]
    if (
        kind == "dpo"
    ):  # a step of KTO has its own measure of how far the policy has moved, and its own accuracy
        assert steps[-1]["accuracy"] == 1.0
        assert steps[-1]["loss"] < steps[0]["loss"]
    assert manifest.figures["heldout_accuracy"]["all"] == 1.0
    page = (job_of(workspace, kind).folder / "report.html").read_text(encoding="utf-8")
    assert "Told right" in page


@pytest.mark.parametrize("kind", ["ppo", "grpo"])
def test_answers_are_drawn_and_judged(workspace: Path, reward: Path, kind: str) -> None:
    more = 'reward = "reward"' if kind == "ppo" else 'group = 4\nreward = "checks"'
    more += (
        f"\n[rollout]\nprompts = {16 if kind == 'ppo' else 4}\nlength = 64\n[rollout.sampling]\ntokens = 6\n"
    )
    made = train(workspace, recipe(kind, more, "steps = 6"), lines(workspace / "rows.jsonl", QUESTIONS))
    assert made.returncode == 0, made.stderr
    job = job_of(workspace, kind)
    rollouts = [event for event in job.events() if event["event"] == "rollout"]
    assert [event["step"] for event in rollouts] == [0, 2, 4, 6]  # the last weights have drawn as well
    figures = Manifest.read(workspace / "models" / kind).figures
    assert {name: figures[name] for name in ("reward", "kl")} == {
        name: rollouts[-1][name] for name in ("reward", "kl")
    }
    checkpoint.load(workspace / "models" / kind)
    judged = ["reward"] if kind == "ppo" else []
    assert Manifest.read(workspace / "models" / kind).figures["stages"] == ["pretrain", *judged, kind]
    page = (job.folder / "report.html").read_text(encoding="utf-8")
    for title in ("Reward", "Divergence from the model before", "Empty answers", "Repetition"):
        assert title in page


def test_adapters_judge_and_are_rewarded(workspace: Path, reward: Path) -> None:
    """A reward model is whole in the end: its adapter is in its weights. PPO leaves an adapter."""
    made = train(
        workspace,
        recipe("reward", "epochs = 12\n" + LORA),
        lines(workspace / "rows.jsonl", PAIRS),
        "--name",
        "judge",
    )
    assert made.returncode == 0, made.stderr
    tokenizer = Tokenizer.load(reward)
    pairs, _, _ = read_pairs([workspace / "rows.jsonl"], tokenizer, length=128, heldout=0)
    worth = RewardModel.load(workspace / "models" / "judge", tokenizer).score(
        [side for pair in pairs for side in (pair.chosen, pair.rejected)]
    )
    assert sum(a > b for a, b in zip(worth[::2], worth[1::2], strict=True)) >= 0.9 * len(pairs)
    more = f'reward = "judge"\n{LORA}[rollout]\nprompts = 16\nlength = 64\n[rollout.sampling]\ntokens = 6\n'
    made = train(workspace, recipe("ppo", more, "steps = 4"), workspace / "rows.jsonl", "--name", "rewarded")
    assert made.returncode == 0, made.stderr
    manifest = Manifest.read(workspace / "models" / "rewarded")
    assert (manifest.kind, manifest.figures["stages"]) == ("adapter", ["pretrain", "reward", "ppo"])
    learnt = load_file(workspace / "models" / "rewarded" / "adapter_model.safetensors")
    assert any(weight.abs().sum() > 0 for name, weight in learnt.items() if "lora_B" in name)


BAD = {
    "equal": {**PAIRS[0], "rejected": PAIRS[0]["chosen"]},
    "empty": {**PAIRS[0], "chosen": {"role": "assistant", "content": " "}},
    "incomplete": {"messages": PAIRS[0]["messages"]},
}


@pytest.mark.parametrize("fault", BAD)
def test_pairs_that_say_nothing_are_refused_with_their_number(workspace: Path, fault: str) -> None:
    rows = [PAIRS[0], BAD[fault], PAIRS[1], BAD[fault]]
    refused = train(workspace, recipe("dpo"), lines(workspace / "bad.jsonl", rows))
    assert refused.returncode == 1
    assert "2 with" in refused.stderr
    assert "bad.jsonl:2" in refused.stderr


def test_pairs_that_are_too_long_are_counted(workspace: Path) -> None:
    refused = train(
        workspace, recipe("dpo").replace("length = 128", "length = 8"), lines(workspace / "rows.jsonl", PAIRS)
    )
    assert refused.returncode == 1
    assert "40 are longer than 8 tokens" in refused.stderr


def test_a_reward_model_of_another_tokenizer_is_refused(
    workspace: Path, reward: Path, tmp_path: Path
) -> None:
    other = (
        PRETRAIN.replace('"tiny"', '"other"')
        .replace("vocab_size = 300", "vocab_size = 310")
        .replace("steps = 8", "steps = 1")
    )
    assert train(workspace, other, workspace / "texts.jsonl").returncode == 0
    refused = train(
        workspace,
        recipe("ppo", 'reward = "reward"').replace('base = "tiny"', 'base = "other"'),
        lines(workspace / "rows.jsonl", QUESTIONS),
    )
    assert refused.returncode == 1
    assert "another tokenizer" in refused.stderr
    refused = train(workspace, recipe("ppo", 'reward = "tiny"'), workspace / "rows.jsonl")
    assert "no reward model" in refused.stderr


def test_a_line_without_checks_is_named_before_the_training(workspace: Path) -> None:
    rows = [*QUESTIONS, {"messages": [{"role": "user", "content": "Unchecked question"}]}]
    more = "group = 4\n[rollout]\nprompts = 2\n[rollout.sampling]\ntokens = 3\n"
    refused = train(workspace, recipe("grpo", more, "steps = 2"), lines(workspace / "rows.jsonl", rows))
    assert refused.returncode == 1
    assert (
        'rows.jsonl:9: checks: Field required. With reward = "checks" every line has some' in refused.stderr
    )
    events = [event["event"] for event in newest(workspace, "grpo").events()]
    assert not {"step", "rollout"} & {*events}


@pytest.mark.parametrize(
    ("checks", "en", "zh"),
    [
        ([], "checks: List should have at least 1 item", "checks：至少要有 1 项，现有 0 项"),
        ("Paris", "checks: Input should be a valid list", "checks：应为列表"),
        (
            [{"contain": ["a"]}],
            "checks.0: a check is an object with one key",
            "checks.0：检查项应为只有一个键的对象",
        ),
        ([{"contains": []}], "checks.0.contains: List should have", "checks.0.contains：至少要有 1 项"),
        ([{"matches": "("}], "checks.0.matches: not a regular", "checks.0.matches：不是有效的正则表达式"),
    ],
)
def test_faults_of_checks_are_told_with_what_to_write(checks: object, en: str, zh: str) -> None:
    row = {**QUESTIONS[0], "checks": checks}
    fault = share_of_checks.fault(row)
    assert fault is not None
    assert fault.en.startswith(en)
    assert fault.zh.startswith(zh)
    assert "contains" in fault.en
    assert "\n" not in fault.en
    assert share_of_checks.fault(QUESTIONS[0]) is None


def test_an_answer_in_the_file_is_not_the_question() -> None:
    """What an answer must not echo is what the user has asked."""
    asked = {"role": "user", "content": "Which is the capital of France, tell me please"}
    row = {
        "messages": [asked, {"role": "assistant", "content": "It is Paris."}],
        "checks": [{"contains": ["Paris"]}],
    }
    assert share_of_checks(row, "It is Paris.") == 1.0
    row["checks"] = [{"contains": ["France"]}]
    assert share_of_checks(row, "Which is the capital of France, tell me please") == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ppo", "grpo"])
def test_two_processes_draw_and_learn_what_one_does(
    kind: str, workspace: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "ppo":
        request.getfixturevalue("reward")
        source, more = lines(workspace / "rows.jsonl", PAIRS[:8]), 'reward = "reward"\n'
    else:
        source, more = lines(workspace / "rows.jsonl", QUESTIONS), "group = 4\n" + LORA
    more += "[rollout]\nprompts = 4\nmost = 10000.0\n[rollout.sampling]\ntokens = 6\n"
    text = recipe(kind, more, f"steps = 4\n{EXACT}")
    if kind == "ppo":
        text = text.replace("rows = 8", "rows = 4")
    for name, options in (("one", []), ("two", ["--processes", "2"])):
        made = train(workspace, text, source, "--name", f"{kind}-{name}", *options)
        assert made.returncode == 0, made.stderr
    drawn = [
        [
            event["text"]
            for event in newest(workspace, f"{kind}-{name}").events()
            if event["event"] == "sample"
        ]
        for name in ("one", "two")
    ]
    assert drawn[0] == drawn[1]
    one, two = (
        load_file(next((workspace / "models" / f"{kind}-{name}").glob("*model.safetensors")))
        for name in ("one", "two")
    )
    for name, weight in one.items():
        torch.testing.assert_close(weight, two[name], atol=2e-4, rtol=1e-3)


def newest(workspace: Path, name: str) -> Job:
    return next(job for job in reversed(list_jobs(workspace / "runs")) if job.record.name == name)


@pytest.mark.slow  # `test_distributed` has two processes as well
@pytest.mark.parametrize(("kind", "more"), [("dpo", ""), ("kto", ""), ("reward", "length = 2.0\n")])
def test_two_processes_learn_what_one_does(kind: str, more: str, workspace: Path) -> None:
    source = lines(workspace / "pairs.jsonl", PAIRS)
    for name, options in (("one", []), ("two", ["--processes", "2"])):
        made = train(workspace, recipe(kind, more, EXACT), source, "--name", name, *options)
        assert made.returncode == 0, made.stderr
    one, two = (checkpoint.load(workspace / "models" / name).state_dict() for name in ("one", "two"))
    for name, weight in one.items():
        # Sums in another order: 4e-5 on a processor whose products are in bfloat16; a step moves a weight by 3e-3.
        torch.testing.assert_close(weight, two[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["reward", "dpo", "kto", "ppo", "grpo"])
def test_the_shipped_recipes_are_valid(name: str, workspace: Path) -> None:
    from feilun.commands.stage import _read

    assert _read(shipped(f"train/{name}.toml"), {}).name == name


def test_the_list_of_models_tells_what_each_has_gone_through(workspace: Path) -> None:
    source = lines(workspace / "pairs.jsonl", PAIRS)
    assert train(workspace, recipe("dpo", "epochs = 1"), source, "--name", "own").returncode == 0
    added = run_feilun("-w", workspace, "models", "add", "own", workspace / "models" / "own")
    assert added.returncode == 0, added.stderr
    rows = json.loads(run_feilun("-w", workspace, "models", "list", "--json").stdout)
    assert {row["name"]: row["stages"] for row in rows}["own"] == ["pretrain", "dpo"]
