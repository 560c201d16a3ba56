"""Documents before and after their cleaning, chosen to be looked at."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from feilun.data.samples import ALL, LONGEST, Sample, excerpt, load, pick, save


def sample(number: int, *causes: str) -> Sample:
    return Sample(source="s", id=str(number), title="t", causes=list(causes), before="a", after="b")


def test_what_shows_something_new_comes_first() -> None:
    many = [sample(number, "gloss") for number in range(ALL)] + [
        sample(ALL, "gloss", "mobile"),
        sample(99, "ad"),
    ]
    found = pick(many)
    assert [one.id for one in found[:4]] == ["0", str(ALL), "99", "1"]
    assert len(found) == ALL


def test_an_excerpt_begins_shortly_before_the_first_difference() -> None:
    before = "甲" * 1000 + "（广告）" + "乙" * 1000
    old, new = excerpt(before, before.replace("（广告）", ""))
    assert (len(old), len(new)) == (LONGEST, LONGEST)
    assert "甲（广告）乙" in old
    assert "甲乙" in new


@given(st.text(max_size=900), st.text(max_size=900))
def test_excerpts_are_short_and_can_be_written(before: str, after: str) -> None:
    assert all(len(side.encode()) <= 4 * LONGEST for side in excerpt(before, after))


def test_samples_are_read_as_they_were_written(tmp_path: Path) -> None:
    save(tmp_path / "samples.json", [sample(1, "gloss"), sample(2)])
    assert load(tmp_path / "samples.json") == [sample(1, "gloss"), sample(2)]
