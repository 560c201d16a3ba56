"""A corpus from pages: what is kept, why the rest is not, and that a kill changes nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.data.corpora import PHONE, article, files, html, made, recipe
from tests.forks import environment, run_feilun

from feilun.commands.corpus_sources import with_sources
from feilun.data.build import KIND, build, grouped
from feilun.data.decide import Rule
from feilun.data.recipe import CorpusRecipe
from feilun.data.sources import Split
from feilun.data.why import documents, why
from feilun.jobs import Job
from feilun.recipe import read_recipe
from feilun.text import FeilunError
from feilun.workspace import Manifest


def test_each_page_is_kept_or_has_a_reason(pages: Path, tmp_path: Path) -> None:
    corpus = made(recipe(pages), tmp_path)
    figures = Manifest.read(corpus).figures
    kept = {row["id"]: row for row in documents(corpus)}
    dropped = {row["id"]: row for row in documents(corpus, dropped="all")}
    assert figures["read"] == len(list(pages.iterdir())) == len(kept) + len(dropped)
    assert figures["kept"] == len(kept)
    reasons = {id: row["reason"] for id, row in dropped.items()}
    assert reasons["empty.html"] == "empty"
    assert reasons["picture.html"] == "binary"
    assert reasons["short.txt"] == "too_short"
    copies = {id: reason for id, reason in reasons.items() if reason.endswith("_copy")}
    assert len(copies) == 2
    assert {"tea.html", "z-copy.html", "z-near.html"} - copies.keys() < kept.keys()  # the best of the three
    assert {dropped[id]["duplicate_of"] for id in copies} == {
        "pages/" + next(iter({"tea.html", "z-copy.html", "z-near.html"} - copies.keys()))
    }
    assert kept.keys() > {"stove.html", "river.html", "bridge.html", "school.html", "contact.txt"}
    assert Counter(reasons.values()) == Counter(figures["dropped"]) + Counter(figures["failed"])
    text = kept["river.html"]["text"]
    assert "河堤已经用了六十多年" in text
    assert "首页" not in text
    assert "版权所有" not in text
    assert PHONE not in kept["contact.txt"]["text"]
    assert kept["river.html"]["lang"] == "zh"
    page = (corpus / "report.html").read_text(encoding="utf-8")
    assert "near_copy" in page
    assert "http" not in page.replace("http-equiv", "")  # needs nothing from anywhere


def test_more_workers_make_the_same_corpus(pages: Path, tmp_path: Path) -> None:
    one, two = made(recipe(pages), tmp_path / "one"), made(recipe(pages), tmp_path / "two", workers=2)
    assert files(one) == files(two)
    assert Manifest.read(one).id == Manifest.read(two).id


SMALL = """
import os, signal, sys
from feilun.data import build
from feilun.jobs import Job

build.FILES = 2
emit = Job.emit
_, EVENT, STAGE, *rest = sys.argv

def emit_or_die(job, event, **fields):
    emit(job, event, **fields)
    if event == EVENT and fields.get("stage", "") == STAGE and fields.get("step", 3) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

