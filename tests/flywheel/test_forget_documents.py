"""Forgetting a document: real corpora, real token shards, models of a few bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.data.corpora import TOPICS, article, html
from tests.data.corpora import recipe as recipe_for
from tests.flywheel.lineage_world import World

from feilun.data import forget as forgetting
from feilun.data.build import KIND, build
from feilun.data.forgotten import FILE, read_forgotten
from feilun.data.read import read_texts
from feilun.data.recipe import CorpusRecipe
from feilun.data.tokens import Tokens, write_tokens
from feilun.data.why import documents
from feilun.flywheel.lineage_forget import forget, plan
from feilun.jobs import Job
from feilun.registry import Release
from feilun.text import FeilunError
from feilun.workspace import Manifest, new_artifact, sha256_file

SECRET = "钥匙藏在灶台左边第三块砖的后面"


def recipe(*sources: Path, **more: object) -> CorpusRecipe:
    """Of copies the longest is kept, which is the one with the secret."""
    return recipe_for(*sources, **{"dedup": {"by": "score.chars.v1"}, **more})


class Letters:
    """A tokenizer of code points."""

    vocab_size = 2**17
    eos_id = 0
    fingerprint = "sha256:1e77e5"

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [list(map(ord, text)) for text in texts]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Five articles as pages, one of them with a secret; a copy of it, nearly; and records with addresses."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, (thing, who) in TOPICS.items():
        lines = [*article(thing, who), *([f"{SECRET}，这是{who}的约定。"] if name == "stove" else [])]
        (folder / f"{name}.html").write_text(html(thing, lines))
    (folder / "again.html").write_text(html("铁炉", [*article(*TOPICS["stove"]), "以上内容由读者提供。"]))
    rows = [
        {"id": f"r{n}", "url": f"https://example.com/{n}", "text": "\n".join(article(f"{n}号井", f"{n}村"))}
        for n in ("甲", "乙")
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def corpus_of(world: World, wanted: CorpusRecipe) -> Path:
    folder = world.workspace.path
    job = Job.create(folder / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        made = build(wanted, job, folder / "corpora" / wanted.name, None, read_forgotten(folder))
    assert made is not None
    return made


def tokens_of(world: World, corpus: Path, name: str = "mine") -> Path:
    folder = world.workspace.path / "tokens" / name
    write_tokens(
        folder, read_texts(corpus), Letters(), heldout=0, parents=[Manifest.read(corpus).id], recipe={}
    )
    return folder


def model_of(world: World, tokens: Path) -> Path:
    """A base model, which serves as ``ours``."""
    folder = world.workspace.path / "models" / "ours"
    folder.parent.mkdir(exist_ok=True)
    with new_artifact(folder) as draft:
        (draft / "ours.gguf").write_bytes(b"weights")
        weights = sha256_file(draft / "ours.gguf")
        parents = [Manifest.read(tokens).id]
        Manifest(kind="model", id=weights, name="ours", parents=parents, files={"ours.gguf": weights}).write(
            draft
        )
    world.registry.add(Release(name="ours", source=f"file:{folder}/ours.gguf", sha256=weights))
    return folder


def ids(corpus: Path) -> set[str]:
    rows = [*documents(corpus), *documents(corpus, dropped="all")]
    return {row["id"] for row in rows}


def test_a_document_leaves_everything_that_is_made_of_it(world: World, pages: Path) -> None:
    corpus = corpus_of(world, recipe(pages))
    before = Manifest.read(corpus)
    tokens = tokens_of(world, corpus)
    model = model_of(world, tokens)
    (pages / "stove.html").unlink()  # the source is the user's; what is looked at below is all else
    assert any(SECRET in row["text"] for row in [*documents(corpus), *documents(corpus, dropped="all")])

    made = plan(world.workspace, world.store, document="stove.html")
    assert [(one.source, one.id, one.kept) for one in made.copies.held] == [("pages", "stove.html", True)]
    assert made.copies.alike == ["pages/again.html"]
    assert made.copies.shards == [tokens]
    assert [node.name for node in made.artifacts] == ["tokens/mine", "models/ours"]
    assert [node.name for node in made.releases] == ["ours"]
    assert [one.model for one in made.serving] == ["ours"]

    _, left = forget(world.workspace, world.store, document="stove.html")
    assert left == [corpus / "report.html"]  # which shows its near copy
    assert not world.holding(SECRET)
    assert "stove.html" not in ids(corpus)
    after = Manifest.read(corpus)
    assert after.figures["read"] == before.figures["read"]
    assert after.figures["dropped"]["forgotten"] == 1
    assert "已按要求忘记" in (corpus / "report.html").read_text()
    assert not list(tokens.glob("*.bin"))
    with pytest.raises(FeilunError, match="make the token shards again"):
        Tokens.open(tokens)
    for folder in (tokens, model):
        assert "stove.html" in (folder / "tainted.json").read_text()
    assert not (corpus / "tainted.json").exists()
    assert (model / "ours.gguf").exists()
    with pytest.raises(FeilunError, match="Nothing here"):
        plan(world.workspace, world.store, document="stove.html")


def test_later_builds_leave_it_out(world: World, pages: Path) -> None:
    """And end with the same bytes as the corpus that it was taken from."""
    corpus = corpus_of(world, recipe(pages))
    forget(world.workspace, world.store, document="pages/river.html")
    forget(world.workspace, world.store, document="https://example.com/甲")
    cut = Manifest.read(corpus)
    assert "river" not in (world.workspace.path / FILE).read_text()
    again = corpus_of(world, recipe(pages, name="again"))
    assert {path.name: path.read_bytes() for path in again.glob("*.parquet")} == {
        path.name: path.read_bytes() for path in corpus.glob("*.parquet")
    }
    assert Manifest.read(again).figures["dropped"] == cut.figures["dropped"]
    assert cut.figures["dropped"]["forgotten"] == 2
    kept = {row["id"] for row in documents(again)}
    assert {"rows.jsonl#r乙", "tea.html"} <= kept
    (pages.parent / "elsewhere").mkdir()
    moved = pages.parent / "elsewhere" / "rows.jsonl"
    moved.write_bytes((pages / "rows.jsonl").read_bytes())
    assert {row["id"] for row in documents(corpus_of(world, recipe(moved, name="moved")))} == {"r乙"}


@pytest.mark.parametrize(
    ("document", "gone"),
    [
        ("rows.jsonl#r甲", {"rows.jsonl#r甲"}),
        ("pages/rows.jsonl#r甲", {"rows.jsonl#r甲"}),
        ("https://example.com/乙", {"rows.jsonl#r乙"}),
        ("{pages}/rows.jsonl", {"rows.jsonl#r甲", "rows.jsonl#r乙"}),
        ("{pages}/tea.html", {"tea.html"}),
    ],
)
def test_how_a_document_is_named(world: World, pages: Path, document: str, gone: set[str]) -> None:
    corpus = corpus_of(world, recipe(pages))
    before = ids(corpus)
    forget(world.workspace, world.store, document=document.format(pages=pages))
    assert before - ids(corpus) == gone


def test_a_folder_is_all_that_is_in_it(world: World, pages: Path) -> None:
    corpus = corpus_of(world, recipe(pages))
    _, left = forget(world.workspace, world.store, document=str(pages))
    assert left == []
    assert Manifest.read(corpus).figures["kept"] == 0
    assert all(one.startswith("forgotten-") for one in ids(corpus))


def test_what_was_dropped_has_taught_nothing(world: World, pages: Path) -> None:
    (pages / "short.html").write_text(html("短", ["很短的一段文字，没有别的内容。"]))
    corpus = corpus_of(world, recipe(pages))
    tokens = tokens_of(world, corpus)
    assert "short.html" in {row["id"] for row in documents(corpus, dropped="all")}
    made = plan(world.workspace, world.store, document="short.html")
    assert [one.kept for one in made.copies.held] == [False]
    assert (made.artifacts, made.copies.shards) == ([], [])
    forget(world.workspace, world.store, document="short.html")
    assert "short.html" not in ids(corpus)
    assert not (tokens / "tainted.json").exists()
    assert Tokens.open(tokens)


def test_what_was_made_of_a_corpus_before_it_was_decided_again_is_found(world: World, pages: Path) -> None:
    corpus = corpus_of(world, recipe(pages))
    tokens_of(world, corpus)
    forget(world.workspace, world.store, document="tea.html")  # which makes another corpus of it
    again = tokens_of(world, corpus, "again")
    made = plan(world.workspace, world.store, document="bridge.html")
    assert {node.name for node in made.artifacts} == {"tokens/mine", "tokens/again"}
    assert made.copies.shards == [again]  # those of the first are gone


def test_an_id_is_no_path_of_the_folder_one_stands_in(
    world: World, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made of all texts of a folder is not made of what a corpus calls so."""
    corpus_of(world, recipe(pages))
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("一篇别的文字。\n" * 9, encoding="utf-8")
    direct = world.workspace.path / "tokens" / "direct"
    write_tokens(direct, read_texts(texts), Letters(), heldout=0, recipe={"sources": [str(texts)]})
    monkeypatch.chdir(texts)
    assert plan(world.workspace, world.store, document="tea.html").copies.shards == []
    assert plan(world.workspace, world.store, document="a.txt").copies.shards == [direct]


