"""``feilun train recipes/speedrun.toml``: from texts to models that are served, whole, killed and resumed, and planned only."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.commands.conftest import Run
from tests.forks import environment, feilun, run_feilun
from tests.support import Server, eventually

from feilun.jobs import Job, list_jobs
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.plan import probe
from feilun.plan.calibration import calibration
from feilun.recipe import shipped
from feilun.train.pipeline.replies import replies
from feilun.train.rollout import Sampling
from feilun.workspace import Manifest

pytestmark = pytest.mark.xdist_group("pipeline")

RECIPE = """
kind = "pipeline"
name = "path"
size = "tiny"
[corpus]
recipe = "corpus.toml"
sources = ["texts"]
[pretrain]
evaluate_tokens = 500
[pretrain.data]
sources = ["talk.jsonl"]
heldout = 0.1
[pretrain.tokenizer]
vocab_size = 300
[pretrain.model]
hidden_size = 32
layers = 2
heads = 2
context = 256
[pretrain.run]
steps = 8
rows = 4
length = 64
save_every = 2
dtype = "float32"
[sft.data]
sources = ["talk.jsonl"]
heldout = 0.2
[sft.optimiser]
lr = 3e-3
warmup = 2
[sft.run]
steps = 8
rows = 8
length = 128
save_every = 2
dtype = "float32"
[pairs]
prompts = 24
[pairs.sampling]
tokens = 8
[reward.data]
heldout = 0.2
[reward.run]
steps = 4
rows = 4
length = 128
save_every = 2
[ppo.rollout]
prompts = 8
most = 1000.0
[ppo.rollout.sampling]
tokens = 8
[ppo.run]
steps = 4
rows = 4
save_every = 2
[dpo.data]
heldout = 0.2
[dpo.run]
steps = 4
rows = 4
length = 128
save_every = 2
[evaluate]
questions = "questions.jsonl"
instructions = "told.jsonl"
tokens = 8
compared = 6
[sizes.tiny]
[sizes.vast]
machine = {device = "A100-80G", count = 1000}
pretrain.model = {hidden_size = 8192, layers = 64, heads = 64}
pretrain.run = {steps = 1000, rows = 2000, length = 4096}
"""
CORPUS = """
kind = "corpus"
name = "texts"
[[rules]]
reason = "too_short"
column = "score.units.v1"
min = 5
"""
STAGES = ("corpus", "pretrain", "sft", "pairs", "reward", "ppo", "dpo")
MADE = ("pretrain", "sft", "reward", "ppo", "dpo")
WORDS = [
    f"{first}{last}" for first in ("bo", "ri", "sa", "te", "mu") for last in ("at", "ver", "nd", "ll", "sic")
]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe and its data beside it, all as small as they may be."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "texts").mkdir()
    for number in range(40):
        text = " ".join(WORDS[(number * step) % 25] for step in range(1, 60))
        (folder / "texts" / f"{number}.txt").write_text(f"Story {number}. {text}.", encoding="utf-8")
    talk: list[dict[str, Any]] = [
        {
            "messages": [
                {"role": "user", "content": f"Where is boat {number}?"},
                {"role": "assistant", "content": f"Boat {number} is on the {WORDS[number % 25]} river."},
            ],
            "lang": "en",
        }
        for number in range(60)
    ]
    for number in range(3):  # of which fine-tuning learns, but which nobody can answer otherwise
        greeting = {"role": "assistant", "content": f"Welcome aboard, my friend {number}."}
        asked = [*talk[number]["messages"], {"role": "user", "content": f"And ship {number}?"}]
        talk += [
            {"messages": [greeting]},
            {"messages": [*asked, {"role": "assistant", "content": " "}]},
            {"messages": [{"role": "user", "content": " "}, greeting]},
        ]
    questions = [
        {
            "id": f"q{number}",
            "lang": "en",
            "topic": "boats",
            "messages": [{"role": "user", "content": f"Where is ship {number}?"}],
            "checks": [{"contains": ["river"]}],
        }
        for number in range(4)
    ]
    told = [{**row, "id": f"told {row['id']}"} for row in questions[:3]]
    for name, rows in (("talk", talk), ("questions", questions), ("told", told)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "corpus.toml").write_text(CORPUS, encoding="utf-8")
    path = folder / "path.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that nobody disturbed."""
    workspace = tmp_path_factory.mktemp("whole")
    ran = run_feilun("-w", workspace, "train", recipe)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (workspace / "said.txt").write_text(ran.stderr)
    return workspace