Job.emit = emit_or_die
sys.argv = ["feilun", *rest]
from feilun.cli import main
main()
"""
"""``feilun`` with parts of two files, killed when it tells of an event."""


def in_small_parts(event: str, stage: str, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SMALL, event, stage, *map(str, command)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("event", "stage", "workers"),
    [
        ("step", "refine", 2),
        pytest.param("step", "gather", 1, marks=pytest.mark.slow),
        pytest.param("decided", "", 1, marks=pytest.mark.slow),
    ],
)
def test_killed_it_goes_on_to_the_same_corpus(
    pages: Path, tmp_path: Path, event: str, stage: str, workers: int
) -> None:
    whole = made(recipe(pages), tmp_path / "whole")
    workspace = tmp_path / "workspace"
    (tmp_path / "mine.toml").write_text(
        'kind = "corpus"\nname = "mine"\n[[sources]]\npath = "pages"\n'
        '[[rules]]\nreason = "too_short"\ncolumn = "score.chars.v1"\nmin = 50\n'
    )
    command = ["-w", workspace, "data", "build", tmp_path / "mine.toml", "--workers", str(workers)]
    dead = in_small_parts(event, stage, *command)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert not (workspace / "corpora" / "mine").exists()
    again = in_small_parts("never", "", *command, "--resume")
    assert again.returncode == 0, again.stderr
    corpus = workspace / "corpora" / "mine"
    assert tables(corpus) == tables(whole)  # however the sources are cut into parts
    (job,) = (workspace / "runs").iterdir()
    assert not (job / "work").exists()


def tables(corpus: Path) -> dict[str, str]:
    return {name: hash for name, hash in files(corpus).items() if name.endswith(".parquet")}


@pytest.mark.parametrize("limit", [6_000, pytest.param(15_000, marks=pytest.mark.slow)])
def test_without_room_it_ends_and_goes_on_when_there_is_some(pages: Path, tmp_path: Path, limit: int) -> None:
    """No file may be larger than ``limit`` bytes, which fails like a full disk, in one place or another."""
    script = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    script = f"{script}; from feilun.cli import main; sys.argv = ['feilun', *sys.argv[1:]]; main()"
    command = [
        "-w",
        str(tmp_path / "workspace"),
        "data",
        "build",
        "--source",
        str(pages),
        "--name",
        "full",
        "--workers",
        "1",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", script, *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "A file may not become so large here" in ended.stderr
    assert not (tmp_path / "workspace/corpora/full").exists()
    assert run_feilun(*command, "--resume").returncode == 0
    assert run_feilun(*command[:-3], "whole", "--workers", "1").returncode == 0
    assert tables(tmp_path / "workspace/corpora/full") == tables(tmp_path / "workspace/corpora/whole")


def test_small_files_go_together_and_keep_their_order() -> None:
    sizes = [5, 5, 2**26, 3, 2**25, 2**25, 1]
    splits = [Split("s", "/", f"/{n}", str(n), size=size) for n, size in enumerate(sizes)]
    parts = list(grouped(splits))
    assert [[split.size for split in part] for part in parts] == [[5, 5], [2**26], [3, 2**25], [2**25, 1]]
    assert [len(part) for part in grouped(splits[:1] * 2500)] == [1000, 1000, 500]


def test_nothing_to_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    with pytest.raises(FeilunError, match=r"no file of a known kind in .*pages\. Known: \.html"):
        made(recipe(tmp_path / "pages"), tmp_path)


def test_sources_of_one_name_are_told_apart(pages: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="two are called pages"):
        recipe(pages, tmp_path / "other" / "pages")
    other = tmp_path / "other" / "pages"
    other.mkdir(parents=True)
    (other / "river.html").write_text(html("果园", article("果园", "镇上的果农")), encoding="utf-8")
    workspace = tmp_path / "workspace"
    done = run_feilun(
        "-w",
        workspace,
        "data",
        "build",
        "--source",
        pages,
        "--source",
        other,
        "--name",
        "two",
        "--workers",
        "1",
    )
    assert done.returncode == 0, done.stderr
    kept = {(row["source"], row["id"]) for row in documents(workspace / "corpora" / "two")}
    assert {(str(pages), "river.html"), (str(other), "river.html")} <= kept


def test_sources_that_changed_are_not_mixed(pages: Path, tmp_path: Path) -> None:
    wanted = recipe(pages)
    job = Job.create(tmp_path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        job.stop()
        assert build(wanted, job, tmp_path / "corpus") is None
    (pages / "more.txt").write_text("又来了一篇。")
    with job.running(), pytest.raises(FeilunError, match="changed since"):
        build(wanted, job, tmp_path / "corpus")


def test_a_file_of_the_same_size_that_changed_is_another(pages: Path, tmp_path: Path) -> None:
    wanted, file = recipe(pages), pages / "contact.txt"
    job = Job.create(tmp_path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        job.stop()
        assert build(wanted, job, tmp_path / "corpus") is None
    file.write_text(file.read_text("utf-8").replace("水塔", "水库"), encoding="utf-8")
    with job.running(), pytest.raises(FeilunError, match="changed since"):
        build(wanted, job, tmp_path / "corpus")


def test_a_build_goes_on_by_the_recipe_that_it_began_with(pages: Path, tmp_path: Path) -> None:
    wanted = with_sources(CorpusRecipe(kind="corpus", name="x"), pages, [str(pages)])
    job = Job.create(tmp_path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        job.stop()
        assert build(wanted, job, tmp_path / "corpus") is None
    other = wanted.model_copy(update={"rules": [Rule(reason="short", column="score.units.v1", min=50)]})
    with job.running(), pytest.raises(FeilunError, match="or the recipe have changed since"):
        build(other, job, tmp_path / "corpus")
    with job.running():
        assert build(wanted, job, tmp_path / "corpus") == tmp_path / "corpus"


def test_what_is_resumed_has_the_recipe_it_was_begun_with(pages: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    rule = '[[rules]]\nreason = "short"\ncolumn = "score.units.v1"\nmin = MIN\n'
    said = f'kind = "corpus"\nname = "mine"\n[[sources]]\npath = "{pages}"\n{rule}'
    path.write_text(said.replace("MIN", "50"))
    workspace = tmp_path / "workspace"
    wanted = with_sources(read_recipe(path, CorpusRecipe), tmp_path, [])
    job = Job.create(workspace / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    command = ("-w", workspace, "data", "build", path, "--resume", "--workers", "1")
    path.write_text(said.replace("MIN", "5000"))
    refused = run_feilun(*command)
    assert refused.returncode == 1
    assert f"{job.id} was begun with another recipe: rules." in refused.stderr
    path.write_text(said.replace("MIN", "50"))
    done = run_feilun(*command)
    assert (done.returncode, job.state) == (0, "finished"), done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([""], "names no file or folder"),
        (["web="], "names no file or folder"),
        (["wbe=PAGES"], "wbe=PAGES names no source of this recipe. There are: books, web"),
        (["web=PAGES", "PAGES"], "PAGES names no source of this recipe"),
        (["web=PAGES", "web=PAGES"], "web=... is given twice"),
    ],
)
def test_sources_that_are_misnamed_are_told(pages: Path, given: list[str], said: str) -> None:
    wanted = CorpusRecipe.model_validate(
        {"kind": "corpus", "name": "x", "sources": [{"name": "web"}, {"name": "books"}]}
    )
    with pytest.raises(FeilunError, match=re.escape(said.replace("PAGES", str(pages)))):
        with_sources(wanted, pages, [one.replace("PAGES", str(pages)) for one in given])


def test_a_folder_named_twice_is_one_source(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pages.parent)
    wanted = with_sources(CorpusRecipe(kind="corpus", name="x"), pages, ["pages", "./pages", str(pages)])
    assert [one.path for one in wanted.sources] == [str(pages)]


def test_a_rule_of_a_source_that_is_none_is_refused(pages: Path) -> None:
    rule = {"reason": "odd", "column": "score.units.v1", "min": 1, "source": "pagse"}
    with pytest.raises(FeilunError, match="for the source pagse, which is none of the recipe's: pages"):
        with_sources(recipe(pages, rules=[rule]), pages, [])


def test_a_document_tells_its_way(pages: Path, tmp_path: Path) -> None:
    corpus = made(recipe(pages), tmp_path)
    trace = why(corpus, "contact.txt")
    assert [found.kind for found in trace.refined.masked] == ["mobile"]
    assert trace.refined.text == trace.row["text"]
    assert {name: pytest.approx(value, nan_ok=True) for name, value in trace.refined.scores.items()} == {
        name: value for name, value in trace.row.items() if name.startswith("score.")
    }
    short = why(corpus, "pages/short.txt")
    assert (short.row["reason"], short.broken) == ("too_short", ["too_short"])
    with pytest.raises(FeilunError, match="no document"):
        why(corpus, "nowhere")


def test_on_the_command_line(pages: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    done = run_feilun("-w", workspace, "data", "build", "--source", pages, "--name", "mine", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "near_copy" in done.stdout
    told = run_feilun("-w", workspace, "data", "why", "mine", "contact.txt")
    assert "masked: mobile" in told.stdout
    shown = run_feilun("-w", workspace, "data", "sample", "mine", "--dropped", "all", "--json", "-n", "50")
    assert "binary" in {json.loads(line)["reason"] for line in shown.stdout.splitlines()}
    nothing = run_feilun("-w", workspace, "data", "why", "mine", "nowhere", FEILUN_LANG="zh")
    assert (nothing.returncode, "没有文档 nowhere" in nothing.stderr) == (1, True)
    no_source = run_feilun("-w", workspace, "data", "build")
    assert "give --source" in no_source.stderr