def test_a_name_that_means_several_is_refused(world: World, pages: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "tea.html").write_bytes((pages / "school.html").read_bytes())
    corpus = corpus_of(world, recipe(pages, other))
    before = Manifest.read(corpus).id
    with pytest.raises(FeilunError, match=r"other/tea\.html, pages/tea\.html") as refused:
        forget(world.workspace, world.store, document="tea.html")
    assert refused.value.status == 409
    assert Manifest.read(corpus).id == before
    forget(world.workspace, world.store, document="pages/tea.html")
    assert "tea.html" in ids(corpus)


def test_a_build_that_was_killed_begins_anew_without_it(
    world: World, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(pages)
    folder = world.workspace.path
    job = Job.create(folder / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr("feilun.data.build.write_corpus", die)
        with pytest.raises(KeyboardInterrupt), job.running():
            build(wanted, job, folder / "corpora" / "tiny")
    assert (job.folder / "work" / "pages").exists()
    with job.running(), pytest.raises(FeilunError, match="Stop it first"):
        forget(world.workspace, world.store, document=str(pages / "tea.html"))
    made, _ = forget(world.workspace, world.store, document=str(pages / "tea.html"))
    assert made.copies.builds == [job.folder / "work"]
    assert not (job.folder / "work").exists()
    with job.running():
        corpus = build(wanted, job, folder / "corpora" / "tiny", None, read_forgotten(folder))
    assert corpus is not None
    assert Manifest.read(corpus).figures["dropped"]["forgotten"] == 1


def test_killed_it_is_done_again(world: World, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = corpus_of(world, recipe(pages, name="first"))
    second = corpus_of(world, recipe(pages, name="second"))
    tokens = tokens_of(world, first)
    whole, calls = forgetting.decide_again, 0

    def die_at_the_second(*arguments: Any, **named: Any) -> Path | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return whole(*arguments, **named)

    with monkeypatch.context() as killing:
        killing.setattr(forgetting, "decide_again", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            forget(world.workspace, world.store, document="stove.html")
    assert not list(tokens.glob("*.bin"))
    assert ("stove.html" in ids(first), "stove.html" in ids(second)) == (False, True)
    forget(world.workspace, world.store, document="stove.html")
    assert "stove.html" not in ids(second)
