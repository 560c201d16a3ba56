"""A served model on other people's questions: does it end, keep to the language, and say or do what was asked?

    python bench/assistant.py --data FOLDER --url http://127.0.0.1:8765/v1 --model A
    python bench/assistant.py --data FOLDER --model before --model after
    python bench/assistant.py --compare before.json after.json      # two files of --json, or of `feilun eval --out`

Our own 200 questions are of the kind that the assistant was trained on; these are not. FOLDER holds public sets as
JSON lines, which stay out of the repository: IFEval, GSM8K, Chinese SimpleQA, MT-Bench (first turns), Vicuna, MBPP,
HumanEval. Of each a sample, the same every time, becomes a question file, and `feilun eval` asks it. The samples of a
smaller ``--limit`` are in those of a larger one.

"right" is what the set can be graded by without a judge: IFEval's instructions are all followed, the last number is
the answer, the answer is mentioned, the code passes the tests. The open questions of MT-Bench and Vicuna have none of
that. An answer that is empty or repeats the question is never right. Intervals are Wilson's of 95 %; "won" and
"lost" count the answers that pass everything only after, and only before. Code in answers is run on this machine.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from feilun.evaluate.checks import Check, Code, CodeTest, Contains, Excludes, Limits, Matches, Number, Words
from feilun.evaluate.questions import Message, Question
from feilun.evaluate.report import Graded, Rate, Report
from feilun.evaluate.wording import straight

ROOT = Path(__file__).parents[1]
LONGEST = 600
"""Words. Who is asked for more cannot end within the default ``--max-tokens``."""

Row = dict[str, Any]
Task = tuple[str, list[Check]]
"""What the user says, and what a good answer has."""


# IFEval: https://arxiv.org/abs/2311.07911. Each instruction as checks of ours; an empty list: they cannot say it.
# Patterns are searched with case ignored and apostrophes straightened (`Matches`).


def literal(text: str) -> str:
    return re.escape(straight(text.strip()))


def times(pattern: str, relation: str, count: int) -> Matches:
    """The pattern is found so often. The group is atomic: what is left of one finding must not make another."""
    found = rf"(?:(?:(?!{pattern})[\s\S])*(?>{pattern})){{{count}}}"
    return Matches(matches=rf"\A{found}" if relation == "at least" else rf"\A(?!{found})")


def exactly(pattern: str, count: int) -> list[Check]:
    return [times(pattern, "at least", count), times(pattern, "less than", count + 1)]


def part(separator: str) -> str:
    return rf"(?>\s*)(?!{separator})\S(?>(?:(?!{separator})[\s\S])*)"


def parts(separator: str, count: int) -> Matches:
    """So many parts that are not empty; a separator before the first or after the last does no harm."""
    one = part(separator)
    inner = rf"(?:{separator}{one}){{{count - 1}}}"
    return Matches(matches=rf"\A(?>\s*)(?>(?:{separator})?){one}{inner}(?:{separator})?\s*\Z")


def words(relation: str, num_words: int) -> list[Check]:
    if relation == "less than":
        return [Words(words=Limits(min=0, max=num_words - 1))]
    return [Words(words=Limits(min=num_words, max=None))] if num_words <= LONGEST else []


def first_word(num_paragraphs: int, nth_paragraph: int, first_word: str) -> list[Check]:
    blank = r"\n\s*\n"
    before = rf"(?:{part(blank)}{blank}){{{nth_paragraph - 1}}}"
    start = rf"\A(?>\s*){before}(?>\s*)['\"]*{literal(first_word)}(?![^\s.,?!'\"])"
    return [parts(blank, num_paragraphs), Matches(matches=start)]


SIX_STARS = r"\*{6}"
NO_STARS = rf"(?:(?!{SIX_STARS})\S)+"
SAME_TWICE = (
    rf"(?>\s*(?:{SIX_STARS}\s*)?({NO_STARS}(?:\s+{NO_STARS})*)\s*){SIX_STARS}\s*\1\s*(?:{SIX_STARS})?\s*\Z"
)
CAPITALS = r"(?<![\w-])(?-i:[A-Z0-9'-]*[A-Z][A-Z0-9'-]*)(?![\w-])"
MARKED = r"\*\*[^\n*]*[^\n*\s][^\n*]*\*\*|\*[^\n*]*[^\n*\s][^\n*]*\*"

IFEVAL: dict[str, Callable[..., list[Check]]] = {
    "change_case:capital_word_frequency": lambda capital_relation, capital_frequency: [
        times(CAPITALS, capital_relation, capital_frequency)
    ],
    "change_case:english_capital": lambda: [Matches(matches=r"\A(?-i:[^a-z]+)\Z")],
    "change_case:english_lowercase": lambda: [Matches(matches=r"\A(?-i:[^A-Z]+)\Z")],
    "combination:repeat_prompt": lambda prompt_to_repeat: [
        Matches(matches=rf"\A\s*{literal(prompt_to_repeat)}")
    ],
    "combination:two_responses": lambda: [
        parts(SIX_STARS, 2),
        Matches(matches=rf"\A(?!{SAME_TWICE})"),
    ],
    "detectable_content:number_placeholders": lambda num_placeholders: [
        times(r"\[[^\[\]\n]*\]", "at least", num_placeholders)
    ],
    "detectable_content:postscript": lambda postscript_marker: [
        Matches(matches=r"p\.\s?p\.\s?s" if postscript_marker == "P.P.S" else r"p\.\s?s\.")
    ],
    "detectable_format:constrained_response": lambda: [
        Matches(matches=r"(?-i:My answer is (?:yes|no|maybe)\.)")
    ],
    "detectable_format:multiple_sections": lambda section_spliter, num_sections: [
        times(rf"(?-i:{literal(section_spliter)})\s?\d+", "at least", num_sections)
    ],
    "detectable_format:number_bullet_lists": lambda num_bullets: exactly(
        r"^[^\S\n]*[*-][^\S\n]+\S", num_bullets
    ),
    "detectable_format:number_highlighted_sections": lambda num_highlights: [
        times(MARKED, "at least", num_highlights)
    ],
    "detectable_format:title": lambda: [Matches(matches=r"(?<!<)<<(?>(?:[<>]|[^\S\n])*)[^\s<>][^\n]*>>")],
    "keywords:existence": lambda keywords: [Contains(contains=keywords)],
    "keywords:forbidden_words": lambda forbidden_words: [
        times(rf"\b(?:{'|'.join(map(literal, forbidden_words))})\b", "less than", 1)
    ],
    "keywords:frequency": lambda relation, keyword, frequency: [times(literal(keyword), relation, frequency)],
    "keywords:letter_frequency": lambda let_relation, letter, let_frequency: [
        times(literal(letter), let_relation, let_frequency)
    ],
    "length_constraints:nth_paragraph_first_word": first_word,
    "length_constraints:number_paragraphs": lambda num_paragraphs: [parts(r"\*\*\*", num_paragraphs)],
    "length_constraints:number_words": words,
    "punctuation:no_comma": lambda: [Excludes(excludes=[","])],
    "startend:end_checker": lambda end_phrase: [Matches(matches=rf"{literal(end_phrase)}[\"\s]*\Z")],
    "startend:quotation": lambda: [Matches(matches=r"\A\s*\"[\s\S]*\"\s*\Z")],
}
"""Not in it: sentences (a pattern does not know them), other languages than two, and JSON with a fence or without.

