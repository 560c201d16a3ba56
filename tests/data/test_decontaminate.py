"""Evaluation questions found in training texts."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feilun.data import decontaminate
from feilun.data.decontaminate import Hit, Index, Item, read_items, remainder
from feilun.data.repair.script import simplified
from feilun.text import FeilunError

ZH = "某工厂有甲乙两条流水线，甲线每小时生产零件四十个，乙线每小时生产零件五十五个，两线同时开工六小时共生产多少个？"
EN = "A baker sells twelve loaves every morning and nine every evening; how many loaves does she sell in three weeks?"
MIXED = "用 Python 写一个 function，读入 CSV 文件并按 price 列排序，再把前十行写到新的 CSV 文件里。"


def one(text: str, name: str = "q1") -> Index:
    return Index({"set": [Item(name, [text])]})


def test_a_set_in_traditional_characters_is_one_in_simplified_ones() -> None:
    traditional = "某工廠有甲乙兩條流水線，甲線每小時生產零件四十個，乙線每小時生產零件五十五個，兩線同時開工六小時共生產多少個？"
    assert one(traditional).find(f"题目：{ZH}")


@pytest.mark.parametrize("question", [ZH, EN, MIXED])
def test_a_question_within_a_text_is_found_where_it_stands(question: str) -> None:
    text = f"上一段与此无关。\nNothing of interest here. {question}\n答案见书末。"
    (hit,) = one(question).find(text)
    assert hit[:2] == ("set", "q1")
    assert text[hit.start : hit.end] == question.rstrip("？?。")


def test_case_width_marks_and_line_ends_do_not_hide_it() -> None:
    changed = ZH.replace("，", "\n ").replace("工厂", "工 厂") + EN.upper().replace(" ", "  ").replace(
        ";", " --"
    )
    assert {hit.item for hit in Index({"s": [Item("zh", [ZH]), Item("en", [EN])]}).find(changed)} == {
        "zh",
        "en",
    }


def test_thirteen_words_and_26_characters_are_enough_and_fewer_are_not() -> None:
    words = EN.split()
    assert one(EN).find(" ".join(["Well,", *words[2:15], "and so on."]))
    assert not one(EN).find(" ".join(["Well,", *words[2:14], "and so on."]))
    plain = ZH.replace("，", "")
    assert one(ZH).find("如今" + plain[5:31] + "而已")
    assert not one(ZH).find("如今" + plain[5:30] + "而已")


def test_a_set_of_short_questions_has_shorter_windows() -> None:
    """The 5th percentile of the lengths, as GPT-3 has it; what is shorter than 8 words is reported, not found."""
    short = "How many legs do eight spiders have altogether?"
    index = Index({"short": [Item("a", [short])] * 1, "tiny": [Item("b", ["Who wrote it?"])], "none": []})
    assert [hit.item for hit in index.find(f"Question 3. {short} Answer: 64.")] == ["a"]
    assert index.short == {"short": 0, "tiny": 1, "none": 0}
    assert not index.find("Who wrote it?")


def test_the_frame_of_a_set_is_no_question() -> None:
    chance = random.Random(1)
    frame = "Read the following problem with care and then write down the right answer in one single line."
    numbers = ["".join(chance.choices("abcdefghij", k=6)) for _ in range(20 * 20)]
    items = [Item(str(at), [f"{frame} {' '.join(numbers[at * 20 : at * 20 + 20])}"]) for at in range(20)]
    index = Index({"s": items})
    assert not index.find(frame)
    assert {hit.item for hit in index.find(items[3].strings[0])} == {"3"}
    assert Index({"s": items[:10]}).find(frame)[0].item == "0"


def test_several_sets_and_items() -> None:
    index = Index({"a": [Item("1", ["短", ZH])], "b": [Item("2", [EN]), Item("3", [MIXED])]})
    text = f"{EN}\n中间。\n{ZH}\n{EN}"
    assert [(hit.set, hit.item) for hit in index.find(text)] == [("b", "2"), ("a", "1"), ("b", "2")]


def test_an_ordinary_text_of_the_same_words_is_clean() -> None:
    chance = random.Random(2)
    index = Index({"s": [Item("zh", [ZH]), Item("en", [EN])]})
    for _ in range(50):
        zh, en = list(ZH), EN.split()
        chance.shuffle(zh)
        chance.shuffle(en)
        assert not index.find("".join(zh) + " ".join(en))


def brute(question: str, text: str) -> bool:
    """Thirteen words in a row of both."""
    grams = [
        {tuple(part.split()[at : at + 13]) for at in range(len(part.split()) - 12)}
        for part in (question, text)
    ]
    return bool(grams[0] & grams[1])


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=13, max_size=30), st.lists(st.sampled_from("abc"), max_size=200)
)
def test_as_sets_of_13_grams(question: list[str], text: list[str]) -> None:
    text = [*text, *question[1:14], *text]
    for words in (text, text[: len(text) // 2 + 3]):
        assert bool(one(" ".join(question)).find(" ".join(words))) == brute(
            " ".join(question), " ".join(words)
        )


@settings(deadline=None)
@given(st.text(max_size=200))
@example("0:0:0\u30400\u30400𠀀𧦝0")
def test_any_text_goes_through_and_contains_itself(text: str) -> None:
    index = one(text)
    found = index.find(simplified(text))
    assert bool(found) == (index.short["set"] == 0)
    assert all(0 <= hit.start < hit.end <= len(text) for hit in found)


def test_a_hit_in_a_long_text_has_its_place() -> None:
    text = "长" * 300_000 + "\n" + ZH
    (hit,) = one(ZH).find(text)
    assert text[hit.start : hit.end] == ZH[:-1]


def test_files_are_read(tmp_path: Path) -> None:
    records = [{"id": "x7", "question": ZH, "meta": {"source": EN, "n": 3}}, {"question": [EN, {"a": "短"}]}]
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in records).encode() + b"\n\n"
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    (tmp_path / "a.json").write_text(json.dumps({"version": "1", "data": records}))
    (tmp_path / "b.json").write_text(json.dumps(records))
    expected = [Item("x7", ["x7", ZH, EN]), Item("2", [EN, "短"])]
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "b.json"):
        assert list(read_items(tmp_path / name)) == expected, name
    assert list(read_items(tmp_path / "a.json", ["question"])) == [Item("x7", [ZH]), Item("2", [EN, "短"])]
    (tmp_path / "c.jsonl").write_text(json.dumps(ZH) + "\n7\n")
    assert list(read_items(tmp_path / "c.jsonl")) == [Item("1", [ZH]), Item("2", [])]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"{}\n{bad"),
        ("b.json", b"["),
        ("c.jsonl.gz", gzip.compress(b"{}\n" * 99, mtime=0)[:20]),
        ("d.jsonl.zst", b"no"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FeilunError, match=name):
        list(read_items(tmp_path / name))
    with pytest.raises(FeilunError, match="missing"):
        list(read_items(tmp_path / "missing.jsonl"))


def test_what_gpt3_trains_on() -> None:
    text = "a" * 500 + "X" * 50 + "b" * 300 + "Y" * 10 + "c" * 900
    hits = [Hit("s", "1", 500, 550), Hit("s", "2", 850, 860)]
    assert remainder(text, hits) == ["a" * 300, "c" * 700]
    assert remainder(text, hits, margin=0) == ["a" * 500, "b" * 300, "c" * 900]
    assert remainder(text, hits, margin=0, most=2) == []
    assert remainder("short", []) == []
    assert decontaminate.LEAST < decontaminate.MOST
