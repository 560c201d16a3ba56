"""Does cleaning pay? The same small model on the same number of tokens, of raw pages and of cleaned ones.

    python bench/cleaning.py --pages FOLDER [--seeds 3] [--steps 500]

FOLDER holds pages (WARC, JSON lines with ``html``); records with a ``gold_text``, the main text as a person copied it, are what is
predicted: half of them, chosen by a hash, are read by neither side. ``raw`` is all text of every other page, as a WET file has
it; ``cleaned`` is what `recipes/data/web.toml` makes of the same pages. Both sides read as much Chinese as English, and as
many bytes as the smaller side has (``--all``: whatever each has). One tokenizer, trained on both, one shape, the same steps and
learning rates; only seed and text differ. The figures: bits per byte of the gold texts, and how often the true continuation of
a gold text is likelier, per byte, than those of three others (chance: 25 %).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from resiliparse.extract.html2text import extract_plain_text
from train_facts import about, lines, print_json, show

from feilun.commands.corpus_sources import with_sources
from feilun.data.build import build
from feilun.data.encoding import decode
from feilun.data.read import language_of, read_texts
from feilun.data.recipe import CorpusRecipe
from feilun.data.sources.raw import Raw
from feilun.data.sources.reader import read_raw
from feilun.data.tokens import TokenDocument, is_heldout
from feilun.data.workers import local
from feilun.evaluate.bits import Bits
from feilun.jobs import Job
from feilun.model import checkpoint
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.recipe import read_recipe, shipped
from feilun.train.heldout import bits_per_byte
from feilun.train.pretrain import pretrain
from feilun.train.recipe import PretrainRecipe

BEGIN, NEXT, OTHERS = 160, 120, 3
"""Characters of a gold text, of its continuation, and how many strangers' continuations stand beside it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    facts = about(pages=str(wanted.pages), seeds=wanted.seeds, steps=wanted.steps)
    with tempfile.TemporaryDirectory() as folder:
        results = measured(wanted, Path(folder))
    if wanted.json:
        print_json(facts, [results], [])
    else:
        show(lines(facts), lines(results))


def measured(wanted: argparse.Namespace, folder: Path) -> dict[str, Any]:
    gold = {name: text for name, text in gold_of(wanted.pages) if is_heldout(name, 0.5)}
    sides = {"raw": folder / "raw.jsonl", "cleaned": folder / "cleaned"}
    pages = folder / "pages.jsonl"
    write_pages(wanted.pages, set(gold), pages, sides["raw"])
    job = Job.create(folder / "runs", "corpus", "cleaned", {}, argv=["bench"])
    recipe = with_sources(read_recipe(shipped("data/web.toml"), CorpusRecipe), folder, [str(pages)])
    with job.running():
        build(recipe, job, sides["cleaned"], local(2))
    texts = {name: [document.text for document in read_texts(path)] for name, path in sides.items()}
    if not wanted.all:
        least = min(min(sizes_of(side).values()) for side in texts.values())
        for name, side in texts.items():
            texts[name] = evenly(side, least)
            sides[name] = folder / f"{name}-even.jsonl"
            rows = (json.dumps({"text": text}) + "\n" for text in texts[name])
            sides[name].write_text("".join(rows), encoding="utf-8")
    tokenizer = train_tokenizer((text for side in texts.values() for text in side), 4096)
    tokenizer.save(folder / "tokenizer")
    found: dict[str, Any] = {
        "gold texts": {
            lang: sum(language_of(text) == lang for text in gold.values()) for lang in ("zh", "en")
        },
        "bytes read": {name: sizes_of(side) for name, side in texts.items()},
    }
    for name, path in sides.items():
        runs = [
            trained(name, path, folder, seed, wanted.steps, tokenizer, list(gold.values()))
            for seed in range(wanted.seeds)
        ]
        found[name] = {figure: [round(run[figure], 4) for run in runs] for figure in runs[0]} | {
            f"mean {figure}": round(statistics.fmean(run[figure] for run in runs), 4) for figure in runs[0]
        }
    return found


def sizes_of(texts: list[str]) -> dict[str, int]:
    """Bytes of each language."""
    sizes = {"zh": 0, "en": 0}
    for text in texts:
        sizes[language_of(text)] += len(text.encode())
    return sizes


def evenly(texts: list[str], size: int) -> list[str]:
    """So many bytes of each language, in the order of a hash; the last text of each is cut."""
    left = {"zh": size, "en": size}
    chosen: list[str] = []
    for text in sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest()):
        language = language_of(text)
        part = text.encode()[: left[language]].decode(errors="ignore")
        if part:
            chosen.append(part)
            left[language] -= len(part.encode())
    return chosen


