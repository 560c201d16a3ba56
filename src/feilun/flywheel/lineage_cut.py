"""Taking words out of a workspace's files: rows, kept answers, and the examples of a report."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from feilun.flywheel.asking import key, read_answers, write_answers
from feilun.flywheel.gate import Verdict
from feilun.workspace import write_atomically

Row = dict[str, Any]

_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_TEXTS = (".json", ".jsonl", ".html", ".htm", ".md", ".txt", ".log", ".csv", ".tsv", ".toml", ".yaml", ".xml")
_TELLING = 12
"""Characters of a text that is worth looking for: shorter ones stand everywhere."""


@dataclass
class Cut:
    """What was taken out, and so must be nowhere else."""

    rows: dict[Path, int] = field(default_factory=dict[Path, int])
    """How many, by file."""
    asked: set[str] = field(default_factory=set[str])
    """Keys of the conversations as `feilun.flywheel.asking` keeps answers to them."""
    texts: set[str] = field(default_factory=set[str])
    """What was asked and what was to be answered, if long enough to be told from other texts."""

    def add(self, path: Path, row: Row) -> None:
        self.rows[path] = self.rows.get(path, 0) + 1
        messages: list[dict[str, str]] = row.get("messages", [])
        answer: dict[str, str] = row.get("chosen") or (messages or [{}])[-1]
        for said in (messages[:-1], messages):  # with and without the answer
            self.asked.add(key(said))
        self.learn(m["content"] for m in messages if m["role"] == "user")
        self.learn([answer.get("content", "")])

    def learn(self, texts: Iterable[str]) -> None:
        """Note texts that must be nowhere else."""
        self.texts |= {text.strip() for text in texts if len(text.strip()) >= _TELLING}

    def holds(self, text: str) -> bool:
        return any(one in text for one in self.texts)


def rows_to_cut(workspace: Path, opinions: Collection[str]) -> Iterator[tuple[Path, Row]]:
    """The rows that came of ``opinions``, in data sets and job folders, half-made ones too."""
    wanted = set(opinions)
    if not wanted:
        return
    for top in ("datasets", "runs"):
        for path in sorted((workspace / top).rglob("*.jsonl*")):  # and what a killed write left beside it
            if path.is_file():
                yield from ((path, row) for row in _rows(path) if row.get("item") in wanted)


def gather(workspace: Path, opinions: Collection[str]) -> Cut:
    """What is to be taken out; the files are not touched."""
    cut = Cut()
    for path, row in rows_to_cut(workspace, opinions):
        cut.add(path, row)
    return cut


def cut_rows(cut: Cut, opinions: Collection[str]) -> None:
    """Take the rows out; each file is replaced whole. The last step: what is left out of other files is known by them."""
    wanted = set(opinions)
    for path in cut.rows:
        if path.exists():  # it may have gone with its folder
            kept = [row for row in _rows(path) if row.get("item") not in wanted]
            write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))


def cut_answers(folder: Path, cut: Cut) -> None:
    """Take out the kept answers to the questions that were cut, and those that repeat what was."""
    for path in folder.glob("*.json"):
        kept = read_answers(path)
        left = {
            key: answers
            for key, answers in kept.items()
            if key not in cut.asked and not any(cut.holds(answer.text) for answer in answers)
        }
        if len(left) < len(kept):
            write_answers(path, left)
    for path in folder.glob(".*"):  # left by a write that was killed
        path.unlink()


def cut_report(folder: Path, opinions: Collection[str], cut: Cut) -> None:
    """Take the examples out of a turn's report: those of ``opinions``, and answers that repeat what was cut."""
    path = folder / "verdict.json"
    if not path.exists():
        return
    verdict = Verdict.model_validate_json(path.read_bytes())
    gone = [
        row
        for row in verdict.changed
        if row.id in opinions or cut.holds(f"{row.question}\n{row.wanted}\n{row.before}\n{row.after}")
    ]
    if gone:
        cut.learn([text for row in gone for text in (row.question, row.wanted or "") if row.id in opinions])
        left = verdict.model_copy(update={"changed": [row for row in verdict.changed if row not in gone]})
        write_atomically(path, left.model_dump_json(indent=2) + "\n")
    for page in folder.glob("*.html"):
        _cut_page(page, [f"<td>{html.escape(row.question)}</td>" for row in gone], cut)


def _cut_page(page: Path, cells: list[str], cut: Cut) -> None:
    written = page.read_text("utf-8")
    text = _ROW.sub(lambda row: "" if any(cell in row[0] for cell in cells) else row[0], written)
    if cut.holds(html.unescape(text)):
        page.unlink()  # of a shape that is not known here; the figures are in verdict.json
    elif text != written:
        write_atomically(page, text)


def cut_name(workspace: Path, user: str) -> None:
    """Take a user's name out of what turns recorded: of whom they held items back."""
    for path in workspace.glob("runs/*/events.jsonl"):
        events = list(_rows(path))
        named = [event for event in events if user in (event.get("capped") or ())]
        for event in named:
            del event["capped"][user]
        if named:
            write_atomically(path, "".join(f"{orjson.dumps(event).decode()}\n" for event in events))


def still_there(workspace: Path, texts: Collection[str], *, largest: int = 2**24) -> list[Path]:
    """Text files of the workspace, of at most ``largest`` bytes, in which one of ``texts`` stands."""
    found: list[Path] = []
    looked_for = {form.encode() for text in texts if len(text) >= _TELLING for form in _forms(text)}
    for path in sorted(workspace.rglob("*")):
        if path.suffix in _TEXTS and path.is_file() and path.stat().st_size <= largest:
            content = path.read_bytes()
            if any(text in content for text in looked_for):
                found.append(path)
    return found


def _forms(text: str) -> set[str]:
    """As it stands, and as JSON and HTML write it."""
    quoted = (json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (True, False))
    return {text, html.escape(text), *quoted}


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row: object = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row
