"""What a turn needs of the default release beforehand: to be made again with every new adapter or regression suite.

    python scripts/flywheel_defaults.py

- ``recipes/flywheel/replay.jsonl``: short questions, a few of each thing that the assistant can do: written by hand, and
  some of its training (``recipes/datasets/assistant``). None is in the regression suite. The script puts the release's own
  answer to each;
- ``recipes/flywheel/answers/RELEASE-TOKENS.json``: its answers to the regression suite, asked in five orders, since rounding
  alone changes one verdict in ten.

Greedy and always with two engines, so that the same files come out again. Some 20 minutes.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from feilun.evaluate.questions import Answer, read_questions
from feilun.flywheel.asking import ask, file_name, key, write_answers
from feilun.flywheel.build import read
from feilun.flywheel.recipe import GateRecipe
from feilun.registry.builtin import ASSISTANT

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
TOKENS = 32
"""Of an answer to a question of the replay."""

ENGINES, TIMES = 2, 5


def main() -> None:
    folder = RECIPES / "flywheel"
    for old in (folder / "answers").glob("*.json"):
        old.unlink()
    suite = read_questions(RECIPES / "eval" / "regression.jsonl")
    asked = {question.id: [message.model_dump() for message in question.messages] for question in suite}
    tokens = GateRecipe().max_tokens
    draws: dict[str, list[Answer]] = {key(messages): [] for messages in asked.values()}
    for time in range(TIMES):
        order = list(asked)
        if time:
            random.Random(time).shuffle(order)
        given = ask(ASSISTANT, {name: asked[name] for name in order}, max_tokens=tokens, threads=ENGINES)
        for name, answer in given.items():
            draws[key(asked[name])].append(answer)
    write_answers(folder / "answers" / file_name(ASSISTANT, tokens), draws)
    rows = read(folder / "replay.jsonl")
    questions = {str(number): row["messages"][:-1] for number, row in enumerate(rows)}
    answers = ask(ASSISTANT, questions, max_tokens=TOKENS, threads=ENGINES)
    lines: list[str] = []
    for number, row in enumerate(rows):
        said = {"role": "assistant", "content": answers[str(number)].text}
        lines.append(
            json.dumps({**row, "messages": [*row["messages"][:-1], said]}, ensure_ascii=False) + "\n"
        )
    (folder / "replay.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
