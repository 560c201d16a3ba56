"""Token shards: that they hold the texts, split and count them right, and that broken ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.conftest import END, TEXTS, SmallBpe, train

from feilun.data.read import PIECE, Document, language_of
from feilun.data.tokens import SPLITS, Split, Tokens, is_heldout, write_tokens
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest, sha256_file


def documents(count: int = 200) -> list[Document]:
    return [Document(f"{TEXTS[number % 4]} {number}", str(number)) for number in range(count)]


def decoded(tokens: Tokens, split: Split, bpe: SmallBpe) -> list[str]:
    """The texts of a split, by way of shards and starts alone."""
    texts: list[str] = []
    for ids, starts in zip(tokens.tokens(split), tokens.document_starts(split), strict=True):
        for part in np.split(ids, starts[1:].astype(np.int64)):
            assert part[-1] == bpe.eos_id
            texts.append(bpe.decode(part[:-1].tolist()))
    return texts


def test_shards_hold_the_texts_in_order_and_count_them(tmp_path: Path, bpe: SmallBpe) -> None:
    given = [replace(document, lang="fr") if document.id == "7" else document for document in documents()]
    written = write_tokens(tmp_path / "mine", iter(given), bpe, heldout=0.2, shard_tokens=500)
    tokens = Tokens.open(tmp_path / "mine", bpe, vocab_size=bpe.vocab_size)
    assert tokens.manifest == written
    assert (written.kind, written.name, written.parents) == ("tokens", "mine", [bpe.fingerprint])
    assert len(tokens.tokens("train")) > 3
    total = 0
    for split in SPLITS:
        wanted = [d for d in given if is_heldout(d.text, 0.2) is (split == "heldout")]
        assert wanted
        assert decoded(tokens, split, bpe) == [document.text for document in wanted]
        figures = tokens.figures.splits[split]
        assert figures.documents == len(wanted)
        assert figures.tokens == sum(len(part) for part in tokens.tokens(split))
        assert all(len(part) <= 500 for part in tokens.tokens(split))
        total += figures.tokens
        assert tokens.bytes(split) == sum(len(document.text.encode()) for document in wanted)
        for language in ("zh", "en", "fr", "de"):
            spoken = [d for d in wanted if (d.lang or language_of(d.text)) == language]
            stored = list(tokens.documents(split, language))
            assert [bpe.decode(found.tokens[:-1].tolist()) for found in stored] == [d.text for d in spoken]
            assert [found.bytes for found in stored] == [len(document.text.encode()) for document in spoken]
            assert {found.language for found in stored} <= {language}
            assert tokens.bytes(split, language) == sum(found.bytes for found in stored)
        assert set(figures.by_language) == {d.language for d in wanted}
    assert (tokens.figures.documents, tokens.figures.tokens) == (len(given), total)
    assert written.files == {
        path.name: sha256_file(path) for path in (tmp_path / "mine").iterdir() if path.name != MANIFEST
    }


@pytest.mark.parametrize(("vocab_size", "dtype"), [(2**16, "<u2"), (2**16 + 1, "<u4")])
def test_ids_take_two_bytes_as_long_as_the_vocabulary_allows(
    tmp_path: Path, vocab_size: int, dtype: str
) -> None:
    class Wide:
        """Gives the largest id there is: training a BPE of that size takes too long."""

        eos_id = 0
        fingerprint = "sha256:wide"

        def __init__(self) -> None:
            self.vocab_size = vocab_size

        def encode_batch(self, texts: list[str]) -> list[list[int]]:
            return [[vocab_size - 1, 1] for _ in texts]

    write_tokens(tmp_path / "t", [Document("a", "a")], Wide(), heldout=0)
    assert np.fromfile(tmp_path / "t" / "train-00000.bin", dtype).tolist() == [vocab_size - 1, 1, 0]
    [ids] = Tokens.open(tmp_path / "t").tokens("train")
    assert ids.dtype == np.dtype(dtype)
    assert ids.tolist() == [vocab_size - 1, 1, 0]
    assert not ids.flags.writeable


def test_the_same_documents_give_the_same_bytes_however_they_are_batched(
    tmp_path: Path, bpe: SmallBpe
) -> None:
    ids = set[str]()
    for name, chars in (("a", 2**18), ("b", 2**18), ("c", 1), ("d", 3000)):
        ids.add(write_tokens(tmp_path / name, documents(), bpe, heldout=0.1, batch_chars=chars).id)
    assert len(ids) == 1
    assert write_tokens(tmp_path / "e", documents()[1:], bpe, heldout=0.1).id not in ids
    assert write_tokens(tmp_path / "f", documents(), train(350), heldout=0.1).id not in ids


@given(st.lists(st.text(max_size=20), max_size=60), st.floats(0, 0.99), st.floats(0, 0.99))
def test_the_split_depends_on_the_text_alone_and_grows_with_the_fraction(
    texts: list[str], one: float, two: float
) -> None:
    small, large = sorted((one, two))
    for text in texts:
        assert is_heldout(text, large) or not is_heldout(text, small)
        assert not is_heldout(text, 0)


def test_the_held_out_share_is_what_was_asked_for_and_stays_what_it_was(
    tmp_path: Path, bpe: SmallBpe
) -> None:
    texts = [f"text {number}" for number in range(20_000)]
    share = sum(is_heldout(text, 0.05) for text in texts) / len(texts)
    assert abs(share - 0.05) < 4 * (0.05 * 0.95 / len(texts)) ** 0.5  # four standard deviations
    # Written down: a later version must not move texts that a model was trained on into its evaluation.
    assert [number for number in range(200) if is_heldout(f"text {number}", 0.05)] == [
        19,
        26,
        43,
        63,
        64,
        99,
        102,
        111,
        117,
        118,
        130,
    ]


def test_copies_of_a_text_are_never_in_both_splits(tmp_path: Path, bpe: SmallBpe) -> None:
    write_tokens(tmp_path / "t", documents(50) * 3, bpe, heldout=0.3)
    tokens = Tokens.open(tmp_path / "t")
    train_texts, held = (set(decoded(tokens, split, bpe)) for split in SPLITS)
    assert train_texts
    assert held
    assert not train_texts & held


def test_what_is_held_out_is_held_out_once(tmp_path: Path, bpe: SmallBpe) -> None:
    once = documents()
    twice = [*once, *(replace(one, again=True) for one in once)]
    tokens = [write_tokens(tmp_path / str(len(some)), some, bpe, heldout=0.2) for some in (once, twice)]
    splits = [one.figures["splits"] for one in tokens]
    assert splits[0]["heldout"]["documents"] == splits[1]["heldout"]["documents"] > 0
    assert splits[0]["train"]["documents"] * 2 == splits[1]["train"]["documents"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_comes_back(tmp_path: Path, bpe: SmallBpe, texts: list[str]) -> None:
    write_tokens(tmp_path / "t", [Document(text, "x") for text in texts], bpe, heldout=0, shard_tokens=64)
    assert decoded(Tokens.open(tmp_path / "t", bpe), "train", bpe) == texts


def test_a_text_that_spells_the_end_does_not_end(tmp_path: Path, bpe: SmallBpe) -> None:
    write_tokens(tmp_path / "t", [Document(f"a{END}b", "x")], bpe, heldout=0)
    [ids] = Tokens.open(tmp_path / "t").tokens("train")
    assert (ids == bpe.eos_id).sum() == 1


def test_a_book_is_encoded_in_pieces_and_stays_one_document(tmp_path: Path, bpe: SmallBpe) -> None:
    sizes: list[int] = []

    class Watched(SmallBpe):
        def encode_batch(self, texts: list[str]) -> list[list[int]]:
            sizes.append(max(map(len, texts)))
            return super().encode_batch(texts)

    book = "\n".join(f"line {number} 飞轮" for number in range(60_000))
    write_tokens(tmp_path / "t", [Document(book, "x"), Document("end", "y")], Watched(bpe.inner), heldout=0)
    assert len(book) > 2 * PIECE
    assert max(sizes) <= PIECE + 2
    assert decoded(Tokens.open(tmp_path / "t"), "train", bpe) == [book, "end"]


def test_documents_are_taken_as_they_come_and_not_gathered(tmp_path: Path, bpe: SmallBpe) -> None:
    taken = 0
    ahead: list[int] = []

    def stream() -> Iterator[Document]:
        nonlocal taken
        for document in documents(2000):
            taken += 1
            yield document

    write_tokens(
        tmp_path / "t",
        stream(),
        bpe,
        batch_chars=5000,
        progress=lambda done: ahead.append(taken - done.documents),
    )
    assert len(ahead) > 10
    assert set(ahead) == {0}


def refused(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> FeilunError:
    """The error of a call, which is one line in each language."""
    with pytest.raises(FeilunError) as caught:
        act()
    for language in ("en", "zh"):
        monkeypatch.setenv("FEILUN_LANG", language)
        assert "\n" not in str(caught.value)
    assert caught.value.text.en.isascii()
    assert not caught.value.text.zh.isascii()
    return caught.value


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def overwrite(path: Path, column: Any) -> None:
    np.save(path, column, allow_pickle=True)


def change_index(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = folder / "train-00001.idx.npy"
        overwrite(path, change(np.load(path)))

    return harm


def swapped(starts: Any) -> Any:
    starts[[1, 2]] = starts[[2, 1]]
    return starts


def no_end(folder: Path) -> None:
    ids = np.fromfile(folder / "train-00001.bin", "<u2")
    ids[-1] = 5
    ids.tofile(folder / "train-00001.bin")


def other_figures(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["figures"]["dtype"] = "float64"
    (folder / MANIFEST).write_text(json.dumps(manifest))


HARMS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: cut_short(folder / "train-00001.bin"), "train-00001.bin cannot be used: truncated"),
    (
        lambda folder: (folder / "train-00001.bin").open("ab").write(b"\0\0"),
        "train-00001.bin cannot be used: too long",
    ),
    (lambda folder: (folder / "train-00001.bin").unlink(), "train-00001.bin cannot be used: No such file"),
    (lambda folder: cut_short(folder / "train-00001.idx.npy"), "train-00001.idx.npy cannot be used"),
    (lambda folder: (folder / "train-00001.idx.npy").write_bytes(b""), "train-00001.idx.npy cannot be used"),
    (change_index(lambda starts: starts[:-1]), "train-00001.idx.npy cannot be used: does not fit"),
    (change_index(lambda starts: starts + 1), "train-00001.idx.npy cannot be used: does not fit"),
    (change_index(lambda starts: starts * 1000), "train-00001.idx.npy cannot be used: does not fit"),
    (change_index(lambda starts: starts.astype("i8")), "train-00001.idx.npy cannot be used: does not fit"),
    (change_index(lambda starts: starts.astype(object)), "train-00001.idx.npy cannot be used"),
    (change_index(swapped), "train-00001.idx.npy cannot be used: does not fit"),
    (
        lambda folder: overwrite(folder / "train-00001.docs.npy", np.zeros(3)),
        "train-00001.docs.npy cannot be used",
    ),
    (no_end, "train-00001.bin cannot be used: does not end"),
    (other_figures, "figures.dtype"),
    (lambda folder: cut_short(folder / MANIFEST), "is broken"),
    (lambda folder: (folder / MANIFEST).unlink(), "is not an artifact"),
]


@pytest.mark.parametrize(("harm", "said"), HARMS)
def test_broken_shards_are_refused_in_one_line(
    tmp_path: Path, bpe: SmallBpe, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], object], said: str
) -> None:
    folder = tmp_path / "t"
    write_tokens(folder, documents(), bpe, shard_tokens=500)
    Tokens.open(folder, bpe)
    harm(folder)
    assert said in refused(lambda: Tokens.open(folder, bpe), monkeypatch).text.en


def test_shards_of_another_tokenizer_or_for_a_smaller_model_are_refused(
    tmp_path: Path, bpe: SmallBpe, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tokens(tmp_path / "t", documents(), bpe)
    other = train(350)
    assert refused(lambda: Tokens.open(tmp_path / "t", other), monkeypatch).code == "other_tokenizer"
    small = refused(lambda: Tokens.open(tmp_path / "t", bpe, vocab_size=bpe.vocab_size - 1), monkeypatch)
    assert small.code == "vocabulary_too_large"
    assert str(bpe.vocab_size) in small.text.en
    (tmp_path / "model").mkdir()
    manifest = Manifest(kind="model", id="sha256:0", name="model")
    (tmp_path / "model" / MANIFEST).write_text(manifest.model_dump_json())
    assert refused(lambda: Tokens.open(tmp_path / "model"), monkeypatch).code == "not_tokens"


def test_nothing_to_train_on_is_refused_and_leaves_nothing(
    tmp_path: Path, bpe: SmallBpe, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = next(document for document in documents() if is_heldout(document.text, 0.1))
    for texts in ([], [only]):
        error = refused(
            lambda texts=texts: write_tokens(tmp_path / "t", texts, bpe, heldout=0.1), monkeypatch
        )
        assert error.code == "empty_corpus"
    assert [path.name for path in tmp_path.iterdir()] == [".t.lock"]


def test_a_tokenizer_whose_ids_do_not_fit_is_refused(
    tmp_path: Path, bpe: SmallBpe, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lying(SmallBpe):
        @property
        def vocab_size(self) -> int:
            return 300

    class Huge(SmallBpe):
        @property
        def vocab_size(self) -> int:
            return 2**32 + 1

    for tokenizer, code in (
        (Lying(bpe.inner), "vocabulary_mismatch"),
        (Huge(bpe.inner), "vocabulary_too_large"),
    ):
        error = refused(lambda t=tokenizer: write_tokens(tmp_path / "t", documents(), t), monkeypatch)
        assert error.code == code
    assert not (tmp_path / "t").exists()


def test_a_fault_in_the_middle_leaves_the_older_shards_whole(tmp_path: Path, bpe: SmallBpe) -> None:
    old = write_tokens(tmp_path / "t", documents(), bpe)

    def stream() -> Iterator[Document]:
        yield from documents(300)
        raise FeilunError("bad line", "坏行")

    with pytest.raises(FeilunError, match=r"bad line|坏行"):
        write_tokens(tmp_path / "t", stream(), bpe, batch_chars=100)
    assert Tokens.open(tmp_path / "t", bpe).manifest == old
    assert sorted(path.name for path in tmp_path.iterdir()) == [".t.lock", "t"]
    assert (
        write_tokens(tmp_path / "t", documents(50), bpe).id
        == Tokens.open(tmp_path / "t").manifest.id
        != old.id
    )


def test_what_is_not_token_shards_is_never_replaced(
    tmp_path: Path, bpe: SmallBpe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("home", "file"):
        error = refused(lambda name=name: write_tokens(tmp_path / name, documents(), bpe), monkeypatch)
        assert error.code == "name_taken"
    assert (tmp_path / "home" / "precious").read_text() == (tmp_path / "file").read_text() == "x"