Held against the set's own checker they differ in trifles only, such as whether "don't" is one word or two.
"""


def ifeval(row: Row) -> Task | None:
    checks: list[Check] = []
    for name, arguments in zip(row["instruction_id_list"], row["kwargs"], strict=True):
        given = {key: value for key, value in arguments.items() if value is not None}
        found = IFEVAL[name](**given) if name in IFEVAL else []
        if not found:
            return None
        checks += found
    return row["prompt"], checks


def gsm8k(row: Row) -> Task:
    asked = f"{row['question']}\n\nEnd with the answer as a number."  # the check looks at the last
    return asked, [Number(number=float(row["answer"].replace(",", "")))]


def simpleqa(row: Row) -> Task | None:
    """Without its title's brackets the answer counts as well, and of "name (other name)" either."""
    answer = row["answer"].strip()
    both = re.fullmatch(r"([^(（]+)[(（]([^)）]+)[)）]", answer)
    names = [name.strip().strip("《》") for name in (both.groups() if both else [answer])]
    if any((len(name) == 1 and not name.isdigit()) or name in row["question"] for name in names):
        return None  # anybody hits it by chance
    if any(re.search(r"\A[0-9A-Za-z]|[0-9A-Za-z]\Z", name, re.ASCII) for name in names):
        either = "|".join(map(literal, names))  # 4 is not in 1949, nor in 4.5
        whole = rf"(?<![0-9A-Za-z])(?<!\d[.,])(?:{either})(?![0-9A-Za-z]|[.,]\d)"
        return row["question"], [Matches(matches=whole)]
    return row["question"], [Contains(contains=[names])]


