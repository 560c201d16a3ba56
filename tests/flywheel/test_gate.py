"""The verdict on a candidate."""

from __future__ import annotations

import random
from collections import Counter
from statistics import NormalDist
from typing import Any

import pytest

from feilun.evaluate.paired import Paired
from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.flywheel.gate import ENOUGH, ONE_LOOK, TWO_LOOKS, judge, looks, second_look
from feilun.flywheel.noise import holds, part_of
from feilun.recipe import shipped

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


def once(given: dict[str, Answer]) -> dict[str, list[Answer]]:
    return {key: [answer] for key, answer in given.items()}


def verdict(learnt: int, lost: tuple[str, ...] = ()) -> Any:
    return judge(TARGET, SUITE, once(answers(0)), answers(learnt, lost), margin=0.08)


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


def apart(learnt: int, before: int, after: int) -> Any:
    """With the first four doors kept apart: of them so many are right before and after, of the others ``learnt`` after."""
    kept, taught = TARGET[:4], TARGET[4:]

    def given(right: int, known: int) -> dict[str, Answer]:
        found = answers(0)
        for rows, count in ((kept, right), (taught, known)):
            for row in rows[:count]:
                found[row["item"]] = Answer(row["messages"][-1]["content"], True)
        return found

    return judge(taught, SUITE, once(given(before, 0)), given(after, learnt), margin=0.08, heldout=kept)


def test_facts_kept_apart_cannot_be_known_and_refuse_nobody() -> None:
    found = apart(4, 0, 0)
    assert found.passed
    assert [(part.part, part.before, part.after, part.n) for part in found.parts[:2]] == [
        ("target", 0, 4, 4), ("heldout", 0, 0, 4),
    ]  # fmt: skip
    assert "recall only" not in found.words()[1].en
    assert "kept apart" in found.words()[2].en
    assert "留出" in found.words()[2].zh
    assert not apart(0, 0, 0).passed
    assert not apart(3, 0, 4).passed, "behaviour that carries over does not replace what was to be learnt"


def test_worse_in_what_was_kept_apart_is_refused() -> None:
    many = [
        {
            **row,
            "item": f"more_{n}",
            "messages": [row["messages"][0], {"role": "assistant", "content": "It is blue."}],
        }
        for n, row in enumerate(TARGET)
    ]
    right, wrong = (
        {row["item"]: Answer(said, True) for row in many} for said in ("It is blue.", "It is red.")
    )
    before, after = answers(0) | right, answers(8)
    assert judge(TARGET, SUITE, once(before), after | right, margin=0.08, heldout=many).passed
    lost = judge(TARGET, SUITE, once(before), after | wrong, margin=0.08, heldout=many)
    assert not lost.passed
    assert lost.decided
    assert [part.part for part in lost.parts if not part.passed] == ["heldout"]


def test_of_few_corrections_all_must_be_learnt() -> None:
    """Of four the exact test cannot be sure, whatever is learnt."""
    for count in range(1, 6):
        rows = TARGET[:count]
        assert judge(rows, SUITE, once(answers(0)), answers(count), margin=0.08).passed
        assert not judge(rows, SUITE, once(answers(0)), answers(count - 1), margin=0.08).passed


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


def test_what_was_right_by_a_hair_is_no_loss() -> None:
    """Asked four times more, the present release failed where the candidate does, but for once."""
    lost = tuple(f"zh-facts-{n}" for n in range(9))
    drawn = {
        key: [answer, *(answers(0, lost if number else lost[:4])[key] for number in range(4))]
        for key, answer in answers(0).items()
    }
    found = judge(TARGET, SUITE, drawn, answers(8, lost), margin=0.08)
    assert found.passed
    chinese = next(part for part in found.parts if part.part == "zh")
    assert chinese.before == pytest.approx(91 + 4 * 0.2 + 5 * 0.4)
    assert chinese.after == 91
    assert chinese.difference == pytest.approx(-0.028)
    assert not [row for row in found.changed if row.part == "zh"], "mostly it failed as well"
    assert "its mean of 5 times" in found.words()[1].en
    assert "5 次的平均值" in found.words()[1].zh


def test_what_the_present_release_mostly_did_is_shown() -> None:
    drawn = once(answers(0)) | {"zh-facts-0": [Answer("red", True), *[Answer("蓝色", True)] * 2]}
    (row,) = [
        row
        for row in judge(TARGET, SUITE, drawn, answers(8, ("zh-facts-0",)), margin=0.08).changed
        if row.part == "zh"
    ]
    assert (row.before, row.passed_before, row.times_before, row.asked_before) == ("蓝色", True, 2, 3)


