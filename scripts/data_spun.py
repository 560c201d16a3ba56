"""Make ``recipes/data/spun.npz``: the odds that a word was put in by a text spinner (`feilun.data.score.spun`).

    python scripts/data_spun.py --data FOLDER

FOLDER is that of `data_quality.py`. The spinner is ours: the tables in ``scripts/spinner``, an original and what may stand
in its place. The same texts give the same bytes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from data_advert import written
from data_quality import REFERENCE, pieces

from feilun.data.labelled import pages
from feilun.data.repair.script import simplified
from feilun.data.score.spun import learn

HERE = Path(__file__).parent
SHARE = 0.5
"""Of the words that stand in the table, so many are replaced."""
GOOD = ("clean", "innocent", "advice")


class Spinner:
    def __init__(self, lang: str) -> None:
        rows = (line.split("\t") for line in (HERE / f"spinner/{lang}.tsv").read_text("utf-8").splitlines())
        self.table = {original: others.split("|") for original, others in rows}
        longest = "|".join(map(re.escape, sorted(self.table, key=len, reverse=True)))
        self.pattern = re.compile(longest if lang == "zh" else rf"\b(?:{longest})\b", re.IGNORECASE)

    def spin(self, text: str, draw: Random) -> str:
        def other(match: re.Match[str]) -> str:
            if draw.random() > SHARE:
                return match[0]
            chosen = draw.choice(self.table[match[0].lower()])
            return chosen.capitalize() if match[0][0].isupper() else chosen

        return self.pattern.sub(other, text)


def pairs(data: Path, most: int) -> Iterator[tuple[str, str]]:
    draw = Random(0)
    for lang in ("zh", "en"):
        spinner = Spinner(lang)
        for name, (of, characters, _) in REFERENCE.items():
            if of == lang:
                found = list(pieces(data, name, characters))
                draw.shuffle(found)
                yield from ((text, spinner.spin(text, draw)) for text in found[:most])
        ours = [page for seed in (101, 102, 103) for page in pages(seed) if page.kind in GOOD]
        texts = [page.text for page in ours if page.lang == lang]
        for kind in ("advert", "honest"):  # which speak of what the others do not
            texts += [simplified(text) for text in written(kind, (lang,))] * 2
        yield from ((text, spinner.spin(text, draw)) for text in texts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with corpus/ and parallel/")
    parser.add_argument("--out", type=Path, default=Path("recipes/data"))
    parser.add_argument("--pieces", type=int, default=8000, help="pieces of each file, at most")
    options = parser.parse_args()
    learn(pairs(options.data, options.pieces)).save(options.out / "spun.npz")


if __name__ == "__main__":
    main()
