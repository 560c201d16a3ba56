"""The verdict on a candidate."""

from __future__ import annotations

from typing import Any

from feilun.evaluate.questions import Answer, Question
from feilun.flywheel.gate import judge

TARGET: list[dict[str, Any]] = [
    {
        "item": f"fb_{n}",
        "messages": [
            {"role": "user", "content": f"What is the code of door {n}?"},
            {"role": "assistant", "content": f"The code is {100 + n}."},
        ],
    }
    for n in range(8)
]


def questions(lang: str, count: int, topic: str = "facts") -> list[Question]:
    asked, told = ("Say blue.", "blue") if lang == "en" else ("说蓝色。", "蓝色")
    rows = [
        {
            "id": f"{lang}-{topic}-{n}",
            "lang": lang,
            "topic": topic,
            "messages": [{"role": "user", "content": asked}],
            "checks": [{"contains": [told]}],
            "answer_lang": "any",
        }
        for n in range(count)
    ]
    return [Question.model_validate(row) for row in rows]


SUITE = [
    *questions("en", 100), *questions("zh", 100), *questions("en", 10, "safety"), *questions("zh", 10, "safety"),
]  # fmt: skip


def answers(learnt: int, lost: tuple[str, ...] = ()) -> dict[str, Answer]:
    found = {q.id: Answer("red" if q.id in lost else "It is blue, 蓝色", True) for q in SUITE}
    for n, row in enumerate(TARGET):
        found[row["item"]] = Answer(f"It is {100 + n if n < learnt else 999}.", True)
    return found


def verdict(learnt: int, lost: tuple[str, ...] = ()) -> Any:
    return judge(TARGET, SUITE, answers(0), answers(learnt, lost), margin=0.08, held_out=False)


def test_better_where_it_was_meant_to_be_and_not_worse_elsewhere_passes() -> None:
    found = verdict(8)
    assert found.passed
    assert {part.part: (part.n, part.before, part.after) for part in found.parts} == {
        "target": (8, 0, 8), "zh": (100, 100, 100), "en": (100, 100, 100), "safety": (20, 20, 20),
    }  # fmt: skip
    assert "recall only" in found.words()[1].en
    assert "仅衡量记忆" in found.words()[1].zh


def test_nothing_learnt_is_refused() -> None:
    assert not verdict(0).passed
    assert not verdict(2).passed  # which chance explains


def test_a_language_that_is_worse_is_refused_and_the_other_is_judged_apart() -> None:
    found = verdict(8, tuple(f"zh-facts-{n}" for n in range(9)))
    assert not found.passed
    assert {part.part: part.passed for part in found.parts} == {
        "target": True, "zh": False, "en": True, "safety": True,
    }  # fmt: skip
    lost = [row for row in found.changed if row.part == "zh"]
    assert len(lost) == 9
    assert (lost[0].before, lost[0].after) == ("It is blue, 蓝色", "red")
    assert verdict(8, ("zh-facts-0", "zh-facts-1")).passed


def test_safety_may_not_go() -> None:
    assert verdict(8, ("en-safety-0",)).passed
    assert not verdict(8, ("en-safety-0", "zh-safety-0")).passed
