"""`feilun data tokens`: from a folder of text to shards in the workspace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.data.conftest import TEXTS

from feilun.data.tokens import Tokens
from feilun.model.tokenizer_training import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small one."""
    folder = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    train_tokenizer(iter(TEXTS * 3), vocab_size=380).save(folder)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [{"text": f"{TEXTS[number % 4]} {number}"} for number in range(300)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    (folder / "page.md").write_text("# 飞轮\n\n越用越好。", encoding="utf-8")
    return folder


def test_shards_are_made_and_counted(run: Run, tmp_path: Path, tokenizer: Path, corpus: Path) -> None:
    command = ("data", "tokens", corpus, "--tokenizer", tokenizer, "--out", "mine", "--heldout", "0.1")
    made = run("-w", tmp_path / "w", *command, "--json")
    assert made.returncode == 0, made.stderr
    manifest = json.loads(made.stdout)
    tokens = Tokens.open(tmp_path / "w" / "tokens" / "mine")
    assert tokens.manifest.model_dump() == manifest
    assert manifest["figures"]["documents"] == 301
    assert manifest["recipe"]["sources"] == [str(corpus)]
    assert set(tokens.figures.splits["heldout"].by_language) == {"zh", "en"}
    sizes = [path.stat().st_size for path in corpus.iterdir()]
    assert 0 < tokens.bytes("train") + tokens.bytes("heldout") < sum(sizes)
    count = f"{tokens.figures.splits['train'].by_language['zh'].tokens:,}"
    for language, words in (("en", ["train", "held out", "Written to"]), ("zh", ["训练", "留出", "已写入"])):
        again = run("-w", tmp_path / "w", *command, FEILUN_LANG=language)
        assert again.returncode == 0, again.stderr
        assert all(word in again.stdout for word in (*words, count))
        assert again.stderr == ""
    assert Tokens.open(tmp_path / "w" / "tokens" / "mine").manifest.id == manifest["id"]


def test_where_the_text_came_from_is_remembered(
    run: Run, tmp_path: Path, tokenizer: Path, corpus: Path
) -> None:
    (corpus / "artifact.json").write_text('{"kind": "corpus", "id": "sha256:c", "name": "c"}')
    command = ("data", "tokens", corpus, corpus / "page.md", "--tokenizer", tokenizer, "--out", "m", "--json")
    made = run("-w", tmp_path / "w", *command)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["parents"][1:] == ["sha256:c"]


def test_what_cannot_be_read_stops_it_or_is_left_out(
    run: Run, tmp_path: Path, tokenizer: Path, corpus: Path
) -> None:
    (corpus / "bad.jsonl").write_text('{"text": "a"}\n{"tex": "b"}\n')
    command = ("-w", tmp_path / "w", "data", "tokens", corpus, "--tokenizer", tokenizer, "--out", "mine")
    assert f"{corpus}/bad.jsonl:2" in one_line(run(*command))
    assert not (tmp_path / "w" / "tokens" / "mine").exists()
    made = run(*command, "--skip-bad")
    assert made.returncode == 0
    assert f"1 times; first: {corpus}/bad.jsonl:2" in made.stderr


def test_of_a_folder_and_a_corpus_of_one_name_the_path_is_asked_for(
    run: Run, tmp_path: Path, tokenizer: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.toml").write_text('kind = "corpus"\nname = "corpus"\n')
    made = run("-w", "w", "data", "build", "all.toml", "--source", "corpus", "--workers", "1")
    assert made.returncode == 0, made.stderr
    named = tmp_path / "w" / "corpora" / "corpus"
    command = ("-w", "w", "data", "tokens", "--tokenizer", tokenizer, "--out", "mine", "--json")
    train = ("-w", "w", "train", "nano", "--source")
    for asked in (command, train):
        for language in ("en", "zh"):
            said = one_line(run(*asked, "corpus", FEILUN_LANG=language))
            assert str(corpus) in said
            assert str(named) in said
    for source in (corpus, named):
        made = run(*command, source)
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["recipe"]["sources"] == [str(source)]
    corpus.rename(tmp_path / "pages")
    made = run(*command, "corpus")  # which now is the corpus alone
    assert json.loads(made.stdout)["recipe"]["sources"] == [str(named)]


@pytest.mark.parametrize("name", ["../mine", "", ".mine", "a/b", "/tmp/x"])
def test_a_name_is_no_path(run: Run, tmp_path: Path, tokenizer: Path, corpus: Path, name: str) -> None:
    command = ("data", "tokens", corpus, "--tokenizer", tokenizer, "--out", name)
    assert "cannot be a name" in one_line(run("-w", tmp_path / "w", *command))


def test_bad_sources_are_one_line_in_each_language(run: Run, tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text(" \n")
    for source in ("empty", "blank.txt", "missing"):
        for language in ("en", "zh"):
            command = ("data", "tokens", tmp_path / source, "--tokenizer", tokenizer, "--out", "mine")
            one_line(run("-w", tmp_path / "w", *command, FEILUN_LANG=language))
    few = tmp_path / "few.txt"
    few.write_text("one text")
    made = run("-w", tmp_path / "w", "data", "tokens", few, "--tokenizer", tokenizer, "--out", "mine")
    assert made.returncode == 0
    assert "larger --heldout" in made.stderr
    [ids] = Tokens.open(tmp_path / "w" / "tokens" / "mine").tokens("train")
    assert ids.dtype == np.dtype("<u2")