def open_ended(row: Row) -> Task:
    return row["turns"][0], [Matches(matches=r"\S")]


def mbpp(row: Row) -> Task | None:
    found = asserted(ast.parse("\n".join(row["test_list"])).body)
    if found is None or row["test_setup_code"]:
        return None
    tests = "\n".join(line.strip() for line in row["test_list"])
    return f"{row['text']} Reply with one Python code block. It must pass these tests:\n\n{tests}", found


def humaneval(row: Row) -> Task | None:
    check = next(node for node in ast.parse(row["test"]).body if isinstance(node, ast.FunctionDef))
    found = asserted(check.body, candidate=row["entry_point"])
    if found is None:
        return None
    request = "Complete this Python code. Reply with all of it in one code block."
    return f"{request}\n\n```python\n{row['prompt'].strip()}\n```", found


def asserted(body: Sequence[ast.stmt], candidate: str = "candidate") -> list[Check] | None:
    """The check of tests that are asserts and nothing else."""
    tests = [node.test for node in body if isinstance(node, ast.Assert)]
    if len(tests) < len(body):
        return None
    lines = [re.sub(r"\bcandidate\b", candidate, ast.unparse(test)) for test in tests]
    return [Code(code=CodeTest(language="python", asserts=lines))]


@dataclass(frozen=True)
class Source:
    """A set: its file, and what makes a question of a line, or None if none can be made."""

    file: str
    task: Callable[[Row], Task | None]
    shown: tuple[str, ...] = ("ends", "language", "right")
    """What there is to see: an open question has no right answer, and code is in no language."""


SETS = {
    "ifeval": Source("ifeval_dev.jsonl", ifeval),
    "gsm8k": Source("gsm8k_dev.jsonl", gsm8k),
    "chinese_simpleqa": Source("chinese_simpleqa_dev.jsonl.zst", simpleqa),
    "mt_bench": Source("mt_bench_dev.jsonl", open_ended, ("ends", "language")),
    "vicuna_bench": Source("vicuna_bench_dev.jsonl", open_ended, ("ends", "language")),
    "mbpp": Source("mbpp_train_dev.jsonl", mbpp, ("ends", "right")),
    "humaneval": Source("humaneval_dev.jsonl", humaneval, ("ends", "right")),
}


