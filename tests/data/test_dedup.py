"""Sketches, shards and the search for copies, against sets and loops that do the same the slow way."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.dedup import Duplicates, Shards, Writer, dropped, find, near, shards, similarity, sketch
from feilun.data.dedup.hashing import Rolling
from feilun.data.dedup.letters import PIECE, codes, is_han, letters, pieces
from feilun.data.dedup.minhash import KEPT

Document = tuple[str, str, float]
"""Id, text, quality."""


def readable(text: str) -> str:
    return "".join(map(chr, letters(text).tolist()))


def shingles(text: str) -> set[str]:
    plain = readable(text)
    return {plain[at : at + 5] for at in range(len(plain) - 4)}


def jaccard(left: str, right: str) -> float:
    one, other = shingles(left), shingles(right)
    return len(one & other) / len(one | other)


def prose(chance: random.Random, length: int, language: str = "zh") -> list[str]:
    if language == "zh":
        return [chr(chance.randrange(0x4E00, 0x6000)) for _ in range(length)]
    return ["".join(chance.choices("etaoinshrdlu", k=chance.randrange(2, 9))) + " " for _ in range(length)]


def edited(chance: random.Random, units: list[str], edits: int, language: str = "zh") -> list[str]:
    result = list(units)
    for at in chance.sample(range(len(units)), edits):
        result[at] = prose(chance, 1, language)[0]
    return result


def write(folder: Path, documents: list[Document], size: int = 7) -> None:
    for start in range(0, len(documents), size):
        with Writer(folder, f"{start:06d}") as writer:
            for id, text, quality in documents[start : start + size]:
                writer.add(id, sketch(text), quality)


def receipts(folder: Path) -> dict[str, tuple[str, str]]:
    return {one.id: (one.reason, one.kept) for one in dropped(folder, find(folder))}


def test_letters_have_no_case_width_space_or_marks() -> None:
    assert (
        readable("Ａｐｐｌｅ Pie，ÉTÉ 第１２章。\u200b\ufeff《飞轮》・🙂 𠀀々") == "applepieété第12章飞轮𠀀々"
    )


def test_a_lone_surrogate_is_no_letter() -> None:
    assert readable("飞\ud800轮") == "飞轮"
    assert codes("飞\ud800轮").size == 3


def test_han_and_kana_need_no_spaces() -> None:
    assert is_han(codes("飞あ𠀀豈가aж")).tolist() == [True] * 4 + [False] * 3


@settings(deadline=None)
@given(st.text())
def test_letters_of_letters_are_the_same(text: str) -> None:
    assert readable(readable(text)) == readable(text)


def test_pieces_are_the_text_and_cut_at_line_ends() -> None:
    text = "字" * (PIECE - 10) + "\n" + "b" * (2 * PIECE)
    cut = list(pieces(text))
    assert "".join(piece for _, piece in cut) == text
    assert [offset for offset, _ in cut] == [0, PIECE - 9, 2 * PIECE - 9]
    assert list(pieces("")) == [(0, "")]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 9))
def test_equal_windows_and_no_others_have_equal_hashes(values: list[int], width: int) -> None:
    hashes = Rolling(np.array(values, dtype=np.uint32)).every(width)
    windows = [tuple(values[at : at + width]) for at in range(len(values) - width + 1)]
    assert (
        len(set(zip(windows, hashes.tolist(), strict=True))) == len(set(windows)) == len(set(hashes.tolist()))
    )


def test_hashes_tell_windows_of_different_lengths_apart_and_know_no_place() -> None:
    rolling = Rolling(np.array([0, 0, 7, 0, 0, 7, 0], dtype=np.uint32))
    starts, stops = np.array([0, 0, 3, 0, 1]), np.array([2, 3, 6, 1, 2])
    zeros, first, second, one, again = rolling.between(starts, stops).tolist()
    assert first == second
    assert one == again
    assert len({zeros, first, one}) == 3


def test_a_sketch_is_the_same_on_every_machine() -> None:
    text = "飞轮越转越快。The flywheel keeps its energy."
    one = sketch(text)
    assert (one.exact, one.bands[0], one.bands[-1], one.shingles[:2].tolist()) == PINNED


PINNED = (18173371538233229598, 7345115073845658375, 15970430523604271017, [397044406, 530389608])


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from([" ", "，", "\n", "!"]))
def test_marks_and_case_change_no_sketch(text: str, mark: str) -> None:
    one, other = sketch(readable(text) or "飞"), sketch(mark.join(readable(text)) or "飞。")
    assert one.exact == other.exact
    assert one.bands.tolist() == other.bands.tolist()
    assert one.shingles.tolist() == other.shingles.tolist()


def test_without_letters_only_the_same_text_is_a_copy(tmp_path: Path) -> None:
    write(tmp_path, [("a", "。。。", 0), ("b", "!!", 0), ("c", "", 0), ("d", " 。。。\n", 0), ("e", "\n", 0)])
    assert receipts(tmp_path) == {"d": ("exact", "a"), "e": ("exact", "c")}


@pytest.mark.parametrize("length", [6, 60, 900])
def test_the_similarity_of_short_texts_is_exact(length: int) -> None:
    chance = random.Random(length)
    for edits in (0, 1, 2, 5):
        units = prose(chance, length)
        left, right = "".join(units), "".join(edited(chance, units, edits))
        found = similarity([sketch(left).shingles], [sketch(right).shingles])
        assert found[0] == pytest.approx(jaccard(left, right))


def test_the_similarity_of_long_texts_is_near() -> None:
    chance = random.Random(3)
    left, right, truth = [], [], []
    for _ in range(40):
        units = prose(chance, 3000)
        one, other = "".join(units), "".join(edited(chance, units, 66))
        left.append(sketch(one).shingles)
        right.append(sketch(other).shingles)
        truth.append(jaccard(one, other))
    error = similarity(left, right) - np.array(truth)
    assert abs(error.mean()) < 0.005  # standard error of the mean .002
    assert 0.004 < error.std() < 0.02


def test_the_similarity_of_a_short_and_a_long_text() -> None:
    chance = random.Random(4)
    units = prose(chance, 2000)
    short = sketch("".join(units[:400])).shingles
    assert similarity([short], [sketch("".join(units)).shingles])[0] == pytest.approx(0.2, abs=0.04)


def test_bands_meet_as_often_as_theirs_of_minhash() -> None:
    """1 - (1 - J**6)**21 for J about .6, where the curve is steep; also for texts of fewer shingles than bins."""
    chance = random.Random(5)
    for length, edits in ((60, 3), (400, 22)):
        met, expected = [], []
        for _ in range(300):
            units = prose(chance, length)
            one, other = "".join(units), "".join(edited(chance, units, edits))
            met.append(np.any(sketch(one).bands == sketch(other).bands))
            expected.append(1 - (1 - jaccard(one, other) ** 6) ** 21)
        assert 0.3 < np.mean(expected) < 0.8
        assert np.mean(met) == pytest.approx(np.mean(expected), abs=0.08)  # three standard errors


def test_a_huge_text_is_sketched_in_pieces() -> None:
    chance = random.Random(6)
    text = "".join(prose(chance, 3 * PIECE))
    one, other = sketch(text), sketch(text[:-20000])
    assert one.shingles.size == KEPT
    found = similarity([one.shingles], [other.shingles])[0]
    assert found == pytest.approx(1 - 20000 / (3 * PIECE), abs=0.02)
    assert np.mean(one.bands == other.bands) > 0.6
    assert one.exact == sketch("".join(f"{text[at : at + 1000]}\n" for at in range(0, len(text), 1000))).exact


def test_the_best_copy_is_kept_whatever_comes_first(tmp_path: Path) -> None:
    chance = random.Random(7)
    units = prose(chance, 300)
    copies = ["".join(edited(chance, units, 1)) for _ in range(3)]
    documents = [
        ("a", copies[0], 0.2),
        ("b", copies[1], 0.9),
        ("c", copies[2], 0.5),
        ("d", "".join(prose(chance, 300)), 0),
    ]
    write(tmp_path, documents, 2)
    assert receipts(tmp_path) == {"a": ("near", "b"), "c": ("near", "b")}
    (one, other) = dropped(tmp_path, find(tmp_path))
    assert one.similarity == pytest.approx(jaccard(copies[0], copies[1]), abs=1e-6)
    assert other.similarity == pytest.approx(jaccard(copies[2], copies[1]), abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 9])
def test_equal_quality_is_decided_by_id(tmp_path: Path, size: int) -> None:
    text = "".join(prose(random.Random(8), 200))
    documents = [
        ("z", text, 0.5),
        ("m", text + "！", 0.5),
        ("b", text + "完", 0.5),
        ("y", text, 0.1),
        ("é", text, float("nan")),
    ]
    write(tmp_path, documents, size)
    expected = {"z": ("near", "b"), "m": ("near", "b"), "y": ("near", "b"), "é": ("near", "b")}
    assert receipts(tmp_path) == expected


def test_a_dropped_document_is_similar_to_the_very_copy_that_is_kept(tmp_path: Path) -> None:
    """A chain of copies, each .87 like the next: the ends are not alike, so both stay."""
    chance = random.Random(9)
    chain = [prose(chance, 400)]
    for at in range(4):
        nxt = list(chain[-1])
        nxt[at * 100 : at * 100 + 25] = prose(chance, 25)
        chain.append(nxt)
    texts = ["".join(units) for units in chain]
    write(tmp_path, [(f"{at}", text, -at) for at, text in enumerate(texts)])
    found = {one.id: one for one in dropped(tmp_path, find(tmp_path))}
    assert set(found) == {"1", "3"}
    assert found["3"].kept == "2"
    assert all(one.similarity >= 0.8 for one in found.values())


def brute(documents: list[Document]) -> dict[str, tuple[str, str]]:
    """The same rule over all pairs: connected by J >= .8; the best is kept and drops its copies, then the best left."""
    found: dict[str, tuple[str, str]] = {}
    kept: list[Document] = []
    for one in sorted(documents, key=lambda document: (-document[2], document[0])):
        copy = next((other for other in kept if jaccard(one[1], other[1]) >= 0.8), None)
        if copy is None:
            kept.append(one)
        else:
            found[one[0]] = ("exact" if readable(one[1]) == readable(copy[1]) else "near", copy[0])
    return found


@pytest.mark.parametrize(("language", "length", "edits"), [("zh", 400, 8), ("en", 100, 4)])
def test_as_comparing_all_pairs(tmp_path: Path, language: str, length: int, edits: int) -> None:
    """Families of copies of J from .7 to 1, in both languages, below the size from which J is an estimate."""
    chance = random.Random(length)
    documents: list[Document] = []
    for family in range(40):
        units = prose(chance, length, language)
        for member in range(chance.randrange(1, 5)):
            text = "".join(edited(chance, units, chance.randrange(edits), language))
            documents.append((f"{family}-{member}", text, chance.randrange(4) / 4))
    chance.shuffle(documents)
    write(tmp_path, documents)
    truth, found = brute(documents), receipts(tmp_path)
    missed = {id for id in truth if id not in found}
    assert len(truth) > 30
    assert set(found) <= set(truth)
    assert len(missed) <= 1  # 0.2% of the pairs at .8 share no band
    assert all(found[id] == truth[id] for id in found if not missed)


def test_neither_the_shards_nor_the_parts_change_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(11)
    documents: list[Document] = []
    for at in range(60):
        units = prose(chance, 120)
        documents += [
            (f"{at}{end}", "".join(edited(chance, units, 1)), chance.random()) for end in "abc"[: at % 4]
        ]
    results: list[dict[str, tuple[str, str]]] = []
    for size, part in ((1000, 2_000_000), (5, 2_000_000), (5, 50)):
        monkeypatch.setattr(shards, "PART", part)
        monkeypatch.setattr(near, "_PAIRS", 3 if part == 50 else 1024)
        write(tmp_path / f"{size}-{part}", documents, size)
        results.append(receipts(tmp_path / f"{size}-{part}"))
    assert results[0]
    assert results[0] == results[1] == results[2]


def test_documents_dropped_before_take_no_part(tmp_path: Path) -> None:
    text = "".join(prose(random.Random(12), 100))
    write(tmp_path, [("a", text, 3), ("b", text, 2), ("c", text + "尾", 1)])
    found = find(tmp_path, alive=np.array([False, True, True]))
    assert found.of.tolist() == [0, 1, 1]
    assert found.kept.tolist() == [True, True, False]


def test_the_threshold_decides(tmp_path: Path) -> None:
    chance = random.Random(13)
    units = prose(chance, 500)
    other = edited(chance, units, 6)
    write(tmp_path, [("a", "".join(units), 1), ("b", "".join(other), 0)])
    truth = jaccard("".join(units), "".join(other))
    assert find(tmp_path, truth - 0.001).of.tolist() == [0, 0]
    assert find(tmp_path, truth + 0.001).of.tolist() == [0, 1]


def test_a_group_of_many_that_differ_ends_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one band, none similar: the rest of the group is compared with a few and kept."""
    chance = random.Random(14)
    sketches = [sketch("".join(prose(chance, 50))) for _ in range(300)]
    for one in sketches:
        one.bands[:] = sketches[0].bands
    with Writer(tmp_path, "0") as writer:
        for at, one in enumerate(sketches):
            writer.add(str(at), one)
    pairs = Counter[str]()
    monkeypatch.setattr(
        near, "similarity", lambda left, right: pairs.update(n=len(left)) or similarity(left, right)
    )  # type: ignore[arg-type]
    assert find(tmp_path).kept.all()
    assert pairs["n"] == sum(range(300 - near._LEADERS, 300))  # pyright: ignore[reportPrivateUsage]


def test_a_shard_appears_whole_or_not_at_all_and_may_be_written_again(tmp_path: Path) -> None:
    def fill(writer: Writer) -> None:
        for at in range(5):
            writer.add(f"网页 {at}\ud800", sketch(f"第{at}篇" * 9), at)

    with pytest.raises(RuntimeError), Writer(tmp_path, "a") as writer:
        fill(writer)
        raise RuntimeError
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    with Writer(tmp_path, "a") as writer:
        fill(writer)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    with Writer(tmp_path, "a") as writer:
        fill(writer)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == first
    assert Shards(tmp_path).ids(np.array([0, 3])) == ["网页 0\ud800", "网页 3\ud800"]


def test_empty_shards_and_empty_folders(tmp_path: Path) -> None:
    assert find(tmp_path).of.tolist() == []
    for name in ("a", "b"):
        with Writer(tmp_path, name):
            pass
    with Writer(tmp_path, "c") as writer:
        writer.add("x", sketch("飞轮"))
    found = find(tmp_path)
    assert isinstance(found, Duplicates)
    assert found.of.tolist() == [0]
    assert list(dropped(tmp_path, found)) == []
    assert Shards(tmp_path).numbers("c") == range(1)
