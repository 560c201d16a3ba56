"""Tasks: reading them, making items of rows, those that come with Feilun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.test_questions import ASSISTANT, ROOT

from feilun.evaluate.task import Loaded, read_task
from feilun.text import FeilunError

DATA = ROOT.parent / "shared/data/eval"
RECIPES = sorted((ROOT / "recipes/eval").glob("*.toml"))

BASE = """
name = "sums"
data = "sums.jsonl"
prompt = "What is {a} + {b}?"
target = "{solution}"
target_pattern = '#### (.+)'
topic = "{topic}"
scorers.number = {}
"""
ROWS: list[dict[str, Any]] = [
    {"id": f"s{n}", "lang": "en", "a": n, "b": 1, "topic": "even" if n % 2 == 0 else "odd", "solution": f"so\n#### {n + 1}"}
    for n in range(12)
]  # fmt: skip


def load(folder: Path, text: str, rows: list[dict[str, Any]] = ROWS, **overrides: object) -> Loaded:
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "task.toml").write_text(text, "utf-8")
    return read_task(folder / "task.toml", None, overrides)


def fault(folder: Path, text: str, rows: list[dict[str, Any]] = ROWS) -> FeilunError:
    with pytest.raises(FeilunError) as error:
        load(folder, text, rows)
    assert error.value.text.zh.endswith("。")
    return error.value


def test_a_row_becomes_an_item(tmp_path: Path) -> None:
    loaded = load(tmp_path, BASE + 'system = "Add {b}."')
    item = loaded.items[3]
    assert (item.id, item.language, item.topic, item.targets) == ("s3", "en", "odd", ("4",))
    assert [(turn.role, turn.content) for turn in item.messages] == [
        ("system", "Add 1."),
        ("user", "What is 3 + 1?"),
    ]
    assert (loaded.total, len(loaded.items), loaded.task.params.max_tokens) == (12, 12, 512)


def test_examples_stand_before_the_question_and_are_not_asked(tmp_path: Path) -> None:
    loaded = load(tmp_path, BASE + 'shots = 4\nshot = "{solution}"')
    asked = {item.request for item in loaded.items}
    assert len(asked) == loaded.total == 8
    for item in loaded.items:
        shown = [turn.content for turn in item.messages if turn.role == "user"][:-1]
        assert len(shown) == 4
        assert asked.isdisjoint(shown)
        assert all("####" in turn.content for turn in item.messages if turn.role == "assistant")


def test_examples_of_the_same_topic_come_first(tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    loaded = load(tmp_path, BASE + 'shots = 7\nexamples = ["more.jsonl"]')
    assert loaded.total == 12
    for item in loaded.items:
        numbers = [int(turn.content.split()[2]) for turn in item.messages if turn.role == "user"][:-1]
        mine = [n for n in numbers if (n % 2 == 0) == (item.topic == "even")]
        assert numbers[:6] == mine
        assert len(numbers) == 7


def test_a_smaller_sample_is_in_a_larger_one_and_another_seed_draws_another(tmp_path: Path) -> None:
    def ids(text: str = "", **overrides: object) -> list[str]:
        return [item.id for item in load(tmp_path, BASE + text, ROWS, **overrides).items]

    three, six = ids(limit=3), ids("limit = 6")
    assert len(three) == 3
    assert len(six) == 6
    assert set(three) < set(six)
    assert six == [name for name in ids() if name in six]  # in the file's order
    assert ids("seed = 1", limit=6) != six
    assert ids(limit=99) == ids()


def test_a_list_is_a_conversation_and_a_list_of_targets_is_a_choice_of_them(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"turns": ["Hi.", "And now?"], "right": ["a", "b"]},
        {"turns": "One.", "right": None},
    ]
    text = 'name = "t"\ndata = "sums.jsonl"\nprompt = "{turns}"\ntarget = "{right}"\nscorers.exact = {}\nlanguage = "zh"'
    two, one = load(tmp_path, text, rows).items
    assert (two.id, two.messages[-1].content, two.more, two.targets) == (
        "1",
        "Hi.",
        ("And now?",),
        ("a", "b"),
    )
    assert (one.id, one.more, one.targets, one.language) == ("2", (), (), "zh")


def test_a_target_without_the_pattern_is_none(tmp_path: Path) -> None:
    (item,) = load(tmp_path, BASE, [{**ROWS[0], "solution": "no mark"}]).items
    assert item.targets == ()


def test_a_question_file_is_a_task_and_a_task_can_name_some(tmp_path: Path) -> None:
    alone = read_task(ASSISTANT, None, {"limit": 5, "params.max_tokens": 9})
    assert (len(alone.items), alone.total, alone.task.params.max_tokens) == (5, 200, 9)
    assert alone.task.scorers.names() == ["checks"]
    task = tmp_path / "task.toml"
    task.write_text(
        'name = "ours"\nquestions = ["assistant.jsonl"]\n[scorers]\nchecks = {}\nends = {}', "utf-8"
    )
    below = read_task(task, ASSISTANT.parent, {})
    assert [item.id for item in below.items][:5] == [item.id for item in read_task(ASSISTANT).items][:5]
    assert below.task.scorers.names() == ["checks", "ends"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BASE + 'promt = "x"', "unknown key 'promt'"),
        (BASE + "scorers.numbr = {}", "unknown key 'scorers.numbr'; known: checks, exact"),
        (BASE.replace("number = {}", "number = {tol = 1}"), "unknown key 'scorers.number.tol'; known: tolerance"),
        (BASE + "params.max_tokens = 0", "params.max_tokens: "),
        (BASE.replace("data", "#"), "give either questions or data"),
        (BASE + 'questions = "a.jsonl"', "give either questions or data"),
        (BASE.replace("prompt", "#"), "data needs prompt and scorers"),
        (BASE.replace("scorers", "#"), "data needs prompt and scorers"),
        (BASE.replace("(.+)", "("), "target_pattern: not a regular expression"),
        (BASE.replace("(.+)", ".+"), "target_pattern: needs a group"),
        (BASE + 'solver = "first_token"', "needs choices"),
        (BASE.replace("{a}", "{c}"), "task.toml: row 1: no field {c}; there are: id, lang, a, b"),
        (BASE + 'id = "{topic}"', "two items have the id 'even'; set id"),
        (BASE + "shots = 12", "its data holds no items"),
        (BASE + 'shots = 13\nexamples = "sums.jsonl"', "shots: 12 examples for 13"),
        (BASE.replace("sums.jsonl", "none.jsonl"), "none.jsonl: No such file"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    assert says in fault(tmp_path, text).text.en


def test_data_that_cannot_be_asked(tmp_path: Path) -> None:
    assert "holds no items" in fault(tmp_path, BASE, []).text.en
    empty = BASE.replace("What is {a} + {b}?", "{empty}")
    assert "row 1: the prompt is empty" in fault(tmp_path, empty, [{**ROWS[0], "empty": " "}]).text.en


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_of_ours_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 25


GOLD = {
    "gsm8k": "{solution}",
    "humaneval": "```python\n{prompt}{canonical_solution}\n```",
    "mbpp": "{code}",
    "cmmlu": "{answer}",
    "metaphor": "{label}",
    "chinese_simpleqa": "答案是{answer}。",
    "xiehouyu": "{answer}",
}
"""What the set itself says is right."""


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
@pytest.mark.parametrize("name", GOLD)
def test_the_sets_own_answers_are_right_and_others_are_wrong(name: str) -> None:
    from feilun.evaluate.questions import Answer
    from feilun.evaluate.template import fill

    loaded = read_task(ROOT / f"recipes/eval/{name}.toml", DATA, {"limit": 12})
    scorer = next(scorer for _, scorer in loaded.task.scorers.single())
    right = [
        scorer.score(item, Answer(fill(GOLD[name], item.row or {}), True)).value for item in loaded.items
    ]
    assert set(right) <= {1.0, None}
    assert right.count(None) < 3
    assert {scorer.score(item, Answer("无从得知", True)).value for item in loaded.items} <= {0.0, None}


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_the_prompts_of_mt_bench_have_two_turns_and_a_judge() -> None:
    loaded = read_task(ROOT / "recipes/eval/mt_bench.toml", DATA, {})
    assert all(len(item.more) == 1 for item in loaded.items)
    assert loaded.task.scorers.names()[0] == "judge"
