"""What a turn would cost and bring."""

from __future__ import annotations

import json
import os
import time
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flywheel.tiny import FACTS, correct

from feilun.evaluate.questions import read_questions
from feilun.flywheel import costs
from feilun.flywheel.asking import ANSWERS
from feilun.flywheel.costs import Rates
from feilun.flywheel.estimate import Estimate, estimate, likely
from feilun.flywheel.gate import Compared, Verdict
from feilun.flywheel.recipe import ReviewRecipe, TrainRecipe, TurnRecipe
from feilun.jobs import Job
from feilun.recipe import shipped
from feilun.registry import Registry, Release
from feilun.store import Store
from feilun.store.reviews import decide, items
from feilun.workspace import Workspace

RECIPE = TurnRecipe(train=TrainRecipe(rows=12))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    correct(made.path, FACTS)
    return made


def like(
    workspace: Workspace,
    recipe: TurnRecipe = RECIPE,
    model: str | None = None,
    *,
    pending: bool | None = None,
) -> Estimate | None:
    store = Store(workspace.path / "feilun.db")
    try:
        name = model or Registry(workspace).default().name
        return estimate(workspace, store, recipe, name, pending=pending)
    finally:
        store.close()


def accept(workspace: Workspace, how_many: int) -> None:
    store = Store(workspace.path / "feilun.db")
    with store.writing() as session:
        for item in items(session, state="pending")[:how_many]:
            decide(session, item.id, "accept", reviewer="local")
    store.close()


