"""What the rules do to the labelled set, and what each score can tell: `python bench/data_labelled.py`.

Per kind how many pages are kept and for what reason the others are dropped; per score and kind the AUC, that is how
often a page of that kind lies above a clean one (.5: the score says nothing). With ``--gold FILE...`` (JSON lines with
``gold_text``, ``.zst`` or not) how many of other pages' texts the rules keep.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import zstandard

from feilun.data.decide import Rule, decide
from feilun.data.encoding import decode
from feilun.data.labelled import COUNTS, pages
from feilun.data.lines import clean_lines
from feilun.data.repair import repair, simplified
from feilun.data.score import language, quality, scores

RULES = [
    Rule(reason="too_short", column="score.units.v1", min=50),
    Rule(reason="language", column="score.other.v1", max=0.5),
    Rule(reason="shifted", column="score.shifted.v1", max=3),
    Rule(reason="gambling", column="score.gambling.v1", max=15),
    Rule(reason="porn", column="score.porn.v1", max=15),
    Rule(reason="spam", column="score.spam.v1", max=15),
    Rule(reason="spun", column="score.spun.v1", max=4),
    Rule(reason="list", column="score.prose.v1", min=0.3),
    Rule(reason="list", column="score.listed.v1", max=0.6),
    Rule(reason="quality", column="score.quality.v1", min=0.1),
    Rule(reason="repetition", column="score.repetition.v1", max=0.3),
    Rule(reason="top_ngram", column="score.top_ngram.v1", max=0.2),
    Rule(reason="repeated_lines", column="score.repeated_lines.v1", max=0.3),
]


def row(title: str, text: str, score: Callable[[str], float] | None) -> dict[str, float | str]:
    mended = repair(title, text)
    kept = clean_lines(mended.text, title=mended.title).text
    found: dict[str, float | str] = {**scores(kept, mended.title, simplified(kept))}
    found["score.shifted.v1"] = mended.shifted
    found["score.quality.v1"] = score(kept) if score else float("nan")
    return {**found, "lang": language(kept)}


def table(rows: list[dict[str, float | str]]) -> dict[str, np.ndarray]:
    columns = {name: np.array([one[name] for one in rows]) for name in rows[0]}
    return {**columns, "id": np.arange(len(rows)).astype(str), "reason": np.full(len(rows), "", object)}


def auc(above: np.ndarray, below: np.ndarray) -> float:
    above, below = above[~np.isnan(above)][:, None], below[~np.isnan(below)][None, :]
    return (
        float(np.mean((above > below) + 0.5 * (above == below)))
        if above.size and below.size
        else float("nan")
    )


def report(names: list[str], columns: dict[str, np.ndarray], rules: list[Rule]) -> None:
    reason, _ = decide(rules, columns)
    kinds = np.array(names)
    for kind in dict.fromkeys(names):
        mine = reason[kinds == kind]
        dropped = Counter(one for one in mine if one)
        print(f"{kind:12} kept {sum(mine == ''):4} of {len(mine):4}  {dict(dropped.most_common(6))}")


def gold(path: Path) -> list[tuple[str, str]]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    rows = (json.loads(line) for line in data.decode().split("\n") if line)
    return [(one.get("title_tag") or "", one["gold_text"]) for one in rows if one.get("gold_text")]


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
    model = quality()
    labelled = pages(options.seed)
    right = [
        unescape(decode(page.html, page.charset, html=True).text)
        for page in labelled
        if page.kind == "charset"
    ]
    wanted = [page.text[:40] for page in labelled if page.kind == "charset"]
    print(f"charset: {sum(a in b for a, b in zip(wanted, right, strict=True))} of {len(right)} decoded right")
    names = [page.kind for page in labelled]
    rows = [row(page.title, page.text, model) for page in labelled]
    columns = table(rows)
    report(names, columns, RULES)
    kinds = np.array(names)
    print("\nAUC against clean pages")
    bad = [kind for kind in COUNTS if not any(page.good for page in labelled if page.kind == kind)]
    print(" " * 28 + "".join(f"{kind:>11}" for kind in bad))
    for name in columns:
        if name.startswith("score."):
            clean = columns[name][kinds == "clean"]
            print(f"{name:28}" + "".join(f"{auc(columns[name][kinds == kind], clean):11.2f}" for kind in bad))
    shadows = [(page.text, page.title, simplified(page.text)) for page in labelled]
    weight = sum(len(text.encode()) for text, _, _ in shadows)
    taken = min(_seconds(shadows) for _ in range(5))
    print(
        f"\nscores: {len(shadows) / taken:.0f} pages of {weight / len(shadows):.0f} bytes a CPU-second (best of 5)"
    )
    for path in options.gold:
        pairs = gold(path)
        report([path.name[:12]] * len(pairs), table([row(*pair, model) for pair in pairs]), RULES)


if __name__ == "__main__":
    main()
