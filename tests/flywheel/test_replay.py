"""What a turn keeps of what the assistant knows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from feilun.flywheel.replay import BYTES, EACH, replay
from feilun.registry.builtin import ASSISTANT
from feilun.workspace import Workspace


def test_short_lessons_of_both_languages_are_kept(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    rows = replay(workspace, ASSISTANT, [])
    assert rows == replay(workspace, ASSISTANT, [])
    lessons = rows[-2 * EACH :]
    assert Counter(row["lang"] for row in lessons) == {"zh": EACH, "en": EACH}
    assert all(sum(len(m["content"].encode()) for m in row["messages"]) <= BYTES for row in lessons)
    assert len({str(row["messages"]) for row in rows}) > 0.95 * len(rows)
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)


def test_nothing_is_known_of_another_model(tmp_path: Path) -> None:
    other = ASSISTANT.model_copy(update={"source": "/models/other.gguf"})
    assert replay(Workspace(tmp_path), other, ["turn-that-is-gone"]) == []
