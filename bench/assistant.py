"""A served model on other people's questions: is it right, does it end, does it keep to the language?

    python bench/assistant.py --data FOLDER --url http://127.0.0.1:8765/v1 --model A
    python bench/assistant.py --data FOLDER --model before --model after
    python bench/assistant.py --compare before.json after.json      # two files of --json, of one model each

Our own 200 questions are of the kind that the assistant was trained on; these are not. FOLDER holds public sets, which
stay out of the repository; recipes/eval says how each is asked and scored, and `feilun eval` does it. Of each a sample,
the same every time; the samples of a smaller ``--limit`` are in those of a larger one.

"right" is the task's main score: IFEval's instructions are all followed, the last number is the answer, the answer is
mentioned, the code passes the tests. Open questions have none, unless ``--judge`` adds MT-Bench. Intervals are of
95 %; "won" and "lost" count the items on which the last model scores higher or lower than the first. Code in answers
is run on this machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun.evaluate.figures import Figure
from feilun.evaluate.results import Results

ROOT = Path(__file__).parents[1]
SETS = ("ifeval", "gsm8k", "chinese_simpleqa", "vicuna", "mbpp", "humaneval")
SHOWN = ("right", "language", "ends")


def measure(options: argparse.Namespace, name: str, out: Path) -> Results:
    """What `feilun eval` finds of a set. Its progress and its complaints are on stderr."""
    command = [sys.executable, "-m", "feilun"]
    command += ["-w", options.workspace] if options.workspace else []
    command += ["eval", str(ROOT / f"recipes/eval/{name}.toml"), "--data", str(options.data)]
    command += ["--limit", str(options.limit), "--concurrency", str(options.concurrency), "--out", str(out)]
    for option in ("url", "judge", "max_tokens"):
        if (value := getattr(options, option)) is not None:
            command += [f"--{option.replace('_', '-')}", str(value)]
    for model in options.model or ():
        command += ["--model", model]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        sys.exit(code)
    return Results.model_validate_json(out.read_bytes())


def beside(before: Results, after: Results) -> Results:
    """Two evaluations of the same items as one of both models."""
    same = [item.model_dump(exclude={"results"}) for item in before.items]
    if same != [item.model_dump(exclude={"results"}) for item in after.items] or before.task != after.task:
        sys.exit(f"{before.name}: not the same items, or not asked in the same way")
    items = [
        item.model_copy(update={"results": [*item.results, *other.results]})
        for item, other in zip(before.items, after.items, strict=True)
    ]
    return before.model_copy(update={"models": [*before.models, *after.models], "items": items})


def row(results: Results) -> list[str]:
    """A set's line: the share of each model, in their order, by each scorer that is shown."""
    main = results.scorers[0]
    scorers = {"right": None if main in SHOWN else main, "language": "language", "ends": "ends"}
    cells = [
        " → ".join(share(found.all.get(scorer or "")) for found in results.figures) if scorer else "-"
        for scorer in scorers.values()
    ]
    last = [
        each
        for each in results.differences
        if each.scorer == main
        and (each.before, each.after) == (results.models[0].name, results.models[-1].name)
    ]
    changes = [f"+{each.won} -{each.lost}" for each in last] if len(results.models) > 1 else []
    return [results.name, f"{len(results.items)} of {results.total}", *cells, *changes]


def share(found: Figure | None) -> str:
    if found is None or found.mean is None or found.interval is None:
        return "-"
    low, high = found.interval
    apart = f", {found.unscorable} unscorable" if found.unscorable else ""
    return f"{found.mean:.0%} ({100 * low:.0f}-{100 * high:.0f}{apart})"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown, with columns that stand under each other."""
    full = [[*line, *[""] * (len(header) - len(line))] for line in lines]
    widths = [max(2, *map(len, column)) for column in zip(header, *full, strict=True)]
    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]

    def padded(line: Sequence[str]) -> str:
        name, *cells = zip(line, widths, strict=True)
        return " | ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in cells)])

    return "\n".join(f"| {padded(line)} |" for line in (header, rule, *full))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with the sets")
    parser.add_argument("--limit", type=int, default=40, help="questions of each set")
    parser.add_argument("--only", nargs="+", choices=[*SETS, "mt_bench"])
    parser.add_argument("--url", help="of a server, with /v1 (default: the workspace's)")
    parser.add_argument("--workspace", help="(default: the user's)")
    parser.add_argument("--model", action="append", help="twice: before and after (default: the first)")
    parser.add_argument("--judge", help="model that judges MT-Bench")
    parser.add_argument("--max-tokens", type=int, help="(default: the task's)")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    git = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    about: dict[str, Any] = {"commit": git.stdout.strip(), "command": " ".join(["python", *sys.argv])}
    if options.compare:
        before, after = (
            [Results.model_validate(found) for found in json.loads(path.read_text("utf-8"))["sets"]]
            for path in options.compare
        )
        results = [beside(old, new) for old, new in zip(before, after, strict=True)]
    elif options.data is None:
        parser.error("--data or --compare")
    else:
        sets = options.only or [*SETS, *(["mt_bench"] if options.judge else [])]
        with tempfile.TemporaryDirectory() as folder:
            results = [measure(options, name, Path(folder, f"{name}.json")) for name in sets]
    if options.json:
        sets = [found.model_dump(mode="json") for found in results]
        print(json.dumps({**about, "sets": sets}, ensure_ascii=False, indent=1))
        return
    models = " → ".join(model.name for model in results[0].models)
    print(f"commit: {about['commit']}", f"command: {about['command']}", f"{models}\n", sep="\n")
    changes = ["won, lost"] if len(results[0].models) > 1 else []
    print(table(["set", "n", *SHOWN, *changes], [row(found) for found in results]))


if __name__ == "__main__":
    main()
