"""What the default recipe does to the labelled set, and what each score can tell: `python bench/data_labelled.py`.

Per kind how many pages are kept and for what reason the others are dropped; per reason how many of the pages that its
rules drop are bad (precision), and how many of the bad ones it drops, of all and of the kind it drops most of (recall);
per score and kind the AUC, that is how often a page of that kind lies above a clean one (.5: the score says nothing).
Then the same of pages that nothing here was made with (``tests/data/unseen``: advertisements, honest pages about the same
things, articles and what a spinner makes of them), written by those who had not seen lists or classifiers.
With ``--gold FILE...`` (JSON lines with ``gold_text``, ``.zst`` or not) how many of other pages' texts are kept, and of
how many pairs of them, one after the other in one page.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard

from feilun.data.decide import Rule, decide
from feilun.data.judged import broken, columns_of, raw_of
from feilun.data.labelled import COUNTS, pages
from feilun.data.recipe import CorpusRecipe
from feilun.data.repair import simplified
from feilun.data.score import SCORES, quality, scores
from feilun.data.sources import Raw
from feilun.recipe import read_recipe, shipped

UNSEEN = Path(__file__).parents[1] / "tests/data/unseen"
Columns = dict[str, np.ndarray]


def auc(above: np.ndarray, below: np.ndarray) -> float:
    above, below = above[~np.isnan(above)][:, None], below[~np.isnan(below)][None, :]
    return (
        float(np.mean((above > below) + 0.5 * (above == below)))
        if above.size and below.size
        else float("nan")
    )


def by_kind(kinds: np.ndarray, columns: Columns, rules: list[Rule]) -> None:
    reasons, _ = decide(rules, columns)
    for kind in dict.fromkeys(kinds.tolist()):
        mine = reasons[kinds == kind]
        dropped = Counter(one for one in mine if one)
        print(f"{kind:12} kept {sum(mine == ''):4} of {len(mine):4}  {dict(dropped.most_common(6))}")


def by_reason(kinds: np.ndarray, bad: np.ndarray, columns: Columns, rules: list[Rule]) -> None:
    print("\nreason         dropped  precision  recall of all bad  of the kind it drops most of")
    before = columns["reason"]  # what is dropped before any rule is asked
    found = {name: before == name for name in sorted(set(before) - {""})} | broken(rules, columns)
    for name, dropped in found.items():
        shares = {kind: float(dropped[kinds == kind].mean()) for kind in COUNTS if bad[kinds == kind].any()}
        most = max(shares, key=lambda kind: shares[kind])
        right = f"{bad[dropped].mean():9.3f}" if dropped.any() else "        -"
        print(f"{name:14}{dropped.sum():8}  {right}  {dropped[bad].mean():17.3f}  {shares[most]:.3f} {most}")


def by_score(kinds: np.ndarray, bad: np.ndarray, columns: Columns) -> None:
    worse = [kind for kind in COUNTS if bad[kinds == kind].any()]
    print("\nAUC against clean pages")
    print(" " * 28 + "".join(f"{kind:>11}" for kind in worse))
    for name in SCORES:
        clean = columns[name][kinds == "clean"]
        print(f"{name:28}" + "".join(f"{auc(columns[name][kinds == kind], clean):11.2f}" for kind in worse))


def unseen(rules: list[Rule], model: Callable[[str], float] | None) -> None:
    print("\npages that nothing was made with")
    for path in sorted(UNSEEN.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        raws = [Raw(row["id"], "unseen", "text", row["text"]) for row in rows]
        kinds = np.array([f"{path.stem} {row['lang']}" for row in rows])
        by_kind(kinds, columns_of(raws, model), rules)


def gold(path: Path) -> list[Raw]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    rows = [json.loads(line) for line in data.decode().split("\n") if line]
    return [
        Raw(str(at), "gold", "text", one["gold_text"], title=one.get("title_tag"))
        for at, one in enumerate(rows)
        if one.get("gold_text")
    ]


def spliced(raws: list[Raw], pairs: int = 200) -> list[Raw]:
    """Made of two of them each, of at least 400 characters, at most 6,000 of either."""
    draw, long = random.Random(0), [raw for raw in raws if len(_text(raw)) >= 400]
    return [
        Raw(str(at), "gold", "text", "\n".join(_text(raw)[:6000].strip() for raw in draw.sample(long, 2)))
        for at in range(pairs if len(long) > 1 else 0)
    ]


def _text(raw: Raw) -> str:
    assert isinstance(raw.content, str)
    return raw.content


def _seconds(shadows: list[tuple[str, str, str]]) -> float:
    start = time.process_time()
    for text, title, shadow in shadows:
        scores(text, title, shadow)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gold", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    recipe = read_recipe(shipped("data/web.toml"), CorpusRecipe)
    model = quality()
    labelled = pages(options.seed)
    kinds, bad = np.array([page.kind for page in labelled]), np.array([not page.good for page in labelled])
    columns = columns_of(map(raw_of, labelled), model)
    by_kind(kinds, columns, recipe.rules)
    by_reason(kinds, bad, columns, recipe.rules)
    by_score(kinds, bad, columns)
    shadows = [(page.text, page.title, simplified(page.text)) for page in labelled]
    weight = sum(len(text.encode()) for text, _, _ in shadows)
    taken = min(_seconds(shadows) for _ in range(5))
    print(
        f"\nscores: {len(shadows) / taken:.0f} pages of {weight / len(shadows):.0f} bytes a CPU-second (best of 5)"
    )
    unseen(recipe.rules, model)
    for path in options.gold:
        raws = gold(path)
        if not raws:
            sys.exit(f"{path} has no gold_text")
        for kind, those in ((path.name[:12], raws), ("two in one", spliced(raws))):
            if those:
                by_kind(np.full(len(those), kind), columns_of(those, model), recipe.rules)


if __name__ == "__main__":
    main()
