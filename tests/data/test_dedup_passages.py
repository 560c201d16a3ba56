"""Passages that repeat within a page and across pages."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.dedup import Shards, Writer, find, passages, sketch
from feilun.data.dedup.passages import Cut, drop_frequent, drop_repeated

NOTICE = (
    "本栏目的文章由各地读者投稿而来，编辑部只改正错字，不改动观点。"
    "读者若有不同的看法，请写信寄到编辑部，来信每月选登一次，一经刊出便寄去样刊两册。"
)
ENGLISH = "Letters reach us by post only. We read every one of them, print a few each month, and return none of the rest."


def sentence(chance: random.Random) -> str:
    return "".join(chr(chance.randrange(0x4E00, 0x6000)) for _ in range(30)) + "。"


def article(chance: random.Random) -> str:
    return "".join(sentence(chance) for _ in range(4))


def write(folder: Path, texts: list[str], quality: list[float] | None = None) -> None:
    for shard in range(0, len(texts), 4):
        with Writer(folder, f"{shard:04d}") as writer:
            for at, text in enumerate(texts[shard : shard + 4], shard):
                score = quality[at] if quality else 0.0
                writer.add(f"{at}", sketch(text), score, passages.hashes(text))


def test_a_paragraph_that_comes_again_is_cut() -> None:
    first, second = (
        "山下的水渠修好以后，村里的两百亩旱地都能浇上水了。",
        "Nobody had expected the harvest to double in one year.",
    )
    text = f"{first}\n{second}\n  {first} \n{second.upper()}\n结尾。"
    left, cuts = drop_repeated(text)
    assert left == f"{first}\n{second}\n结尾。"
    assert [cut.reason for cut in cuts] == ["within", "within"]
    assert [text[cut.start : cut.end].strip() for cut in cuts] == [first, second.upper()]


def test_short_paragraphs_may_come_again() -> None:
    text = "问：去不去？\n答：不去。\n问：去不去？\n答：不去。\nThank you very much.\nThank you very much."
    assert drop_repeated(text) == (text, [])


def test_the_last_paragraph_has_no_line_end() -> None:
    line = "这一段话在网页里出现了两次，第二次应当删去才对。"
    assert drop_repeated(f"{line}\n开头不同。\n{line}") == (f"{line}\n开头不同。\n", [Cut("within", 31, 55)])


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["甲乙丙丁" * 5, "one two three four five six seven eight nine ten", "短", "", "。"])
    )
)
def test_within_is_idempotent_and_cuts_are_what_is_missing(lines: list[str]) -> None:
    text = "\n".join(lines)
    left, cuts = drop_repeated(text)
    assert drop_repeated(left) == (left, [])
    assert left == rest(text, cuts)


def rest(text: str, cuts: list[Cut]) -> str:
    for cut in reversed(cuts):
        text = text[: cut.start] + text[cut.end :]
    return text


@settings(deadline=None)
@given(st.text(alphabet="飞a .。\n”’!\ud800\u3000", max_size=300))
def test_any_text_goes_through(text: str) -> None:
    found = passages.hashes(text)
    assert np.array_equal(found, np.unique(found))
    frequent = passages.Frequent(found, np.full(found.size, 7))
    left, cuts = drop_frequent(text, frequent)
    assert left == rest(text, cuts)
    assert passages.hashes(left).size == 0 or cuts
    assert drop_frequent(text, frequent, 7) == (text, [])


def test_passages_of_many_documents_are_counted_and_cut(tmp_path: Path) -> None:
    chance = random.Random(1)
    texts = [article(chance) for _ in range(9)]
    for at in (1, 2, 4, 6):  # on its own line, within a paragraph, before and after other text
        half = texts[at].index("。") + 1
        texts[at] = (
            f"{texts[at]}\n{NOTICE}\n{article(chance)}"
            if at % 2
            else f"{texts[at][:half]}{NOTICE}{texts[at][half:]}"
        )
    write(tmp_path, texts, [0.0, 0.1, 0.2, 0.3, 0.9, 0.5, 0.4, 0.3, 0.2])
    frequent = passages.count(tmp_path, 3)
    assert set(frequent.best.tolist()) == {4}
    assert passages.count(tmp_path, 4).hashes.size == 0
    for at, text in enumerate(texts):
        left, cuts = drop_frequent(text, frequent, at)
        if at in (1, 2, 6):
            assert left == text.replace(f"{NOTICE}\n" if at == 1 else NOTICE, "")
            assert len(cuts) == 1
            assert cuts[0].reason == "across"
        else:
            assert (left, cuts) == (text, [])
    assert NOTICE not in drop_frequent(texts[4], frequent)[0]


def test_as_counting_sets(tmp_path: Path) -> None:
    chance = random.Random(2)
    stock = [sentence(chance) + sentence(chance) for _ in range(12)]
    texts = ["\n".join(chance.sample(stock, 3)) for _ in range(50)]
    write(tmp_path, texts)
    frequent = passages.count(tmp_path, 12)
    expected = {line for line in stock if sum(line in text for text in texts) > 12}
    assert 0 < len(expected) < 12
    for line in stock:
        assert set(passages.hashes(line).tolist()) & set(frequent.hashes.tolist()) == (
            set(passages.hashes(line).tolist()) if line in expected else set()
        )


def test_a_passage_twice_on_a_page_is_one_document(tmp_path: Path) -> None:
    write(tmp_path, [f"{NOTICE}\n甲\n{NOTICE}", NOTICE])
    assert passages.count(tmp_path, 2).hashes.size == 0
    assert passages.count(tmp_path, 1).hashes.size > 0


def test_copies_of_one_page_are_one_page(tmp_path: Path) -> None:
    page = f"{article(random.Random(3))}\n{NOTICE}"
    write(tmp_path, [page, page, page + "完", NOTICE + article(random.Random(4))])
    assert passages.count(tmp_path, 2).hashes.size > 0
    assert passages.count(tmp_path, 2, find(tmp_path).kept).hashes.size == 0
    assert len(Shards(tmp_path)) == 4


def test_english_sentences_end_before_a_space_and_quotes_belong_to_them(tmp_path: Path) -> None:
    texts = [
        f"He paid 3.50 for it. {ENGLISH} Then he left for the {word}."
        for word in ("harbour", "station", "market")
    ]
    write(tmp_path, texts)
    left, _ = drop_frequent(texts[0], passages.count(tmp_path, 2))
    assert left == " Then he left for the harbour."
    quoted = "“" + NOTICE[:-1] + "。”他说完就走了，" + "谁也没有再提这件事。"
    found, starts, ends = passages.windows(quoted)
    assert found.size
    assert starts[0] == 0
    assert all(quoted[end - 1] in "。”" for end in ends.tolist())
    assert all(not quoted[start:].startswith("”") for start in starts.tolist())
