"""Make ``recipes/data/advert.npz``, which tells pages that sell from honest ones about the same things.

    python scripts/data_advert.py --data FOLDER

It learns from ``scripts/adverts``: pages of our own writing that sell (``advert``) and that do not (``honest``), as many
kinds as their writers could think of; and from pieces of the texts in FOLDER, which is that of `data_quality.py`, since
most of what is read sells nothing. The same texts give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from data_quality import REFERENCE, pieces

from feilun.data.labelled import pages
from feilun.data.score.classifier import train

HERE = Path(__file__).parent
GOOD = ("clean", "innocent", "advice")
TIMES = 4
"""How often a page of `adverts` is shown for one of the others: it is what there is to learn from."""
LENGTHS = (200, 400, 800, 1500)
"""Characters of a piece: pages are of all lengths."""


_ADDRESS = re.compile(r"\S+@\S+|\S+\.example\S*")
"""Invented, and so not the addresses that pages have."""


def written(kind: str, languages: Sequence[str] = ("zh", "en")) -> list[str]:
    return [
        _ADDRESS.sub("", json.loads(line)["text"])
        for lang in languages
        for line in (HERE / f"adverts/{kind}_{lang}.jsonl").read_text("utf-8").splitlines()
    ]


def references(data: Path, most: int) -> list[str]:
    draw = Random(0)
    found: list[str] = []
    for name in (*REFERENCE, "classical_poetry_zh"):  # which no classifier of prose would know
        texts = list(pieces(data, name, 3_000_000, least=60))
        draw.shuffle(texts)
        found += [text[: draw.choice(LENGTHS)] for text in texts[:most]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with corpus/ and parallel/")
    parser.add_argument("--out", type=Path, default=Path("recipes/data"))
    parser.add_argument("--pieces", type=int, default=150, help="pieces of each file, at most")
    options = parser.parse_args()
    ours = [page for seed in (101, 102, 103) for page in pages(seed)]
    adverts = written("advert") * TIMES + [page.text for page in ours if page.kind == "spam"]
    honest = written("honest") * TIMES + [page.text for page in ours if page.kind in GOOD]
    honest += references(options.data, options.pieces)
    train(adverts, honest, l2=2e-5, rounds=400, distinct=True).save(options.out / "advert.npz")


if __name__ == "__main__":
    main()
