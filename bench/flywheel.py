"""One turn of the flywheel, as a user would make it, and what it was worth.

    python bench/flywheel.py

A new workspace with the default model behind its real server; 30 questions about an invented company (half Chinese, half
English) are asked over ``/v1/chat/completions`` and corrected over ``/v1/feedback``; ``feilun turn --yes`` makes the next
release; the same questions and others that ask the same in other words (``flywheel_facts.jsonl``, written before any
training) are asked again of the server, which was not restarted. Then each answer is followed back to the correction it
came of, two poisoned turns are tried (``flywheel_poison.jsonl``), and what the turn made is asked the same in llama.cpp
alone. ``--facts bench/flywheel_facts_unseen.jsonl`` takes others, which were not looked at when the recipe was made, and
asks for them wrapped in a situation as well. ``--plain`` makes the turn without rewordings too, in another workspace, and
prints its score beside.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flywheel_checks as checks
from flywheel_server import Answer, Server, event, make_turn, text
from train_facts import Bar, about, lines, print_json, progress, show

from feilun.evaluate.wording import normalise

FACTS = Path(__file__).with_name("flywheel_facts.jsonl")
MINUTES, SAME, OTHER, BEFORE = 5.0, 27, 20, 2

Fact = dict[str, Any]
QUIET = ("step", "asked", "checkpoint")


@dataclass
class Turn:
    """What a turn came to."""

    before: int
    """Facts that were right,"""
    seconds: dict[str, float]
    events: list[dict[str, Any]]
    served: dict[str, list[Answer]]
    """What the server says of the facts afterwards: in the ``same`` words, and in ``other`` ones."""
    lineage: int | None = None
    """How many of those answers lead back to their correction. None: nothing was promoted."""
    alone: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What base + adapter say in llama.cpp alone; empty if there is no adapter."""
    poison: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def promoted(self) -> bool:
        return bool(event(self.events, "promoted"))

    @property
    def equal(self) -> int | None:
        """How many answers are the same in llama.cpp alone."""
        if not self.promoted:
            return None
        pairs = [pair for how in self.served for pair in zip(self.served[how], self.alone[how], strict=True)]
        return sum(text(answer) == alone for answer, alone in pairs)


def demonstrate(workspace: Path, facts: Sequence[Fact], recipe: Path | None, *, poison: bool) -> Turn:
    asked = {"same": [fact["question"] for fact in facts], "other": [fact["paraphrase"] for fact in facts]}
    with Server(workspace) as server:
        progress("asking and correcting")
        first, opinions = server.ask_and_correct(facts)
        begun = time.time()
        progress("turn")
        events = make_turn(workspace, recipe)
        promoted = event(events, "promoted")
        if promoted and not server.wait_for(promoted["release"]):
            raise RuntimeError("the new release does not answer")
        seconds = checks.seconds(events, begun, time.time())
        progress("asking again")
        served = {how: server.ask_all(questions) for how, questions in asked.items()}
        made = Turn(score(facts, map(text, first)), seconds, events, served)
        if promoted:
            progress("lineage")
            both = [*zip(served["same"], opinions, strict=True), *zip(served["other"], opinions, strict=True)]
            made.lineage = sum(checks.shows_lineage(server.http, answer, opinion) for answer, opinion in both)
        release = checks.candidate(workspace)
        if poison:
            progress("poison of a stranger")
            made.poison["stranger"] = checks.poison_of_a_stranger(server, recipe)
            progress("poison of the owner")
            made.poison["owner"] = checks.poison_of_the_owner(server, recipe)
    if release is not None:
        progress("llama.cpp alone")
        if all("situation" in fact for fact in facts):
            asked["wrapped"] = [fact["situation"] for fact in facts]
        made.alone = {how: checks.ask_bare(release, questions) for how, questions in asked.items()}
    return made


def right(fact: Fact, answer: str) -> bool:
    return all(normalise(part) in normalise(answer) for part in fact["must"])


def score(facts: Sequence[Fact], answers: Iterable[str]) -> int:
    return sum(map(right, facts, answers))


def judge(made: Turn, facts: Sequence[Fact], *, poison: bool) -> list[Bar]:
    answers = 2 * len(facts)
    bars = [
        Bar("minutes of a whole turn", sum(made.seconds.values()) / 60, MINUTES, " min", at_most=True),
        Bar("right before the turn", made.before, BEFORE, "", at_most=True),
        Bar("right in the same words", score(facts, map(text, made.served["same"])), SAME, ""),
        Bar("right in other words", score(facts, map(text, made.served["other"])), OTHER, ""),
        Bar("promoted", float(made.promoted), 1, ""),
        Bar("answers that show their lineage", made.lineage, answers, ""),
        Bar("the same answers in llama.cpp alone", made.equal, answers, ""),
    ]
    if poison:
        stranger, owner = made.poison["stranger"], made.poison["owner"]
        bars += [
            Bar("poison of a stranger that was taken", stranger["taken"], 0, "", at_most=True),
            Bar(
                "a stranger's turn is refused, the release stays",
                stranger["refused"] and stranger["stays"],
                1,
                "",
            ),
            Bar(
                "the owner's poisoned turn is refused, the release stays",
                owner["refused"] and owner["stays"],
                1,
                "",
            ),
        ]
    return bars


