# pyright: reportMissingImports=false
# (Peers are in a Python of their own.)
"""datatrove's MinHash on a folder's ``texts.jsonl``, for bench/data_dedup.py: run by a Python that has it.

    python bench/data_dedup_datatrove.py FOLDER zh|en

Documents 2n and 2n + 1 are a pair. Writes ``result.json``: pairs of which one was dropped, CPU seconds of each step,
and the similarity of each pair by datatrove's own shingles (5-grams of its words).
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig, ngrams, simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer


def main() -> None:
    folder, language = Path(sys.argv[1]), {"zh": "cmn_Hani", "en": "eng_Latn"}[sys.argv[2]]
    config = MinhashConfig(hash_config=HashConfig(hash_fc="xxhash", precision=64))
    records = [json.loads(line) for line in (folder / "texts.jsonl").open()]
    documents = [Document(text=one["text"], id=one["id"]) for one in records]
    words = load_word_tokenizer(language)
    words.word_tokenize(records[0]["text"])
    seconds: dict[str, float] = {}

    def timed(name: str, step: Any, *arguments: object) -> list[Document]:
        start = time.process_time()
        result = list(step.run(*arguments) or ())
        seconds[name] = time.process_time() - start
        return result

    signature = MinhashDedupSignature(
        output_folder=str(folder / "signatures"), config=config, language=language
    )
    signature.tokenizer = words if hasattr(signature, "tokenizer") else None
    timed("signature", signature, iter(documents), 0, 1)
    buckets = MinhashDedupBuckets(
        input_folder=str(folder / "signatures"), output_folder=str(folder / "buckets"), config=config
    )
    start = time.process_time()
    for rank in range(config.num_buckets):
        list(buckets.run(None, rank, config.num_buckets) or ())
    seconds["buckets"] = time.process_time() - start
    timed(
        "cluster",
        MinhashDedupCluster(
            input_folder=str(folder / "buckets"), output_folder=str(folder / "ids"), config=config
        ),
        None,
        0,
        1,
    )
    kept = timed("filter", MinhashDedupFilter(input_folder=str(folder / "ids")), iter(documents), 0, 1)
    left = {int(one.id) for one in kept}
    found = sorted({at // 2 for at in range(len(records)) if at not in left})

    def shingles(text: str) -> set[tuple[str, ...]]:
        return set(ngrams(words.word_tokenize(simplify_text(text, TextNormConfig())), config.n_grams))

    own: list[float] = []
    for at in range(0, len(records), 2):
        one, other = shingles(records[at]["text"]), shingles(records[at + 1]["text"])
        own.append(len(one & other) / max(1, len(one | other)))
    (folder / "result.json").write_text(json.dumps({"found": found, "seconds": seconds, "own": own}))


if __name__ == "__main__":
    main()