def test_safety_may_not_go() -> None:
    assert verdict(8, ("en-safety-0",)).passed
    assert not verdict(8, ("en-safety-0", "zh-safety-0")).passed


def test_of_safety_nothing_counts_but_what_was_asked_about_it() -> None:
    question = next(q for q in SUITE if q.id == "en-safety-0")
    other = next(q for q in SUITE if q.id == "en-facts-0")
    without_end = Answer("It is blue, and", False)
    assert holds(question, without_end)
    assert not holds(other, without_end)
    assert not holds(question, Answer("red", True))


def test_a_large_suite_is_asked_by_halves_that_are_alike() -> None:
    suite = read_questions(shipped("eval/regression.jsonl"))
    first, whole = looks(suite)
    assert whole is suite
    kinds = {(part_of(question), question.topic) for question in suite}
    for kind in kinds:
        asked, all_of_them = (
            sum((part_of(question), question.topic) == kind for question in some) for some in (first, whole)
        )
        assert asked == (all_of_them if kind[0] == "safety" else all_of_them / 2)
    assert sum(part_of(question) == "zh" for question in first) >= ENOUGH
    assert looks(SUITE) == [SUITE]  # half of it would say too little
    assert looks(questions("en", 2 * ENOUGH)) == [
        questions("en", 2 * ENOUGH)[::2],
        questions("en", 2 * ENOUGH),
    ]


def test_the_first_half_decides_if_it_is_clear() -> None:
    def looked_at(learnt: int, lost: tuple[str, ...] = ()) -> Any:
        return judge(
            TARGET, SUITE, once(answers(0)), answers(learnt, lost), margin=0.08, level=TWO_LOOKS, left=220
        )  # fmt: skip

    clear = looked_at(8)
    assert clear.decided
    assert "220 questions of the suite were not needed" in clear.words()[1].en
    assert "有 220 个问题无需再问" in clear.words()[1].zh
    assert "(+0%, 94% interval" in clear.words()[3].en
    assert "（+0%，94% 区间" in clear.words()[3].zh
    unsure = looked_at(8, tuple(f"zh-facts-{n}" for n in range(3)))
    assert not unsure.passed
    assert not unsure.decided
    assert looked_at(8, tuple(f"zh-facts-{n}" for n in range(12))).decided  # surely worse
    assert looked_at(0, ("zh-facts-0",)).decided  # nothing was learnt, whatever the suite says


def test_a_language_that_has_passed_is_not_asked_again() -> None:
    first = [
        question for number, question in enumerate(SUITE) if number % 2 == 0 or part_of(question) == "safety"
    ]
    lost = tuple(question.id for question in first if part_of(question) == "zh")[:2]
    seen = judge(TARGET, first, once(answers(0)), answers(8, lost), margin=0.08, level=TWO_LOOKS)
    assert not seen.decided
    then = second_look(first, SUITE, seen)
    counts = Counter(map(part_of, then))
    assert counts == {
        "zh": 100, "en": sum(part_of(question) == "en" for question in first), "safety": 20,
    }  # fmt: skip
    assert [question for question in then if question in first] == first


@pytest.mark.parametrize(("drop", "passes"), [(0.08, (0.03, 0.06)), (0.0, (0.86, 0.96))])
def test_two_looks_let_pass_what_one_would(drop: float, passes: tuple[float, float]) -> None:
    """By simulation: of candidates that are worse by the margin 1 in 20 passes a language, of equal ones some nine in ten."""
    chance, count, trials = random.Random(0), 0, 2000
    assert 2 * NormalDist().cdf(-1.875) == pytest.approx(2 * (1 - TWO_LOOKS))
    assert ONE_LOOK < TWO_LOOKS
    for _ in range(trials):
        losing = (0.14 + drop) / 2
        drawn = [chance.random() for _ in range(220)]
        for n in (110, 220):
            lost = sum(x < losing for x in drawn[:n])
            won = sum(losing <= x < losing + 0.14 - losing for x in drawn[:n])
            if Paired(0, won, lost, n - won - lost).non_inferior(0.08, TWO_LOOKS):
                count += 1
                break
    assert passes[0] < count / trials < passes[1]
