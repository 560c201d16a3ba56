"""`feilun data why|sample|decide|report`: what became of each document, told from raw bytes to the kept text."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.commands.conftest import Run
from tests.commands.test_models import one_line
from tests.data.corpora import TOPICS, article, html
from tests.forks import environment, feilun

from feilun.data.labelled import pages as labelled
from feilun.data.repair import Edit, replay
from feilun.data.why import documents, why
from feilun.recipe import shipped
from feilun.workspace import Manifest

SHARED = (
    "本站转载的所有文章均来自网络，版权归原作者所有，如果有任何问题请及时与编辑部联系，"
    "我们会在收到通知以后的两个工作日之内处理完毕。"
)
RECIPE = """\
kind = "corpus"
name = "mine"
dedup = { passages = 2 }
[[rules]]
reason = "too_short"
column = "score.chars.v1"
min = 50
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a recipe and a folder of pages ``mine``."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    write(tmp_path / "mine" / "short.txt", "太短了。")
    (tmp_path / "mine" / "torn.docx").write_bytes(b"no archive")
    write(tmp_path / "mine" / "river.txt", "\n".join(article(*TOPICS["river"])))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def build(run: Run, here: Path, *more: str | Path) -> Path:
    """The corpus ``mine``."""
    given = more or ("--source", "mine")
    made = run("-w", here / "w", "data", "build", "mine.toml", *given, "--workers", "1")
    assert made.returncode == 0, made.stderr
    return here / "w" / "corpora" / "mine"


def data(run: Run, here: Path, *command: str | Path, **env: str) -> str:
    """What a verb says."""
    done = run("-w", here / "w", "data", *command, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def strictly(text: str) -> Any:
    """JSON without NaN and Infinity, which are none."""

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=no_constant)


def test_a_folder_of_its_name_does_not_hide_a_corpus(run: Run, here: Path) -> None:
    corpus = build(run, here)
    assert "Kept" in data(run, here, "why", "mine", "river.txt")
    assert "河堤" in data(run, here, "sample", "mine")
    data(run, here, "decide", "mine", "mine.toml", "--name", "again", "--workers", "1")
    for language, words in (("en", "mine is not an artifact"), ("zh", "mine 不是产物")):
        refused = run("-w", here / "w", "data", "why", "./mine", "river.txt", FEILUN_LANG=language)
        assert words in one_line(refused)
    for name in ("other", "./other"):
        assert f"no corpus {name}" in one_line(run("-w", here / "w", "data", "report", name))
    (here / "other").mkdir()
    assert "no corpus other" in one_line(run("-w", here / "w", "data", "report", "other"))
    assert "other is not an artifact" in one_line(run("-w", here / "w", "data", "report", "./other"))
    corpus.rename(here / "taken")
    assert "Kept" in data(run, here, "why", "taken", "river.txt")  # a corpus that lies here


def test_a_mixture_is_decided_again_with_other_weights(run: Run, here: Path) -> None:
    kinds = {"web": ("spam", "gambling", "doubled"), "wikipedia": ("clean",), "webtext": ("code",)}
    given: list[str] = []
    for name, of in kinds.items():
        (here / name).mkdir()
        for page in labelled(3):
            if page.kind in of:
                write(here / name / f"{page.id.replace('/', '-')}.txt", page.text)
        given += ["--source", f"{name}={name}"]
    write(here / "webtext" / "bridge.txt", "\n".join(article(*TOPICS["bridge"])))
    data(run, here, "build", "gpt3-mix", *given, "--name", "mixed", "--workers", "1")
    mixture = shipped("data/gpt3-mix.toml").read_text(encoding="utf-8")
    write(
        here / "strict.toml",
        mixture.replace("weight = 60", "weight = 30").replace("min = 50", "min = 300"),
    )
    data(run, here, "decide", "mixed", "strict.toml", "--name", "strict", "--workers", "1")
    before, after = (Manifest.read(here / "w" / "corpora" / name) for name in ("mixed", "strict"))
    assert [one["weight"] for one in after.recipe["sources"]] == [30, 22, 3]
    assert [one["path"] for one in after.recipe["sources"]] == [
        one["path"] for one in before.recipe["sources"]
    ]
    read = {name: one["units"] * one["epochs"] for name, one in after.figures["sources"].items()}
    assert read["web"] / read["wikipedia"] == pytest.approx(10, rel=0.01)
    assert after.figures["dropped"]["too_short"] > before.figures["dropped"].get("too_short", 0)
    other = mixture.replace('"books1", "wikipedia"]', '"books1"]')
    write(here / "other.toml", other)
    refused = run("-w", here / "w", "data", "decide", "mixed", "other.toml")
    assert "another [quality]" in one_line(refused)


def test_weights_for_some_of_the_sources_are_refused(run: Run, here: Path) -> None:
    (here / "more").mkdir()
    write(here / "more" / "tea.txt", "\n".join(article(*TOPICS["tea"])))
    build(run, here, "--source", "mine", "--source", "more")
    write(here / "one.toml", 'kind = "corpus"\nname = "one"\n[[sources]]\nname = "more"\nweight = 2\n')
    for language, words in (("en", "mine, more: give a weight to all"), ("zh", "mine、more 不符")):
        refused = run("-w", here / "w", "data", "decide", "mine", "one.toml", FEILUN_LANG=language)
        assert words in one_line(refused)