def ids(workspace: Path) -> dict[str, str]:
    return {stage: Manifest.read(workspace / "models" / f"path-tiny-{stage}").id for stage in MADE}


def job_of(workspace: Path) -> Job:
    return list_jobs(workspace / "runs")[-1]


def under_way(stage: str, whole: Path, folder: Path) -> tuple[Path, Job]:
    """A copy of the workspace, and its job as if it had been killed before this stage left its artifact."""
    workspace = folder / "copy"
    shutil.copytree(whole, workspace)
    job = job_of(workspace)
    kept: list[dict[str, Any]] = []
    for event in job.events():
        if (event["event"], event.get("part")) == ("artifact", stage):
            break
        kept.append(event)
    (job.folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept))
    (job.folder / "results.json").unlink()
    for later in STAGES[STAGES.index(stage) :]:
        (job.folder / later / "measured.json").unlink(missing_ok=True)
    for later in STAGES[STAGES.index(stage) + 1 :]:
        shutil.rmtree(job.folder / later, ignore_errors=True)
    return workspace, job


def test_every_stage_leaves_its_artifact_and_is_measured(whole: Path) -> None:
    job = job_of(whole)
    assert [event["name"] for event in job.events() if event["event"] == "stage" and "part" not in event] == [
        *("corpus", "pretrain", "evaluate pretrain", "sft", "evaluate sft", "pairs", "reward"),
        *("ppo", "evaluate ppo", "dpo", "evaluate dpo", "compare"),
    ]
    results = json.loads((job.folder / "results.json").read_text())
    assert [model["stage"] for model in results["models"]] == ["pretrain", "sft", "ppo", "dpo"]
    for model in results["models"]:
        assert 0 < model["bits"]["all"] < 10
        assert len(model["questions"]) == 4
        assert len(model["instructions"]) == 3
        assert len(model["heldout"]) == 6
    assert 0 < results["ngram"]["all"] < 10
    assert set(results["reward_accuracy"]) >= {"all"}
    assert {(one["after"], one["scorer"]) for one in results["wins"]} == {
        (stage, scorer)
        for stage in ("ppo", "dpo")
        for scorer in ("reward", "checks", "instructions", "questions")
    }
    page = (job.folder / "report.html").read_text(encoding="utf-8")
    assert "Where is ship 3?" in page
    for stage in ("pretrain", "sft", "reward", "ppo", "dpo"):
        assert f"{stage}/report.html" in page
        assert "<svg" in (job.folder / stage / "report.html").read_text(encoding="utf-8")


def test_what_is_planned_is_said_to_be_its_pretraining(whole: Path) -> None:
    said = (whole / "said.txt").read_text()
    assert "Plan of pre-training, not of the other stages: " in said
    assert " for the steps of pre-training, taken " in said


