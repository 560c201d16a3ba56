"""``feilun train``: from a recipe to a model or an adapter, as a user runs it."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.forks import environment, fork, run_feilun

from feilun.cli import main
from feilun.commands import stage
from feilun.jobs import Job, list_jobs
from feilun.model import checkpoint
from feilun.model.chat_template import CHATML
from feilun.model.lora_files import load_peft
from feilun.model.tokenizer import TEMPLATE, Tokenizer
from feilun.text import FeilunError
from feilun.train.conversations import read_examples
from feilun.train.distributed import World
from feilun.train.loop import Trainer
from feilun.train.recipe import ConversationsRecipe
from feilun.workspace import Manifest, Workspace

pytestmark = pytest.mark.xdist_group("training")  # what its module fixtures train is trained once

PRETRAIN = """
kind = "pretrain"
name = "tiny"
samples = ["小明"]
[data]
heldout = 0.2
[tokenizer]
vocab_size = 320
[model]
hidden_size = 32
layers = 2
heads = 2
[optimiser]
warmup = 2
[run]
steps = 6
rows = 2
length = 64
evaluate_every = 3
save_every = 3
"""
SFT = """
kind = "sft"
name = "polite"
base = "BASE"
epochs = 10
samples = ["谁？"]
[data]
heldout = 0.2
[lora]
rank = 4
alpha = 8
[optimiser]
lr = 1e-2
warmup = 1
[run]
rows = 4
length = 256
"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bilingual corpus, made up by rule."""
    folder = tmp_path_factory.mktemp("texts")
    chosen = random.Random(1)
    names, things, places = ["小明", "小红", "爷爷"], ["苹果", "书", "风筝"], ["公园", "学校", "河边"]
    zh = [
        f"{chosen.choice(names)}带着{chosen.choice(things)}去了{chosen.choice(places)}。" for _ in range(400)
    ]
    en = [
        f"{chosen.choice(['Tom', 'Ann'])} saw {n} birds near the {chosen.choice(['lake', 'hill'])}."
        for n in range(400)
    ]
    lines = [json.dumps({"text": "".join(zh[i : i + 8])}, ensure_ascii=False) for i in range(0, 400, 8)]
    lines += [json.dumps({"text": " ".join(en[i : i + 8])}) for i in range(0, 400, 8)]
    (folder / "made_up.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


def train(workspace: Path, recipe: str, *options: str | Path, **env: str) -> Any:
    path = workspace / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    return run_feilun("-w", workspace, "train", path, *options, **env)


def events_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def base(workspace: Path, texts: Path) -> Path:
    """A model that `feilun train` has made."""
    result = train(workspace, PRETRAIN, "--source", texts, "--json")
    assert result.returncode == 0, result.stderr
    events = events_of(result.stdout)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["report", "finished"]
    assert [event["step"] for event in events if event["event"] == "eval"] == [3, 6]
    return workspace / "models" / "tiny"


def test_a_base_model_with_its_lineage(base: Path, workspace: Path) -> None:
    manifest = Manifest.read(base)
    model, tokenizer = checkpoint.load(base), Tokenizer.load(base)
    assert model.config.vocab_size == tokenizer.vocab_size == 320
    assert manifest.kind == "model"
    assert manifest.figures["stages"] == ["pretrain"]
    for figures in (manifest.figures["bits_per_byte"], manifest.figures["ngram_bits_per_byte"]):
        assert figures.keys() == {"all", "en", "zh"}
        assert all(0 < value < 12 for value in figures.values())
    (job,) = (job for job in list_jobs(workspace / "runs") if job.record.name == "tiny")
    assert Manifest.read(job.folder / "tokens").id in manifest.parents
    assert "小明" in (job.folder / "report.html").read_text(encoding="utf-8")
    assert job.state == "finished"


@pytest.fixture(scope="module")
def adapter(base: Path, workspace: Path) -> Path:
    """An adapter of ``base`` that `feilun train` has made."""
    examples = workspace / "examples.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "好的，谢谢。"}]}
        for n in range(40)
    ]
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = train(workspace, SFT.replace("BASE", str(base)), "--source", examples, "--json")
    assert result.returncode == 0, result.stderr
    events = events_of(result.stdout)
    assert {event["prompt"] for event in events if event["event"] == "sample"} == {"谁？\n"}
    losses = [event["loss"] for event in events if event["event"] == "step"]
    assert losses[-1] < 0.9 * losses[0]  # the base is next to random, and its vocabulary is frozen
    return workspace / "models" / "polite"


