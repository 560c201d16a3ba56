# pyright: reportMissingImports=false
# (Peers are in a Python of their own.)
"""datatrove's FineWeb-2 pipeline for Chinese over a folder's WARC files, for bench/data.py: run by a Python that has it.

    python bench/data_datatrove.py PAGES WORK CONFIG LID

The steps are those of fineweb-2-pipeline.py in their order, with the limits of CONFIG (its configs/cmn_Hani.yml); they
run one after the other in this process, and between them documents lie as JSON lines in WORK. LID: fastText's
lid.176.ftz or .bin. FineWeb-2 itself asks GlotLID, which is 800 times as large, and leaves out sites of a block list.
Prints JSON: how many documents each filter left, and CPU seconds of each step.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import datatrove.utils.lid
import yaml
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter, SymbolLinesFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig

LANGUAGE = "cmn_Hani"
TIMEOUT = 60
"""Seconds for the extraction of a page. Its default of 1 drops pages on a busy machine."""


def cpu() -> float:
    """Seconds, with the process that extracts (datatrove keeps it apart to end what hangs)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    pages, work, config, lid = sys.argv[1:]
    datatrove.utils.lid.cached_asset_path_or_download = lambda *_, **__: lid
    limits = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    minhash = MinhashConfig(
        hash_config=HashConfig(hash_fc="xxhash", precision=64),
        num_buckets=14,
        hashes_per_bucket=8,
        n_grams=5,
    )
    seconds: dict[str, float] = {}
    left: dict[str, int] = {}

    def lines(name: str) -> JsonlReader:
        return JsonlReader(f"{work}/{name}", compression=None)

    def writing(name: str) -> JsonlWriter:
        return JsonlWriter(f"{work}/{name}", output_filename="${rank}.jsonl", compression=None)

    def run(name: str, *steps: Any, tasks: int = 1) -> None:
        start = cpu()
        for rank in range(tasks):
            documents = None
            for step in steps:
                documents = step.run(documents, rank, tasks)
            for _ in documents or ():
                pass
        seconds[name] = cpu() - start
        for step in steps:
            if "filter" in type(step).__name__.lower():
                left[type(step).__name__] = int(step.stats.stats["forwarded"].total)

    run(
        "extract",
        WarcReader(pages),
        Trafilatura(favour_precision=True, timeout=TIMEOUT),
        LanguageFilter(languages=["zh"], language_threshold=limits["language_score"]),
        writing("chinese"),
    )
    run(
        "signature",
        lines("chinese"),
        MinhashDedupSignature(output_folder=f"{work}/signatures", config=minhash, language=LANGUAGE),
    )
    buckets = MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=minhash)
    run("buckets", buckets, tasks=minhash.num_buckets)
    run("cluster", MinhashDedupCluster(f"{work}/buckets", f"{work}/again", config=minhash))
    run(
        "filters",
        lines("chinese"),
        MinhashDedupFilter(f"{work}/again"),
        GopherRepetitionFilter(
            language=LANGUAGE,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            dup_line_frac=limits["dup_line_frac"],
            top_n_grams=limits["top_n_grams"],
            dup_n_grams=limits["dup_n_grams"],
        ),
        FineWebQualityFilter(
            language=LANGUAGE,
            short_line_thr=999,
            char_duplicates_ratio=0.1,
            line_punct_thr=limits["line_punct_thr"],
            new_line_ratio=limits["new_line_ratio"],
        ),
        GopherQualityFilter(
            language=LANGUAGE,
            max_avg_word_length=limits["max_avg_word_length"],
            min_avg_word_length=limits["min_avg_word_length"],
            stop_words=limits["stopwords"],
            max_non_alpha_words_ratio=limits["max_non_alpha_words_ratio"],
            min_stop_words=2,
        ),
        FTFYFormatter(),
        PIIFormatter(),
        SymbolLinesFormatter(symbols_to_remove=["|"], replace_char="\n"),
        writing("kept"),
    )
    print(json.dumps({"seconds": seconds, "left": left}))


if __name__ == "__main__":
    main()