def test_the_way_is_replayed_edit_by_edit_to_the_kept_text(run: Run, here: Path) -> None:
    paragraphs = article("钟楼", "市里的修缮队")
    paragraphs[1] = f"AT&amp;amp;T公司说：ｆｅｉｌｕｎ很好\u200b用，，大家都喜欢。{paragraphs[1]}"
    write(here / "mine" / "tower.html", html("澳门葡京娱乐平台官网 钟楼", paragraphs))
    build(run, here)
    told = strictly(data(run, here, "why", "mine", "tower.html", "--json"))
    text = told["extracted"]
    for edit in told["edits"]:
        start, end = edit["start"], edit["end"]
        assert text[start:end] == edit["old"] != edit["replacement"]
        text = text[:start] + edit["replacement"] + text[end:]
    assert text.strip() == told["text"] == told["document"]["text"]
    assert {edit["cause"] for edit in told["edits"]} >= {"entity", "letter", "control", "doubled"}
    names = Edit._fields
    title_edits = [Edit(*(edit[name] for name in names)) for edit in told["title_edits"]]
    assert replay(told["title_before"], title_edits) == told["document"]["title"] == "钟楼"
    shown = data(run, here, "why", "mine", "tower.html")
    places = [
        shown.index(part)
        for part in (
            "hijacked: '澳门葡京娱乐平台官网 ' → '' between '' and '钟楼'",
            "entity: '&amp;' → '&' between",
            "letter: 'ｆｅｉｌｕｎ' → 'feilun' between",
            f"Text kept ({len(text):,} characters)",
            "AT&T公司说：feilun很好用，大家都喜欢。",
        )
    ]
    assert places == sorted(places)
    assert "has changed since" not in shown
    assert "→ 'feilun'，位于" in data(run, here, "why", "mine", "tower.html", FEILUN_LANG="zh")
    write(here / "mine" / "tower.html", html("钟楼", article("塔楼", "市里的修缮队")))
    assert "has changed since" in data(run, here, "why", "mine", "tower.html")


def test_passages_that_were_cut_are_shown(run: Run, here: Path) -> None:
    for name, (thing, who) in list(TOPICS.items())[:4]:
        paragraphs = article(thing, who)
        paragraphs[2] += f"{SHARED}{thing}的事情还有很多。"
        write(here / "mine" / f"shared-{name}.txt", "\n".join([*paragraphs, paragraphs[0]]))
    corpus = build(run, here)
    rows = [row for row in documents(corpus) if row["uncut"]]
    assert len(rows) == 3  # the best of the four keeps it
    for row in rows:
        told = strictly(data(run, here, "why", "mine", row["id"], "--json"))
        within, across = told["passages"]
        assert within["old"].strip() == row["text"].split("\n")[0]
        assert (across["reason"], across["old"]) == ("across", SHARED)
        assert row["uncut"][: across["start"]] + row["uncut"][across["end"] :] == row["text"]
    shown = data(run, here, "why", "mine", rows[0]["id"])
    assert f"Passages of many documents cut (1)\n  '{SHARED}'" in shown
    assert "has changed since" not in shown


def test_what_cannot_be_read_is_told_in_words(run: Run, here: Path) -> None:
    build(run, here)
    for language, reason, words in (
        ("en", "Dropped: damaged (broken)", "The archive is damaged"),
        ("zh", "丢弃：文件损坏", "压缩包已损坏"),
    ):
        told = data(run, here, "why", "mine", "torn.docx", FEILUN_LANG=language)
        assert reason in told
        assert words in told
        sample = data(run, here, "sample", "mine", "--dropped", "broken", FEILUN_LANG=language)
        assert words in sample
        assert sample.startswith("torn.docx · ")
    told = strictly(data(run, here, "why", "mine", "torn.docx", "--json"))
    assert "damaged" in told["why"]["en"]
    rows = data(run, here, "sample", "mine", "--dropped", "all", "--json").splitlines()
    assert [strictly(row)["score.zh.v1"] for row in rows] == [1, None]
    again = data(run, here, "decide", "mine", "mine.toml", "--workers", "1")
    assert "too short (too_short)" in again
    assert "damaged (broken)" in again


def test_a_reason_that_it_has_not_is_refused(run: Run, here: Path) -> None:
    build(run, here)
    said = one_line(run("-w", here / "w", "data", "sample", "mine", "--dropped", "quatsch"))
    assert "quatsch" in said
    assert "broken, too_short" in said
    said = one_line(run("-w", here / "w", "data", "sample", "mine", "--dropped", "x", FEILUN_LANG="zh"))
    assert "broken、too_short" in said


def test_a_name_of_several_documents_is_not_guessed(run: Run, here: Path) -> None:
    (here / "more").mkdir()
    write(here / "more" / "river.txt", "\n".join(article(*TOPICS["tea"])))
    build(run, here, "--source", "mine", "--source", "more")
    for language in ("en", "zh"):
        refused = run("-w", here / "w", "data", "why", "mine", "river.txt", FEILUN_LANG=language)
        said = one_line(refused)
        assert "mine/river.txt" in said
        assert "more/river.txt" in said
    assert "茶园" in data(run, here, "why", "mine", "more/river.txt")
    assert "河堤" in data(run, here, "why", "mine", "mine/river.txt")


def test_records_of_one_id_are_told_apart(run: Run, here: Path) -> None:
    rows = [{"id": "same", "text": "\n".join(article(*topic))} for topic in TOPICS.values()]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write(here / "mine" / "rows.jsonl", lines)
    corpus = build(run, here)
    kept = {row["id"]: row["text"] for row in documents(corpus)}
    assert {id[-2:] for id in kept} >= {"~3", "~5"}
    for id, text in kept.items():
        assert why(corpus, id).refined.text == text


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("called as the recipe is", "is replaced")), ("zh", ("以配方名称命名", "会被替换"))],
)
def test_help_says_what_a_corpus_is_called(language: str, words: tuple[str, ...]) -> None:
    command, env = feilun("data", "build", "--help"), environment(FEILUN_LANG=language, COLUMNS="400")
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert all(word in told for word in words)
