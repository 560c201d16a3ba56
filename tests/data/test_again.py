"""Deciding again: the same recipe gives the same bytes, another one what a build with it would have given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.data.corpora import made, recipe
from tests.forks import run_feilun

from feilun.data import again as deciding
from feilun.data.again import DECIDE, changed, decide_again
from feilun.data.corpus import recipe_of
from feilun.data.recipe import CorpusRecipe
from feilun.data.why import documents
from feilun.data.workers import local
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import Manifest

STRICT: dict[str, Any] = {
    "rules": [{"reason": "short", "column": "score.chars.v1", "min": 270}],
    "dedup": {"near": 0.99, "passages": 2},
    "seed": 3,
}


def again(
    corpus: Path, wanted: CorpusRecipe, folder: Path, *, workers: int = 1, rescore: bool = False
) -> Path:
    job = Job.create(folder / "runs", DECIDE, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        found = decide_again(corpus, wanted, job, folder / "corpus", local(workers), rescore=rescore)
    assert found is not None
    assert not (job.folder / "work").exists()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "artifact.json"}


@pytest.mark.parametrize("rescore", [False, True])
@pytest.mark.parametrize("more", [{}, STRICT])
def test_the_same_recipe_gives_the_same_corpus(
    pages: Path,
    tmp_path: Path,
    more: dict[str, Any],
    rescore: bool,
) -> None:
    corpus = made(recipe(pages, **more), tmp_path)
    found = again(corpus, recipe_of(corpus), tmp_path / "again", rescore=rescore, workers=2 if rescore else 1)
    assert files(found) == files(corpus)
    assert Manifest.read(found).id == Manifest.read(corpus).id


def test_another_recipe_gives_what_a_build_with_it_would_give(pages: Path, tmp_path: Path) -> None:
    corpus = made(recipe(pages), tmp_path / "loose")
    wanted = made(recipe(pages, **STRICT), tmp_path / "strict")
    back = tmp_path / "back"
    found = again(corpus, changed(recipe_of(corpus), recipe(**STRICT)), tmp_path / "again")
    assert files(found) == files(wanted)
    assert files(again(found, recipe_of(corpus), back)) == files(corpus)


def test_in_the_place_of_the_old_one(pages: Path, tmp_path: Path) -> None:
    workspace, rules = tmp_path / "workspace", tmp_path / "strict.toml"
    built = run_feilun(
        "-w", workspace, "data", "build", "--source", pages, "--name", "mine", "--workers", "1"
    )
    assert built.returncode == 0, built.stderr
    corpus = workspace / "corpora" / "mine"
    before = Manifest.read(corpus)
    rules.write_text(
        'kind = "corpus"\nname = "any"\n[[rules]]\nreason = "none"\ncolumn = "score.chars.v1"\nmax = 1\n'
    )
    done = run_feilun("-w", workspace, "data", "decide", "mine", rules, "--name", "none", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert Manifest.read(workspace / "corpora" / "none").figures["kept"] == 0
    assert Manifest.read(corpus) == before
    rescored = run_feilun("-w", workspace, "data", "rescore", "mine", "--workers", "1")
    assert rescored.returncode == 0, rescored.stderr
    assert Manifest.read(corpus).id == before.id
    for verb in ("decide", "rescore"):
        done = run_feilun("-w", workspace, "data", verb, "gone", rules)
        assert "There is no corpus gone" in done.stderr


def test_epochs_of_a_source_are_decided_again(pages: Path, tmp_path: Path) -> None:
    corpus = made(recipe(pages), tmp_path)
    more = recipe(pages)
    more.sources[0].epochs = 2
    found = again(corpus, changed(recipe_of(corpus), more), tmp_path / "again")
    assert {row["times"] for row in documents(found)} == {2}


@pytest.mark.parametrize("part", [{"lines": {"least": 9}}, {"mask": []}, {"decontaminate": [{"path": "x"}]}])
def test_what_needs_the_pages_is_refused(part: dict[str, Any], pages: Path) -> None:
    with pytest.raises(FeilunError, match=f"another .{next(iter(part))}. than"):
        changed(recipe(pages), recipe(pages, **part))


def test_stopped_it_goes_on_where_it_was(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "ROWS", 4)
    corpus = made(recipe(pages), tmp_path)
    wanted = changed(recipe_of(corpus), recipe(pages, **STRICT))
    whole = again(corpus, wanted, tmp_path / "whole")
    job = Job.create(tmp_path / "runs", DECIDE, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        job.stop()
        assert decide_again(corpus, wanted, job, tmp_path / "out", local(1)) is None
    assert len(list((job.folder / "work" / "refined").iterdir())) == 1
    before = files(corpus)
    with job.running():
        assert decide_again(corpus, wanted, job, tmp_path / "out", local(1)) == tmp_path / "out"
    assert files(tmp_path / "out") == files(whole)
    with job.running():  # killed while it tidied up
        assert decide_again(corpus, wanted, job, tmp_path / "out", local(1)) == tmp_path / "out"
    assert files(corpus) == before


def test_of_a_corpus_that_has_changed_nothing_is_mixed(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "ROWS", 4)
    corpus = made(recipe(pages), tmp_path)
    wanted = recipe_of(corpus)
    job = Job.create(tmp_path / "runs", DECIDE, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        job.stop()
        assert decide_again(corpus, wanted, job, tmp_path / "out", local(1)) is None
    (pages / "more.txt").write_text("又来了一篇，讲的是另一件事。" * 20)
    made(recipe(pages), tmp_path)
    with job.running(), pytest.raises(FeilunError, match="has changed since"):
        decide_again(corpus, wanted, job, tmp_path / "out", local(1))


def test_the_command_goes_on_as_well(pages: Path, tmp_path: Path) -> None:
    workspace, rules = tmp_path / "workspace", tmp_path / "strict.toml"
    made_first = run_feilun(
        "-w", workspace, "data", "build", "--source", pages, "--name", "mine", "--workers", "1"
    )
    assert made_first.returncode == 0, made_first.stderr
    rules.write_text(
        'kind = "corpus"\nname = "strict"\n[[rules]]\nreason = "short"\ncolumn = "score.chars.v1"\nmin = 270\n'
    )
    nothing = run_feilun("-w", workspace, "data", "decide", "mine", rules, "--resume")
    assert "no unfinished job" in nothing.stderr
    wanted = changed(recipe_of(workspace / "corpora" / "mine"), CorpusRecipe.model_validate({
        "kind": "corpus", "name": "strict", "rules": [{"reason": "short", "column": "score.chars.v1", "min": 270}],
    }))  # fmt: skip
    Job.create(workspace / "runs", DECIDE, "mine", wanted.model_dump(mode="json"))
    done = run_feilun("-w", workspace, "data", "decide", "mine", rules, "--resume", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "short" in Manifest.read(workspace / "corpora" / "mine").figures["dropped"]
