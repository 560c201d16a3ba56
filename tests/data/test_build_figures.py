"""What a build tells besides its documents, and what it refuses before it reads a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.data.corpora import PHONE, article, html, made, recipe

import feilun
from feilun.data.build import KIND, build
from feilun.data.corpus import SIZES
from feilun.data.page import gather
from feilun.data.sources import Raw
from feilun.data.why import documents, why
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest

QUESTION = "某工厂有甲乙两条流水线，甲线每小时生产零件四十个，乙线每小时生产零件五十五个，两线同时开工六小时共生产多少个？"
TRADITIONAL = "某工廠有甲乙兩條流水線，甲線每小時生產零件四十個，乙線每小時生產零件五十五個，兩線同時開工六小時共生產多少個？"
TEXT = "\n".join(article("水井", "村里的老木匠"))


def rows(path: Path, some: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some), encoding="utf-8")


def test_the_report_tells_what_was_not_read_and_why(pages: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json", "LICENSE", "c.doc"):
        (pages / name).write_text("{}")
    (pages / "linked").symlink_to(tmp_path)
    corpus = made(recipe(pages), tmp_path / "made")
    figures = Manifest.read(corpus).figures
    assert figures["passed_over"] == {"": 1, ".doc": 1, ".json": 2, "link to a folder": 1}
    faults = {one["id"]: one for one in figures["faults"]}
    assert faults["pages/picture.html"]["reason"] == "binary"
    page = (corpus / "report.html").read_text(encoding="utf-8")
    for said in (
        ".json",
        "文件夹链接",
        faults["pages/picture.html"]["zh"],
        faults["pages/picture.html"]["en"],
    ):
        assert said in page


def test_what_was_found_of_evaluation_sets_is_told(tmp_path: Path) -> None:
    """Whichever way its characters are written."""
    source, questions = tmp_path / "pages", tmp_path / "exam.jsonl"
    source.mkdir()
    for name, question in (("one", QUESTION), ("two", TRADITIONAL), ("three", "")):
        (source / f"{name}.txt").write_text(
            f"{TEXT}\n{question}" if question else TEXT.replace("水井", "磨坊")
        )
    rows(questions, [{"id": "q1", "question": QUESTION}, {"id": "q2", "question": "谁写的？"}])
    corpus = made(recipe(source, decontaminate=[{"path": str(questions)}]), tmp_path)
    assert Manifest.read(corpus).figures["sets"] == {"exam.jsonl": {"items": 2, "short": 1, "documents": 2}}
    assert {row["id"]: row["reason"] for row in documents(corpus, dropped="all")} == {
        "one.txt": "contaminated",
        "two.txt": "contaminated",
    }
    assert "exam.jsonl" in (corpus / "report.html").read_text(encoding="utf-8")


def test_files_that_count_their_records_alike_keep_them_apart(tmp_path: Path) -> None:
    source = tmp_path / "pages"
    for name in ("a", "b"):
        (source / name).mkdir(parents=True)
        rows(source / name / "part.jsonl", [{"id": n, "text": f"{TEXT}{name}{n}"} for n in range(3)])
    corpus = made(recipe(source, dedup={"near": 1}), tmp_path)
    ids = [row["id"] for row in documents(corpus)]
    assert ids == [f"{name}/part.jsonl#{n}" for name in ("a", "b") for n in range(3)]
    assert why(corpus, "b/part.jsonl#1").refined.text.endswith("b1")
    alone = made(recipe(source / "a" / "part.jsonl", dedup={"near": 1}), tmp_path / "alone")
    assert [row["id"] for row in documents(alone)] == ["0", "1", "2"]


def test_texts_with_an_address_have_a_site_and_its_lines_go(tmp_path: Path) -> None:
    source, line = tmp_path / "pages.jsonl", "本频道每周二更新，敬请留意"
    parts = [article(f"{n}号院", f"第{n}组的工人") for n in range(12)]
    rows(
        source,
        [{"text": "\n".join([line, *one]), "url": f"https://www.site.cn/{n}"} for n, one in enumerate(parts)],
    )
    corpus = made(recipe(source, dedup={"near": 1}), tmp_path)
    found = list(documents(corpus))
    assert {row["site"] for row in found} == {"site.cn"}
    assert len(found) == 12
    assert not any(line in row["text"] for row in found)


def test_a_page_that_is_gone_is_told_from_one_without_text(tmp_path: Path) -> None:
    source = tmp_path / "pages"
    source.mkdir()
    (source / "gone.html").write_text(html("404", ["抱歉，您访问的页面不存在", "页面将在5秒后自动跳转"]))
    (source / "here.html").write_text(html("水井", article("水井", "村里的老木匠")))
    corpus = made(recipe(source), tmp_path)
    assert {row["id"]: row["reason"] for row in documents(corpus, dropped="all")} == {"gone.html": "soft404"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rules": [{"reason": "odd", "column": "score.nothing.v1", "min": 1}]}, "score.nothing.v1"),
        ({"decontaminate": [{"path": "/nowhere/exam.jsonl"}]}, "/nowhere/exam.jsonl"),
        ({"dedup": {"by": "score.qualty.v1"}}, "dedup.by asks for score.qualty.v1"),
        ({"quality": {"reference": ["/nowhere"], "raw": ["else"]}}, "names else"),
    ],
)
def test_a_wrong_recipe_is_told_before_the_first_page(
    pages: Path, tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    wanted = recipe(pages, **wrong)
    job = Job.create(tmp_path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running(), pytest.raises(FeilunError, match=re.escape(said)):
        build(wanted, job, tmp_path / "corpus")
    assert job.last("stage") is None


def test_an_evaluation_set_of_which_nothing_is_read_is_refused(pages: Path, tmp_path: Path) -> None:
    rows(tmp_path / "exam.jsonl", [{"question": QUESTION}])
    wanted = recipe(pages, decontaminate=[{"path": str(tmp_path / "exam.jsonl"), "fields": ["questoin"]}])
    with pytest.raises(FeilunError, match="no text in questoin"):
        made(wanted, tmp_path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"fields": {"txt": "text"}}, "'txt' is none of html, text, title"),
        ({"epochs": float("inf")}, "less than or equal to 1000"),
        ({"weight": float("inf")}, "finite"),
    ],
)
def test_a_source_that_cannot_be_read_so_is_refused(pages: Path, source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        recipe(sources=[{"path": str(pages), **source}])


def test_masked_data_stands_nowhere_in_a_corpus(pages: Path, tmp_path: Path) -> None:
    """Neither in what is shown of the text before its repairs, nor in what is dropped before it is masked."""
    words = ["公告 。。 请致电", f"工程队的电话是{PHONE}，邮箱是gongcheng@shuita.cn。。"]
    (pages / "mended.txt").write_text("\n".join([*article("井台", "水务所"), *words]), encoding="utf-8")
    links = "".join(f"<li><a href='/{n}'>第{n}号报道：各地新闻摘要</a></li>" for n in range(60))
    (pages / "list.html").write_text(
        f"<html><head><title>通讯录 {PHONE}</title></head><body><ul>{links}</ul></body></html>",
        encoding="utf-8",
    )
    corpus = made(recipe(pages), tmp_path)
    (listed,) = (row for row in documents(corpus, dropped="all") if row["id"] == "list.html")
    assert listed["reason"] in ("list_page", "no_text")
    for row in [*documents(corpus), *documents(corpus, dropped="all")]:
        assert PHONE not in row["text"] + row["title"]
    shown = (corpus / "samples.json").read_text(encoding="utf-8")
    assert "mended.txt" in shown
    for path in (corpus / "samples.json", corpus / "report.html"):
        content = path.read_text(encoding="utf-8")
        assert PHONE not in content
        assert "gongcheng@" not in content


def test_a_mixture_counts_what_is_left_after_passages_are_cut(tmp_path: Path) -> None:
    """And of what is left, what is too short for the recipe is dropped."""
    source = tmp_path / "pages"
    source.mkdir()
    common = "".join(article("水井", "村里的老木匠"))
    for n in range(6):
        own = "\n".join(article(f"{n}号渡口", f"第{n}组的船工"))
        (source / f"whole{n}.txt").write_text(f"{own}\n{common}", encoding="utf-8")
        (source / f"stub{n}.txt").write_text(f"{common}\n落款{n}。", encoding="utf-8")
    rules = [{"reason": "too_short", "column": "score.units.v1", "min": 50}]
    corpus = made(recipe(source, dedup={"near": 1, "passages": 3}, rules=rules), tmp_path)
    figures = Manifest.read(corpus).figures
    kept = list(documents(corpus))
    counted = figures["sources"]["pages"]
    assert counted["kept"] == figures["kept"] == len(kept)
    assert counted["units"] == sum(round(SIZES["score.units.v1"](row["text"])) for row in kept)
    assert all(len(row["text"]) > 50 for row in kept)
    assert figures["dropped"]["only_passages"] >= 5
    names = {f"pages/{row['id']}" for row in kept}
    assert {one["kept"] for one in figures["copies"]} <= names


def test_every_id_is_there_once(tmp_path: Path) -> None:
    source = tmp_path / "pages"
    source.mkdir()
    ids = ["x", "x", "x~2", "x", "y", "x~1"]
    some = [{"id": id, "text": "\n".join(article(f"{n}号院", f"第{n}组"))} for n, id in enumerate(ids)]
    rows(source / "dup.jsonl", some)
    corpus = made(recipe(source, dedup={"near": 1}), tmp_path)
    found = [row["id"] for row in documents(corpus)]
    assert len(set(found)) == len(ids)
    assert found[0] == "dup.jsonl#x"
    for n, id in enumerate(found):
        assert f"{n}号院" in why(corpus, id).refined.text


def test_what_is_no_corpus_is_not_replaced(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "notes.txt").write_text("mine")
    with pytest.raises(FeilunError, match="something else"):
        made(recipe(pages), tmp_path)
    assert (tmp_path / "corpus" / "notes.txt").read_text() == "mine"
    (tmp_path / "corpus" / "notes.txt").unlink()
    first = made(recipe(pages), tmp_path)
    assert Manifest.read(made(recipe(pages), tmp_path)).id == Manifest.read(first).id


def test_killed_while_it_tidies_up_it_has_its_corpus(pages: Path, tmp_path: Path) -> None:
    wanted = recipe(pages)
    job = Job.create(tmp_path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        assert build(wanted, job, tmp_path / "corpus") is not None
    left = job.folder / "work" / "pages"
    left.mkdir(parents=True)
    (left / "000000.parquet").write_bytes(b"half of it is gone")
    before = (tmp_path / "corpus" / MANIFEST).stat().st_mtime_ns
    with job.running():
        assert build(wanted, job, tmp_path / "corpus") == tmp_path / "corpus"
    assert (tmp_path / "corpus" / MANIFEST).stat().st_mtime_ns == before
    assert not (job.folder / "work").exists()


def test_title_edits_are_kept_with_the_page() -> None:
    raw = Raw("a", "s", "text", TEXT, title="北京赛车pk10开奖_村里的水井")
    page = gather(raw)
    assert (page.titled, page.title) == (raw.title, "村里的水井")
    assert [edit.cause for edit in page.title_edits] == ["hijacked"]


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Which Python 3.11.0 to 3.11.4 match wrongly (python/cpython#106052): `feilun.data.possessive` knows how."""
    package = Path(feilun.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "possessive.py"]
    assert len(sources) > 100
    assert [str(path) for path in sources if re.search(r"\)[*+?]\+(?![ =])", path.read_text("utf-8"))] == []
