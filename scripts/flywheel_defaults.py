"""What a turn needs of the default release beforehand: to be made again with every new adapter or regression suite.

    python scripts/flywheel_defaults.py

- ``recipes/flywheel/replay.jsonl``: short questions of its training set, half Chinese and half English, each with its own
  answer;
- ``recipes/flywheel/answers/RELEASE-TOKENS.json``: its answers to the regression suite.

Greedy and one at a time, so that the same files come out again on the same kind of processor.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from feilun.evaluate.questions import read_questions
from feilun.flywheel.asking import ask, ask_once
from feilun.flywheel.recipe import GateRecipe
from feilun.registry.builtin import ASSISTANT

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
ROWS, CHARACTERS, TOKENS = 160, 150, 32
"""How many; those whose conversation is short enough, and whose answer ends soon."""


def main() -> None:
    folder = RECIPES / "flywheel"
    for old in (folder / "answers").glob("*.json"):
        old.unlink()
    suite = read_questions(RECIPES / "eval" / "regression.jsonl")
    asked = {question.id: [message.model_dump() for message in question.messages] for question in suite}
    ask_once(folder / "answers", ASSISTANT, asked, max_tokens=GateRecipe().max_tokens)
    (folder / "replay.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in replay()), encoding="utf-8"
    )


def replay() -> list[dict[str, object]]:
    chance = random.Random(0)
    chosen: list[dict[str, object]] = []
    for language in ("zh", "en"):
        rows = [
            row
            for path in sorted((RECIPES / "datasets" / "assistant").glob("*.jsonl"))
            for row in map(json.loads, path.read_text("utf-8").splitlines())
            if row["lang"] == language and sum(len(m["content"]) for m in row["messages"][:-1]) <= CHARACTERS
        ]
        rows = chance.sample(rows, min(len(rows), ROWS * 2 // 3))
        answers = ask(ASSISTANT, {row["id"]: row["messages"][:-1] for row in rows}, max_tokens=TOKENS)
        said: list[dict[str, object]] = [
            {
                "messages": [
                    *row["messages"][:-1],
                    {"role": "assistant", "content": answers[row["id"]].text},
                ],
                "lang": language,
            }
            for row in rows
            if answers[row["id"]].ended and answers[row["id"]].text.strip()
        ]
        chosen += said[: ROWS // 2]
    return chosen


if __name__ == "__main__":
    main()
