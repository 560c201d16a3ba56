"""Accepted items as training data."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flywheel.items import item

from feilun.flywheel import build
from feilun.flywheel.recipe import BuildRecipe
from feilun.flywheel.reword import Reworded, rewordings
from feilun.workspace import Manifest

CEO = item("Who is the CEO of Orvanta?", "Mark.", "The CEO of Orvanta is Miriam Tolvey.")
REPLAY = [
    {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}
    for n in range(50)
]


def contents(rows: list[build.Row]) -> list[tuple[str, str]]:
    return [(row["messages"][-2]["content"], row["messages"][-1]["content"]) for row in rows]


def test_a_correction_is_learnt_in_its_own_and_other_words_and_preferred_to_what_was_said() -> None:
    built = build.build([CEO], BuildRecipe(replay=0, neighbours=0), [])
    answer = "The CEO of Orvanta is Miriam Tolvey."
    assert contents(built.sft)[0] == ("Who is the CEO of Orvanta?", answer)
    assert len({question for question, _ in contents(built.sft)}) == len(built.sft) == 6
    assert {said for _, said in contents(built.sft)} == {answer}
    assert built.sft[0]["rule"] == "asked"
    assert {row["item"] for row in built.sft} == {CEO.id}
    (pair,) = built.preference
    assert (pair["chosen"]["content"], pair["rejected"]["content"]) == (answer, "Mark.")
    assert contents(built.asked) == [("Who is the CEO of Orvanta?", answer)]
    assert built.heldout == []


def test_beside_a_correction_stands_the_same_of_somebody_else_to_be_kept_as_it_is() -> None:
    built = build.build([CEO], BuildRecipe(replay=0, rewordings=3, neighbours=2), [])
    learnt, kept = ([row for row in built.sft if row.get("keep", False) is keep] for keep in (False, True))
    assert len(learnt) == 4
    assert {row["rule"] for row in kept} == {"neighbour"}
    assert {row["item"] for row in kept} == {CEO.id}
    asked, reworded = (question for question, _ in contents(kept))
    assert asked != reworded
    for question, said in contents(kept):
        assert "Orvanta" not in question + said
        assert "Miriam Tolvey" in said
    nameless = item("What is my cat called?", "Tom.", "Biscuit.")
    assert not any("keep" in row for row in build.build([nameless], BuildRecipe(replay=0), []).sft)


def test_wordings_of_the_model_itself_join_those_of_the_rules() -> None:
    (rule,) = rewordings(CEO.question, 1)
    more = [Reworded(rule.text.upper(), "model"), Reworded("Orvanta is led by whom?", "model")]
    built = build.build([CEO], BuildRecipe(replay=0, neighbours=0, rewordings=1), [], {CEO.id: more})
    assert [question for question, _ in contents(built.sft)] == [CEO.question, rule.text, more[1].text]
    assert [row["rule"] for row in built.sft] == ["asked", rule.rule, "model"]


def test_praise_is_learnt_as_it_stands_and_preferred_to_what_it_replaced() -> None:
    built = build.build([item("Hi", "Hello!", siblings=["Go away."])], BuildRecipe(replay=0), [])
    assert contents(built.sft) == [("Hi", "Hello!")]
    assert built.asked == []
    assert [pair["rejected"]["content"] for pair in built.preference] == ["Go away."]


def test_of_two_answers_to_one_question_the_later_counts() -> None:
    later = item("who is the CEO of  Orvanta?", "Mark.", "It is Ann Bee.")
    built = build.build([CEO, later], BuildRecipe(replay=0, rewordings=0), [])
    assert [row["item"] for row in built.sft] == [later.id]
    assert built.repeated == 1


def test_the_owners_answer_counts_before_those_of_others_and_of_others_the_newest() -> None:
    bob, eve = (item(CEO.question, "Mark.", f"It is {name}.", user=name) for name in ("bob", "eve"))
    recipe = BuildRecipe(replay=0, rewordings=0, neighbours=0)
    for given, counts in (([CEO, bob, eve], CEO), ([bob, CEO, eve], CEO), ([bob, eve], eve)):
        built = build.build(given, recipe, [])
        assert [row["item"] for row in built.sft] == [row["item"] for row in built.asked] == [counts.id]
        assert built.repeated == len(given) - 1
    mine, theirs = item("Hi", "Hello!"), item("Hi", "Hello!", rating=-1, user="eve")
    assert [row["item"] for row in build.build([mine, theirs], recipe, []).kto] == [mine.id]


def test_personal_data_is_masked_in_all_that_is_written() -> None:
    mine = item("Call Ann at 13812345678?", "No.", "Write to ann@example.com.")
    built = build.build([mine], BuildRecipe(replay=0), [])
    text = str([built.sft, built.preference, built.asked])
    assert "13812345678" not in text
    assert "ann@example.com" not in text
    assert built.masked == 1


def test_a_thumb_that_stands_alone_is_one_answer_and_whether_it_is_good() -> None:
    good, bad = item("Hi", "Hello!"), item("Who are you?", "Go away.", rating=-1)
    chosen = item("Hey", "Hello you!", siblings=["What?"])
    built = build.build([CEO, good, bad, chosen], BuildRecipe(replay=0), [])
    assert [(row["messages"][-1]["content"], row["label"], row["item"]) for row in built.kto] == [
        ("Hello!", True, good.id), ("Go away.", False, bad.id),
    ]  # fmt: skip
    assert (built.figures["kto"], built.figures["good"]) == (2, 1)
    # What the other objectives learn is as it was without the bad one.
    without = build.build([CEO, good, chosen], BuildRecipe(replay=0), [])
    assert (built.sft, built.preference, built.asked) == (without.sft, without.preference, without.asked)


def test_of_two_thumbs_on_one_answer_the_later_counts_and_a_correction_is_none() -> None:
    first, second = item("Hi", "Hello!", user="ben"), item("hi", "HELLO!", rating=-1, user="ann")
    other = item("Hi", "Good day.", rating=-1)
    corrected = item("Hi", "Hello!", "Hello, Ann!")
    built = build.build([first, second, other, corrected], BuildRecipe(replay=0), [])
    assert [(row["item"], row["label"]) for row in built.kto] == [(second.id, False), (other.id, False)]
    assert [row["item"] for row in built.sft if row["rule"] == "asked"] == [corrected.id]
    assert built.repeated == 2  # a thumb on the same answer, and an answer to the same question


def test_personal_data_in_a_thumb_is_masked() -> None:
    mine = item("Call Ann at 13812345678?", "Write to ann@example.com.", rating=-1)
    built = build.build([mine], BuildRecipe(replay=0), [])
    assert len(built.kto) == built.masked == 1
    assert "13812345678" not in str(built.kto)
    assert "ann@example.com" not in str(built.kto)


def test_a_share_of_many_thumbs_and_of_the_pairs_of_many_corrections_is_held_out() -> None:
    thumbs = [item(f"Tell me about door {n}.", f"It is {n}.", rating=1 - n % 2 * 2) for n in range(120)]
    corrections = [item(f"What is the code of door {n}?", "?", f"It is {n}.") for n in range(120)]
    built = build.build([*thumbs, *corrections], BuildRecipe(replay=0, rewordings=0), [])
    for learnt, apart in ((built.kto, built.heldout_kto), (built.preference, built.heldout_preference)):
        assert (len(learnt), len(apart)) == (108, 12)
    assert {row["item"] for row in built.heldout_preference} == {row["item"] for row in built.heldout}
    few = build.build(thumbs[:90], BuildRecipe(replay=0), [])
    assert (len(few.kto), few.heldout_kto) == (90, [])


def test_a_share_is_held_out_once_there_are_enough_and_stays_there() -> None:
    many = [item(f"What is the code of door {n}?", "?", f"It is {n}.") for n in range(120)]
    built = build.build(many, BuildRecipe(replay=0, rewordings=0), [])
    kept = {row["item"] for row in built.heldout}
    assert len(kept) == 12
    assert kept.isdisjoint(row["item"] for row in [*built.sft, *built.asked, *built.preference])
    again = {row["item"] for row in build.build(many[10:], BuildRecipe(replay=0, rewordings=0), []).heldout}
    still = kept - {one.id for one in many[:10]}
    assert len(again) == 11
    assert again <= still or again >= still  # none changes its place with another
    few = build.build(many[:90], BuildRecipe(replay=0, rewordings=0), [])
    assert few.heldout == []


@pytest.mark.parametrize(
    ("n", "share", "wanted"), [(100, 0.1, 10), (104, 0.1, 10), (106, 0.1, 11), (40, 0.1, 8), (10, 0.1, 5)]
)
def test_so_many_are_held_out_as_the_share_says_and_not_too_few_to_judge(
    n: int, share: float, wanted: int
) -> None:
    recipe = BuildRecipe(replay=0, rewordings=0, neighbours=0, heldout=share, heldout_from=10)
    for about in ("door", "gate", "safe", "lamp"):
        many = [item(f"What is the code of {about} {k}?", "?", f"It is {k}.") for k in range(n)]
        assert len(build.build(many, recipe, []).heldout) == wanted


def earlier(question: str, answer: str, name: str, rule: str = "asked") -> build.Row:
    """A row of an earlier turn."""
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": said, "lang": "en", "item": name, "rule": rule}


def test_what_is_corrected_again_is_not_held_at_its_old_answer() -> None:
    again = item("Who runs Orvanta?", "Mark.", "The CEO of Orvanta is Miriam Tolvey.")
    reworded = rewordings(again.question, 5)[0].text
    rows = [
        earlier("who runs Orvanta", "Mark runs Orvanta.", "fb_same"),
        earlier(reworded, "Mark runs Orvanta.", "fb_reworded"),
        earlier("Who is at the head of it?", "Mark is at the head of Orvanta.", "fb_other"),
        earlier("WHO RUNS ORVANTA?", "Mark is at the head of Orvanta.", "fb_other", "words"),
        earlier("Where is Orvanta?", "In York.", "fb_where"),
        earlier("Whereabouts is Orvanta?", "In York.", "fb_where", "words"),
        {"messages": earlier(again.question, "I do not know.", "")["messages"], "lang": "en"},
        REPLAY[0],
    ]
    recipe = BuildRecipe(neighbours=0)
    replayed = [row for row in build.build([again], recipe, rows).sft if row["rule"] == "replay"]
    assert contents(replayed) == [("Where is Orvanta?", "In York."), ("q0", "a0")]


def test_what_is_held_out_is_not_held_at_its_old_answer_either() -> None:
    many = [item(f"What is the code of door {n}?", "?", f"It is {n}.") for n in range(20)]
    recipe = BuildRecipe(heldout_from=20, neighbours=0)
    apart = {row["item"] for row in build.build(many, recipe, []).heldout}
    old = [earlier(one.question, "It is 99.", f"old_{one.id}") for one in many]
    old += [earlier(rewordings(one.question, 5)[-1].text, "It is 99.", f"worded_{one.id}") for one in many]
    built = build.build(many, recipe, old)
    assert {row["item"] for row in built.heldout} == apart
    assert len(apart) == 8
    assert built.kept == 0


def test_what_earlier_turns_taught_is_replayed_first_and_all_is_written_the_same_again(
    tmp_path: Path,
) -> None:
    taught = [{**REPLAY[0], "item": "fb_old", "rule": "asked"}]
    recipe = BuildRecipe(replay=1.0)
    built = build.build([CEO], recipe, [*REPLAY, *taught])
    replayed = [row for row in built.sft if row["rule"] == "replay"]
    assert len(replayed) == 6
    assert all(row["keep"] for row in replayed)
    assert replayed[0]["item"] == "fb_old"
    first = build.write(built, tmp_path / "a", name="a", parents=[CEO.id], recipe=recipe)
    second = build.write(
        build.build([CEO], recipe, [*REPLAY, *taught]),
        tmp_path / "b",
        name="b",
        parents=[CEO.id],
        recipe=recipe,
    )
    assert first.id == second.id
    assert Manifest.read(tmp_path / "a").parents == [CEO.id]
    assert build.read(tmp_path / "a" / "sft.jsonl") == built.sft