def test_half_of_its_own_answers_are_the_likeliest(whole: Path) -> None:
    folder = whole / "datasets" / "path-tiny-pairs"
    own = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    own = own[: Manifest.read(folder).figures["own"]]
    sft = whole / "models" / "path-tiny-sft"
    model, tokenizer = checkpoint.load(sft, torch.float32), Tokenizer.load(sft)
    said = replies(
        model, tokenizer, [row["messages"] for row in own], Sampling(tokens=8, temperature=0),
    )  # fmt: skip
    likeliest = [row["rejected"]["content"] == reply.text for row, reply in zip(own, said, strict=True)]
    assert sum(likeliest[-len(own) // 2 :]) > len(own) // 3
    assert sum(likeliest[: len(own) // 3]) < len(own) // 6


def test_its_base_model_calibrates_the_next_plan(whole: Path) -> None:
    known = calibration(whole / "runs", probe.device(probe.HERE, whole))
    assert [one.run.split("/")[1] for one in known.runs] == ["pretrain"]


def test_pairs_are_what_was_written_over_what_the_model_says_itself(whole: Path) -> None:
    folder = whole / "datasets" / "path-tiny-pairs"
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    prompts = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    assert 12 < len(pairs) <= 24
    assert all(pair["chosen"]["content"].endswith("river.") for pair in pairs)
    assert all(pair["chosen"] != pair["rejected"] for pair in pairs)
    assert all(row["messages"][-1]["content"].startswith("Where is boat") for row in [*pairs, *prompts])
    # What fine-tuning keeps apart is not in the prompts of reinforcement either.
    assert 40 <= len(prompts) < 60
    assert all(row["messages"][-1]["role"] == "user" for row in prompts)


def test_its_models_are_listed_with_their_stages_and_answer(whole: Path) -> None:
    listed = json.loads(run_feilun("-w", whole, "models", "list", "--json").stdout)
    stages = {row["name"]: row["stages"] for row in listed}
    assert stages["path-tiny-ppo"] == ["pretrain", "sft", "reward", "ppo"]
    assert stages["path-tiny-dpo"] == ["pretrain", "sft", "dpo"]
    server = Server(whole)
    try:
        server.wait_until_ready()
        asked = {
            "model": "path-tiny-ppo",
            "messages": [{"role": "user", "content": "Where?"}],
            "max_tokens": 8,
        }
        with server.client() as client:
            said = client.post("/v1/chat/completions", json=asked)
        assert said.status_code == 200, said.text
        assert said.json()["usage"]["completion_tokens"] > 0
    finally:
        server.stop()


def started(recipe: Path, workspace: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        feilun("-w", workspace, "train", recipe, "--json", *more),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def killed_in(stage: str, recipe: Path, workspace: Path) -> None:
    """Kill a run, and its workers, once it has begun a stage and gone some steps."""
    process = started(recipe, workspace)

    def far_enough() -> bool:
        assert process.poll() is None
        jobs = list_jobs(workspace / "runs")
        events: Iterator[dict[str, Any]] = jobs[-1].events() if jobs else iter(())
        if stage == "pairs":  # which has no steps
            return any(event.get("name") == stage for event in events)
        told = "stage" if stage == "corpus" else "checkpoint"
        return any((event.get("part"), event["event"]) == (stage, told) for event in events)

    eventually(far_enough, what=f"for {stage}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_anywhere_it_ends_with_the_same_weights(
    stage: str, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    killed_in(stage, recipe, tmp_path)
    assert job_of(tmp_path).state == "interrupted"
    ran = run_feilun("-w", tmp_path, "train", recipe, "--resume")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(list_jobs(tmp_path / "runs")) == 1
    assert ids(tmp_path) == ids(whole)


@pytest.mark.slow
def test_killed_and_resumed_with_other_samples_it_goes_on_from_its_checkpoint(
    recipe: Path, whole: Path, tmp_path: Path
) -> None:
    killed_in("pretrain", recipe, tmp_path)
    job = job_of(tmp_path)
    tokens = (job.folder / "pretrain" / "tokens" / "artifact.json").stat().st_mtime_ns
    begun = sum(1 for _ in job.events())
    other = recipe.with_name("other-samples.toml")
    other.write_text(RECIPE.replace("evaluate_tokens = 500", 'evaluate_tokens = 500\nsamples = ["Story"]'))
    ran = run_feilun("-w", tmp_path, "train", other, "--resume")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (job.folder / "pretrain" / "tokens" / "artifact.json").stat().st_mtime_ns == tokens
    again = list(job.events())[begun:]
    steps = [event["step"] for event in again if (event["event"], event.get("part")) == ("step", "pretrain")]
    assert not steps or steps[0] > 2
    assert ids(tmp_path) == ids(whole)


def test_what_models_have_been_measured_by_may_not_change(recipe: Path, whole: Path, tmp_path: Path) -> None:
    workspace, job = under_way("dpo", whole, tmp_path)
    questions = recipe.with_name("questions.jsonl")
    before = questions.read_text()
    questions.write_text("".join(before.splitlines(keepends=True)[1:]))
    try:
        ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    finally:
        questions.write_text(before)
    assert ran.returncode == 1
    assert "Stage pretrain was measured by other questions" in ran.stderr
    assert not (job.folder / "dpo" / "measured.json").exists()


@pytest.mark.slow
def test_data_of_a_stage_without_a_checkpoint_may_be_mended(
    recipe: Path, whole: Path, tmp_path: Path
) -> None:
    workspace, job = under_way("sft", whole, tmp_path)
    (known,) = job.folder.glob("sft/examples.sha256")
    known.write_text("of other examples\n")
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert "Stage sft: The run " in ran.stderr
    assert "was begun with other data" in ran.stderr
    shutil.rmtree(job.folder / "sft" / "checkpoints")
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert ran.returncode == 0, ran.stderr
    assert ids(workspace) == ids(whole)


@pytest.mark.slow
def test_two_processes_make_what_one_makes(recipe: Path, whole: Path, tmp_path: Path) -> None:
    ran = run_feilun("-w", tmp_path, "train", recipe, "--processes", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    weights = [
        load_file(workspace / "models" / "path-tiny-sft" / "model.safetensors")
        for workspace in (whole, tmp_path)
    ]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=2e-3, rtol=1e-2, msg=name)
    listed = json.loads(run_feilun("-w", tmp_path, "models", "list", "--json").stdout)
    stages = {row["name"]: row["stages"] for row in listed}
    assert stages["path-tiny-ppo"] == ["pretrain", "sft", "reward", "ppo"]


def test_a_stage_whose_artifact_is_gone_is_named_and_the_others_are_let_be(
    recipe: Path, whole: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "copy"
    shutil.copytree(whole, workspace)
    job = job_of(workspace)
    events = (job.folder / "events.jsonl").read_text().splitlines(keepends=True)
    (job.folder / "events.jsonl").write_text("".join(line for line in events if '"finished"' not in line))
    shutil.rmtree(workspace / "models" / "path-tiny-reward")
    before = {path: path.stat().st_mtime_ns for path in (workspace / "models").rglob("*.safetensors")}
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert "Stage reward: what it left in" in ran.stderr
    assert "is gone" in ran.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    shutil.copytree(workspace / "models" / "path-tiny-sft", workspace / "models" / "path-tiny-reward")
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert "is of another run" in ran.stderr
    shutil.rmtree(workspace / "models" / "path-tiny-reward")
    shutil.copytree(whole / "models" / "path-tiny-reward", workspace / "models" / "path-tiny-reward")
    weights = workspace / "models" / "path-tiny-sft" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert "Stage sft: what it left in" in ran.stderr
    assert "is not what it was: model.safetensors" in ran.stderr
    (workspace / "corpora" / "path-tiny" / "artifact.json").write_text("{")
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert "Stage corpus: what it left in" in ran.stderr
    assert "has no artifact.json that can be read. Put it back" in ran.stderr


@pytest.mark.parametrize("fault", ["gone", "broken"])
def test_token_shards_by_which_a_model_is_measured_are_named_if_they_are_not_there(
    fault: str, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    workspace, job = under_way("dpo", whole, tmp_path)
    tokens = job.folder / "pretrain" / "tokens"
    if fault == "gone":
        shutil.rmtree(tokens)
    else:
        (tokens / "train-00000.bin").write_bytes(b"?")
    (job.folder / "pretrain" / "measured.json").unlink()
    ran = run_feilun("-w", workspace, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert (
        f"Stage pretrain: its token shards, by which models are measured, are gone or broken: {tokens}. Put"
        in ran.stderr
    )


def test_a_second_run_of_the_name_is_refused_while_one_runs(recipe: Path, tmp_path: Path) -> None:
    process = started(recipe, tmp_path)
    try:
        eventually(
            lambda: any(job.state == "running" for job in list_jobs(tmp_path / "runs")), what="for it to run"
        )
        ran = run_feilun("-w", tmp_path, "train", recipe)
        assert ran.returncode == 1
        assert "is already running" in ran.stderr
        assert len(list_jobs(tmp_path / "runs")) == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_has_ended_keeps_its_recipe_and_what_has_not_may_have_another(
    recipe: Path, tmp_path: Path
) -> None:
    # Of few answers the divergence is estimated, and may be below 0: so there are several rollouts.
    away = RECIPE.replace("most = 1000.0", "most = 0.000001").replace(
        "[ppo.run]\nsteps = 4", "[ppo.run]\nsteps = 16"
    )
    recipe.write_text(away)
    ran = run_feilun("-w", tmp_path, "train", recipe)
    assert ran.returncode == 1
    assert "Stage ppo: " in ran.stderr
    assert "run away" in ran.stderr
    (job,) = list_jobs(tmp_path / "runs")
    before = [event["id"] for event in job.events() if event["event"] == "artifact"]
    assert "<svg" in (job.folder / "ppo" / "report.html").read_text(encoding="utf-8")

    recipe.write_text(RECIPE.replace("[reward.data]\nheldout = 0.2", "[reward.data]\nheldout = 0.1"))
    ran = run_feilun("-w", tmp_path, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert "reward.data.heldout is not what it was (0.2)" in ran.stderr

    # As an older Feilun would have written it down: it did not know this key.
    old = json.loads((job.folder / "job.json").read_text())
    del old["recipe"]["pairs"]["likeliest"]
    (job.folder / "job.json").write_text(json.dumps(old))
    recipe.write_text(RECIPE)
    ran = run_feilun("-w", tmp_path, "train", recipe, "--resume")
    assert ran.returncode == 0, ran.stderr
    (job,) = list_jobs(tmp_path / "runs")
    assert [event["id"] for event in job.events() if event["event"] == "artifact"][: len(before)] == before
    assert job.record.recipe["ppo"]["rollout"]["most"] == 1000.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '"chosen": {"role": "assistant", "content": "a"}, "rejected": {"role": "assistant", "content": "a"}}',
            "both sides are the same",
        ),
        (
            '"chosen": {"role": "assistant", "content": "a"}, "rejected": {"role": "assistant", "content": "a "}}',
            "both sides are the same",
        ),
        (
            '"chosen": {"role": "assistant", "content": "a"}, "rejected": {"role": "assistant", "content": " "}}',
            "an answer is empty",
        ),
        ('"chosen": {"content": "a"', "not valid JSON"),
        ('"chosen": "a", "rejected": "b"}', ""),
        (
            '"chosen": {"role": "user", "content": "a"}, "rejected": {"role": "assistant", "content": "b"}}',
            "chosen and rejected must be the assistant's",
        ),
        (
            '"chosen": {"role": "assistant", "content": "a"}, "rejected": {"role": "assistant", "content": "b"}, "margin": 1e9}',
            "margin: ",
        ),
    ],
)
def test_faults_of_added_pairs_are_told_beforehand_with_their_place(
    recipe: Path, tmp_path: Path, line: str, said: str
) -> None:
    recipe.with_name("pairs.jsonl").write_text('\n{"messages": [{"role": "user", "content": "q"}], ' + line)
    recipe.write_text(RECIPE.replace("prompts = 24", 'prompts = 24\nsources = ["pairs.jsonl"]'))
    ran = run_feilun("-w", tmp_path, "train", recipe)
    assert ran.returncode == 1
    assert f"{recipe.with_name('pairs.jsonl')}:2" in ran.stderr
    assert said in ran.stderr
    assert not (tmp_path / "corpora").exists()


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (("", ""), ["--size", "huge"], "There is no size 'huge'. Sizes here: tiny, vast."),
        (("", ""), ["--name", "小飞轮"], "could not be served: --name"),
        (("", ""), ["--size", "vast"], "cannot be trained on this machine"),
        (("", ""), ["--size", "vast", "--json"], "cannot be trained on this machine"),
        (("context = 256", "context = 128"), [], "could not be served: pretrain.model.context (128)"),
        (
            ("[ppo.run]\nsteps = 4\nrows = 4", "[ppo.run]\nsteps = 4\nrows = 5"),
            [],
            "not whole steps of 5 rows",
        ),
        (("[sft.data]", '[sft]\nbase = "x"\n[sft.data]'), [], "sft.base is the pipeline's to say"),
        (("tokens = 8\ncompared", "token = 8\ncompared"), [], "unknown key 'evaluate.token'"),
        (('sources = ["talk.jsonl"]\nheldout = 0.2', 'sources = ["gone.jsonl"]'), [], "There is no data at"),
        (("", ""), ["--max-steps", "2"], "A pipeline runs to its end"),
        (
            ("[ppo.rollout.sampling]\ntokens = 8", "[ppo.rollout.sampling]\ntokens = 256"),
            [],
            "Stage ppo could draw no answer: ppo.rollout.sampling.tokens is 256, but the model reads 256",
        ),
        (("most = 1000.0", "most = inf"), [], "ppo.rollout.most"),
        (
            ('sources = ["talk.jsonl"]\nheldout = 0.2', 'sources = ["talk.jsonl"]\nheldout = 0.999999999'),
            [],
            "No conversation is left to learn from: of 69 none",
        ),
        (
            ("[dpo.data]\nheldout = 0.2", "[dpo.data]\nheldout = 0.999999999"),
            [],
            "Stage dpo would have nothing to learn from: all of its 24 pairs would be held out (dpo.data.heldout = ",
        ),
        (('"questions.jsonl"', '"none.jsonl"'), [], "Cannot read the questions"),
        (('"corpus.toml"', '"none.toml"'), [], "Cannot read the recipe"),
    ],
)
def test_faults_are_said_before_any_work(
    change: tuple[str, str], options: list[str], said: str, recipe: Path, tmp_path: Path, run: Run
) -> None:
    path = recipe.with_name(f"fault-{tmp_path.name}.toml")
    path.write_text(RECIPE.replace(*change) if change[0] else RECIPE)
    ran = run("-w", tmp_path, "train", path, *options)
    assert ran.returncode != 0
    assert said in ran.stderr, ran.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": ""}]}',
            "no answer",
        ),
        ('{"messages": [{"role": "user", "content": "q"}]}', "no answer of the assistant"),
        ('{"messages": []}', "no answer of the assistant"),
        ('{"messages": [{"role": "the user", "content": "q"}]}', "A message needs a role (a word)"),
        ('{"messages": [{"role": "assistant", "content": "a"}], "keep": "?"}', "keep: "),
        ('{"messages": [', "not valid JSON"),
    ],
)
def test_faults_of_conversations_are_told_beforehand_with_their_place(
    recipe: Path, tmp_path: Path, run: Run, line: str, said: str
) -> None:
    told = recipe.with_name(f"told-{tmp_path.name}.jsonl")
    told.write_text(f"{recipe.with_name('talk.jsonl').read_text()}\n{line}\n")
    path = recipe.with_name(f"fault-{tmp_path.name}.toml")
    path.write_text(
        RECIPE.replace('[sft.data]\nsources = ["talk.jsonl"]', f'[sft.data]\nsources = ["{told.name}"]')
    )
    ran = run("-w", tmp_path, "train", path)
    assert ran.returncode == 1
    assert f"{told}:71: " in ran.stderr
    assert said in ran.stderr
    assert not (tmp_path / "corpora").exists()


@pytest.mark.slow
@pytest.mark.parametrize("likeliest", [0.0, 1.0])
def test_nothing_need_be_held_out_and_answers_may_all_be_drawn_or_likeliest(
    recipe: Path, tmp_path: Path, likeliest: float
) -> None:
    path = recipe.with_name(f"all-{tmp_path.name}.toml")
    text = re.sub("heldout = 0.[0-9]+", "heldout = 0.0", RECIPE)
    path.write_text(text.replace("[pairs]\n", f"[pairs]\nlikeliest = {likeliest}\n"))
    ran = run_feilun("-w", tmp_path, "train", path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads((job_of(tmp_path).folder / "results.json").read_text())
    assert results["reward_accuracy"] is None
    assert {one["scorer"] for one in results["wins"]} == {"instructions", "questions"}
    assert [model["bits"] for model in results["models"]] == [{}] * 4


def test_a_size_that_nobody_can_train_here_is_planned_and_built_without_weights(
    recipe: Path, tmp_path: Path, run: Run
) -> None:
    ran = run("-w", tmp_path, "train", recipe, "--size", "vast", "--dry-run", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["params"] > 40e9
    assert told["shards"]["processes"] == 1000
    assert told["plan"]["count"] == 1000
    assert told["plan"]["days"]["low"] < told["plan"]["days"]["expected"] < told["plan"]["days"]["high"]
    assert told["order"]["first"]["0"] != told["order"]["first"]["999"]
    assert not (tmp_path / "runs").exists()
    fewer = run(
        "-w", tmp_path, "train", recipe, "--size", "vast", "--dry-run", "--json", "--processes", "500"
    )
    assert json.loads(fewer.stdout)["shards"]["processes"] == json.loads(fewer.stdout)["plan"]["count"] == 500


@pytest.mark.slow
def test_the_shipped_recipe_walks_every_stage(tmp_path: Path) -> None:
    ran = run_feilun("-w", tmp_path, "train", shipped("speedrun.toml"), "--size", "smoke", "--json")
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    listed = json.loads(run_feilun("-w", tmp_path, "models", "list", "--json").stdout)
    stages = {row["name"]: row["stages"] for row in listed}
    assert stages["speedrun-smoke-ppo"] == ["pretrain", "sft", "reward", "ppo"]


def test_its_base_model_is_planned_from_the_file_as_by_a_dry_run(tmp_path: Path, run: Run) -> None:
    path = shipped("speedrun.toml")
    dry = json.loads(run("-w", tmp_path, "train", path, "--dry-run", "--json").stdout)
    plan = json.loads(run("-w", tmp_path, "plan", "train", "--from", path, "--json").stdout)
    assert plan == dry["plan"]
    assert plan["tokens"] == dry["tokens"]


@pytest.mark.parametrize("size", ["nano", "micro", "mini", "small", "enterprise", "industry", "general"])
def test_every_rung_of_the_ladder_is_a_recipe_that_can_be_planned(
    size: str, tmp_path: Path, run: Run
) -> None:
    path = shipped("speedrun.toml")
    ran = run("-w", tmp_path, "train", path, "--size", size, "--dry-run", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    wanted = {"mini": 1.1e8, "small": 4.8e8, "enterprise": 1e10, "industry": 1e11, "general": 1e12}
    if size in wanted:
        assert told["params"] == pytest.approx(wanted[size], rel=0.1)
    written = re.search(rf"^\[sizes.{size}\] +# (\d+) M parameters", path.read_text("utf-8"), re.MULTILINE)
    if written is not None:
        assert told["params"] == pytest.approx(float(written[1]) * 1e6, rel=0.01)
    assert (written is not None) == (size in ("mini", "small"))
