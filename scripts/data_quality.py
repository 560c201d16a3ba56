# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
"""Make what Feilun's scores ship with: the quality classifier and the tables of familiar pairs and of rare words.

    python scripts/data_quality.py --data FOLDER

FOLDER holds openly licensed texts as JSON lines with a field ``text`` (``.jsonl`` or ``.jsonl.zst``), named in
`REFERENCE`. The files and their data sheet go to ``recipes/data``. The same texts give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from feilun.data.labelled import Labelled, pages
from feilun.data.labelled.articles import Article
from feilun.data.labelled.spin import spin
from feilun.data.repair.script import simplified
from feilun.data.score.classifier import Classifier, train
from feilun.data.score.cohesion import learn_rarity
from feilun.data.score.familiar import learn

REFERENCE = {
    "laws_zh": ("zh", 4_000_000, "public domain (Copyright Law of China, art. 5)"),
    "smile_dialogue_zh": ("zh", 6_000_000, "CC0-1.0"),
    "javaguide_zh": ("zh", 3_000_000, "Apache-2.0"),
    "oi_wiki_zh": ("zh", 2_000_000, "CC-BY-SA-4.0"),
    "react_docs_zh": ("zh", 1_500_000, "CC-BY-4.0"),
    "classical_modern_zh": ("zh", 7_000_000, "MIT; the modern side"),
    "docs_zh_en": ("zh", 1_000_000, "Apache-2.0 and CC-BY-4.0; the Chinese side"),
    "classic_books_en": ("en", 12_000_000, "public domain"),
    "wikipedia_demo_en": ("en", 2_000_000, "CC-BY-SA"),
    "ml_engineering_en": ("en", 2_000_000, "CC-BY-SA-4.0"),
    "c4_demo_en": ("en", 1_000_000, "ODC-BY"),
}
"""File, language, characters read of it at most, licence."""

PIECE = 1500
"""Characters of a text to learn from: a page's length, so that long books do not count for more."""
_BREAK = re.compile(r"(?<=[。！？.!?\n])")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with corpus/ and parallel/")
    parser.add_argument("--out", type=Path, default=Path("recipes/data"))
    parser.add_argument(
        "--pieces", type=int, default=300, help="pieces of each file to train the classifier on"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    found = {name: list(pieces(options.data, name, most)) for name, (_, most, _) in REFERENCE.items()}
    learn(piece for name in found for piece in found[name]).save(options.out / "familiar.npz")
    learn_rarity(piece for name in found for piece in found[name]).save(options.out / "rarity.npz")

    draw = Random(0)
    reference: list[tuple[str, str]] = []
    for name, texts in found.items():
        draw.shuffle(texts)
        reference += [(REFERENCE[name][0], text) for text in texts[: options.pieces]]
    draw.shuffle(reference)
    held = len(reference) // 10
    raw = [page.text for seed in (101, 102, 103) for page in pages(seed) if not page.good]
    clean = [page.text for seed in (101, 102, 103) for page in pages(seed) if page.kind == "clean"]
    damaged = [corrupt(draw, lang, text) for lang, text in reference]
    model = train([text for _, text in reference[held:]] + clean, damaged[held:] + raw)
    model.save(options.out / "quality.npz")
    figures = (
        auc(model, [text for _, text in reference[:held]], damaged[:held]),
        auc(
            model,
            [page.text for page in pages(7) if page.kind == "clean"],
            [page.text for page in pages(7) if not page.good],
        ),
    )
    (options.out / "quality.md").write_text(sheet(found, options.pieces, figures), encoding="utf-8")
    print(f"AUC {figures[0]:.3f} corrupted, {figures[1]:.3f} generated")


def pieces(data: Path, name: str, most: int, least: int = 200) -> Iterator[str]:
    """Texts of about `PIECE` characters, and more than ``least``, Simplified; ``most`` characters of all."""
    path = next(one for room in ("corpus", "parallel") for one in (data / room).glob(f"{name}.jsonl*"))
    file = path.open("rb")
    stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
    with file, io.TextIOWrapper(stream, "utf-8", newline="\n") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            pairs: list[Any] = row.get("pairs") or []
            text: Any = row.get("text") or row.get("zh") or "\n".join(str(pair[1]) for pair in pairs)
            if isinstance(text, list):
                text = "\n".join(text)
            text = simplified(text)
            for start in range(0, len(text), PIECE):
                piece = text[start : start + PIECE]
                if len(piece) > least:
                    yield piece
                    most -= len(piece)
            if most < 0:
                return


def corrupt(draw: Random, lang: str, text: str) -> str:
    """A copy of the text as bad pages damage it: spun, shuffled, cut, or drowned in what sells."""
    lines = [part for part in _BREAK.split(text) if part.strip()]
    way = draw.randrange(4)
    if way == 0:
        spun = spin(draw, "zh" if lang == "zh" else "en", Article("", lines), 1.0)
        return "".join(spun.paragraphs)
    if way == 1:  # pairs no longer fit
        cut = [list(line) if lang == "zh" else line.split(" ") for line in lines]
        for one in cut:
            for _ in range(len(one) // 6):
                a, b = draw.randrange(len(one)), draw.randrange(len(one))
                one[a], one[b] = one[b], one[a]
        return ("" if lang == "zh" else " ").join(("" if lang == "zh" else " ").join(one) for one in cut)
    if way == 2:  # a list of beginnings
        return "\n".join(
            f"{line.strip()[:14]} {draw.randint(2005, 2025)}-{draw.randint(10, 12)}" for line in lines
        )
    ads = [page.text for page in _sellers() if page.lang == lang]
    for _ in range(max(1, len(lines) // 4)):
        lines.insert(draw.randrange(len(lines) + 1), draw.choice(draw.choice(ads).split("\n")))
    return "\n".join(lines)


@cache
def _sellers() -> list[Labelled]:
    return [page for page in pages(104) if page.kind in ("spam", "gambling")]


def auc(model: Classifier, good: list[str], bad: list[str]) -> float:
    above: NDArray[Any] = np.array([model.score(text) for text in good])[:, None]
    below: NDArray[Any] = np.array([model.score(text) for text in bad])[None, :]
    return float(np.mean((above > below) + 0.5 * (above == below)))


def sheet(found: dict[str, list[str]], taken: int, figures: tuple[float, float]) -> str:
    rows = "\n".join(
        f"| {name} | {lang} | {sum(map(len, found[name])) / 1e6:.1f} M | {min(taken, len(found[name]))} | {licence} |"
        for name, (lang, _, licence) in REFERENCE.items()
    )
    return f"""# quality.npz, familiar.npz and rarity.npz: data sheet

Made by `scripts/data_quality.py`; the same texts give the same bytes. No file holds text: `quality.npz` is 2^18
weights of one byte for hashed n-grams, `familiar.npz` three sets of hashes as bits (units that occur 30 times or more,
pairs of Han characters, pairs of Latin words), `rarity.npz` one byte for each of twice 2^17 hashes of pairs of Han
characters and of Latin words: in how few of the pieces they occur.

| reference | language | characters (pairs) | pieces (classifier) | licence |
|---|---|---|---|---|
{rows}

**Reference** of the classifier: pieces of {PIECE} characters of these, and the clean pages of the labelled set (seeds
101 to 103). **Raw**: its bad pages of the same seeds, and a damaged copy of every reference piece: spun, shuffled, cut
into a list, or mixed with advertisements.

Held out: AUC {figures[0]:.3f} for a tenth of the reference against its damaged copies, {figures[1]:.3f} for clean
against bad pages of the labelled set with another seed. The second is of the same sentence banks, so it is no measure
of the web; and the spun copies were made with the labelled set's own table, so that of spinning it is no measure at all.

`familiar.npz` tells strings of keywords from prose. Spun text it hardly tells: most of what a spinner puts in stands
beside the same words elsewhere, and a new subject brings as many new pairs.

`rarity.npz` tells which words speak of a subject, so that a page whose two halves share none of them can be told from
one that comes back to what it is about (`python bench/data_labelled.py --gold FILE` says how well).

**What the classifier can know**: damage of the kinds above, in words and pairs of words. Since every reference text is there in
both forms, its subject says nothing. **What it cannot know**: whether a page is true, well thought, or worth reading;
kinds of bad pages it never saw; and it has seen no news and no forums, so that limits should be low. GPT-3's
classifier was trained against real raw crawl. Whoever has such a crawl should train on it: name `reference` and raw
in the recipe.

参考文本的许可证见上表；文件中只有散列后的权重与位集，不含原文。它只认得上述几种损坏，不能判断内容是否真实、是否值得读。

`judged.npz` (`scripts/data_judged.py`) holds the scores of the labelled set's good pages by these files, from which a
build tells how much good text each rule would drop. It is made again when a score, a repair or the set changes.

`judged.npz` 是标注集中好页面的各项得分，构建时据此给出每条规则会误删多少好文本；评分、修复或标注集有改动时需重新生成。
"""


if __name__ == "__main__":
    main()
