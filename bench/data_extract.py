"""Main-text extraction: ours, resiliparse, trafilatura and readability-lxml on the same pages with gold text.

    python bench/data_extract.py --data FOLDER
    python bench/data_extract.py --data FOLDER --peers PYTHON

Precision, recall and F1 are of character 4-grams (a multiset) without white space and punctuation, the mean over
pages. Of pages with snippets instead of gold text: the part of those that must be there and is, the part of those that
must not and is not, and the F1 of both. Pages per CPU-second are of the quickest of three rounds over a sample, each
in a process of its own, one after the other.

``--peers`` names a Python that has trafilatura and readability-lxml; they need not be installed beside Feilun. Without
it this Python is asked. A peer that is not there is left out, with a word.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

SETS = ("chinese_web_gold_zh", "scrapinghub_articles_en", "readability_pages", "webmainbench_sample")
SNIPPETS = "trafilatura_eval"
NAMES = (
    "feilun",
    "resiliparse",
    "trafilatura",
    "trafilatura fast",
    "trafilatura precision",
    "readability-lxml",
)
_SILENT = re.compile(r"[\s\W_]+")


def extractor(name: str) -> Callable[[str], str]:
    """Raises ImportError where the library is missing."""
    if name == "feilun":
        from feilun.data.extract import extract

        return lambda html: extract(html).text
    if name == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text  # type: ignore[import-not-found]

        return lambda html: extract_plain_text(html, main_content=True, alt_texts=False, comments=False)
    if name == "readability-lxml":
        import lxml.html  # type: ignore[import-not-found]
        from readability import Document  # type: ignore[import-not-found]

        return lambda html: lxml.html.fromstring(Document(html).summary()).text_content()
    import trafilatura  # type: ignore[import-not-found]

    more = {"trafilatura fast": {"fast": True}, "trafilatura precision": {"favor_precision": True}}.get(
        name, {}
    )
    return lambda html: trafilatura.extract(html, include_comments=False, **more) or ""


def work(name: str) -> None:
    """Child: pages in on stdin, one JSON string a line; texts and seconds out."""
    import logging

    logging.disable(logging.CRITICAL)
    try:
        run = extractor(name)
    except ImportError as missing:
        print(json.dumps({"missing": str(missing)}))
        return
    pages = [json.loads(line) for line in sys.stdin]
    texts: list[str] = []
    failed = 0
    for page in pages:
        try:
            texts.append(run(page))
        except Exception:  # a peer that gives up on a page has found nothing there
            texts.append("")
            failed += 1
    sample = pages[::6]
    seconds: list[float] = []
    for _ in range(3):
        begin = time.process_time()
        for page in sample:
            with contextlib.suppress(Exception):
                run(page)
        seconds.append(time.process_time() - begin)
    print(json.dumps({"texts": texts, "failed": failed, "rate": len(sample) / min(seconds)}))


def grams(text: str) -> Counter[str]:
    plain = _SILENT.sub("", text)
    return Counter(plain[at : at + 4] for at in range(len(plain) - 3))


def score(text: str, gold: Counter[str]) -> tuple[float, float, float]:
    """Precision, recall, F1."""
    found = grams(text)
    shared = (found & gold).total()
    if not shared:
        return 0.0, 0.0, 0.0
    precision, recall = shared / found.total(), shared / gold.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


def load(data: Path, name: str) -> list[dict[str, Any]]:
    import zstandard

    with (data / f"{name}.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8", newline="\n")
        return [json.loads(line) for line in lines]


def mean(rows: list[tuple[float, float, float]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def snippets(pages: list[dict[str, Any]], texts: list[str]) -> tuple[float, float, float]:
    """Kept of what must be there, kept out of what must not, F1 over both."""
    here = there = absent = unwanted = 0
    for page, text in zip(pages, texts, strict=True):
        packed = "".join(text.split())
        for snippet in page["must_have"]:
            here += "".join(snippet.split()) in packed
            there += 1
        for snippet in page["must_not_have"]:
            absent += "".join(snippet.split()) not in packed
            unwanted += 1
    wrong = (there - here) + (unwanted - absent)
    return here / there, absent / unwanted, 2 * here / (2 * here + wrong)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the page sets (*.jsonl.zst)")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="a Python that has the peers"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth page of each set")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, too")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.work)
        return
    if asked.data is None:
        parser.error("--data is needed")

    pages = {name: load(asked.data, name)[:: asked.every] for name in (*SETS, SNIPPETS)}
    everything = [page for of_set in pages.values() for page in of_set]
    gold = [grams(page["gold_text"]) if page.get("gold_text") else None for page in everything]
    source = [name for name, of_set in pages.items() for _ in of_set]
    given = "".join(json.dumps(page["html"]) + "\n" for page in everything)
    print("pages: " + ", ".join(f"{name} {len(of_set)}" for name, of_set in pages.items()))
    heads = [name.split("_")[0] for name in SETS]
    print(
        f"{'P/R/F1':22s}" + "".join(f"{head:>19s}" for head in [*heads, "all", "snippets"]) + "  pages/CPU-s"
    )

    results: dict[str, Any] = {}
    for name in NAMES:
        python = sys.executable if name in ("feilun", "resiliparse") else asked.peers
        child = subprocess.run(
            [python, __file__, "--work", name], input=given, capture_output=True, text=True
        )
        if child.returncode:
            sys.exit(f"{name}: {child.stderr[-2000:]}")
        answer = json.loads(child.stdout.splitlines()[-1])
        if "missing" in answer:
            print(f"{name:22s}left out: {answer['missing']}")
            continue
        rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for text, wanted, name_of_set in zip(answer["texts"], gold, source, strict=True):
            if wanted is not None:
                rows[name_of_set].append(score(text, wanted))
        result: dict[str, Any] = {name_of_set: mean(rows[name_of_set]) for name_of_set in SETS}
        result["all"] = mean([row for name_of_set in SETS for row in rows[name_of_set]])
        result["snippets"] = snippets(pages[SNIPPETS], answer["texts"][-len(pages[SNIPPETS]) :])
        cells = [
            "/".join(f"{value:.3f}" for value in result[column]) for column in (*SETS, "all", "snippets")
        ]
        print(
            f"{name:22s}" + "".join(f"{cell:>19s}" for cell in cells) + f"  {answer['rate']:.1f}", flush=True
        )
        results[name] = {**result, "pages_per_cpu_second": answer["rate"], "failed": answer["failed"]}

    peers = [name for name in results if name != "feilun"]
    if peers:
        for column in (*SETS, "all", "snippets"):
            best = max(peers, key=lambda name: results[name][column][2])
            ahead = results["feilun"][column][2] - results[best][column][2]
            print(f"{column}: F1 {ahead:+.3f} against the best peer, {best}")
        for name in peers:
            times = results["feilun"]["pages_per_cpu_second"] / results[name]["pages_per_cpu_second"]
            print(f"speed: {times:.1f} times {name}")
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
