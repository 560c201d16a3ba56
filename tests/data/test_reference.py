"""A recipe's own quality classifier and its mixture: GPT-3's, on pages that are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tests.data.corpora import made
from tests.forks import run_feilun

from feilun.data.corpus import CLASSIFIER
from feilun.data.labelled import pages
from feilun.data.recipe import CorpusRecipe
from feilun.data.score import Classifier
from feilun.data.why import documents, why
from feilun.recipe import read_recipe, shipped
from feilun.text import FeilunError
from feilun.workspace import Manifest

KINDS = {"web": ("spam", "gambling", "doubled"), "wikipedia": ("clean",)}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Pages to be filtered, and good ones of other topics to compare with."""
    found = {name: tmp_path / name for name in KINDS}
    for name, folder in found.items():
        folder.mkdir()
        for page in pages(3):
            if page.kind in KINDS[name]:
                (folder / f"{page.kind}-{page.id.replace('/', '-')}.txt").write_text(
                    page.text, encoding="utf-8"
                )
    return found


def mixed(folders: dict[str, Path], **more: object) -> CorpusRecipe:
    weights = {"web": 60, "wikipedia": 3}
    table = {
        "kind": "corpus",
        "name": "mixed",
        "sources": [
            {"name": name, "path": str(path), "weight": weights[name]} for name, path in folders.items()
        ],
        "quality": {"reference": ["wikipedia"]},
        "rules": [{"reason": "quality", "column": "score.quality.v1", "source": "web", "pareto": 1}],
    }
    return CorpusRecipe.model_validate(table | more)


def test_the_classifier_and_the_mixture_are_of_the_corpus(folders: dict[str, Path], tmp_path: Path) -> None:
    corpus = made(mixed(folders), tmp_path)
    figures = Manifest.read(corpus).figures
    assert figures["quality"]["auc"] > 0.8
    rows = list(documents(corpus)) + list(documents(corpus, dropped="quality"))
    model = Classifier.load(corpus / CLASSIFIER)
    row = rows[0]
    assert model.score(row["text"]) == pytest.approx(row["score.quality.v1"], abs=1e-6)
    assert why(corpus, f"{row['source']}/{row['id']}").refined.scores["score.quality.v1"] == pytest.approx(
        row["score.quality.v1"], abs=1e-6
    )
    assert {row["source"] for row in documents(corpus, dropped="quality")} == {"web"}
    sources = figures["sources"]
    read = {name: one["units"] * one["epochs"] for name, one in sources.items()}
    assert read["web"] / read["wikipedia"] == pytest.approx(20, rel=0.01)
    assert max(one["epochs"] for one in sources.values()) == pytest.approx(3.4)
    times = np.mean([row["times"] for row in documents(corpus) if row["source"] == "web"])
    assert times == pytest.approx(sources["web"]["epochs"], abs=0.25)


@pytest.mark.slow
def test_more_workers_learn_the_same_classifier(folders: dict[str, Path], tmp_path: Path) -> None:
    one, two = made(mixed(folders), tmp_path / "1"), made(mixed(folders), tmp_path / "2", workers=2)
    assert (one / CLASSIFIER).read_bytes() == (two / CLASSIFIER).read_bytes()
    assert Manifest.read(one).id == Manifest.read(two).id


def test_a_reference_may_lie_beside_the_sources(folders: dict[str, Path], tmp_path: Path) -> None:
    web = {"web": folders["web"]}
    corpus = made(mixed(web, quality={"reference": [str(folders["wikipedia"])]}), tmp_path)
    assert Manifest.read(corpus).figures["quality"]["auc"] > 0.8
    assert {row["source"] for row in documents(corpus)} == {"web"}


def test_an_unknown_raw_source_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FeilunError, match="names crawl, which is no source"):
        made(mixed(folders, quality={"reference": ["wikipedia"], "raw": ["crawl"]}), tmp_path)


def test_all_sources_have_weights_or_none(folders: dict[str, Path]) -> None:
    sources = [{"path": "a", "weight": 1}, {"path": "b"}]
    with pytest.raises(ValidationError, match="weight to all sources, or to none"):
        mixed(folders, sources=sources)


def test_the_mixture_of_gpt3_from_the_command_line(folders: dict[str, Path], tmp_path: Path) -> None:
    recipe = shipped("data/gpt3-mix.toml")
    given = [part for name, path in folders.items() for part in ("--source", f"{name}={path}")]
    done = run_feilun("-w", tmp_path / "workspace", "data", "build", recipe, *given, "--workers", "1")
    assert done.returncode == 0, done.stderr
    figures = Manifest.read(tmp_path / "workspace" / "corpora" / "gpt3-mix").figures
    assert set(figures["sources"]) == set(folders)
    alone = run_feilun(
        "-w", tmp_path / "workspace", "data", "build", recipe, "--source", f"web={folders['web']}"
    )
    assert alone.returncode == 1
    assert "needs a reference: give one of webtext, books1, wikipedia" in alone.stderr
    unnamed = run_feilun("-w", tmp_path / "workspace", "data", "build", recipe, *given, "--source", "x")
    assert "--source x names no source of this recipe" in unnamed.stderr


def test_recipes_that_come_with_feilun_are_read() -> None:
    for name in ("web", "docs", "gpt3-mix"):
        assert read_recipe(shipped(f"data/{name}.toml"), CorpusRecipe).name == name