def rows(path: Path) -> Iterator[Row]:
    with (zstandard.open if path.suffix == ".zst" else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def questions_of(name: str, folder: Path, limit: int) -> tuple[list[Question], dict[str, int]]:
    """The sample of a set, and how many it was drawn from."""
    source, total = SETS[name], 0
    questions: list[Question] = []
    for row in rows(folder / source.file):
        total += 1
        task = source.task(row)
        if task is not None:
            questions.append(
                Question(
                    id=f"{name}/{row.get('id', row.get('task_id'))}",
                    lang=row["lang"],
                    topic=name,
                    messages=[Message(role="user", content=task[0].strip())],
                    checks=task[1],
                    answer_lang=None if "language" in source.shown else "any",
                )
            )
    taken = sorted(questions, key=lambda question: hashlib.sha256(question.id.encode()).digest())[:limit]
    return taken, {"items": total, "usable": len(questions), "asked": len(taken)}


def run(options: argparse.Namespace, questions: Path, model: str | None, out: Path) -> dict[str, Any]:
    """What `feilun eval` writes of one model. Its progress and its complaints are on stderr."""
    command = [sys.executable, "-m", "feilun"]
    command += ["-w", options.workspace] if options.workspace else []
    command += ["eval", str(questions), "--out", str(out)]
    command += ["--max-tokens", str(options.max_tokens), "--concurrency", str(options.concurrency)]
    command += ["--url", options.url] if options.url else []
    command += ["--model", model] if model else []
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        sys.exit(code)
    return json.loads(out.read_text("utf-8"))


TESTS: dict[str, Callable[[Graded], bool]] = {
    "ends": lambda answer: "ends" not in answer.failed,
    "language": lambda answer: "language" not in answer.failed,
    "right": lambda answer: {"ends", "language"}.issuperset(answer.failed),
}


def groups(report: Report) -> dict[str, list[Graded]]:
    """The answers of each set, and all."""
    topics = dict.fromkeys(answer.topic for answer in report.answers)
    each = {topic: [answer for answer in report.answers if answer.topic == topic] for topic in topics}
    return {**each, "all": report.answers}


def figures(report: Report) -> dict[str, dict[str, Rate | None]]:
    """Of each set the share that ends, is in the language and is right."""
    found: dict[str, dict[str, Rate | None]] = {}
    for name, answers in groups(report).items():
        found[name] = {}
        for test, holds in TESTS.items():
            held = [holds(answer) for answer in answers if shows(answer.topic, test)]
            found[name][test] = Rate(passed=sum(held), total=len(held)) if held else None
    return found


def shows(topic: str, test: str) -> bool:
    """Also of sets that are not ours: any file of `feilun eval` can be compared."""
    return topic not in SETS or test in SETS[topic].shown


def share(found: Rate | None) -> str:
    if found is None:
        return "-"
    low, high = found.interval
    return f"{found.rate:.0%} ({100 * low:.0f}-{100 * high:.0f})"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown, with columns that stand under each other."""
    widths = [max(2, *map(len, column)) for column in zip(header, *lines, strict=True)]
    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]

    def padded(line: Sequence[str]) -> str:
        name, *cells = zip(line, widths, strict=True)
        return " | ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in cells)])

    return "\n".join(f"| {padded(line)} |" for line in (header, rule, *lines))


def one(report: Report) -> str:
    counts = {name: len(answers) for name, answers in groups(report).items()}
    lines = [
        [name, str(counts[name]), *map(share, rates.values())] for name, rates in figures(report).items()
    ]
    return table(["set", "n", *TESTS], lines)


def before_and_after(before: Report, after: Report) -> str:
    old, new = figures(before), figures(after)
    later, lines = groups(after), []
    for name, answers in groups(before).items():
        cells = [
            f"{share(old[name][test])} → {share(new[name][test])}" if old[name][test] else "-"
            for test in TESTS
        ]
        pairs = [
            (bool(first.failed), bool(then.failed)) for first, then in zip(answers, later[name], strict=True)
        ]
        won, lost = pairs.count((True, False)), pairs.count((False, True))
        lines.append([name, str(len(answers)), *cells, f"+{won} -{lost}"])
    return table(["set", "n", *TESTS, "won, lost"], lines)


def load(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text("utf-8"))
    return found.get("results", [found])


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write the question file and ask it: what was done, and of each model what `feilun eval` found."""
    counts: dict[str, dict[str, int]] = {}
    questions: list[Question] = []
    for name in options.only:
        taken, counts[name] = questions_of(name, options.data, options.limit)
        questions += taken
    path = folder / "questions.jsonl"
    lines = (question.model_dump_json(by_alias=True, exclude_unset=True) for question in questions)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    git = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    about = {"commit": git.stdout.strip(), "command": " ".join(["python", *sys.argv]), "sets": counts}
    if not options.json:
        print(f"commit: {about['commit']}", f"command: {about['command']}", sep="\n")
        for name, count in counts.items():
            print(
                f"{name}: {count['asked']} asked of {count['usable']} usable of {count['items']}", flush=True
            )
    if options.only_write:
        return about, []
    models = options.model or [None]
    return about, [
        run(options, path, model, folder / f"answers-{at}.json") for at, model in enumerate(models, 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with the sets")
    parser.add_argument("--limit", type=int, default=40, help="questions of each set")
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--url", help="of a server, with /v1 (default: the workspace's)")
    parser.add_argument("--workspace", help="(default: the user's)")
    parser.add_argument("--model", action="append", help="twice: before and after (default: the first)")
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--out", type=Path, help="folder to keep the questions and the answers in")
    parser.add_argument("--only-write", action="store_true", help="write the questions, ask nobody")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    about: dict[str, Any] = {}
    if options.compare:
        results = [result for path in options.compare for result in load(path)]
    elif options.data is None:
        parser.error("--data or --compare")
    else:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.out or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            about, results = measure(options, folder)
    reports = [Report.model_validate(result) for result in results]
    comparable = len({(result["sha256"], json.dumps(result["params"])) for result in results}) == 1
    if options.compare and not (comparable and len(results) == 2):
        parser.error("--compare takes one result a file, both of the same questions and settings")
    if options.json:
        sets = [
            {
                name: {test: rate and rate.model_dump() for test, rate in rates.items()}
                for name, rates in figures(report).items()
            }
            for report in reports
        ]
        merged = [{"sets": found, **result} for found, result in zip(sets, results, strict=True)]
        print(json.dumps({**about, "results": merged}, ensure_ascii=False, indent=2))
        return
    for result, report in zip(results, reports, strict=True):
        print(f"\n{result['model']} · {result['params']} · {result['seconds']:.0f} s\n\n{one(report)}")
    if len(reports) == 2:
        print(f"\n{results[0]['model']} → {results[1]['model']}\n\n{before_and_after(*reports)}")


if __name__ == "__main__":
    main()
