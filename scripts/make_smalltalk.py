"""The conversations of ``recipes/datasets/smalltalk`` and the pairs of ``recipes/datasets/preference``.

    python scripts/make_smalltalk.py

What is said stands in ``smalltalk/en.txt`` and ``zh.txt``, and for pairs in ``pairs_en.txt`` and ``pairs_zh.txt``, written
by hand for this project; this script fills their slots, leaves out what is too near a question of ``recipes/eval``, and
writes the files. The same texts give the same files.

A text file holds tables and, below topics, blocks. An empty line ends each::

    @ animal: name | young          a table: its columns, then a row a line; "-" is an unknown cell
    cow | calf

    # animals                       a topic
    * 20                            so many conversations (default: one for each wording)
    What is a young {animal} called? | A baby {animal} is called what?         wordings of what the user says
    - A young {animal} is {a:animal.young}.                                   answers, which fit each of them
    ! Nice weather today.                                                      of pairs: what is worse

Users' lines below answers are the next turn. The topic of a pair is what is wrong with the worse answer. ``{animal}`` is
the first column, ``{animal2}`` another row, of which something else is said, and ``{a:animal}`` has the English article.
Tables that are computed are in `computed`.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from feilun.evaluate.wording import normalise

ROOT = Path(__file__).resolve().parent.parent
TEXTS = Path(__file__).resolve().parent / "smalltalk"
SUITES = ("assistant", "regression", "smalltalk")
"""Question files of ``recipes/eval`` that nothing here may be near to."""
NEAR = 0.5
"""Jaccard similarity of character trigrams from which two requests are the same one."""
SAME = 0.8
"""As `NEAR`, for two requests with one answer: a wording has to be worth its line."""
TRIES = 20
"""Draws for each conversation wanted, before its block is exhausted."""

Row = dict[str, str]
Tables = dict[str, list[Row]]
Message = dict[str, str]

_SLOT = re.compile(r"\{(?:(a):)?([a-z_]+)(\d?)(?:\.([a-z_]+))?\}")


@dataclass
class Turn:
    """What the user may say, what may be answered, and what would be worse."""

    said: list[str] = field(default_factory=list[str])
    answers: list[str] = field(default_factory=list[str])
    worse: list[str] = field(default_factory=list[str])


@dataclass
class Block:
    """Conversations of one pattern."""

    topic: str
    count: int = 0
    turns: list[Turn] = field(default_factory=list[Turn])

    @cached_property
    def slots(self) -> set[tuple[str, str, str]]:
        """Table, number and column of each."""
        texts = [text for turn in self.turns for text in turn.said + turn.answers + turn.worse]
        return {(m[2], m[3], m[4] or "") for text in texts for m in _SLOT.finditer(text)}


def read(path: Path) -> tuple[list[Block], Tables]:
    """The blocks and the tables of a text file."""
    tables: Tables = {}
    blocks: list[Block] = []
    topic = ""
    for part in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.strip() for line in part.splitlines() if line.strip()]
        if lines and lines[0].startswith("@"):
            name, columns = lines[0].removeprefix("@").split(":")
            keys = _cells(columns)
            tables[name.strip()] = [dict(zip(keys, _cells(line), strict=True)) for line in lines[1:]]
            continue
        if lines and lines[0].startswith("#"):
            topic = lines.pop(0).removeprefix("#").strip()
        if lines:
            blocks.append(_block(topic, lines))
    return blocks, tables


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _block(topic: str, lines: list[str]) -> Block:
    block = Block(topic)
    for line in lines:
        if line.startswith("* "):
            block.count = int(line[2:])
        elif line.startswith("- "):
            block.turns[-1].answers.append(line[2:])
        elif line.startswith("! "):
            block.turns[-1].worse.append(line[2:])
        else:
            if not block.turns or block.turns[-1].answers:
                block.turns.append(Turn())
            block.turns[-1].said += _cells(line)
    block.count = block.count or max(len(turn.said) for turn in block.turns)
    return block


def computed(lang: str, tables: Tables) -> Tables:
    """Tables whose cells follow from one another: sums, sequences, lists and their order, what belongs to what."""
    rng = random.Random(f"computed {lang}")
    comma, both = ("、", "和") if lang == "zh" else (", ", " and ")
    made: Tables = defaultdict(list)

    def add(table: str, **cells: Any) -> None:
        made[table].append({key: str(value) for key, value in cells.items()})

    def listed(items: Iterable[Any]) -> str:
        return comma.join(str(item) for item in items)

    for a in range(1, 20):
        for b in range(1, 21 - a):
            add("plus", a=a, b=b, c=a + b)
            add("minus", a=a + b, b=b, c=a)
    for a in range(2, 10):
        for b in range(2, 10):
            add("times", a=a, b=b, c=a * b)
    for a in range(1, 100):
        add("number", a=a, before=a - 1, after=a + 1, double=2 * a)
        kind = ("even", "odd") if lang == "en" else ("双数", "单数")
        add("parity", a=a, is_=kind[a % 2], isnt=kind[1 - a % 2])
        b = rng.choice([n for n in range(1, 100) if n != a])
        add("two", a=a, b=b, max=max(a, b), min=min(a, b))
        some = rng.sample(range(1, 40), 3)
        add("three", list=listed(some), up=listed(sorted(some)), down=listed(sorted(some)[::-1]),
            max=max(some), min=min(some))  # fmt: skip
    for start in range(1, 16):
        for length in range(3, 8):
            run = range(start, start + length)
            add("count", a=start, b=run[-1], up=listed(run), down=listed(run[::-1]))
    for step in (1, 2, 3, 5, 10):
        for start in range(1, 12):
            run = [start + step * i for i in range(6)]
            add("series", list=listed(run[:4]), next=run[4], then=run[5], step=step)
    for row in tables["word"]:
        word = row["name"]
        add("letters", name=word, spelt="-".join(word.upper()), count=len(word), first=word[0], last=word[-1])
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in tables["thing"]:
        kinds[row["kind"]].append(row)
    for kind, rows in kinds.items():
        plural = rows[0]["kinds"]
        names = [row["name"] for row in rows]
        others = [row for row in tables["thing"] if row["kind"] != kind]
        for _ in range(12):
            some = rng.sample(names, 3)
            other = rng.choice(others)
            mixed = rng.sample([*some, other["name"]], 4)
            add("odd", list=listed(mixed), out=other["name"], kind=other["kind"], kinds=plural)
            add("some", kinds=plural, one=some[0], two=both.join(some[:2]), three=listed(some))
            add("order", list=listed(some), back=listed(some[::-1]), sorted=listed(sorted(some)),
                first=some[0], last=some[-1], second=some[1])  # fmt: skip
            add("member", name=some[0], kind=kind, other=other["kind"])
            add("pick", a=min(some[0], other["name"]), b=max(some[0], other["name"]), kind=kind, name=some[0])
    for name in ("day", "month"):
        around = [tables[name][-1], *tables[name], tables[name][0]]
        for (before, now), (_, after) in zip(pairwise(around[:-1]), pairwise(around[1:]), strict=True):
            add(name, name=now["name"], before=before["name"], after=after["name"])
    return dict(made)


class Talk:
    """Conversations, each unlike the others and the suites."""

    def __init__(self, lang: str, outside: Outside) -> None:
        self.lang = lang
        self._outside = outside
        self._rng = random.Random(f"smalltalk {lang}")
        self._seen: set[str] = set()
        self._of_answer: dict[str, list[str]] = defaultdict(list)

    def of(self, block: Block, tables: Tables) -> Iterator[list[Message]]:
        """The conversations of a block."""
        self._check(block, tables)
        made = 0
        for draw in range(block.count * TRIES):
            if made == block.count:
                return
            messages = self._draw(block, tables, draw, made)
            if messages and self._is_new(messages):
                made += 1
                yield messages

    def _check(self, block: Block, tables: Tables) -> None:
        for table, _, column in block.slots:
            if table not in tables or (column and column not in tables[table][0]):
                raise ValueError(
                    f"{self.lang}, {block.topic}: no {{{table}.{column}}}: {block.turns[0].said[0]}"
                )

    def _draw(self, block: Block, tables: Tables, draw: int, made: int) -> list[Message] | None:
        rows: dict[str, Row] = {}
        for name in sorted({name for name, _, _ in block.slots}):
            numbers = sorted({number for table, number, _ in block.slots if table == name})
            for number, row in zip(numbers, self._rng.sample(tables[name], len(numbers)), strict=True):
                rows[name + number] = row
        for name, number, column in block.slots:
            cell = _cell(rows[name + number], column)
            if cell == "-" or (number and name in rows and cell == _cell(rows[name], column)):
                return None
        messages: list[Message] = []
        for turn in block.turns:
            said = [turn.said[draw % len(turn.said)]]
            answers, worse = (
                [texts[made % len(texts)] if not block.slots else self._rng.choice(texts)] if texts else []
                for texts in (turn.answers, turn.worse)
            )
            for role, texts in (("user", said), ("assistant", answers), ("worse", worse)):
                messages += [{"role": role, "content": self._filled(text, rows)} for text in texts]
        return messages

    def _filled(self, text: str, rows: dict[str, Row]) -> str:
        def value(slot: re.Match[str]) -> str:
            cell = _cell(rows[slot[2] + slot[3]], slot[4] or "")
            return f"{'an' if cell[0].lower() in 'aeiou' else 'a'} {cell}" if slot[1] else cell

        filled = _SLOT.sub(value, text)
        return filled[0].upper() + filled[1:]  # a cell may begin a sentence

    def _is_new(self, messages: list[Message]) -> bool:
        asked = " ".join(message["content"] for message in messages if message["role"] == "user")
        answered = next(m["content"] for m in reversed(messages) if m["role"] == "assistant")
        if bare(asked) in self._seen or any(
            self._outside.near(m["content"]) for m in messages if m["role"] == "user"
        ):
            return False
        if any(jaccard(asked, other) >= SAME for other in self._of_answer[answered]):
            return False
        self._seen.add(bare(asked))
        self._of_answer[answered].append(asked)
        return True


def _cell(row: Row, column: str) -> str:
    return row[column] if column else next(iter(row.values()))


class Outside:
    """What the suites ask."""

    def __init__(self) -> None:
        self._asked: list[frozenset[str]] = []
        for suite in SUITES:
            for row in lines(ROOT / "recipes" / "eval" / f"{suite}.jsonl"):
                users = [m["content"] for m in row["messages"] if m["role"] == "user"]
                self._asked += [grams(text) for text in {users[-1], " ".join(users)}]
        self._by_gram: dict[str, list[int]] = defaultdict(list)
        for number, asked in enumerate(self._asked):
            for gram in asked:
                self._by_gram[gram].append(number)

    def near(self, text: str) -> bool:
        """Whether a suite asks nearly this."""
        ours = grams(text)
        shared = Counter(number for gram in ours for number in self._by_gram.get(gram, ()))
        return any(
            both / (len(ours) + len(self._asked[number]) - both) >= NEAR for number, both in shared.items()
        )


def bare(text: str) -> str:
    """Its letters, digits and Chinese characters, without case."""
    return re.sub(r"[\W_]+", "", normalise(text))


@cache
def grams(text: str, size: int = 3) -> frozenset[str]:
    """Runs of ``size`` characters of the bare text; a shorter text is one run."""
    letters = bare(text)
    return frozenset(letters[i : i + size] for i in range(max(1, len(letters) - size + 1)))


def jaccard(one: str, other: str, size: int = 3) -> float:
    """How much of what either text has both have, in `grams`: 0 to 1."""
    ours, theirs = grams(one, size), grams(other, size)
    return len(ours & theirs) / len(ours | theirs)


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def drawn(prefix: str) -> Iterator[tuple[dict[str, Any], list[Message]]]:
    """Of the files that begin with ``prefix``, in English and Chinese: ``{"id", "lang", "topic"}`` and what was said."""
    outside = Outside()
    for lang in ("en", "zh"):
        blocks, tables = read(TEXTS / f"{prefix}{lang}.txt")
        tables |= read(TEXTS / f"{lang}.txt")[1]
        tables |= computed(lang, tables)
        talk = Talk(lang, outside)
        number: dict[str, int] = defaultdict(int)
        for block in blocks:
            for messages in talk.of(block, tables):
                number[block.topic] += 1
                name = f"{block.topic}-{lang}-{number[block.topic]:03}"
                yield {"id": name, "lang": lang, "topic": block.topic}, messages


def conversations() -> dict[str, list[dict[str, Any]]]:
    """By topic: rows ``{"id", "lang", "topic", "messages"}``."""
    topics: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row, messages in drawn(""):
        topics[row["topic"]].append({**row, "messages": messages})
    return dict(topics)


def pairs() -> list[dict[str, Any]]:
    """Rows ``{"id", "lang", "topic", "messages", "chosen", "rejected"}``."""
    return [
        {
            **row,
            "messages": messages[:-2],
            "chosen": messages[-2],
            "rejected": {**messages[-1], "role": "assistant"},
        }
        for row, messages in drawn("pairs_")
    ]


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """As JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    folder = ROOT / "recipes" / "datasets" / "smalltalk"
    for old in folder.glob("*.jsonl"):
        old.unlink()
    for topic, rows in conversations().items():
        write(folder / f"{topic}.jsonl", rows)
    write(ROOT / "recipes" / "datasets" / "preference" / "pairs.jsonl", pairs())


if __name__ == "__main__":
    main()
