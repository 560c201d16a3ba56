"""What the assistant learns from: enough of it, as much Chinese as English, and nothing twice."""

from __future__ import annotations

from collections import Counter

from tests.datasets.test_smalltalk import DATASETS, read, squeezed


def test_there_are_enough_examples_of_both_languages_and_none_twice() -> None:
    rows = [row for path in sorted((DATASETS / "assistant").glob("*.jsonl")) for row in read(path)]
    count = Counter(row["lang"] for row in rows)
    assert count.keys() == {"zh", "en"}
    assert count["zh"] == count["en"]
    assert len(rows) >= 2000
    assert len({row["id"] for row in rows}) == len(rows)
    asked = Counter(
        tuple((message["role"], squeezed(message["content"])) for message in row["messages"][:-1])
        for row in rows
    )
    assert [words for words, times in asked.items() if times > 1] == []
