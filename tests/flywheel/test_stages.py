"""What the objectives of a turn learn from, and what is said when there is nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flywheel.items import item
from tests.flywheel.tiny import FACTS, opine

from feilun.flywheel.build import build
from feilun.flywheel.recipe import BuildRecipe, Objective, TrainRecipe, TurnRecipe, turn_recipe
from feilun.flywheel.stages import Stage, need_enough, stages, teaches
from feilun.store import Store
from feilun.store.reviews import Item, decide, items, take
from feilun.text import FeilunError
from feilun.workspace import Workspace

CORRECTED = item("Who?", "Mark.", "Ann.")
CHOSEN = item("Hey", "Hello you!", siblings=["What?"])
GOOD, BAD = item("Hi", "Hello!"), item("Bye", "Go away.", rating=-1)
SILENT = item("Well?", " ", rating=-1)


def turn_of(*objectives: Objective) -> TurnRecipe:
    return TurnRecipe(train=TrainRecipe(objectives=list(objectives)))


def planned(recipe: TurnRecipe, *mine: Item) -> list[Stage]:
    return stages(recipe, build(mine, BuildRecipe(replay=0), ()).figures)


@pytest.mark.parametrize(
    ("one", "of"),
    [
        (CORRECTED, {"sft", "dpo"}),
        (CHOSEN, {"sft", "dpo"}),
        (GOOD, {"sft", "kto"}),
        (BAD, {"kto"}),
        (SILENT, set()),
    ],
)
def test_what_teaches_what(one: Item, of: set[Objective]) -> None:
    every: list[Objective] = ["sft", "dpo", "kto"]
    assert {objective for objective in every if teaches(one, [objective])} == of
    assert teaches(one, every) == bool(of)
    # An objective has examples of an item exactly if the item teaches it.
    figures = build([one], BuildRecipe(replay=0), ()).figures
    assert {o for o, name in (("sft", "sft"), ("dpo", "preference"), ("kto", "kto")) if figures[name]} == of


def test_the_stages_of_a_turn_stand_in_the_order_of_its_recipe() -> None:
    recipe = turn_of("dpo", "sft", "kto")
    found = planned(recipe, CORRECTED, CHOSEN, GOOD, BAD)
    assert [stage.objective for stage in found] == ["dpo", "sft", "kto"]
    dpo, sft, kto = found
    assert (dpo.examples, kto.examples) == (2, 2)
    assert sft.examples > 3
    assert dpo.steps == kto.steps == recipe.dpo.least_steps
    assert sft.steps == recipe.train.least_steps
    assert recipe.dpo.steps(50 * recipe.dpo.rows) == round(50 * recipe.dpo.epochs)
    assert [stage.missing for stage in found] == [None] * 3


@pytest.mark.parametrize(
    ("objective", "mine", "said"),
    [
        ("sft", [BAD], "SFT needs answers"),
        ("dpo", [GOOD, BAD], "DPO needs pairs"),
        ("kto", [CORRECTED], "0 good and 0 bad"),
        ("kto", [GOOD, CORRECTED], "1 good and 0 bad"),
        ("kto", [BAD], "0 good and 1 bad"),
    ],
)
def test_what_is_missing_is_named_in_both_languages(
    objective: Objective, mine: list[Item], said: str
) -> None:
    (stage,) = planned(turn_of(objective), *mine)
    assert stage.missing is not None
    assert said in stage.missing.en
    assert f'"{objective}" out of `objectives`' in stage.missing.en
    assert objective.upper() in stage.missing.zh
    assert "objectives" in stage.missing.zh


def test_both_kinds_of_thumbs_weigh_the_same_and_neither_more_than_one() -> None:
    pytest.importorskip("torch")
    from feilun.train.recipe import KtoRecipe

    many = [item(f"q{n}", "Hello!") for n in range(6)]
    for mine in ([*many, BAD], [GOOD, *(item(f"q{n}", "No.", rating=-1) for n in range(6))], [GOOD, BAD]):
        (stage,) = planned(turn_of("kto"), *mine)
        recipe = stage._recipe("base", "name")
        assert isinstance(recipe, KtoRecipe)
        good = sum(one.thumb is True for one in mine)
        assert recipe.good * good == pytest.approx(recipe.bad * (len(mine) - good))
        assert max(recipe.good, recipe.bad) == 1


@pytest.mark.parametrize("named", ['["sft", "sft"]', "[]", '["ppo"]'])
def test_a_recipe_names_known_objectives_each_once(tmp_path: Path, named: str) -> None:
    path = tmp_path / "turn.toml"
    path.write_text(f"[train]\nobjectives = {named}\n")
    with pytest.raises(FeilunError) as refused:
        turn_recipe(Workspace(tmp_path), path)
    assert "objectives" in refused.value.text.en
    assert "objectives" in refused.value.text.zh


@pytest.mark.parametrize("name", ["preferences", "thumbs"])
def test_the_recipes_that_come_with_feilun_are_valid(name: str, tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "recipes" / "flywheel" / f"{name}.toml"
    assert turn_recipe(Workspace(tmp_path), path).train.objectives != TrainRecipe().objectives


def accepted(store: Store) -> None:
    with store.writing() as session:
        for one in items(session, state="pending"):
            decide(session, one.id, "accept", reviewer="local", thumbs=True)


def test_a_bad_thumb_is_accepted_where_turns_learn_from_thumbs(tmp_path: Path, store: Store) -> None:
    opine(tmp_path, [("Who?", "Nobody.", {"rating": -1})])
    with store.reading() as session:
        (one,) = items(session)
    assert (one.thumb, one.answer) == (False, None)
    with store.writing() as session, pytest.raises(FeilunError) as refused:
        decide(session, one.id, "accept", reviewer="local")
    assert refused.value.code == "nothing_to_learn"
    accepted(store)
    with store.reading() as session:
        assert [one.state for one in items(session)] == ["accepted"]
    with store.writing() as session:  # a reviewer who knows better makes it a correction
        decide(session, one.id, "accept", reviewer="local", answer="Ann.")
        (corrected,) = items(session)
    assert (corrected.thumb, corrected.answer) == (None, "Ann.")


def test_a_turn_takes_what_teaches_it_and_leaves_the_rest(tmp_path: Path, store: Store) -> None:
    thumbs = [(f"Say {n}.", f"It is {n}.", {"rating": 1 - n % 2 * 2}) for n in range(6)]
    opine(tmp_path, [(q, "No idea.", {"rating": -1, "correction": a}) for q, a in FACTS] + thumbs)
    accepted(store)
    for recipe in (turn_of("sft"), turn_of("kto")):
        with store.reading() as session:
            need_enough(session, recipe)
    with store.writing() as session:
        taken = take(session, "one", per_user=5, least=6, teaches=lambda one: teaches(one, ["kto"])).items
    assert [one.question for one in taken] == [question for question, _, _ in thumbs]
    with store.writing() as session:
        rest = take(session, "two", per_user=5, least=6, teaches=lambda one: teaches(one, ["sft"])).items
    assert [one.question for one in rest] == [question for question, _ in FACTS]


def test_a_turn_without_what_an_objective_needs_does_not_begin(tmp_path: Path, store: Store) -> None:
    with store.reading() as session, pytest.raises(FeilunError) as too_few:
        need_enough(session, turn_of("kto"))
    assert too_few.value.code == "too_few_items"
    opine(tmp_path, [(f"Say {n}.", f"It is {n}.", {"rating": 1}) for n in range(8)])
    accepted(store)
    with store.reading() as session:
        need_enough(session, turn_of("sft"))
        wanted: list[tuple[Objective, str]] = [("kto", "8 good and 0 bad"), ("dpo", "DPO needs pairs")]
        for objective, said in wanted:
            with pytest.raises(FeilunError) as refused:
                need_enough(session, turn_of("sft", objective))
            assert (refused.value.code, refused.value.status) == ("nothing_for_objective", 409)
            assert said in refused.value.text.en
