"""A pipeline that goes on by another recipe, or with less on the command line: what may change, what is kept, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.commands.conftest import Run
from tests.commands.test_train_pipeline import CORPUS, RECIPE

from feilun.commands.pipeline import AskedPipeline
from feilun.jobs import Job, list_jobs
from feilun.text import FeilunError
from feilun.workspace import Workspace

Begun = Callable[..., Job]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe" / "path.toml"
    (path.parent / "texts").mkdir(parents=True)
    path.write_text(RECIPE)
    path.with_name("corpus.toml").write_text(CORPUS)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def begun(recipe: Path, workspace: Workspace) -> Begun:
    """``begun("pretrain", "sft", size="vast")``: a job whose first stages have ended, with a checkpoint in the last one named."""

    def begun(
        *stages: str, size: str | None = None, name: str | None = None, sources: tuple[Path, ...] = ()
    ) -> Job:
        job = AskedPipeline.of(recipe, size, name, list(sources)).job(workspace, resume=False)
        *ended, now = stages
        lines = [{"event": "artifact", "time": 1, "part": stage, "id": "x"} for stage in ended]
        (job.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if now == "corpus":
            pages = job.folder / "corpus" / "work" / "pages"
            pages.mkdir(parents=True)
            (pages / "000000.parquet").write_bytes(b"pages")
        else:
            checkpoint = job.folder / now / "checkpoints" / "step-00000020"
            checkpoint.mkdir(parents=True)
            (checkpoint / "state.json").write_text("{}")
        for made in ("tokenizer", "tokens"):
            (job.folder / "pretrain" / made).mkdir(parents=True)
        for kept in ("pretrain/tokens.sha256", "sft/examples.sha256"):
            (job.folder / kept).parent.mkdir(exist_ok=True)
            (job.folder / kept).write_text("x\n")
        return job

    return begun


def resumed(
    recipe: Path,
    workspace: Workspace,
    *,
    size: str | None = None,
    name: str | None = None,
    sources: tuple[Path, ...] = (),
) -> Job:
    runs = workspace.path / "runs"
    return AskedPipeline.of(recipe, size, name, list(sources), runs).job(workspace, resume=True)


def files(job: Job) -> set[str]:
    return {str(path.relative_to(job.folder)) for path in job.folder.rglob("*")}


def change(recipe: Path, old: str, new: str) -> None:
    assert old in RECIPE
    recipe.write_text(RECIPE.replace(old, new))


@pytest.mark.parametrize(
    ("stages", "old", "new", "said"),
    [
        (["corpus", "pretrain"], "length = 64", "length = 32", "pretrain.run.length is not what it was (64)"),
        (["corpus", "pretrain"], "vocab_size = 300", "vocab_size = 301", "pretrain.tokenizer.vocab_size is not"),
        (["corpus", "pretrain", "sft"], "warmup = 2", 'warmup = 2\nkind = "muon"', "sft.optimiser.kind is not what it was"),
        (["corpus", "pretrain", "sft", "pairs", "reward", "ppo"], "[ppo.rollout]\n", "[ppo.rollout]\ntarget = 3.0\n", "ppo.rollout.target"),
    ],
)  # fmt: skip
def test_the_stage_under_way_keeps_what_it_would_lose(
    stages: list[str], old: str, new: str, said: str, recipe: Path, workspace: Workspace, begun: Begun, run: Run
) -> None:  # fmt: skip
    job = begun(*stages)
    before = files(job)
    change(recipe, old, new)
    ran = run("-w", workspace.path, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert said in ran.stderr
    assert f"Stage {stages[-1]} is under way, and its checkpoint of step 20 would be lost." in ran.stderr
    assert "Put it back, or start anew" in ran.stderr
    assert files(job) >= before
    assert Job.open(job.folder).record == job.record
    said_in_chinese = run("-w", workspace.path, "train", recipe, "--resume", FEILUN_LANG="zh").stderr
    assert f"阶段 {stages[-1]} 正在进行，改变将丢失第 20 步的检查点。" in said_in_chinese


def test_what_no_weights_depend_on_and_what_is_advised_may_change_under_way(
    recipe: Path, workspace: Workspace, begun: Begun
) -> None:
    job = begun("corpus", "pretrain")
    before = files(job)
    text = RECIPE.replace("evaluate_tokens = 500", 'evaluate_tokens = 500\nsamples = ["The"]')
    text = text.replace(
        "[pretrain.run]\nsteps = 8", "[pretrain.optimiser]\nlr = 1e-4\n[pretrain.run]\nkeep = 1\nsteps = 9"
    )
    text = text.replace("length = 64\nsave_every = 2", "length = 64\nsave_every = 3")
    recipe.write_text(text)
    now = resumed(recipe, workspace)
    assert now.id == job.id
    assert files(job) == before
    recipe_now = Job.open(job.folder).record.recipe["pretrain"]
    assert recipe_now["samples"] == ["The"]
    assert recipe_now["optimiser"]["lr"] == 1e-4
    assert (recipe_now["run"]["steps"], recipe_now["run"]["save_every"], recipe_now["run"]["keep"]) == (
        9,
        3,
        1,
    )


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ("length = 64", "length = 32", set()),
        ("hidden_size = 32", "hidden_size = 64", set()),
        ('sources = ["talk.jsonl"]\nheldout = 0.1', 'sources = ["talk.jsonl"]\nheldout = 0.2', {"tokens", "tokens.sha256"}),
        ('sources = ["talk.jsonl"]\nheldout = 0.1', "sources = []\nheldout = 0.1", {"tokens", "tokens.sha256", "tokenizer"}),
        ("vocab_size = 300", "vocab_size = 301", {"tokens", "tokens.sha256", "tokenizer"}),
    ],
)  # fmt: skip
def test_without_a_checkpoint_tokenizer_and_tokens_go_only_if_they_are_made_from_something_else(
    old: str, new: str, gone: set[str], recipe: Path, workspace: Workspace, begun: Begun
) -> None:
    job = begun("corpus", "corpus")  # which has ended
    before = files(job)
    change(recipe, old, new)
    resumed(recipe, workspace)
    assert before - files(job) == {f"pretrain/{name}" for name in gone}


def test_another_stage_without_a_checkpoint_is_begun_anew(
    recipe: Path, workspace: Workspace, begun: Begun
) -> None:
    job = begun("corpus", "pretrain", "pairs")
    change(recipe, "[sft.run]\nsteps = 8\nrows = 8", "[sft.run]\nsteps = 8\nrows = 4")
    resumed(recipe, workspace)
    assert not (job.folder / "sft" / "examples.sha256").exists()
    assert (job.folder / "pretrain" / "tokens").exists()


def test_it_goes_on_with_the_sources_it_was_begun_with(
    recipe: Path, workspace: Workspace, begun: Begun, tmp_path: Path, run: Run
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
    job = begun("corpus", sources=(own,))
    assert resumed(recipe, workspace).record.recipe["corpus"]["sources"] == [str(own)]
    ran = run("-w", workspace.path, "train", recipe, "--resume", "--source", other)
    assert ran.returncode == 1
    assert (
        f'corpus.sources is not what it was (["{own}"]). Stage corpus is under way, and the pages'
        in ran.stderr
    )
    assert (job.folder / "corpus" / "work" / "pages" / "000000.parquet").exists()
    assert Job.open(job.folder).record.recipe["corpus"]["sources"] == [str(own)]


def test_the_recipes_own_sources_may_be_mended_while_nothing_is_gathered(
    recipe: Path, workspace: Workspace, begun: Begun
) -> None:
    job = begun("sft")
    change(recipe, 'sources = ["texts"]', 'sources = ["."]')
    assert resumed(recipe, workspace).record.recipe["corpus"]["sources"] == ["."]
    (job.folder / "corpus" / "work" / "pages").mkdir(parents=True)
    (job.folder / "corpus" / "work" / "pages" / "000000.parquet").touch()
    recipe.write_text(RECIPE)
    with pytest.raises(FeilunError, match=r"corpus\.sources is not what it was \(\[\"\.\"\]\)"):
        resumed(recipe, workspace)


def test_it_goes_on_at_the_size_it_was_begun_with_and_at_no_other(
    recipe: Path, workspace: Workspace, begun: Begun, run: Run
) -> None:
    job = begun("sft", size="vast", name="q")
    assert resumed(recipe, workspace, name="q").record.recipe["size"] == "vast"
    assert AskedPipeline.of(recipe, None, "q", [], workspace.path / "runs").pretraining.model.layers == 64
    ran = run("-w", workspace.path, "train", recipe, "--resume", "--name", "q", "--size", "tiny")
    assert ran.returncode == 1
    assert 'size is not what it was ("vast"). All stages hang on it.' in ran.stderr
    assert Job.open(job.folder).record == job.record


def test_another_seed_is_refused_even_before_a_stage_has_ended(
    recipe: Path, workspace: Workspace, begun: Begun, run: Run
) -> None:
    begun("sft")
    change(recipe, 'size = "tiny"', 'size = "tiny"\nseed = 3')
    ran = run("-w", workspace.path, "train", recipe, "--resume")
    assert ran.returncode == 1
    assert " seed is not what it was (0). All stages hang on it. Put it back" in ran.stderr
    assert len(list_jobs(workspace.path / "runs")) == 1
