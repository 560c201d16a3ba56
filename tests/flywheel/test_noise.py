"""How far apart releases are that differ in nothing but their seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tests.flywheel.test_gate import SUITE, TARGET, answers, once, questions

from feilun.evaluate.paired import Noise
from feilun.evaluate.questions import Answer, read_questions
from feilun.flywheel import noise
from feilun.flywheel.gate import judge
from feilun.flywheel.noise import NoiseFloor, measured, noise_of, suite_id
from feilun.flywheel.recipe import TurnRecipe
from feilun.recipe import shipped
from feilun.registry.builtin import ASSISTANT


def run(*lost: str) -> dict[str, Answer]:
    return answers(0, lost)


def floor() -> NoiseFloor:
    """Three runs: each fails two Chinese questions of its own, one also two English ones."""
    runs = [
        run("zh-facts-0", "zh-facts-1"),
        run("zh-facts-2", "zh-facts-3"),
        run("zh-facts-4", "zh-facts-5", "en-facts-0", "en-facts-1"),
    ]
    parts = noise_of(SUITE, runs)
    return NoiseFloor(
        release="release:0", base="sha256:0", suite=suite_id(SUITE), seeds=[0, 1, 2], recipe={}, parts=parts
    )


def test_each_part_of_the_suite_has_its_own() -> None:
    parts = floor().parts
    assert set(parts) == {"zh", "en", "safety"}
    assert (parts["zh"].n, parts["zh"].discordant, parts["zh"].sd) == (100, pytest.approx(0.04), 0)
    assert parts["en"].discordant == pytest.approx((0 + 0.02 + 0.02) / 3)
    assert parts["safety"] == Noise(runs=3, n=20, discordant=0, sd=0)


@pytest.mark.parametrize("together", [False, True])
def test_runs_are_no_further_apart_than_the_span_says(together: bool) -> None:
    """Against brute force: prompts that fall by themselves, and seeds that make a whole run better or worse."""
    chance = random.Random(1)
    rates = [chance.random() for _ in range(110)]

    def one_run() -> dict[str, bool | None]:
        luck = chance.gauss(0, 0.15) if together else 0
        return {str(n): chance.random() < rate + luck for n, rate in enumerate(rates)}

    span = Noise.of([one_run() for _ in range(60)]).span()
    passed = [sum(map(bool, one_run().values())) / 110 for _ in range(4000)]
    apart = [abs(one - other) for one, other in zip(passed[::2], passed[1::2], strict=True)]
    assert sum(difference <= span for difference in apart) / len(apart) == pytest.approx(0.95, abs=0.025)


def test_the_gate_measures_a_difference_by_it() -> None:
    known = floor()
    span = known.parts["zh"].span()
    assert span == pytest.approx(1.96 * (0.04 / 100) ** 0.5, rel=1e-3)
    for lost, within in ((3, True), (5, False)):
        after = answers(8, tuple(f"zh-facts-{n}" for n in range(lost)))
        verdict = judge(TARGET, SUITE, once(answers(0)), after, margin=0.5, noise=known)
        target, zh, en, safety = verdict.parts
        assert (zh.part, zh.noise, zh.within_noise) == ("zh", span, within)
        assert (target.noise, target.within_noise) == (None, None)
        assert en.within_noise
        assert safety.within_noise
        line = verdict.words()[2]
        assert f"; {'within' if within else 'beyond'} the noise between seeds (±4%)" in line.en
        assert ("未超出" in line.zh) == within
        assert "3 candidates" in verdict.words()[-1].en


def test_the_drop_that_would_show_comes_from_the_noise_and_not_from_the_pair_at_hand() -> None:
    same = [judge(TARGET, SUITE, once(answers(0)), answers(8), margin=0.1, noise=n) for n in (floor(), None)]
    with_noise, without = ({part.part: part.smallest for part in verdict.parts} for verdict in same)
    assert with_noise["target"] == without["target"]
    assert with_noise["zh"] is not None
    assert without["zh"] is not None
    assert with_noise["zh"] > without["zh"]  # equal answers would have one believe that nothing is noisy
    assert "not measured" in same[1].words()[-1].en
    assert "尚未测量" in same[1].words()[-1].zh


def test_it_is_used_for_the_suite_and_base_that_it_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "shipped", lambda name: tmp_path / Path(name).name)
    assert measured(SUITE, "sha256:0") is None  # there is none
    (tmp_path / "noise.json").write_text(floor().model_dump_json())
    assert measured(SUITE, "sha256:0") == floor()
    assert measured(SUITE[::-1], "sha256:0") == floor()
    assert measured(SUITE, "sha256:1") is None
    assert measured(SUITE, None) is None
    assert measured(SUITE[1:], "sha256:0") is None
    assert measured([*SUITE[1:], *questions("zh", 1, "sums")], "sha256:0") is None


def test_the_shipped_one_is_of_the_shipped_suite_and_release() -> None:
    path = shipped(noise.FILE)
    if not path.exists():
        pytest.skip("the noise floor is not measured")
    floor = NoiseFloor.model_validate_json(path.read_bytes())
    suite = read_questions(shipped("eval/regression.jsonl"))
    assert measured(suite, ASSISTANT.sha256) == floor, "run scripts/flywheel_noise.py again"
    assert floor.release == ASSISTANT.id
    how = TurnRecipe().model_dump(
        mode="json", include={"build", "train", "gate"}, exclude={"train": {"seed"}}
    )
    assert floor.recipe == how, "the default turn trains otherwise now: run scripts/flywheel_noise.py again"
    assert {part: one.n for part, one in floor.parts.items()} == {"zh": 220, "en": 220, "safety": 60}
    assert json.loads(path.read_text())["parts"]["zh"]["runs"] == len(floor.seeds) >= 3