def judged(workspace: Workspace, events: list[tuple[str, float, dict[str, Any]]], **more: Any) -> Job:
    """A turn that was made earlier, of the rows that `judged` writes: two of 970 bytes and one message each."""
    model = Registry(workspace).default().name
    job = Job.create(
        workspace.path / "runs", "turn", "turn", {"model": model, **RECIPE.model_dump(mode="json")}
    )
    with job.running():
        pass
    lines = [{"event": name, "time": at, **fields} for name, at, fields in events]
    (job.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = workspace.path / "datasets" / job.id
    folder.mkdir(parents=True)
    row = json.dumps({"messages": [{"role": "user", "content": "x" * (1000 - costs.FRAME)}]})
    (folder / "sft.jsonl").write_text(f"{row}\n{row}\n")
    target = Compared(
        part="target", n=more.get("n", 30), before=0, after=more.get("after", 24), won=24, lost=0,
        difference=0.8, low=0.6, high=0.9, smallest=None, passed=True,
    )  # fmt: skip
    verdict = Verdict(passed=more.get("passed", True), held_out=False, parts=[target], changed=[])
    report = workspace.path / "reports" / job.id
    report.mkdir(parents=True)
    (report / "verdict.json").write_text(verdict.model_dump_json())
    return job


def course(joules: float | None = None) -> list[tuple[str, float, dict[str, Any]]]:
    """Five steps of twelve rows in 30 s, then 20 + 30 questions in 25 s, the candidate's in two looks."""
    return [
        ("started", 100, {}),
        ("built", 101, {}),
        ("step", 120, {"step": 5, "steps": 5}),
        ("artifact", 131, {}),
        ("asked", 135, {"release": "release:0", "step": 20, "steps": 20}),
        ("asked", 140, {"release": "release:1", "step": 10, "steps": 20}),
        ("asked", 145, {"release": "release:1", "step": 20, "steps": 20}),
        ("asked", 150, {"release": "release:1", "step": 10, "steps": 10}),
        ("gate", 156, {}),
        ("cost", 156, {"seconds": 56.0, "joules": joules}),
        ("finished", 156, {}),
    ]


def test_nothing_that_gathered_is_no_turn(tmp_path: Path) -> None:
    assert like(Workspace(tmp_path / "empty")) is None


def test_accepted_items_count_and_with_too_few_of_them_what_waits(workspace: Workspace) -> None:
    assert like(workspace, pending=False) is None
    waiting = like(workspace)
    assert waiting is not None
    assert (waiting.items, waiting.waiting, waiting.corrected) == (8, 8, 8)
    accept(workspace, 6)
    now = like(workspace)
    assert now is not None
    assert (now.items, now.waiting, now.corrected, now.least) == (6, 0, 6, 6)
    everything = like(workspace, pending=True)
    assert everything is not None
    assert (everything.items, everything.waiting) == (8, 2)
    assert everything.model_copy(update={"waiting": 8}) == waiting


def test_caps_and_rules_count_as_they_will_in_the_turn(workspace: Workspace) -> None:
    correct(workspace.path, [(f"What is new {n}?", f"Nothing {n}.") for n in range(7)], user="ann")
    both = like(workspace, pending=True)
    assert both is not None
    assert (both.items, both.held_back) == (8 + 5, 2)
    rules = TurnRecipe(train=RECIPE.train, review=ReviewRecipe(accept=["owner-corrections"]))
    ruled = like(workspace, rules)
    assert ruled is not None
    assert (ruled.items, ruled.waiting) == (8, 0)  # nobody has to accept them any more


def test_an_upstream_model_cannot_learn(workspace: Workspace) -> None:
    upstream = Release(name="far", kind="upstream", source="http://127.0.0.1:9/v1")
    Registry(workspace).add(upstream)
    assert like(workspace, model="far") is None


def test_a_first_turn_costs_what_feiluns_own_did(workspace: Workspace) -> None:
    found = like(workspace)
    assert found is not None
    suite = len(read_questions(shipped("eval/regression.jsonl")))
    release = Registry(workspace).default().id.partition(":")[2]
    known = (shipped(ANSWERS) / f"{release}-{RECIPE.gate.max_tokens}.json").exists()
    assert found.questions == 2 * 8 + suite * (1 if known else 2)
    assert found.gate_s == pytest.approx(found.questions * costs.SECONDS_PER_QUESTION)
    assert (found.turns, found.measured, found.judged) == (0, False, 0)
    hours = (found.train_s + found.gate_s) / 3600
    assert found.energy_wh == pytest.approx(hours * costs.WATTS_PER_CORE * (os.cpu_count() or 1))
    assert found.right == pytest.approx(8 * 26 / 30)
    words = [str(line.en) for line in found.words()]
    assert "5 watts a core are assumed" in words[1]
    assert "26 of 30" in words[3]
    assert "假定每核 5 瓦" in found.words()[1].zh


def test_it_learns_from_the_turns_that_were_made(workspace: Workspace) -> None:
    first = like(workspace)
    judged(workspace, course(joules=5600), passed=False)
    judged(workspace, course())
    found = like(workspace)
    assert first is not None
    assert found is not None
    assert (found.turns, found.measured, found.judged, found.passed) == (2, True, 2, 1)
    # 5 steps of 12 rows of 1,000 bytes in 30 s: half a second each; 50 questions in 25 s: the same; 100 W.
    assert found.train_s == pytest.approx(first.train_s * 0.5 / costs.SECONDS_PER_KB)
    assert found.gate_s == pytest.approx(found.questions * 0.5)
    assert found.energy_wh == pytest.approx(100 * (found.train_s + found.gate_s) / 3600)
    assert found.right == pytest.approx(8 * (26 + 2 * 24) / 90)
    assert "2 turns judged here, of which the gate let 1 pass" in found.words()[3].en
    assert "其中 1 轮通过把关" in found.words()[3].zh


def test_each_objective_of_a_turn_has_its_share(workspace: Workspace) -> None:
    alone = like(workspace)
    both = TurnRecipe(train=RECIPE.train.model_copy(update={"objectives": ["sft", "dpo"]}))
    found = like(workspace, both)
    assert alone is not None
    assert found is not None
    sft, dpo = found.learning
    assert [sft] == alone.learning
    assert (dpo.objective, dpo.examples, dpo.steps) == ("dpo", 8, both.dpo.least_steps)
    assert found.train_s == pytest.approx(sft.train_s + dpo.train_s)
    assert found.steps == sft.steps + dpo.steps
    assert found.missing is None
    said = found.words()[0]
    assert f"SFT of {sft.examples} examples, {sft.steps} steps, then DPO of 8 examples, 10 steps" in said.en
    assert "再 DPO 8 个样本" in said.zh
    thumbs = TurnRecipe(train=TrainRecipe(objectives=["sft", "kto"]))
    lacking = like(workspace, thumbs)
    assert lacking is not None
    assert lacking.missing is not None
    assert lacking.words()[2] == lacking.missing


def test_what_a_pair_costs_is_learnt_from_turns_of_both_objectives(workspace: Workspace) -> None:
    job = judged(workspace, course())
    folder = workspace.path / "datasets" / job.id
    said = {"role": "assistant", "content": "x" * (500 - costs.FRAME)}
    pair = {
        "messages": [{"role": "user", "content": "x" * (500 - costs.FRAME)}],
        "chosen": said,
        "rejected": said,
    }
    (folder / "preference.jsonl").write_text(f"{json.dumps(pair)}\n" * 6)
    lines = (
        (job.folder / "events.jsonl").read_text().replace('"event": "step"', '"part": "sft", "event": "step"')
    )
    dpo = json.dumps({"event": "step", "time": 125, "part": "dpo", "step": 4, "steps": 4})
    (job.folder / "events.jsonl").write_text(
        lines.replace('{"event": "artifact"', f'{dpo}\n{{"event": "artifact"')
    )
    # 5 steps of 12 rows, and 4 of 8 pairs with two sides, each of which was read once before; of 1,000 bytes each.
    seen = 5 * 12 + costs.COST["dpo"] * 2 * (4 * 8 + 6 / 3)
    assert Rates.of([job], workspace).per_kb == pytest.approx(30 / seen)


def test_a_turn_that_was_interrupted_does_not_say_how_long_its_steps_took(workspace: Workspace) -> None:
    job = judged(workspace, [*course()[:3], ("started", 5000, {}), *course()[3:]])
    assert Rates.of([job], workspace) == Rates()
    found = like(workspace)
    assert found is not None
    assert (found.turns, found.judged) == (0, 1)  # what it taught counts all the same


@pytest.mark.parametrize(
    ("n", "right", "wrong"), [(1, 26, 4), (12, 26, 4), (30, 26, 4), (25, 3, 40), (8, 1, 1)]
)
def test_the_interval_is_that_of_polyas_urn(n: int, right: int, wrong: int) -> None:
    """A ball is drawn and put back with another of its colour: so many successes of ``n``, by exact fractions."""

    @cache
    def chance(drawn: int, good: int) -> Fraction:
        if good < 0 or good > drawn:
            return Fraction(0)
        if drawn == 0:
            return Fraction(1)
        balls = right + wrong + drawn - 1
        return chance(drawn - 1, good - 1) * Fraction(right + good - 1, balls) + chance(
            drawn - 1, good
        ) * Fraction(wrong + drawn - 1 - good, balls)

    below = [sum((chance(n, k) for k in range(end + 1)), Fraction(0)) for end in range(n + 1)]
    low, high = likely(n, right, wrong)
    assert low == next(k for k in range(n + 1) if below[k] > Fraction(1, 20))
    assert high == next(k for k in range(n + 1) if below[k] >= Fraction(19, 20))


@given(st.integers(0, 60), st.floats(0.5, 90), st.floats(0.5, 90))
def test_the_interval_lies_in_what_can_be_and_mirrors(n: int, right: float, wrong: float) -> None:
    low, high = likely(n, right, wrong)
    assert 0 <= low <= high <= n
    assert likely(n, wrong, right) == (n - high, n - low)
    assert likely(n, right, wrong, 0.5)[0] >= low
    if n:
        assert likely(n, 1e6, 1e-3) == (n, n)


def test_hundreds_of_items_are_estimated_while_one_looks(workspace: Workspace) -> None:
    correct(workspace.path, [(f"Who founded the company number {n}?", f"Person {n}.") for n in range(200)])
    like(workspace)
    begun = time.process_time()
    found = like(workspace)
    assert found is not None
    assert found.items == 208
    assert time.process_time() - begun < 3