def gold_of(pages: Path) -> Iterator[tuple[str, str]]:
    """Ids of pages whose main text somebody has copied, and that text."""
    for page in raw_pages(pages):
        if page["gold_text"]:
            yield page["id"], page["gold_text"]


def raw_pages(pages: Path) -> Iterator[dict[str, Any]]:
    """Every record of the JSON lines with what it says of itself, and every page of the other files."""
    import zstandard

    for path in sorted(pages.rglob("*.jsonl*")):
        data = path.read_bytes()
        text = zstandard.ZstdDecompressor().decompress(data) if path.suffix == ".zst" else data
        for line in text.decode().split("\n"):
            if line.strip():
                record = json.loads(line)
                yield {"gold_text": None, **record}


def write_pages(pages: Path, apart: set[str], cleaned: Path, raw: Path) -> None:
    """All other pages, as the data engine reads them and as plain text."""
    with cleaned.open("w", encoding="utf-8") as html_file, raw.open("w", encoding="utf-8") as text_file:
        for page in read_raw(str(pages), name="pages"):
            if not isinstance(page, Raw) or page.kind != "html" or page.id in apart:
                continue
            html = (
                page.content
                if isinstance(page.content, str)
                else decode(page.content, page.charset, html=True).text
            )
            html_file.write(json.dumps({"id": page.id, "url": page.url, "html": html}) + "\n")
            text = extract_plain_text(html, main_content=False)
            if text.strip():
                text_file.write(json.dumps({"id": page.id, "text": text}) + "\n")


def trained(
    name: str, source: Path, folder: Path, seed: int, steps: int, tokenizer: Tokenizer, gold: list[str]
) -> dict[str, float]:
    recipe = PretrainRecipe.model_validate(
        {
            "kind": "pretrain",
            "name": f"{name}-{seed}",
            "seed": seed,
            "baseline": False,
            "data": {"heldout": 0},
            "tokenizer": {"folder": str(folder / "tokenizer")},
            "model": {"hidden_size": 160, "layers": 4, "heads": 5, "head_dim": 32, "context": 512},
            "optimiser": {
                "kind": "muon",
                "lr": 3e-3,
                "schedule": "wsd",
                "warmup": 20,
                "decay": 0.4,
                "floor": 0.05,
            },
            "run": {"steps": steps, "rows": 8, "length": 256, "evaluate_every": steps, "save_every": steps},
        }
    )
    job = Job.create(folder / "runs", "pretrain", recipe.name, {}, argv=["bench"])
    with job.running():
        made = pretrain(recipe, [source], job, folder / "models" / recipe.name)
    assert made is not None
    model = checkpoint.load(made).eval()
    documents = [
        TokenDocument(
            torch.tensor([*tokenizer.encode(text), tokenizer.eos_id]).numpy(),
            len(text.encode()),
            language_of(text),
        )
        for text in gold
    ]
    figures = bits_per_byte(model, documents, eos_id=tokenizer.eos_id, length=256, dtype=torch.float32)
    bits = {f"bits per byte {lang}": value for lang, value in figures.items()}
    return bits | {"true continuations": continuations(model, tokenizer, gold)}


def continuations(model: Any, tokenizer: Tokenizer, gold: list[str]) -> float:
    """The share of gold texts whose own continuation has the fewest bits a byte after their beginning."""
    parts = [text for text in gold if len(text) > BEGIN + NEXT]
    right, asked = 0, 0
    for language in ("zh", "en"):
        same = [text for text in parts if language_of(text) == language]
        for number, text in enumerate(same):
            choices = [same[(number + step) % len(same)] for step in range(OTHERS + 1)]
            if len(set(choices)) <= OTHERS:
                continue
            costs = [cost(model, tokenizer, text[:BEGIN], one[BEGIN : BEGIN + NEXT]) for one in choices]
            right += costs[0] == min(costs)
            asked += 1
    return right / max(1, asked)


@torch.no_grad()
def cost(model: Any, tokenizer: Tokenizer, before: str, after: str) -> float:
    ids, following = [tokenizer.eos_id, *tokenizer.encode(before)], tokenizer.encode(after)
    whole = torch.tensor([[*ids, *following]])
    targets = whole.roll(-1, 1)
    targets[0, : len(ids) - 1] = -100
    targets[0, -1] = -100
    bits = Bits()
    bits.add(float(model.nats(whole, targets)), len(after.encode()))
    return bits.figures()["all"]


if __name__ == "__main__":
    main()
