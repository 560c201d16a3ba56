"""What a turn keeps of what the assistant knows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from feilun.evaluate.questions import read_questions
from feilun.flywheel.replay import replay
from feilun.recipe import shipped
from feilun.registry.builtin import ASSISTANT
from feilun.workspace import Workspace


def test_questions_of_both_languages_are_kept_and_none_that_judges(tmp_path: Path) -> None:
    rows = replay(Workspace(tmp_path), ASSISTANT, [])
    counts = Counter(row["lang"] for row in rows)
    assert min(counts.values()) > 300
    assert len({str(row["messages"][:-1]) for row in rows}) == len(rows)
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
    assert all(row["messages"][-1]["content"] for row in rows)
    suite = read_questions(shipped("eval/regression.jsonl"))
    judged = {str([message.model_dump() for message in question.messages]) for question in suite}
    assert not judged & {str(row["messages"][:-1]) for row in rows}


def test_what_earlier_turns_taught_is_known_in_all_its_wordings_and_nothing_of_what_they_kept(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "datasets" / "turn-1"
    folder.mkdir(parents=True)
    said = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ann."}]
    rules = {"asked": False, "words": False, "neighbour": True, "replay": True}
    rows = [
        {"messages": said, "lang": "en", "item": "fb_1", "rule": rule} | ({"keep": True} if keep else {})
        for rule, keep in rules.items()
    ]
    (folder / "sft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = ASSISTANT.model_copy(update={"source": "/models/other.gguf"})
    found = replay(Workspace(tmp_path), other, ["turn-1", "turn-1"])
    assert [row["rule"] for row in found] == ["asked", "words"]


def test_nothing_is_known_of_another_model(tmp_path: Path) -> None:
    other = ASSISTANT.model_copy(update={"source": "/models/other.gguf"})
    assert replay(Workspace(tmp_path), other, ["turn-that-is-gone"]) == []