def test_an_adapter_learns_the_answers(base: Path, adapter: Path) -> None:
    manifest = Manifest.read(adapter)
    assert manifest.kind == "adapter"
    assert manifest.parents == [Manifest.read(base).files["model.safetensors"]]
    assert load_peft(checkpoint.load(base), adapter).rank == 4
    assert (adapter / "adapter.gguf").read_bytes()[:4] == b"GGUF"


def test_what_was_trained_is_served(base: Path, adapter: Path, workspace: Path) -> None:
    refused = run_feilun("-w", workspace, "models", "add", "x", adapter)
    assert refused.returncode == 1
    assert "--adapter" in refused.stderr
    added = run_feilun("-w", workspace, "models", "add", "a/b", base, "--adapter", adapter, "--default")
    assert added.returncode == 0, added.stderr
    (made,) = (workspace / "models").glob("a-b-q8_0-*")
    assert Manifest.read(made).parents == [Manifest.read(base).files["model.safetensors"]]
    answer = run_feilun("-w", workspace, "chat", "3?")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("change", "language", "sentence"),
    [
        (("rows = 2", "row = 2"), "zh", "未知的键"),
        (('kind = "pretrain"', 'kind = "magic"'), "en", "'magic' is not known"),
        (("steps = 6", ""), "zh", "缺少 run.steps"),
        (("length = 64", "length = 64000"), "en", "less than one batch"),
        (("heads = 2", "heads = 3"), "zh", "的倍数"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line(
    change: tuple[str, str], language: str, sentence: str, tmp_path: Path, texts: Path
) -> None:
    result = train(tmp_path, PRETRAIN.replace(*change), "--source", texts, "--json", FEILUN_LANG=language)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_a_recipe_that_cannot_be_is_one_line_for_several_processes_too(tmp_path: Path, texts: Path) -> None:
    result = train(tmp_path, PRETRAIN.replace("rows = 2", "row = 2"), "--source", texts, "--processes", "2")
    assert result.returncode == 1
    assert "unknown key 'run.row'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_texts_that_cannot_be_read_are_told(tmp_path: Path, texts: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(texts, folder)
    (folder / "gb.txt").write_bytes("今天天气很好。".encode("gb18030"))
    (folder / "other.jsonl").write_text('{"content": "no text"}\n')
    result = train(tmp_path, PRETRAIN, "--source", folder, FEILUN_LANG="zh")
    assert result.returncode == 0, result.stderr
    assert f"跳过无法读取的内容 2 处；第一处：{folder / 'gb.txt'}:1：不是 UTF-8 文本。" in result.stderr
    (job,) = list_jobs(tmp_path / "runs")
    (left_out,) = (event for event in job.events() if event["event"] == "left_out")
    assert (left_out["count"], left_out["first"]) == (2, f"{folder / 'gb.txt'}:1: not UTF-8 text.")
    (folder / "made_up.jsonl").unlink()
    result = train(tmp_path, PRETRAIN, "--source", folder, "--json")
    assert result.returncode == 1
    assert f"{folder / 'gb.txt'}:1: not UTF-8 text." in result.stderr


def test_no_data_is_said_so(tmp_path: Path) -> None:
    for options in ((), ("--source", tmp_path / "nowhere")):
        result = train(tmp_path, PRETRAIN, *options)
        assert result.returncode == 1
        assert "--source" in result.stderr or "nowhere" in result.stderr
        assert "Traceback" not in result.stderr


def test_the_shipped_recipes_are_valid() -> None:
    from feilun.recipe import read_recipe
    from feilun.train.recipe import PretrainRecipe, SftRecipe

    folder = Path(__file__).parents[2] / "recipes" / "train"
    assert read_recipe(folder / "nano.toml", PretrainRecipe).name == "nano"
    assistant = read_recipe(folder / "assistant.toml", SftRecipe)
    for path in assistant.data.sources:
        assert any((folder / path).glob("*.jsonl"))


def train_until(step: int, argv: list[str]) -> None:
    """A command that is asked to stop (SIGTERM) while a step is computed."""
    compute = Trainer._step

    def asked(self: Trainer, *given: Any) -> Any:
        if given[2] + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(self, *given)

    Trainer._step = asked  # pyright: ignore[reportAttributeAccessIssue]
    os.environ.update(environment())
    sys.argv = argv
    with Path(os.devnull).open("w") as sys.stdout:
        main()


def stopped(workspace: Path, recipe: str, source: Path, name: str, step: int) -> Job:
    """A run of that name, stopped after a step."""
    path = workspace / f"{name}.toml"
    path.write_text(recipe, encoding="utf-8")
    options = ["--source", str(source), "--name", name, "--json"]
    fork(train_until, step, ["feilun", "-w", str(workspace), "train", str(path), *options]).join()
    (job,) = (job for job in list_jobs(workspace / "runs") if job.record.name == name)
    assert job.state == "stopped"
    assert (job.last("step") or {})["step"] == step
    return job


@pytest.mark.parametrize("kind", ["pretrain", "sft"])
def test_a_stopped_run_is_resumed_by_its_command_to_the_same_bits(
    kind: str, workspace: Path, base: Path, adapter: Path, texts: Path
) -> None:
    recipe, source, whole, file = (
        (PRETRAIN, texts, base, "model.safetensors")
        if kind == "pretrain"
        else (
            SFT.replace("BASE", str(base)),
            workspace / "examples.jsonl",
            adapter,
            "adapter_model.safetensors",
        )
    )
    name = f"halves-{kind}"
    half = stopped(workspace, recipe, source, name, 2)
    result = train(workspace, recipe, "--source", source, "--name", name, "--resume", "--json")
    assert result.returncode == 0, result.stderr
    assert half.state == "finished"
    steps = [event["step"] for event in half.events() if event["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > 4
    made = workspace / "models" / name / file
    assert made.read_bytes() == (whole / file).read_bytes()


def test_a_run_whose_examples_have_changed_does_not_go_on(
    workspace: Path, base: Path, adapter: Path, tmp_path: Path
) -> None:
    examples = tmp_path / "changing.jsonl"
    lines = (workspace / "examples.jsonl").read_text(encoding="utf-8")
    examples.write_text(lines, encoding="utf-8")
    recipe = SFT.replace("BASE", str(base)).replace("epochs = 10", "epochs = 1")
    half = stopped(workspace, recipe, examples, "changed", 2)
    examples.write_text(lines.replace("7?", "seven?"), encoding="utf-8")
    options = ("--source", examples, "--name", "changed", "--resume")
    refused = train(workspace, recipe, *options)
    assert refused.returncode == 1
    assert f"{half.id} was begun with other data" in refused.stderr
    assert "changing.jsonl" in refused.stderr
    assert "Traceback" not in refused.stderr
    shutil.copytree(half.folder, tmp_path / "before")
    examples.write_text(lines, encoding="utf-8")
    assert train(workspace, recipe, *options).returncode == 0
    assert half.state == "finished"
    shutil.rmtree(half.folder)
    shutil.copytree(tmp_path / "before", half.folder)
    (half.folder / "examples.sha256").unlink()  # as of an older Feilun
    examples.write_text(lines.replace("7?", "seven?"), encoding="utf-8")
    assert train(workspace, recipe, *options).returncode == 0


def test_a_run_whose_token_shards_are_gone_does_not_go_on_with_others(
    workspace: Path, texts: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(texts, tmp_path / "texts")
    half = stopped(workspace, PRETRAIN, source, "shards", 2)
    options = ("--source", source, "--name", "shards", "--resume")
    for path in (half.folder / "tokens").glob("*.bin"):
        path.unlink()
    refused = train(workspace, PRETRAIN, *options)
    assert (refused.returncode, "make the token shards again" in refused.stderr) == (1, True)
    shutil.rmtree(half.folder / "tokens")
    (source / "more.txt").write_text("爷爷在河边放风筝，风筝飞得很高。\n" * 9, encoding="utf-8")
    refused = train(workspace, PRETRAIN, *options)
    assert refused.returncode == 1
    assert f"{half.id} was begun with other data: the token shards tokens are others" in refused.stderr
    shutil.rmtree(half.folder / "tokens")
    (source / "more.txt").unlink()
    resumed = train(workspace, PRETRAIN, *options)  # from the same texts they are the same
    assert resumed.returncode == 0, resumed.stderr
    assert half.state == "finished"


def test_a_template_that_refuses_a_conversation_is_told_with_file_and_line(
    base: Path, tmp_path: Path
) -> None:
    folder, lessons = tmp_path / "strict", tmp_path / "lessons.jsonl"
    shutil.copytree(base, folder)
    refusal = "{% for m in messages %}{% if m.role == 'judge' %}{{ raise_exception('Unknown role') }}{% endif %}{% endfor %}"
    (folder / TEMPLATE).write_text(refusal + CHATML)
    rows = [
        {"messages": [{"role": role, "content": "a"}, {"role": "assistant", "content": "b"}]}
        for role in ("user", "user", "judge")
    ]
    lessons.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(FeilunError, match="Unknown role") as refused:
        read_examples(ConversationsRecipe(heldout=0), [lessons], Tokenizer.load(folder), length=99)
    assert refused.value.text.en.startswith(f"{lessons}:3: ")
    assert refused.value.text.zh.startswith(f"{lessons}:3：")


def test_a_full_disk_leaves_the_report(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(PRETRAIN)
    asked = stage.AskedStage(recipe, [texts], None, None, False)
    workspace = Workspace(tmp_path / "w")
    job = asked.job(workspace, resume=False)

    def fill(*_given: Any) -> None:
        job.emit("step", step=1, steps=6, loss=5.0, tokens=9, memory_mb=1.0)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full")

    monkeypatch.setattr(stage, "_run", fill)
    with pytest.raises(OSError, match="No space"), job.running():
        asked.run(job, workspace, World())
    assert "<svg" in (job.folder / "report.html").read_text(encoding="utf-8")
    failed = job.last("failed") or {}
    assert (failed["error"], failed["error_zh"]) == ("The disk is full: /full", "磁盘已满：/full")


@pytest.mark.parametrize(
    ("change", "key"), [(("rows = 2", "rows = 4"), "run.rows"), (("320", "330"), "vocab_size")]
)
def test_what_is_resumed_has_the_recipe_it_was_begun_with(
    change: tuple[str, str], key: str, workspace: Path, base: Path, texts: Path
) -> None:
    done = next(job for job in list_jobs(workspace / "runs") if job.record.name == "tiny")
    half = Job.create(workspace / "runs", "pretrain", "tiny", done.record.recipe, argv=["true"])
    result = train(workspace, PRETRAIN.replace(*change), "--source", texts, "--resume")
    assert result.returncode == 1
    assert key in result.stderr
    assert half.state != "finished"
    assert "What may change: run.steps, optimiser.lr" in result.stderr
    slower = PRETRAIN.replace("[optimiser]", "[optimiser]\nclip = 0.9")
    more = train(
        workspace, slower, "--resume", "--max-steps", "7", "--name", "tiny"
    )  # with the data that it had
    assert more.returncode == 0, more.stderr
    assert half.state == "finished"
    assert Job.open(half.folder).record.recipe["run"]["steps"] == 7
    assert base.exists()


def test_token_shards_are_trained_on(workspace: Path, base: Path, texts: Path) -> None:
    made = run_feilun(
        "-w", workspace, "data", "tokens", texts, "--tokenizer", base, "--out", "mine", "--heldout", "0.2"
    )
    assert made.returncode == 0, made.stderr
    recipe = PRETRAIN.replace('"tiny"', '"of-shards"')
    result = train(workspace, recipe, "--source", "mine", "--json")
    assert result.returncode == 0, result.stderr
    shards = Manifest.read(workspace / "tokens" / "mine")
    assert Manifest.read(workspace / "models" / "of-shards").parents == [shards.id]
    mixed = train(workspace, recipe, "--source", "mine", "--source", texts)
    assert mixed.returncode == 1
    assert "token shards" in mixed.stderr


def test_a_model_and_a_tokenizer_that_do_not_belong_together(tmp_path: Path, base: Path, texts: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(base, folder)
    file = folder / "tokenizer.json"
    table = json.loads(file.read_text())
    names = table["model"]["vocab"]
    names |= {f"<{n}>": n for n in range(len(names), 2000) if n not in names.values()}
    file.write_text(json.dumps(table))
    lessons = tmp_path / "lessons.jsonl"
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    lessons.write_text("".join(json.dumps({"messages": said}) + "\n" for _ in range(8)))
    result = train(tmp_path, SFT.replace("BASE", str(folder)), "--source", lessons)
    assert result.returncode == 1
    assert "do not belong together" in result.stderr
    assert "Traceback" not in result.stderr