def table(turns: dict[str, Turn], facts: Sequence[Fact]) -> list[str]:
    """The score of each turn, side by side."""
    rows: dict[str, list[str]] = {"": list(turns)}
    rows["right before the turn"] = [str(turn.before) for turn in turns.values()]
    for how in ("same", "other"):
        rows[f"served, {how} words"] = [
            str(score(facts, map(text, turn.served[how]))) for turn in turns.values()
        ]
    for how in ("same", "other", "wrapped"):
        alone = [turn.alone.get(how) for turn in turns.values()]
        if how == "wrapped" and alone[0] is None:
            continue
        rows[f"candidate alone, {how} words"] = [
            "-" if said is None else str(score(facts, said)) for said in alone
        ]
    for part in checks.PARTS:
        rows[f"gate, {part}"] = [event(turn.events, "gate").get(part, "-") for turn in turns.values()]
    rows["promoted"] = ["yes" if turn.promoted else "no" for turn in turns.values()]
    return [f"{name:32}" + "".join(f"{cell:>24}" for cell in cells) for name, cells in rows.items()]


def report(made: Turn, facts: Sequence[Fact]) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        "before": made.before,
        "seconds": made.seconds,
        "promoted": made.promoted,
        "lineage": made.lineage,
        "equal_alone": made.equal,
        "poison": made.poison,
        "steps": [one for one in made.events if one["event"] not in QUIET],
        "answers": [
            {"fact": fact["id"]}
            | {
                how: {"said": text(said[at]), "right": right(fact, text(said[at]))}
                for how, said in made.served.items()
            }
            | {f"{how}_alone": said[at] for how, said in made.alone.items()}
            for at, fact in enumerate(facts)
        ],
    }


def tell(turns: dict[str, Turn], facts: Sequence[Fact], bars: Sequence[Bar]) -> None:
    for name, made in turns.items():
        took = ", ".join(f"{step} {seconds:.1f}" for step, seconds in made.seconds.items())
        said = [f"{name}: seconds of each step: {took}"]
        if not made.promoted:
            said.append(
                f"{name}: the turn was REFUSED: its lineage and its answers alone cannot be compared with served ones"
            )
        said += [
            f"{name}: poison of the {who}: {json.dumps(what, ensure_ascii=False)}"
            for who, what in made.poison.items()
        ]
        show(said)
        show([json.dumps(row, ensure_ascii=False) for row in report(made, facts)["answers"]])
    show(table(turns, facts), bars)


def without_rewordings(recipe: Path | None) -> str:
    """The recipe of a turn that sees each question in its own words only."""
    parts = tomllib.loads(recipe.read_text("utf-8")) if recipe else {}
    parts.setdefault("build", {})["rewordings"] = 0
    if recipe and (suite := parts.get("gate", {}).get("suite")):
        parts["gate"]["suite"] = str((recipe.parent / suite).resolve())
    # A turn's recipe is tables of plain values, which JSON writes as TOML does.
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in part.items())
        for name, part in parts.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, help="a turn's recipe instead of the default")
    parser.add_argument("--facts", type=Path, default=FACTS, help="other facts, as in flywheel_facts.jsonl")
    parser.add_argument("--keep", type=Path, help="make the workspace here, and leave it")
    parser.add_argument(
        "--poison", action=argparse.BooleanOptionalAction, default=True, help="try the two poisoned turns"
    )
    parser.add_argument("--plain", action="store_true", help="a turn without rewordings as well")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    facts: list[Fact] = [json.loads(line) for line in options.facts.read_text("utf-8").splitlines()]
    said = about(["xllamacpp"], facts=len(facts))
    if not options.json:
        show(lines(said))
    with tempfile.TemporaryDirectory() as scratch:
        workspace: Path = options.keep or Path(scratch, "workspace")
        turns = {"turn": demonstrate(workspace, facts, options.recipe, poison=options.poison)}
        if options.plain:
            recipe = Path(scratch, "plain.toml")
            recipe.write_text(without_rewordings(options.recipe), encoding="utf-8")
            plain = workspace.with_name(f"{workspace.name}-plain")
            turns["no rewordings"] = demonstrate(plain, facts, recipe, poison=False)
    bars = judge(turns["turn"], facts, poison=options.poison)
    if options.json:
        print_json(said, [{"turn": name, **report(made, facts)} for name, made in turns.items()], bars)
    else:
        tell(turns, facts, bars)


if __name__ == "__main__":
    main()
